"""What the processes of this service read from their environment."""

from pydantic import SecretStr

from services.kit.settings import ServiceSettings
from services.kit.storage import StorageSettings


class UploadsSettings(ServiceSettings, StorageSettings):
    """What each process needs: the database and the bucket."""


class HttpSettings(UploadsSettings):
    """What the HTTP process needs: who may call it."""

    internal_secrets: SecretStr

    @property
    def accepted_secrets(self) -> tuple[str, ...]:
        """The secrets of internal tokens, newest first."""
        secrets = self.internal_secrets.get_secret_value().split(",")
        return tuple(secret.strip() for secret in secrets if secret.strip())


class ConsumerSettings(UploadsSettings):
    """What the consumer needs: the broker."""

    amqp_url: SecretStr
