"""RunPod's billing history: what the emulated endpoint would have been charged, hour by hour.

It lives on another host at RunPod (https://docs.runpod.io/api-reference-v2/billing/
get-serverless-billing-history), hence a path of its own here. Charged are the seconds of running,
at the rate of the laptop's engine; there is no idle time here.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Request

from deploy.local.runpod.endpoint import Endpoint
from deploy.local.runpod.requests import has_key

USD_PER_S = 0.00002
BUCKETS_MAX = 720

router = APIRouter()


@router.get("/v2/billing/serverless")
async def serverless(
    request: Request,
    bucket_size: Annotated[
        Literal["hour", "day", "week", "month", "year"], Query(alias="bucketSize")
    ] = "day",
    last_n: Annotated[int, Query(alias="lastN", ge=1, le=BUCKETS_MAX)] = 30,
    serverless_id: Annotated[str | None, Query(alias="serverlessId", max_length=64)] = None,
) -> dict[str, Any]:
    """One record: everything that ever ran counts for the bucket that is in progress."""
    if not has_key(request):
        raise HTTPException(401, "the API key is missing or wrong")
    endpoint: Endpoint = request.app.state.endpoint
    records: list[dict[str, str | float]] = []
    total = 0.0
    if serverless_id in (None, endpoint.id):
        total = round(endpoint.jobs.charged_seconds * USD_PER_S, 8)
        amounts = {"gpuAmount": total, "cpuAmount": 0, "diskAmount": 0, "feeAmount": 0}
        records.append({"serverlessId": endpoint.id, **amounts, "totalAmount": total})
    metadata = {
        "bucketSize": bucket_size,
        "lastN": last_n,
        "recordCount": len(records),
        "totalAmount": total,
    }
    return {"records": records, "metadata": metadata}
