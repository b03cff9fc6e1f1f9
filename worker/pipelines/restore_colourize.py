"""Restore a photo, then colourize what was restored, in one attempt."""

from worker.engines import Engine
from worker.order import Options
from worker.pictures import Picture
from worker.pipelines import colourize, restore
from worker.stages import Stages


def run(engine: Engine, photo: Picture, options: Options, stage: Stages) -> Picture:
    restored = restore.run(engine, photo, options, stage)
    return colourize.run(engine, restored, options, stage)
