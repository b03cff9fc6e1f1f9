"""The CPU engine: classical methods, no trained weights, seconds per photo on one core."""

from worker.engines.cpu.colourization import colourize
from worker.engines.cpu.restoration import restore
from worker.pictures import Picture


class CpuEngine:
    name = "cpu"
    version = "1"
    gpu = "cpu"

    def restore(self, photo: Picture, *, seed: int, note: str | None) -> Picture:
        del note  # nothing in a classical restoration can follow words
        return restore(photo, seed=seed)

    def colourize(self, photo: Picture, *, seed: int, note: str | None) -> Picture:
        del seed, note  # nothing here is drawn by lot, and words need a model that reads
        return colourize(photo)


def create() -> CpuEngine:
    return CpuEngine()
