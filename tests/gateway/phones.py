"""Phones that came by hand-off, and the desktop that handed off to them."""

from typing import Any
from uuid import uuid4

import httpx

from tests.gateway.doors import Door


async def begin(desktop: httpx.AsyncClient, key: str | None = None) -> httpx.Response:
    return await desktop.post("/v1/handoffs", headers={"idempotency-key": key or str(uuid4())})


async def handed(desktop: httpx.AsyncClient) -> dict[str, Any]:
    """A hand-off with its address, as the desktop gets it."""
    answer = await begin(desktop)
    assert answer.status_code == 201, answer.text
    begun: dict[str, Any] = answer.json()
    return begun


def token_in(begun: dict[str, Any]) -> str:
    return str(begun["address"].partition("#")[2])


def phone_of(door: Door, begun: dict[str, Any]) -> httpx.AsyncClient:
    """What opened the address: it holds the token and nothing else."""
    headers = {"authorization": f"Bearer {token_in(begun)}"}
    return httpx.AsyncClient(base_url=door.url, headers=headers, trust_env=False)


async def announce(visitor: httpx.AsyncClient, size: int = 1_000) -> httpx.Response:
    return await visitor.post("/v1/photos", json={"filename": "aunt.jpg", "size": size})


async def photo_of(visitor: httpx.AsyncClient) -> str:
    """A photo that was announced."""
    answer = await announce(visitor)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["photo"]["id"])
