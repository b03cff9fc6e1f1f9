"""Before and after, side by side, to look at: `make sheets [photos=folder]`.

Each photo as it is, restored, and restored and coloured, written to `bench/results/sheets/`.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from bench.report import RESULTS
from worker.engines.cpu.colourization import colourize
from worker.engines.cpu.restoration import restore
from worker.pictures import Picture, decode, encode

PHOTOS = Path("../shared/photos")
SHORT_SIDE_MAX = 720
GAP = 12
ENDINGS = (".jpg", ".jpeg", ".png", ".webp")


def main(folder: Path) -> int:
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in ENDINGS)
    if not paths:
        print(f"{folder} has no photos: name a folder with `make sheets photos=folder`")
        return 2
    sheets = RESULTS / "sheets"
    sheets.mkdir(parents=True, exist_ok=True)
    for path in paths:
        sheet = sheets / f"{path.stem}.png"
        sheet.write_bytes(encode(_sheet(path)))
        print(sheet, flush=True)
    return 0


def _sheet(path: Path) -> Picture:
    photo = decode(path.read_bytes(), short_side_max=SHORT_SIDE_MAX)
    restored = restore(photo, seed=1)
    gap = np.full((photo.shape[0], GAP, 3), 255, np.uint8)
    shown = [photo, gap, restored, gap, colourize(restored).picture]
    return np.asarray(cv2.hconcat(shown), np.uint8)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else PHOTOS))
