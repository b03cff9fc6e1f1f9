"""What each process of processing reads from its environment."""

from typing import Annotated

from pydantic import Field, SecretStr

from services.kit.settings import ServiceSettings
from services.kit.storage import StorageSettings

Count = Annotated[int, Field(ge=1, le=1_000)]


class HttpSettings(ServiceSettings, StorageSettings):
    """The private HTTP API: it asks credits for holds, and hears RunPod's webhooks."""

    internal_secrets: SecretStr
    credits_url: str
    credits_secret: SecretStr
    webhook_secret: SecretStr
    gpu_slots: Count


class ConsumerSettings(ServiceSettings, StorageSettings):
    """The message doors: they prepare photos, submit attempts and check results."""

    amqp_url: SecretStr
    database_pool_size: int = 10
    runpod_api_url: str
    runpod_endpoint_id: str
    runpod_api_key: SecretStr
    runpod_webhook_base: str
    webhook_secret: SecretStr
    imaging_workers: Count = 2


class DispatcherSettings(ServiceSettings, StorageSettings):
    """The leader: it starts jobs, follows attempts and tidies up."""

    runpod_api_url: str
    runpod_endpoint_id: str
    runpod_api_key: SecretStr
    credits_url: str
    credits_secret: SecretStr
    gpu_slots: Count
