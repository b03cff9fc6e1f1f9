"""Where things are kept: everything the stack downloads or writes is below the project folder."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRIVATE = ROOT / ".rekindle"
PACKAGES = PRIVATE / "packages"
TOOLS = PRIVATE / "tools"
WORKER_PYTHON = PRIVATE / "worker-venv" / "bin" / "python"
GPU_PYTHON = PRIVATE / "gpu-venv" / "bin" / "python"
BENCH_PYTHON = PRIVATE / "bench-venv" / "bin" / "python"
PROJECT_PYTHON = ROOT / ".venv" / "bin" / "python"
LOCKS = ROOT / "deploy" / "locks"
WEB = ROOT / "web"
WEB_EXPORT = WEB / "out"
DEFINITIONS = ROOT / "deploy" / "rabbitmq" / "definitions.json"


def python_tool(name: str) -> Path:
    """Find a program that came with a Python package of this environment."""
    return Path(sys.executable).parent / name
