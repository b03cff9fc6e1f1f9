"""The RunPod handler: `python -m worker.handler` takes jobs with the unmodified SDK.

The work runs in one thread, so that the SDK's own loop keeps hearing cancellations. A cancelled
attempt stops at its next stage and stores nothing.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

from worker import attempt
from worker.engines import Engine, load_engine
from worker.failures import AttemptError
from worker.order import read_order
from worker.stages import Stages

log = logging.getLogger("worker")

Job = dict[str, Any]
ProgressUpdate = Callable[[Job, dict[str, str]], None]

# The SDK sends progress from a thread of its own. Told too late it would arrive after the result
# and reopen the job, so the last stages are not told, and the result waits for what was told.
LAST_STAGES = frozenset({"encode", "upload"})
PROGRESS_SETTLES_SECONDS = 0.3


class Handler:
    def __init__(self, engine: Engine, progress_update: ProgressUpdate) -> None:
        self._engine = engine
        self._progress_update = progress_update
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="attempt")

    async def __call__(self, job: Job) -> dict[str, Any]:
        stop = Event()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._answer, job, stop)
        except asyncio.CancelledError:
            stop.set()
            raise

    def _answer(self, job: Job, stop: Event) -> dict[str, Any]:
        told_at = 0.0

        def tell(stage: str) -> None:
            nonlocal told_at
            if stage not in LAST_STAGES:
                self._progress_update(job, {"stage": stage})
                told_at = time.monotonic()

        try:
            order = read_order(job.get("input"))
            return attempt.run(order, self._engine, Stages(tell, stop))
        except AttemptError as failure:
            log.warning(
                "attempt.failed class=%s", failure.failure_class, exc_info=failure.__cause__
            )
            return failure.as_output()
        finally:
            time.sleep(max(0.0, told_at + PROGRESS_SETTLES_SECONDS - time.monotonic()))


def load_before_work(engine: Engine) -> None:
    """Have the weights in place before the first attempt, whose time is limited and paid for.

    A worker without them works on: each attempt tries again, and its failure says what is missing.
    """
    try:
        engine.load()
    except AttemptError as failure:
        log.error("model.missing detail=%s", failure.detail)  # noqa: TRY400 - it says everything


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log signed addresses
    engine = load_engine(os.environ.get("ENGINE", "cpu"))

    # The SDK reads its addresses from the environment while it is imported, and takes seconds.
    import runpod  # noqa: PLC0415

    handler = Handler(engine, runpod.serverless.progress_update)
    load_before_work(engine)
    log.info("worker.ready engine=%s version=%s", engine.name, engine.version)
    runpod.serverless.start({"handler": handler})


if __name__ == "__main__":
    main()
