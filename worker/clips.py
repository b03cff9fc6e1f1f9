"""A short film: its frames, its file, and whether it can be shown to anyone.

Encoding is H.264 in MP4 by PyAV, which brings its own FFmpeg and is imported when it is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np

from worker.failures import AttemptError
from worker.pictures import BLANK_DEVIATION, Picture

SECONDS_MAX = 6.0
BYTES_MAX = 50 * 1024 * 1024
QUALITY = "18"  # x264's constant rate factor: visually without loss
PRESET = "medium"
# The same frames are to give the same bytes. With several threads they depend on the number of
# cores; and x264's macroblock tree was seen to give others from one call to the next.
REPEATABLE = {"threads": "1", "x264-params": "mbtree=0"}
BT_601, NOT_FULL = 6, 1  # as FFmpeg numbers what OpenCV's conversion to YUV makes


@dataclass(frozen=True, slots=True)
class Clip:
    """Frames of one size, BGR, both sides even as H.264 wants them."""

    frames: Sequence[Picture]
    frames_per_second: int

    @property
    def seconds(self) -> float:
        return len(self.frames) / self.frames_per_second


def check_clip(clip: Clip) -> None:
    """Refuse what nobody should see."""
    if len({frame.shape for frame in clip.frames}) != 1:
        raise AttemptError("model", "the clip has no frames, or frames of several sizes")
    if clip.seconds > SECONDS_MAX:
        raise AttemptError("model", f"the clip lasts {clip.seconds:.1f} seconds")
    if min(float(frame.std()) for frame in clip.frames) < BLANK_DEVIATION:
        raise AttemptError("model", "a frame of the clip is blank")


def encode_clip(clip: Clip) -> bytes:
    """H.264 in MP4, its index first, so that a browser plays before it has everything."""
    import av  # noqa: PLC0415

    with TemporaryDirectory() as folder:
        # FFmpeg opens the file a second time to bring the index to its front.
        file = Path(folder) / "clip.mp4"
        try:
            with av.open(file, "w", options={"movflags": "+faststart"}) as container:
                _write(clip, container)
        except av.FFmpegError as error:
            raise AttemptError("model", "the clip could not be encoded") from error
        if file.stat().st_size > BYTES_MAX:
            raise AttemptError("model", f"the clip has over {BYTES_MAX} bytes")
        return file.read_bytes()


def _write(clip: Clip, container: Any) -> None:
    import av  # noqa: PLC0415

    height, width = clip.frames[0].shape[:2]
    stream = container.add_stream("libx264", rate=clip.frames_per_second)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.codec_context.colorspace, stream.codec_context.color_range = BT_601, NOT_FULL
    stream.options = {"crf": QUALITY, "preset": PRESET, **REPEATABLE}
    for picture in clip.frames:
        planes = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420), np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
    container.mux(stream.encode())
