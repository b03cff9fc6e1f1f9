"""The set-up: environments from hash-pinned locks and private copies of the servers.

Run by the machine's own Python, standard library only. What is current is left alone, so this
costs nothing when there is nothing to do. Nothing is installed outside the project folder.
"""

import os
import sys
import time

PYTHON_MIN = (3, 11)

if sys.version_info < PYTHON_MIN:
    sys.exit(
        "Rekindle needs Python 3.11 or newer and this is "
        f"{sys.version.split()[0]}: install one, then `make run PYTHON=python3.11`."
    )

from concurrent.futures import Future, ThreadPoolExecutor  # noqa: E402 - only after that sentence
from pathlib import Path  # noqa: E402

from deploy.local import postgres, rabbitmq, web, wheels  # noqa: E402
from deploy.local.places import LOCKS, PRIVATE, PROJECT_PYTHON, ROOT, WORKER_PYTHON  # noqa: E402
from deploy.local.trouble import StackError, plain_words, require_free_space  # noqa: E402

FREE_BYTES_MIN = 3 * 1024**3
APP_LOCKS = (LOCKS / "all.txt", LOCKS / "build.txt", ROOT / "pyproject.toml")
WORKER_LOCKS = (ROOT / "worker" / "requirements.txt",)


def main() -> int:
    try:
        with plain_words():
            set_up()
    except StackError as trouble:
        print(f"\n{trouble}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped; the next start goes on from here.", file=sys.stderr)
        return 2
    return 0


def set_up() -> None:
    """Bring both environments, the servers and the app up to date, all at once."""
    app = PROJECT_PYTHON.parent.parent / ".rekindle-complete"
    worker = WORKER_PYTHON.parent.parent / ".rekindle-complete"
    PRIVATE.mkdir(exist_ok=True)
    environments = wheels.is_current(app, APP_LOCKS) and wheels.is_current(worker, WORKER_LOCKS)
    if environments and web.is_current():
        return
    require_free_space(ROOT, bytes_min=FREE_BYTES_MIN)
    began = time.monotonic()
    print("Setting up: this takes a minute or two the first time.", flush=True)
    wheels.uv()
    with ThreadPoolExecutor() as pool:
        _finish(
            [
                pool.submit(_app_environment, app),
                pool.submit(_worker_environment, worker),
                pool.submit(_servers),
                pool.submit(web.make),
            ]
        )
    print(f"Set up after {time.monotonic() - began:.0f} s.", flush=True)


def _app_environment(stamp: Path) -> None:
    if wheels.is_current(stamp, APP_LOCKS):
        return
    environment(PROJECT_PYTHON, LOCKS / "all.txt")
    project = ["-e", str(ROOT), "--no-deps", "--build-constraints", str(LOCKS / "build.txt")]
    _uv("pip", "install", "--quiet", "--python", str(PROJECT_PYTHON), *project)
    wheels.write_stamp(stamp, APP_LOCKS)
    print("  the services' environment is ready", flush=True)


def _worker_environment(stamp: Path) -> None:
    if wheels.is_current(stamp, WORKER_LOCKS):
        return
    environment(WORKER_PYTHON, WORKER_LOCKS[0])
    wheels.write_stamp(stamp, WORKER_LOCKS)
    print("  the worker's environment is ready", flush=True)


def environment(python: Path, lock: Path) -> None:
    """Make the environment of this interpreter hold exactly what the lock names."""
    folder = python.parent.parent
    if not (python.exists() and _is_of_this_python(folder)):
        _uv("venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
    exactly = ["--require-hashes", "--build-constraints", str(LOCKS / "build.txt")]
    exactly += ["--compile-bytecode", str(lock)]
    _uv("pip", "sync", "--quiet", "--python", str(python), *exactly)


def _servers() -> None:
    """Fetch the servers now, unless the environment names running ones."""
    if "DATABASE_URL" not in os.environ:
        print(f"  PostgreSQL is ready ({postgres.find().origin})", flush=True)
    if "AMQP_URL" not in os.environ:
        print(f"  RabbitMQ is ready ({rabbitmq.find().origin})", flush=True)


def _is_of_this_python(environment: Path) -> bool:
    wanted = f"{sys.version_info.major}.{sys.version_info.minor}."
    facts = environment / "pyvenv.cfg"
    return facts.is_file() and f"version_info = {wanted}" in facts.read_text()


def _uv(*arguments: str) -> None:
    wheels.run([str(wheels.uv()), *arguments])


def _finish(jobs: "list[Future[None]]") -> None:
    for job in jobs:
        job.result()


if __name__ == "__main__":
    sys.exit(main())
