"""The engine: what it can do, and in which words it is asked."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import diffusers

from worker.diffusion import device
from worker.diffusion.loading import Loader
from worker.diffusion.prompts import read_prompts
from worker.engines import Model, Work
from worker.engines.qwen.editing import Editor
from worker.engines.qwen.settings import QwenSettings
from worker.failures import AttemptError
from worker.order import Options, Task
from worker.pictures import Picture
from worker.stages import Stages

PROMPTS = Path(__file__).with_name("prompts.toml")
TASKS: tuple[Task, ...] = ("restore", "colourize", "restore_colourize", "bring_together")


class QwenEngine:
    name = "qwen"

    def __init__(self, settings: QwenSettings, load: Loader) -> None:
        self._settings, self._load = settings, load
        self._prompts = read_prompts(PROMPTS)
        self._editor: Editor | None = None
        self.version = f"diffusers {diffusers.__version__}, prompts {self._prompts.version}"
        self.model: Model | None = None

    @property
    def gpu(self) -> str:
        return device.name()

    @property
    def tasks(self) -> Mapping[Task, Work]:
        return {task: partial(self._edit, task) for task in TASKS}

    def load(self) -> None:
        if self._editor is None:
            pipeline, snapshot = self._load(self._settings)
            self._editor = Editor(pipeline)
            self.model = Model(self._settings.model, snapshot.revision)

    def _edit(
        self, task: Task, photos: Sequence[Picture], options: Options, stage: Stages
    ) -> Picture:
        assert self._editor, "the weights are loaded before the work"
        if len(photos) > 1 and not self._editor.takes_several:
            raise AttemptError(
                "input", f"the engine qwen with {self._settings.model} takes one photo at a time"
            )
        with stage(task):
            return self._editor.edit(
                photos,
                prompt=self._prompts.write(task, options.note),
                negative=self._prompts.negative,
                options=options,
                stage=stage,
            )
