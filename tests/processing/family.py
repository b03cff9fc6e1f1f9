"""Which processes are alive, and whose children they are."""

from contextlib import suppress
from pathlib import Path


def children_of(parent: int) -> list[int]:
    """The processes that `parent` started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
    return found


def is_alive(pid: int) -> bool:
    """Whether it runs; one that ended and was not fetched by its parent does not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
