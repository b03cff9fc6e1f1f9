"""What the issuer is told at start-up, and which addresses its clients may be sent to."""

from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

LOOPBACK = {"127.0.0.1", "::1"}


class Client(BaseModel):
    """A program that people sign in to."""

    model_config = ConfigDict(frozen=True)

    callbacks: tuple[str, ...]
    logout: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()


class Settings(BaseSettings):
    """Fields are environment variables, each with `ISSUER_` before its name."""

    model_config = SettingsConfigDict(env_prefix="ISSUER_", frozen=True, extra="ignore")

    url: str
    home: Path
    audience: str
    clients: dict[str, Client]
    demo_email: str | None = None
    demo_password: SecretStr | None = None
    # Other names it is reached by, such as its service name among containers.
    hosts: tuple[str, ...] = ()

    @field_validator("url")
    @classmethod
    def _ends_with_a_slash(cls, url: str) -> str:
        if urlsplit(url).scheme not in {"http", "https"} or not url.endswith("/"):
            raise ValueError("an http(s) address that ends with a slash")
        return url

    @property
    def is_secure(self) -> bool:
        return self.url.startswith("https:")

    @property
    def userinfo_audience(self) -> str:
        return f"{self.url}userinfo"

    @property
    def host_names(self) -> list[str]:
        """Any other name in a request is somebody's DNS pointing at this machine."""
        return sorted({urlsplit(self.url).hostname or "", "localhost", "127.0.0.1", *self.hosts})

    @property
    def origins(self) -> list[str]:
        return sorted({origin for client in self.clients.values() for origin in client.origins})


def is_allowed(address: str, allowed: tuple[str, ...]) -> bool:
    """Whether an address is one of those allowed, to the letter.

    One that is allowed on a loopback IP without a port is good at any port (RFC 8252, 7.3): a
    program on a desktop listens where there is room.
    """
    return address in allowed or any(_is_same_loopback(address, each) for each in allowed)


def origin_of(address: str) -> str:
    """Scheme, host and port; of a scheme without hosts, just the scheme."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"


def _is_same_loopback(address: str, allowed: str) -> bool:
    try:
        asked, known = urlsplit(address), urlsplit(allowed)
        if known.hostname not in LOOPBACK or known.port is not None or not asked.port:
            return False
    except ValueError:
        return False
    return address == _at_port(known, asked.port)


def _at_port(known: SplitResult, port: int) -> str:
    return known._replace(netloc=f"{known.netloc}:{port}").geturl()
