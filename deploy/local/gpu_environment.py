"""The environment that tests/gpu runs in: the GPU worker's packages on a CPU build of PyTorch.

`make test` calls it; `make setup` and `make run` do not, which need none of its 1.6 GB. PyTorch has
no hash here, because which of its builds is taken depends on the machine: a wheel in a folder that
pip was told of, for example by PIP_FIND_LINKS, or else the CPU build that uv finds where PyTorch
publishes it. The package index alone would give the CUDA build, which is gigabytes.
"""

import re
import sys

from deploy.local import wheels
from deploy.local.places import GPU_PYTHON, LOCKS, ROOT
from deploy.local.trouble import StackError, plain_words, require_free_space

FREE_BYTES_MIN = 3 * 1024**3
LOCK = LOCKS / "gpu-tests.txt"
FEATURES_LOCK = LOCKS / "features.txt"
IMAGE_LOCK = ROOT / "worker" / "requirements-gpu.txt"


def main() -> int:
    try:
        with plain_words():
            set_up()
    except StackError as trouble:
        print(f"\n{trouble}", file=sys.stderr)
        return 2
    return 0


def set_up() -> None:
    stamp = GPU_PYTHON.parent.parent / ".rekindle-complete"
    if wheels.is_current(stamp, [LOCK, FEATURES_LOCK, IMAGE_LOCK]):
        return
    require_free_space(ROOT, bytes_min=FREE_BYTES_MIN)
    print("Setting up the GPU engines' tests: this takes a minute the first time.", flush=True)
    uv = str(wheels.uv())
    folder = GPU_PYTHON.parent.parent
    wheels.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)])
    _install_torch(uv)
    locked = [
        "--no-deps",
        "--require-hashes",
        "--compile-bytecode",
        "-r",
        str(LOCK),
        "-r",
        str(FEATURES_LOCK),
    ]
    wheels.run([uv, "pip", "install", "--quiet", "--python", str(GPU_PYTHON), *locked])
    wheels.write_stamp(stamp, [LOCK, FEATURES_LOCK, IMAGE_LOCK])


def _install_torch(uv: str) -> None:
    release = _release_of_torch()
    command, environment = wheels.pip()
    on_disk = ["install", "--quiet", "--no-index", "--no-deps", release]
    try:
        wheels.run([*command, "--python", str(GPU_PYTHON), *on_disk], environment=environment)
    except StackError:
        published = ["--no-deps", "--torch-backend", "cpu", release]
        wheels.run([uv, "pip", "install", "--quiet", "--python", str(GPU_PYTHON), *published])


def _release_of_torch() -> str:
    """Take the one the image has, so that both change together."""
    found = re.search(r"^torch==[\d.]+", IMAGE_LOCK.read_text(), re.MULTILINE)
    assert found, "the image's lock names PyTorch"
    return found[0]


if __name__ == "__main__":
    sys.exit(main())
