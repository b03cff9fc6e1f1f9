"""What the gateway's processes read from their environment."""

import re
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator

from services.kit.settings import ServiceSettings

EVENT_STREAMS_MAX = 5_000
EVENT_HEARTBEAT_S = 15.0
ORIGIN = re.compile(r"https?://[\w.:\[\]-]+")


class ConsumerSettings(ServiceSettings):
    """For the process that writes the feed."""

    amqp_url: SecretStr


class OperatorSettings(ServiceSettings):
    """For commands that an operator types."""

    oidc_issuer: str


class GatewaySettings(ConsumerSettings):
    """For the process that answers the public."""

    oidc_issuer: str
    oidc_audience: str
    oidc_client_id: str
    oidc_allowed_clients: str
    public_url: str
    storage_origin: str
    session_secret: SecretStr

    uploads_url: str
    uploads_secret: SecretStr
    credits_url: str
    credits_secret: SecretStr
    processing_url: str
    processing_secret: SecretStr
    billing_url: str
    billing_secret: SecretStr

    web_export: str = ""
    """The folder of the built app; without it `/` is a plain page."""

    event_streams_max: int = EVENT_STREAMS_MAX
    event_heartbeat_s: float = EVENT_HEARTBEAT_S
    rate_limit_factor: float = 1.0

    @field_validator("oidc_issuer")
    @classmethod
    def _ends_with_a_slash(cls, value: str) -> str:
        # `iss` is compared letter by letter, and Auth0's ends with a slash.
        return value if value.endswith("/") else value + "/"

    @field_validator("public_url")
    @classmethod
    def _ends_without_a_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @field_validator("storage_origin")
    @classmethod
    def _is_an_origin(cls, value: str) -> str:
        # It becomes part of a policy, where a space or a semicolon would begin something else.
        if not ORIGIN.fullmatch(origin := value.rstrip("/")):
            raise ValueError("give the scheme, host and port at which browsers reach the storage")
        return origin

    @property
    def allowed_clients(self) -> frozenset[str]:
        """The programs whose access tokens count."""
        return frozenset(filter(None, map(str.strip, self.oidc_allowed_clients.split(","))))

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach us over TLS only."""
        return urlsplit(self.public_url).scheme == "https"

    @property
    def origin(self) -> str:
        """What a browser sends as `Origin` from our own pages."""
        parts = urlsplit(self.public_url)
        return f"{parts.scheme}://{parts.netloc}"
