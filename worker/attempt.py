"""One attempt from order to answer: fetch, decode, work, check, encode, store."""

import hashlib
import time
from typing import Any

from worker import pictures, transfer
from worker.engines import Engine
from worker.failures import AttemptError, from_engine
from worker.order import Order
from worker.pipelines import PIPELINES
from worker.stages import Stages, StoppedError

SECONDS_DECIMALS = 3


def run(order: Order, engine: Engine, stage: Stages) -> dict[str, Any]:
    """Make and store the result; the answer holds facts about it, never the picture."""
    started = time.perf_counter()
    with transfer.open_client() as client:
        with stage("download"):
            data = transfer.download(client, str(order.images[0].url))
        with stage("decode"):
            photo = pictures.decode(data, short_side_max=order.options.short_side_max)
        result = _work(order, engine, photo, stage)
        with stage("encode"):
            pictures.check_result(photo, result)
            encoded = pictures.encode(result)
        with stage("upload"):
            stored = transfer.upload(client, str(order.output.url), order.output.headers, encoded)
    answer = {
        "attempt_id": str(order.attempt_id),
        "engine": engine.name,
        "engine_version": engine.version,
        "gpu": engine.gpu,
        "width": result.shape[1],
        "height": result.shape[0],
        "bytes": len(encoded),
        "sha256": hashlib.sha256(encoded).hexdigest(),
        "media_type": "image/png",
        "seconds": round(time.perf_counter() - started, SECONDS_DECIMALS),
        "stages": stage.seconds,
    }
    return answer if stored else answer | {"already_stored": True}


def _work(order: Order, engine: Engine, photo: pictures.Picture, stage: Stages) -> pictures.Picture:
    try:
        return PIPELINES[order.task](engine, photo, order.options, stage)
    except (AttemptError, StoppedError):
        raise
    except Exception as error:
        raise from_engine(error) from error
