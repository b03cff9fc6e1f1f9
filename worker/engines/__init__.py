"""Engines: what turns one picture into another, chosen by the environment variable ENGINE.

An engine is a module or package of this folder with one function, `create()`. Adding one is adding
its file; nothing else lists them.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import Protocol

from worker.pictures import Picture


class Engine(Protocol):
    """What every engine can do, and how it names itself in every answer."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def gpu(self) -> str:
        """The hardware it runs on, for the cost of an attempt."""

    def restore(self, photo: Picture, *, seed: int, note: str | None) -> Picture: ...

    def colourize(self, photo: Picture, *, seed: int, note: str | None) -> Picture: ...


def load_engine(name: str) -> Engine:
    known = sorted(module.name for module in iter_modules(__path__))
    if name not in known:
        raise SystemExit(f"ENGINE={name} is unknown; there are: {', '.join(known)}")
    engine: Engine = import_module(f"{__name__}.{name}").create()
    return engine
