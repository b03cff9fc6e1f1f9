"""Private copies of the distribution's own signed packages.

Nothing is installed: `apt-get download` checks the distribution's signatures, `dpkg-deb -x`
unpacks below `.rekindle/packages`. Mirrors, keys and proxies are those of the machine's own apt
configuration; only its lists and caches are ours, so an ordinary user may do this as well.

Standard library only: the set-up runs this before any environment exists.
"""

import fcntl
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.places import PACKAGES
from deploy.local.trouble import StackError, require_free_space

UPDATE_TIMEOUT_S = 300
LISTS_FRESH_S = 600
DOWNLOAD_TIMEOUT_S = 900
UNPACK_TIMEOUT_S = 120
DEPENDENCY_DEPTH_MAX = 12
PACKAGES_MAX = 200
UNPACKED_BYTES_MIN = 700 * 1024 * 1024

# Every Debian has these, and LLVM only serves PostgreSQL's jit, which stays off.
ALWAYS_THERE = re.compile(r"lib(c6|gcc-s1|crypt1|c-bin|llvm\d.*|perl.*|python.*)$|gcc-.*-base$")
ONLY_JIT = re.compile(r"libllvm\d")
FOLLOWED = re.compile(r"lib|erlang-|zlib1g$|postgresql-\d+$")
KEYRINGS = ("debian-archive-keyring.gpg", "debian-archive-keyring.pgp")


@dataclass(frozen=True)
class Source:
    """One line of the machine's apt configuration, as apt itself reads it."""

    uri: str
    release: str
    component: str
    file: Path


def apt_is_there() -> bool:
    return all(shutil.which(tool) for tool in ("apt-get", "apt-cache", "dpkg-deb"))


def codename() -> str:
    """Name the distribution's release, such as bookworm or noble."""
    facts = dict(
        line.split("=", 1)
        for line in Path("/etc/os-release").read_text().splitlines()
        if "=" in line
    )
    return facts.get("VERSION_CODENAME", "").strip('"')


def unpacked(
    name: str,
    wanted: Sequence[str],
    *,
    suite: str | None = None,
    finish: Callable[[Path], None] | None = None,
) -> Path:
    """Return the folder of a private copy of these packages and the libraries they need.

    `suite` takes them from another release of the same distribution, C library included.
    `finish` is run once on the new folder, to make it runnable from where it is.
    """
    folder = PACKAGES / name
    stamp = folder / ".complete"
    # A moved project folder needs a new copy: programs remember where they are.
    complete = f"{folder}\n{suite or codename()}\n{' '.join(wanted)}\n"
    with _only_one_at_a_time():
        if stamp.is_file() and stamp.read_text() == complete:
            return folder
        require_free_space(PACKAGES, bytes_min=UNPACKED_BYTES_MIN)
        apt = Apt(suite)
        apt.update()
        debs = apt.download(apt.closure(wanted), into=PACKAGES / f".{name}.debs")
        shutil.rmtree(folder, ignore_errors=True)
        for deb in debs:
            _run(["dpkg-deb", "-x", str(deb), str(folder)], timeout_s=UNPACK_TIMEOUT_S)
        shutil.rmtree(PACKAGES / f".{name}.debs")
        if finish:
            finish(folder)
        stamp.write_text(complete)
    return folder


def libraries(folder: Path) -> str:
    """List a private copy's library folders, as LD_LIBRARY_PATH wants them."""
    found = [*folder.glob("usr/lib/*-linux-gnu*"), *folder.glob("lib/*-linux-gnu*")]
    return ":".join(str(place) for place in sorted(found) if place.is_dir())


