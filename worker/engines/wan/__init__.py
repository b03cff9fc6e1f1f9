"""The engine of Wan 2.2 (A14B): brings one photo to life for a few seconds, on a GPU.

What it is told is data: the prompts in `prompts.toml`, the presets in `filming.py`, and settings
from the environment (`settings.py`).
"""

from worker.diffusion.settings import read_settings
from worker.engines.wan.engine import WanEngine
from worker.engines.wan.loading import load
from worker.engines.wan.settings import WanSettings


def create() -> WanEngine:
    return WanEngine(read_settings(WanSettings, "WAN_"), load)
