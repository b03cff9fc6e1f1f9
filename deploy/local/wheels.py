"""Tools from Python packages, pinned by hash, each in a folder of its own.

Standard library only: the set-up runs this before any environment exists.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.local import packages
from deploy.local.places import LOCKS, TOOLS
from deploy.local.trouble import StackError

INSTALL_TIMEOUT_S = 1200
MACHINE_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PIP_WHEEL_FOLDERS = ("/usr/share/python-wheels",)


def uv() -> Path:
    """Return the pinned uv, installed by whatever pip can be found."""
    program = TOOLS / "uv" / "bin" / "uv"
    stamp = TOOLS / "uv" / ".complete"
    lock = LOCKS / "uv.txt"
    if is_current(stamp, [lock]):
        return program
    command, environment = pip()
    shutil.rmtree(TOOLS / "uv", ignore_errors=True)
    arguments = ["install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    hashed = ["--require-hashes", "--target", str(TOOLS / "uv"), "-r", str(lock)]
    run([*command, *arguments, *hashed], environment=environment)
    write_stamp(stamp, [lock])
    return program


def tool(name: str) -> Path:
    """Return the folder of one locked tool, installed when it is first asked for."""
    folder = TOOLS / name
    stamp = folder / ".complete"
    lock = LOCKS / f"{name}.txt"
    if is_current(stamp, [lock]):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    hashed = ["--require-hashes", "--target", str(folder), "-r", str(lock)]
    run([str(uv()), "pip", "install", "--quiet", "--python", sys.executable, *hashed])
    write_stamp(stamp, [lock])
    return folder


def is_current(stamp: Path, files: Sequence[Path]) -> bool:
    return stamp.is_file() and stamp.read_text() == _fingerprint(stamp, files)


def write_stamp(stamp: Path, files: Sequence[Path]) -> None:
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(_fingerprint(stamp, files))


def run(command: Sequence[str], *, environment: dict[str, str] | None = None) -> str:
    """Run an installer; when it fails, say its own last words and the mend."""
    try:
        outcome = subprocess.run(
            command,
            env={**os.environ, **_uv_settings(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise StackError(
            f"Installing Python packages did not finish in {INSTALL_TIMEOUT_S} s: check the "
            "network, then start again."
        ) from late
    if outcome.returncode:
        words = " ".join(outcome.stderr.split())[-400:]
        raise StackError(
            f"Installing Python packages failed: check the network and the disk, then start "
            f"again. It said: {words}"
        )
    return outcome.stdout


def _uv_settings() -> dict[str, str]:
    """Trust whom the machine trusts, and cache where this user may write."""
    settings = {}
    if MACHINE_CERTIFICATES.exists():
        settings["UV_SYSTEM_CERTS"] = "true"
    if not os.access(Path.home(), os.W_OK):
        settings["UV_CACHE_DIR"] = str(TOOLS / "cache")
    return settings


def _fingerprint(stamp: Path, files: Sequence[Path]) -> str:
    content = b"".join(file.read_bytes() for file in files)
    # Environments and tools remember their place and their Python.
    return f"{hashlib.sha256(content).hexdigest()}\n{stamp}\n{sys.version_info[:2]}\n"


def pip() -> tuple[list[str], dict[str, str]]:
    """Return whatever pip can be found: its command, and the environment it needs."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"], {}
    folders = [Path(folder) for folder in PIP_WHEEL_FOLDERS]
    if ensurepip := importlib.util.find_spec("ensurepip"):
        folders.append(Path(str(ensurepip.origin)).parent / "_bundled")
    wheels = [wheel for folder in folders for wheel in sorted(folder.glob("pip-*.whl"))]
    if not wheels:
        if not packages.apt_is_there():
            raise StackError("Python has no pip here: install pip, then start again.")
        copy = packages.unpacked("pip", ["python3-pip-whl"])
        wheels = sorted(copy.glob("usr/share/python-wheels/pip-*.whl"))
    return [sys.executable, "-m", "pip"], {"PYTHONPATH": str(wheels[-1])}
