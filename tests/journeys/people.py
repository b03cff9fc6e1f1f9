"""New users of the running stack, with the plan and the credits a test needs."""

import asyncio
import os
import sys
from typing import Any
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from sdk.rekindle.client import Rekindle
from sdk.rekindle.login import Attempt, Issuer, login_with_password
from sdk.rekindle.tokens import Tokens
from services.kit.db import create_engine

PASSWORD = "a quiet afternoon 1936"
GRANTED_WITHIN_S = 15.0


class SigningUp(Issuer):
    """The issuer, entered by its sign-up page."""

    def authorize_url(self, attempt: Attempt) -> str:
        return super().authorize_url(attempt) + "&screen_hint=signup"


async def sign_up(stack: dict[str, Any]) -> Tokens:
    """Sign a new user up."""
    issuer = SigningUp(stack["issuer_url"])
    return await login_with_password(issuer, email=f"{uuid4()}@example.com", password=PASSWORD)


async def access_token(stack: dict[str, Any]) -> str:
    """Sign a new user up; the token is good for the public API."""
    return (await sign_up(stack)).access_token


async def new_user(stack: dict[str, Any], *, plan: str | None = None) -> Rekindle:
    """A user on the free plan with 3 credits, or on `plan` with its credits on top."""
    user = Rekindle(stack["gateway_url"], await access_token(stack))
    account = await user.me()
    if plan:
        before = (await user.credits.balance()).available
        await operate(stack, "billing", "subscribe", str(account.account_id), plan)
        await _until_granted(user, more_than=before)
    return user


async def operate(stack: dict[str, Any], service: str, *arguments: str) -> str:
    """Run one of a service's operator commands in its own environment."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"services.{service}",
        *arguments,
        env=os.environ | stack["environments"][service],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


def engine_of(stack: dict[str, Any], service: str) -> AsyncEngine:
    """A service's own database, to look at what the API does not show."""
    return create_engine(stack["environments"][service]["DATABASE_URL"], name="tests")


async def _until_granted(user: Rekindle, *, more_than: int) -> None:
    async with asyncio.timeout(GRANTED_WITHIN_S):
        while (await user.credits.balance()).available <= more_than:
            await asyncio.sleep(0.1)
