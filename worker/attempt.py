"""One attempt from order to answer: fetch, decode, work, check, encode, store."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import httpx

from worker import pictures, transfer
from worker.clips import Clip, check_clip, encode_clip
from worker.engines import Engine, Work
from worker.failures import AttemptError, from_engine
from worker.order import Destination, Options, Order
from worker.pictures import Picture
from worker.stages import Stages, StoppedError

SECONDS_DECIMALS = 3


@dataclass(frozen=True, slots=True)
class _File:
    """Something made, ready to be stored, and what the answer says of it."""

    data: bytes
    media_type: str
    width: int
    height: int

    def facts(self) -> dict[str, Any]:
        return {
            "width": self.width,
            "height": self.height,
            "bytes": len(self.data),
            "sha256": hashlib.sha256(self.data).hexdigest(),
            "media_type": self.media_type,
        }


def run(order: Order, engine: Engine, stage: Stages) -> dict[str, Any]:
    """Make and store the result; the answer holds facts about it, never the picture."""
    started = time.perf_counter()
    work = _work_for(order, engine)
    with transfer.open_client() as client:
        photos = _photos(order, client, stage)
        with stage("load"):
            engine.load()
        result = _made(work, photos, order.options, stage)
        with stage("encode"):
            facts, files = _files(result, order, photos)
        with stage("upload"):
            stored = _stored(client, files)
    answer = {
        "attempt_id": str(order.attempt_id),
        "engine": engine.name,
        "engine_version": engine.version,
        "gpu": engine.gpu,
        "model": asdict(engine.model) if engine.model else None,
        **stage.facts,
        **facts,
        "seconds": round(time.perf_counter() - started, SECONDS_DECIMALS),
        "stages": stage.seconds,
    }
    return answer if stored else answer | {"already_stored": True}


def _work_for(order: Order, engine: Engine) -> Work:
    try:
        return engine.tasks[order.task]
    except KeyError:
        can = ", ".join(engine.tasks)
        raise AttemptError(
            "input", f"the engine {engine.name} cannot {order.task}; it can: {can}"
        ) from None


def _photos(order: Order, client: httpx.Client, stage: Stages) -> list[Picture]:
    with stage("download"):
        files = [
            transfer.download(client, str(image.url), sha256=image.sha256) for image in order.images
        ]
    with stage("decode"):
        bound = order.options.short_side_max
        return [pictures.decode(data, short_side_max=bound) for data in files]


def _made(work: Work, photos: Sequence[Picture], options: Options, stage: Stages) -> Picture | Clip:
    try:
        return work(photos, options, stage)
    except (AttemptError, StoppedError):
        raise
    except Exception as error:
        raise from_engine(error) from error


def _files(
    result: Picture | Clip, order: Order, photos: Sequence[Picture]
) -> tuple[dict[str, Any], list[tuple[_File, Destination]]]:
    """What there is to store, the result itself last, and what the answer says of it."""
    if not isinstance(result, Clip):
        picture = _picture(_finished(result, order.options, photos[0]))
        return picture.facts(), [(picture, order.output)]
    check_clip(result)
    if order.options.keep_black_and_white:
        grey = [pictures.without_colour(frame) for frame in result.frames]
        result = Clip(grey, result.frames_per_second)
    assert order.poster, "an order for a clip has a place for its poster"
    poster = _picture(result.frames[0])
    clip = _File(encode_clip(result), "video/mp4", poster.width, poster.height)
    lasts = {"frames": len(result.frames), "clip_seconds": round(result.seconds, SECONDS_DECIMALS)}
    facts = clip.facts() | lasts | {"poster": poster.facts()}
    return facts, [(poster, order.poster), (clip, order.output)]


def _finished(result: Picture, options: Options, photo: Picture) -> Picture:
    pictures.check_result(photo, result)
    if options.strength < 1:
        result = pictures.blend(photo, result, strength=options.strength)
    return pictures.without_colour(result) if options.keep_black_and_white else result


def _picture(picture: Picture) -> _File:
    return _File(pictures.encode(picture), "image/png", picture.shape[1], picture.shape[0])


def _stored(client: httpx.Client, files: Sequence[tuple[_File, Destination]]) -> bool:
    """Store one after the other: whoever finds the last one, the result, finds all of it."""
    stored = True
    for file, place in files:
        stored = transfer.upload(client, str(place.url), place.headers, file.data)
    return stored
