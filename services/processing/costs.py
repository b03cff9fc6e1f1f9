"""What an attempt costs: GPU seconds at the rate in force, as RunPod's bills have shown it.

RunPod charges from the start of a worker to its stop, so seconds of running alone are less than the
bill. Every hour the bill is compared with what we reckoned, and the factor between them is applied
to what comes (https://docs.runpod.io/serverless/pricing).
"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import structlog
from sqlalchemy import Row, text

from services.kit.db import Connection
from services.processing import budgets

FACTOR_MIN, FACTOR_MAX = Decimal("0.5"), Decimal(5)
COMPARED_FOR = timedelta(hours=24)
COMPARED_USD_MIN = Decimal("0.01")
"""Less than this says nothing: bills are rounded."""

log = structlog.get_logger()

# Nobody knows how long a lost run took, or one that only its stored result tells of: it costs what
# was reserved for it. A run that failed does not say where: most likely where the last one was.
_COST = text(
    """
    with ended as (
        select ended.id, coalesce(ended.gpu, endpoints.gpu) as gpu
        from unnest(cast(:attempt_ids as uuid[]), cast(:gpus as text[])) ended(id, gpu)
        join attempts using (id) left join endpoints on endpoints.id = attempts.endpoint
    )
    update attempts set gpu = ended.gpu, cost_factor = cost_factor(), cost_usd = case
        when gpu_seconds is not null
            then ceil(gpu_seconds)::numeric * usd_per_gpu_s(ended.gpu) * cost_factor()
        when runpod_job_id is not null or state in ('LOST', 'FINISHED')
            then coalesce(reserved_usd, 0)
        else 0 end
    from ended where attempts.id = ended.id returning attempts.*
    """
)
_SEEN = text("update endpoints set gpu = :gpu where id = :endpoint and gpu is distinct from :gpu")
_ESTIMATED = text(
    """
    select coalesce(sum(cost_usd / cost_factor), 0) from attempts
    where endpoint = :endpoint and finished_at > now() - cast(:past as interval)
        and cost_day >= (now() - cast(:past as interval))::date
    """
)
_FACTOR = text(
    "insert into cost_factors (billed_usd, estimated_usd, factor)"
    " values (:billed, :estimated, :factor)"
)


async def settle(connection: Connection, ended: Sequence[tuple[Row[Any], str | None]]) -> None:
    """Attempts have ended: write down what they cost, and free what was reserved for them.

    With each comes the name of its GPU, if its worker told it.
    """
    told = {
        "attempt_ids": [attempt.id for attempt, _ in ended],
        "gpus": [gpu or None for _, gpu in ended],
    }
    await budgets.settle(connection, (await connection.execute(_COST, told)).all())
    seen = {attempt.endpoint: gpu for attempt, gpu in ended if gpu}
    for endpoint, gpu in seen.items():
        await connection.execute(_SEEN, {"gpu": gpu, "endpoint": endpoint})


async def reconcile(connection: Connection, endpoint: str, billed: Decimal) -> Decimal | None:
    """Compare a day's bill with what we reckoned; the factor from now on, if it tells one."""
    past = {"endpoint": endpoint, "past": COMPARED_FOR}
    estimated = Decimal((await connection.execute(_ESTIMATED, past)).scalar_one())
    if estimated < COMPARED_USD_MIN or billed <= 0:
        return None
    factor = min(max(billed / estimated, FACTOR_MIN), FACTOR_MAX)
    await connection.execute(_FACTOR, {"billed": billed, "estimated": estimated, "factor": factor})
    log.info("cost.reconciled", endpoint=endpoint, factor=str(round(factor, 3)))
    return factor
