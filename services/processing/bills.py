"""What RunPod bills for an endpoint: its documented billing history, validated like any input.

https://docs.runpod.io/api-reference-v2/billing/get-serverless-billing-history
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Annotated

import httpx
from pydantic import BaseModel, Field

TIMEOUT_S = 30.0
HOURS = 24
RECORDS_MAX = 1_000


class Record(BaseModel):
    """What one endpoint cost in one bucket of time, in dollars."""

    total_amount: Annotated[Decimal, Field(ge=0, le=10_000_000, alias="totalAmount")]


class History(BaseModel):
    """One answer of the billing history."""

    records: Annotated[list[Record], Field(max_length=RECORDS_MAX)]


class Bills:
    """Bills of all endpoints of the account that the key belongs to."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http, self._url = http, url

    async def of_last_day(self, endpoint: str) -> Decimal:
        """Dollars that the last 24 hours of an endpoint cost; raises what httpx and Pydantic do."""
        query: dict[str, str | int] = {
            "bucketSize": "hour",
            "lastN": HOURS,
            "serverlessId": endpoint,
        }
        answer = await self._http.get(self._url, params=query)
        answer.raise_for_status()
        history = History.model_validate_json(answer.content)
        return sum((record.total_amount for record in history.records), Decimal(0))


@asynccontextmanager
async def open_bills(url: str, *, api_key: str) -> AsyncIterator[Bills]:
    """A client of the billing history, closed in the end."""
    headers = {"Authorization": f"Bearer {api_key}"}
    async with httpx.AsyncClient(headers=headers, timeout=TIMEOUT_S, trust_env=False) as http:
        yield Bills(http, url)
