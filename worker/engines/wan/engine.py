"""The engine: what it can do, and in which words it is asked."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import diffusers

from worker.clips import Clip
from worker.diffusion import device
from worker.diffusion.loading import Loader
from worker.diffusion.prompts import read_prompts
from worker.engines import Model, Work
from worker.engines.wan.filming import Filmer
from worker.engines.wan.settings import WanSettings
from worker.order import Options, Task
from worker.pictures import Picture
from worker.stages import Stages

PROMPTS = Path(__file__).with_name("prompts.toml")


class WanEngine:
    name = "wan"

    def __init__(self, settings: WanSettings, load: Loader) -> None:
        self._settings, self._load = settings, load
        self._prompts = read_prompts(PROMPTS)
        self._filmer: Filmer | None = None
        self.version = f"diffusers {diffusers.__version__}, prompts {self._prompts.version}"
        self.model: Model | None = None

    @property
    def gpu(self) -> str:
        return device.name()

    @property
    def tasks(self) -> Mapping[Task, Work]:
        return {"animate": self._animate}

    def load(self) -> None:
        if self._filmer is None:
            pipeline, snapshot = self._load(self._settings)
            self._filmer = Filmer(pipeline, self._settings)
            self.model = Model(self._settings.model, snapshot.revision)

    def _animate(self, photos: Sequence[Picture], options: Options, stage: Stages) -> Clip:
        assert self._filmer, "the weights are loaded before the work"
        with stage("animate"):
            return self._filmer.film(
                photos[0],
                prompt=self._prompts.write("animate", options.note),
                negative=self._prompts.negative,
                options=options,
                stage=stage,
            )
