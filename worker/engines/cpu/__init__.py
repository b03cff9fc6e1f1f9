"""The CPU engine: small networks and classical methods, seconds per photo on two cores."""

from collections.abc import Mapping, Sequence
from typing import get_args

from worker.clips import Clip
from worker.engines import Model, Work
from worker.engines.cpu import networks
from worker.engines.cpu.colourization import colourize
from worker.engines.cpu.motion import MOTION, animate
from worker.engines.cpu.restoration import restore
from worker.engines.cpu.togetherness import COMPOSITION, bring_together
from worker.engines.cpu.wishes import NO_COLOURS, read_wishes, refused
from worker.order import Options, Task
from worker.pictures import Picture
from worker.stages import Stages


class CpuEngine:
    name = "cpu"
    version = "3"
    gpu = "cpu"
    model: Model | None = None  # its weights are part of its version

    @property
    def tasks(self) -> Mapping[Task, Work]:
        return {
            "restore": self._restore_only,
            "colourize": self._colourize,
            "restore_colourize": self._restore_colourize,
            "bring_together": self._bring_together,
            "animate": self._animate,
        }

    def load(self) -> None:
        for name in get_args(networks.Name):
            networks.load(name)

    def restore(self, photo: Picture, *, seed: int) -> Picture:
        return restore(photo, seed=seed)

    def _restore(self, photos: Sequence[Picture], options: Options, stage: Stages) -> Picture:
        with stage("restore"):
            return self.restore(photos[0], seed=options.seed)

    def _restore_only(self, photos: Sequence[Picture], options: Options, stage: Stages) -> Picture:
        """A note is read here as well, so that nobody wonders where a wish went."""
        restored = self._restore(photos, options, stage)
        ignored = refused(read_wishes(options.note), NO_COLOURS)
        stage.facts["hints"] = {"applied": [], "ignored": ignored}
        return restored

    def _colourize(self, photos: Sequence[Picture], options: Options, stage: Stages) -> Picture:
        with stage("colourize"):
            coloured = colourize(photos[0], note=options.note)
        stage.facts["hints"] = {"applied": coloured.applied, "ignored": coloured.ignored}
        return coloured.picture

    def _restore_colourize(
        self, photos: Sequence[Picture], options: Options, stage: Stages
    ) -> Picture:
        return self._colourize([self._restore(photos, options, stage)], options, stage)

    def _bring_together(
        self, photos: Sequence[Picture], _options: Options, stage: Stages
    ) -> Picture:
        with stage("bring_together"):
            together = bring_together(photos)
        stage.facts["made"] = COMPOSITION
        return together

    def _animate(self, photos: Sequence[Picture], _options: Options, stage: Stages) -> Clip:
        with stage("animate"):
            clip = animate(photos[0], stage)
        stage.facts["made"] = MOTION
        return clip


def create() -> CpuEngine:
    return CpuEngine()
