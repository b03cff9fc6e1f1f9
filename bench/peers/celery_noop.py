"""Celery's durable no-op, as a producer and as an application for `celery worker`.

Publisher confirms, persistent tasks, late acknowledgement, persistent results on a queue of the
producer: what a job must have so that no death of a process loses it.
"""

import json
import os
import sys
import time

from celery import Celery

PREFETCH = 50
TIMEOUT_S = 120
WARM_UP, LATENCIES = 200, 100

app = Celery("bench", broker=os.environ["PEER_AMQP_URL"], backend="rpc://")
app.conf.update(
    task_serializer="json",
    result_persistent=True,
    task_acks_late=True,
    worker_prefetch_multiplier=PREFETCH,
    broker_transport_options={"confirm_publish": True},
    task_default_queue="bench.celery",
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    result_expires=600,
    worker_send_task_events=False,
    worker_enable_remote_control=False,
)


@app.task(name="bench.noop")  # type: ignore[untyped-decorator]  # Celery is not typed
def noop(number: int) -> int:
    """Do nothing, and say so."""
    return number


def main() -> None:
    jobs = int(sys.argv[1])
    _round(WARM_UP)
    took = sorted(_latency(number) for number in range(LATENCIES))
    print(json.dumps({"p50_ms": took[len(took) // 2] * 1e3}), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        assert _round(jobs) == sum(range(jobs))
        print(json.dumps({"jobs": jobs, "wall_s": time.perf_counter() - began}), flush=True)


def _round(jobs: int) -> int:
    waiting = [noop.delay(number) for number in range(jobs)]
    return sum(result.get(timeout=TIMEOUT_S) for result in waiting)


def _latency(number: int) -> float:
    began = time.perf_counter()
    noop.delay(number).get(timeout=TIMEOUT_S, interval=0.001)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
