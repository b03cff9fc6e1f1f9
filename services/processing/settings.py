"""What each process of processing reads from its environment."""

from typing import Annotated

from pydantic import BaseModel, Field, SecretStr

from services.kit.settings import ServiceSettings
from services.kit.storage import StorageSettings

Count = Annotated[int, Field(ge=1, le=1_000)]


class GpuEndpoint(BaseModel):
    """One serverless endpoint of RunPod, and how many runs it may have at once."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    slots: Count


GpuEndpoints = Annotated[list[GpuEndpoint], Field(min_length=1, max_length=16)]
"""As JSON: `[{"id": "…", "slots": 8}]`."""


class HttpSettings(ServiceSettings, StorageSettings):
    """The private HTTP API: it asks credits for holds, and hears RunPod's webhooks."""

    internal_secrets: SecretStr
    credits_url: str
    credits_secret: SecretStr
    webhook_secret: SecretStr
    runpod_endpoints: GpuEndpoints


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
