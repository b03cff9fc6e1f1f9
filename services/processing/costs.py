"""What an attempt costs: GPU seconds at the rate in force, as RunPod's bills have shown it.

RunPod charges from the start of a worker to its stop, so seconds of running alone are less than the
bill. Every hour the bill is compared with what we reckoned, and the factor between them is applied
to what comes (https://docs.runpod.io/serverless/pricing).
"""

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

_MOST = text(
    "select :seconds * usd_per_gpu_s((select gpu from endpoints where id = :endpoint))"
    " * cost_factor()"
)
# Nobody knows how long a lost run took, or one that only its stored result tells of: it costs what
# was reserved for it. A run that failed does not say where: most likely where the last one was.
_COST = text(
    """
    update attempts set gpu = gpus.gpu, cost_factor = cost_factor(), cost_usd = case
        when gpu_seconds is not null
            then ceil(gpu_seconds)::numeric * usd_per_gpu_s(gpus.gpu) * cost_factor()
        when runpod_job_id is not null or state in ('LOST', 'FINISHED')
            then coalesce(reserved_usd, 0)
        else 0 end
    from (select coalesce(cast(:gpu as text),
        (select gpu from endpoints where id = :endpoint)) as gpu) gpus
    where id = :attempt_id returning attempts.*
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


async def most(connection: Connection, *, runs_at_most_s: int, endpoint: str) -> Decimal:
    """The most an attempt may cost: its longest run, on the GPU that was seen there last."""
    longest = {"seconds": runs_at_most_s, "endpoint": endpoint}
    return Decimal((await connection.execute(_MOST, longest)).scalar_one())


async def settle(connection: Connection, attempt: Row[Any], gpu: str | None) -> None:
    """An attempt has ended: write down what it cost, and free what was reserved for it."""
    ended = {"attempt_id": attempt.id, "endpoint": attempt.endpoint, "gpu": gpu or None}
    costed = (await connection.execute(_COST, ended)).one()
    await budgets.settle(connection, costed)
    if gpu:
        await connection.execute(_SEEN, {"gpu": gpu, "endpoint": attempt.endpoint})


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
