"""The HTTP door of processing itself: what it offers, whom it answers, what it carries."""

import subprocess
import sys
from collections.abc import Callable
from uuid import UUID, uuid4

import httpx
import pytest

from services.kit.db import uuid7

ClientOf = Callable[[UUID], httpx.AsyncClient]


async def test_kinds_say_what_can_be_ordered_and_for_how_much(client_of: ClientOf) -> None:
    kinds = (await client_of(uuid4()).get("/v1/kinds")).json()["items"]

    assert {k["kind"]: (k["credits"], k["available"]) for k in kinds} == {
        "restore": (2, True),
        "colourize": (3, True),
        "restore_colourize": (4, True),
        "bring_together": (6, False),
        "animate": (8, False),
    }


@pytest.mark.parametrize("path", ["/v1/kinds", "/v1/jobs", f"/v1/jobs/{uuid7()}"])
async def test_without_an_internal_token_nothing_is_answered(path: str, address: str) -> None:
    async with httpx.AsyncClient(base_url=address, trust_env=False) as stranger:
        assert (await stranger.get(path)).status_code == 401


def test_the_http_process_carries_no_decoders_and_no_broker() -> None:
    script = (
        "import sys, services.processing.app;"
        "print([m for m in ('cv2', 'faststream', 'PIL', 'aio_pika') if m in sys.modules])"
    )
    seen = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )

    assert seen.stdout.strip() == "[]", seen.stderr
