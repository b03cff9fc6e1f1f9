"""What processes hold on to: memory, descriptors, temporary files. A leak is what grows."""

import os
from dataclasses import dataclass
from pathlib import Path

from services.processing.sandbox import Sandbox
from tests.processing.family import children_of

GROWTH_BYTES_MAX = 48 * 2**20
"""Caches and the allocator settle within this; a leak of 1 KB per file shows after 50,000."""


@dataclass(frozen=True, slots=True)
class Held:
    """What the service's process and its wardens hold at one moment."""

    service_bytes: int
    warden_bytes: int
    descriptors: int
    children: int
    temporary_files: int

    def growth_to(self, later: "Held") -> list[str]:
        """What has grown more than it may."""
        grown = {
            "the service's memory": later.service_bytes - self.service_bytes - GROWTH_BYTES_MAX,
            "the wardens' memory": later.warden_bytes - self.warden_bytes - GROWTH_BYTES_MAX,
            "descriptors": later.descriptors - self.descriptors,
            "processes": later.children - self.children,
            "temporary files": later.temporary_files - self.temporary_files,
        }
        return [what for what, by in grown.items() if by > 0]


def held(box: Sandbox, folder: Path) -> Held:
    """Look at this process and the wardens of a sandbox that has nothing to do."""
    wardens = [w._process.pid for w in box._all if w._process]
    return Held(
        service_bytes=_resident(os.getpid()),
        warden_bytes=max(map(_resident, wardens), default=0),
        descriptors=sum(map(_descriptors, (os.getpid(), *wardens))),
        children=sum(len(children_of(pid)) for pid in wardens),
        temporary_files=len(list(folder.iterdir())),
    )


def _descriptors(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
