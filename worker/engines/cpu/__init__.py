"""The CPU engine: classical methods, no trained weights, seconds per photo on one core."""

from collections.abc import Mapping, Sequence

from worker.engines import Model, Work
from worker.engines.cpu.colourization import colourize
from worker.engines.cpu.restoration import restore
from worker.order import Options, Task
from worker.pictures import Picture
from worker.stages import Stages


class CpuEngine:
    name = "cpu"
    version = "1"
    gpu = "cpu"
    model: Model | None = None

    @property
    def tasks(self) -> Mapping[Task, Work]:
        return {
            "restore": self._restore,
            "colourize": self._colourize,
            "restore_colourize": self._restore_colourize,
        }

    def load(self) -> None:
        """Nothing to bring: there are no weights."""

    def restore(self, photo: Picture, *, seed: int, note: str | None) -> Picture:
        del note  # nothing in a classical restoration can follow words
        return restore(photo, seed=seed)

    def colourize(self, photo: Picture, *, seed: int, note: str | None) -> Picture:
        del seed, note  # nothing here is drawn by lot, and words need a model that reads
        return colourize(photo)

    def _restore(self, photos: Sequence[Picture], options: Options, stage: Stages) -> Picture:
        with stage("restore"):
            return self.restore(photos[0], seed=options.seed, note=options.note)

    def _colourize(self, photos: Sequence[Picture], options: Options, stage: Stages) -> Picture:
        with stage("colourize"):
            return self.colourize(photos[0], seed=options.seed, note=options.note)

    def _restore_colourize(
        self, photos: Sequence[Picture], options: Options, stage: Stages
    ) -> Picture:
        return self._colourize([self._restore(photos, options, stage)], options, stage)


def create() -> CpuEngine:
    return CpuEngine()
