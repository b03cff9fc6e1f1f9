"""Pipelines: which steps of an engine make up a task. Adding a task is adding its module here."""

from collections.abc import Callable, Mapping

from worker.engines import Engine
from worker.order import Options, Task
from worker.pictures import Picture
from worker.pipelines import colourize, restore, restore_colourize
from worker.stages import Stages

Pipeline = Callable[[Engine, Picture, Options, Stages], Picture]

PIPELINES: Mapping[Task, Pipeline] = {
    "restore": restore.run,
    "colourize": colourize.run,
    "restore_colourize": restore_colourize.run,
}
