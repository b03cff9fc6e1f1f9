"""What the emulator is told at start-up."""

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Fields are environment variables, each with `STRIPE_EMULATOR_` before its name."""

    model_config = SettingsConfigDict(env_prefix="STRIPE_EMULATOR_", frozen=True, extra="ignore")

    # Where a browser finds the hosted pages.
    url: str
    api_key: SecretStr
    # Its objects are kept here; without it they are gone with the program.
    home: Path | None = None
    webhook_url: str | None = None
    # One secret, or several while one replaces another: `new,old`.
    webhook_secrets: SecretStr = SecretStr("")
    # Other names it is reached by, such as its service name among containers.
    hosts: tuple[str, ...] = ()

    @property
    def file(self) -> Path | None:
        return self.home / "stripe.sqlite3" if self.home else None

    @property
    def secrets(self) -> list[str]:
        return [one for one in self.webhook_secrets.get_secret_value().split(",") if one]

    @property
    def host_names(self) -> list[str]:
        """Any other name in a request is somebody's DNS pointing at this machine."""
        return sorted({urlsplit(self.url).hostname or "", "localhost", "127.0.0.1", *self.hosts})
