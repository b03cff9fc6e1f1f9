"""Restore one photo."""

from worker.engines import Engine
from worker.order import Options
from worker.pictures import Picture
from worker.stages import Stages


def run(engine: Engine, photo: Picture, options: Options, stage: Stages) -> Picture:
    with stage("restore"):
        return engine.restore(photo, seed=options.seed, note=options.note)
