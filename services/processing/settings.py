"""What each process of processing reads from its environment."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field, SecretStr

from services.kit.settings import ServiceSettings
from services.kit.storage import StorageSettings

Count = Annotated[int, Field(ge=1, le=1_000)]


Usd = Annotated[Decimal, Field(ge=0, le=1_000_000)]


class GpuEndpoint(BaseModel):
    """One serverless endpoint of RunPod, and how many runs it may have at once."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    slots: Count


GpuEndpoints = Annotated[list[GpuEndpoint], Field(min_length=1, max_length=16)]
"""As JSON: `[{"id": "…", "slots": 8}]`."""


class HttpSettings(ServiceSettings, StorageSettings):
    """The private HTTP API: it asks credits for holds, hears RunPod's webhooks, finds outlines."""

    internal_secrets: SecretStr
    credits_url: str
    credits_secret: SecretStr
    webhook_secret: SecretStr
    runpod_endpoints: GpuEndpoints
    outline_workers: Count = 1


class ConsumerSettings(ServiceSettings, StorageSettings):
    """The message doors: they prepare photos, submit attempts and check results."""

    amqp_url: SecretStr
    database_pool_size: int = 10
    runpod_api_url: str
    runpod_endpoints: GpuEndpoints
    runpod_api_key: SecretStr
    runpod_webhook_base: str
    webhook_secret: SecretStr
    imaging_workers: Count = 2


class DispatcherSettings(ServiceSettings, StorageSettings):
    """The leader: it starts jobs, follows attempts and tidies up."""

    runpod_api_url: str
    runpod_endpoints: GpuEndpoints
    runpod_api_key: SecretStr
    credits_url: str
    credits_secret: SecretStr
    runpod_billing_url: str = "https://api.runpod.io/v2/billing/serverless"
    cost_limit_free_usd: Usd = Decimal(50)
    cost_limit_paid_usd: Usd = Decimal(500)
    cost_limit_free_account_usd: Usd = Decimal(5)
    cost_limit_paid_account_usd: Usd = Decimal(50)
