"""What the doors of the gateway work with, put together once when the process starts."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncEngine

from services.gateway.feed import Reader
from services.gateway.issuer import Issuer
from services.gateway.limits import Limiter
from services.gateway.settings import GatewaySettings
from services.gateway.streams import Streams
from services.kit.client import ServiceClient
from services.kit.tokens import TokenVerifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything a request may need."""

    settings: GatewaySettings
    engine: AsyncEngine
    issuer: Issuer
    verifier: TokenVerifier
    limiter: Limiter
    streams: Streams
    feeds: Reader
    uploads: ServiceClient
    credits: ServiceClient
    processing: ServiceClient
    billing: ServiceClient

    async def close(self) -> None:
        """Close what holds connections; the engine closes with the application."""
        await self.issuer.close()
        for client in (self.uploads, self.credits, self.processing, self.billing):
            await client.close()


def parts_of(request: Request) -> Parts:
    """The parts of the application that got this request."""
    parts: Parts = request.app.state.parts
    return parts


Gateway = Annotated[Parts, Depends(parts_of)]
