"""What a decoding process can be asked: each task by its name, with JSON in and a dataclass out.

Imported by the warden only, so that nobody else pays for OpenCV or runs a decoder.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from services.processing import checking, imaging, walls


def prepare(source: str, master: str, thumbnail: str, quad: Any) -> imaging.Prepared:
    return imaging.prepare(Path(source), quad=quad, master=Path(master), thumbnail=Path(thumbnail))


def check(path: str, **expected: Any) -> checking.Result:
    return checking.check(Path(path), **expected)


TASKS: dict[str, Callable[..., Any]] = {"prepare": prepare, "check": check, "look": walls.look}
