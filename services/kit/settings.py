"""What a process reads from its environment, checked once, before anything starts."""

import sys
from typing import Literal, TypeVar

from pydantic import SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.kit import failpoints

SECRET_LENGTH_MIN = 24
GUESSABLE = ("changeme", "guest", "password", "postgres", "secret", "example")


class ServiceSettings(BaseSettings):
    """What every process has. Fields are environment variables of the same name."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    rekindle_env: Literal["local", "production"] = "production"
    rekindle_version: str = "0.1.0"
    database_url: SecretStr
    database_pool_size: int = 5
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @model_validator(mode="after")
    def _refuse_guessable_secrets(self) -> "ServiceSettings":
        if self.rekindle_env == "local":
            return self
        weak = [
            name.upper()
            for name in type(self).model_fields
            if isinstance(value := getattr(self, name), SecretStr)
            and _is_guessable(value.get_secret_value(), is_url=name.endswith("_url"))
        ]
        if weak:
            raise ValueError(f"{', '.join(weak)}: a default or short secret; set a random one")
        return self


Settings = TypeVar("Settings", bound=BaseSettings)


def load(settings: type[Settings]) -> Settings:
    """Read the environment, or end the process with one sentence that names every fault."""
    failpoints.arm()
    try:
        return settings()
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc'])).upper() or 'settings'} ({fault['msg']})"
            for fault in error.errors()
        ]
        sys.exit("Cannot start: set these in the environment: " + "; ".join(faults))


def _is_guessable(value: str, *, is_url: bool) -> bool:
    if is_url:
        _, _, rest = value.partition("://")
        credentials, at, _ = rest.rpartition("@")
        return bool(at) and credentials.partition(":")[2].lower() in ("", *GUESSABLE)
    return len(value) < SECRET_LENGTH_MIN or any(word in value.lower() for word in GUESSABLE)
