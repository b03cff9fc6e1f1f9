"""Our own way from a file to a master and a thumbnail, told what to do as the peers are."""

import tempfile
from pathlib import Path

from bench.peers import images
from services.processing import imaging, proposing


def prepared(path: Path, side: int) -> tuple[int, int]:
    """The service's own preparation, to a master of that side."""
    with tempfile.TemporaryDirectory(prefix="rekindle-bench-") as folder:
        master, thumbnail = Path(folder) / "master", Path(folder) / "thumbnail"
        # The whole picture: looking for corners has a benchmark of its own.
        whole = proposing.UNSURE.quad
        made = imaging.prepare(path, quad=whole, master=master, thumbnail=thumbnail, side_max=side)
        assert master.stat().st_size
        assert thumbnail.stat().st_size
    return made.width, made.height


if __name__ == "__main__":
    images.main({"ours": prepared})