class Apt:
    """The machine's apt with lists and caches of our own."""

    def __init__(self, suite: str | None = None) -> None:
        if not apt_is_there():
            raise StackError("This machine has no apt: only Debian and Ubuntu have signed packages")
        self.suite = suite
        self.folder = PACKAGES / ".apt" / (suite or codename())
        for part in ("lists/partial", "cache/archives/partial", "sources"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()
        self._write_sources()

    def update(self) -> None:
        """Fetch the signed lists; a third party's broken mirror is not our trouble."""
        fetched = self.folder / "fetched"
        if fetched.exists() and time.time() - fetched.stat().st_mtime < LISTS_FRESH_S:
            return
        outcome = self._apt("apt-get", "update", "-qq", timeout_s=UPDATE_TIMEOUT_S, check=False)
        if not any(self.folder.glob("lists/*_Packages*")):
            raise StackError(
                "The distribution's package lists could not be fetched: check the network and "
                f"that `apt-get update` works here ({_last_line(outcome.stderr)})."
            )
        if outcome.returncode == 0:
            fetched.touch()

    def closure(self, wanted: Sequence[str]) -> list[str]:
        """Name these packages and, again and again, the libraries they need."""
        found: dict[str, None] = {}
        level = list(wanted)
        for _ in range(DEPENDENCY_DEPTH_MAX):
            level = [name for name in dict.fromkeys(level) if name not in found]
            if not level:
                break
            found.update(dict.fromkeys(level))
            level = [name for name in self._needs(level) if self._is_followed(name)]
        if len(found) > PACKAGES_MAX:
            raise StackError(f"{wanted[0]} needs more than {PACKAGES_MAX} packages here.")
        return list(found)

    def download(self, names: Sequence[str], *, into: Path) -> list[Path]:
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir(parents=True)
        outcome = self._apt(
            "apt-get", "download", "-qq", *names, cwd=into, timeout_s=DOWNLOAD_TIMEOUT_S
        )
        debs = sorted(into.glob("*.deb"))
        if len(debs) < len(names):
            raise StackError(
                f"Only {len(debs)} of {len(names)} packages arrived: check the network, then "
                f"start again ({_last_line(outcome.stderr)})."
            )
        return debs

    def _needs(self, names: Sequence[str]) -> list[str]:
        shown = self._apt("apt-cache", "show", "--no-all-versions", *names).stdout
        fields = re.findall(r"^(?:Pre-)?Depends: (.*)$", shown, re.MULTILINE)
        alternatives = [
            dependency.split("|")[0] for field in fields for dependency in field.split(",")
        ]
        return [re.split(r"[ (:]", first.strip())[0] for first in alternatives]

    def _is_followed(self, name: str) -> bool:
        if self.suite:  # another release's programs need its C library too
            return bool(FOLLOWED.match(name)) and not ONLY_JIT.match(name)
        return bool(FOLLOWED.match(name)) and not ALWAYS_THERE.match(name)

    def _write_sources(self) -> None:
        sources = _sources()
        own = [source for source in sources if source.release.startswith(codename())]
        folder = self.folder / "sources"
        shutil.rmtree(folder)
        folder.mkdir()
        if self.suite is None:
            for file in {source.file for source in own or sources}:
                shutil.copy(file, folder / file.name)
            return
        main = [source.uri for source in own if source.component == "main"]
        keyring = next(
            (path for name in KEYRINGS if (path := Path("/usr/share/keyrings") / name).exists()),
            None,
        )
        if not main or not keyring:
            raise StackError(f"Packages of {self.suite} can only be taken on a Debian machine.")
        (folder / f"{self.suite}.sources").write_text(
            f"Types: deb\nURIs: {main[0]}\nSuites: {self.suite}\nComponents: main\n"
            f"Signed-By: {keyring}\n"
        )

    def _apt(
        self,
        tool: str,
        *arguments: str,
        cwd: Path | None = None,
        timeout_s: int = UNPACK_TIMEOUT_S,
        check: bool = True,
    ) -> "subprocess.CompletedProcess[str]":
        settings = {
            "Dir::Etc::sourcelist": "/dev/null",
            "Dir::Etc::sourceparts": self.folder / "sources",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State::lists": self.folder / "lists",
            "Dir::State::status": self.folder / "status",
            "Dir::Cache": self.folder / "cache",
            "Dir::Cache::pkgcache": "pkgcache.bin",
            "APT::Sandbox::User": "root",
            "APT::Update::Post-Invoke-Success::": "",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
        }
        options = [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]
        return _run([tool, *options, *arguments], cwd=cwd, timeout_s=timeout_s, check=check)


def _sources() -> list[Source]:
    wanted = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SOURCESENTRY)"
    shown = _run(
        [
            "apt-get",
            "indextargets",
            "--no-release-info",
            "--format",
            wanted,
            "Created-By: Packages",
        ],
        timeout_s=UNPACK_TIMEOUT_S,
    ).stdout
    sources = []
    for line in dict.fromkeys(shown.splitlines()):
        uri, release, component, entry = line.split("|")
        sources.append(Source(uri, release, component, Path(entry.rsplit(":", 1)[0])))
    if not sources:
        raise StackError("apt knows no package sources here: mend /etc/apt, then start again.")
    return sources


@contextmanager
def _only_one_at_a_time() -> Iterator[None]:
    PACKAGES.mkdir(parents=True, exist_ok=True)
    with (PACKAGES / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(
    command: Sequence[str], *, timeout_s: int, cwd: Path | None = None, check: bool = True
) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        outcome = subprocess.run(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise StackError(
            f"{command[0]} did not finish in {timeout_s} s: check the network, then start again."
        ) from late
    if check and outcome.returncode:
        raise StackError(
            f"{command[0]} failed ({_last_line(outcome.stderr)}): check the network and the disk, "
            "then start again."
        )
    return outcome


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
