"""Engines: what turns photos into a result, chosen by the environment variable ENGINE.

An engine is a module or package of this folder with one function, `create()`. Adding one is adding
its file; nothing else lists them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Protocol

from worker.clips import Clip
from worker.order import Options, Task
from worker.pictures import Picture
from worker.stages import Stages

Work = Callable[[Sequence[Picture], Options, Stages], Picture | Clip]
"""One task: `animate` gives a clip; every other a picture of the first photo's size.

It raises `AttemptError` for what it can name, and anything else is sorted by `failures`.
"""


@dataclass(frozen=True, slots=True)
class Model:
    """The weights that made a result: `revision` is the commit of the repository `id`."""

    id: str
    revision: str


class Engine(Protocol):
    """What every engine can do, and how it names itself in every answer."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def gpu(self) -> str:
        """The hardware it runs on, for the cost of an attempt."""

    @property
    def model(self) -> Model | None:
        """Its weights; None before `load`, and for an engine that has none."""

    @property
    def tasks(self) -> Mapping[Task, Work]:
        """What it can do. Anything else is refused in its name."""

    def load(self) -> None:
        """Bring the weights to where they work; nothing if they are there.

        `AttemptError` of the class `infra` if they are not on this machine.
        """


def load_engine(name: str) -> Engine:
    known = sorted(module.name for module in iter_modules(__path__))
    if name not in known:
        raise SystemExit(f"ENGINE={name} is unknown; there are: {', '.join(known)}")
    try:
        module = import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as missing:
        raise SystemExit(
            f"ENGINE={name} needs {missing.name}, which is not installed here: the GPU image has "
            "it (worker/requirements-gpu.txt)."
        ) from None
    engine: Engine = module.create()
    return engine
