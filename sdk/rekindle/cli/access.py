"""`rekindle login`, `rekindle logout`, and `rekindle erase`."""

from contextlib import suppress
from functools import partial

import click

from sdk.rekindle.cli.door import (
    connected,
    door,
    issuer_of,
    json_option,
    lead_to,
    out,
    plain,
    show_json,
)
from sdk.rekindle.client import Rekindle
from sdk.rekindle.login import login_in_browser, login_with_password
from sdk.rekindle.places import Place, find_place
from sdk.rekindle.problems import RekindleError, Unreachable
from sdk.rekindle.tokens import Tokens, TokenStore


@click.command(short_help="Log in, once.")
@click.option("--demo", is_flag=True, help="Log in the local stack's demo user, without a browser.")
@json_option
@door
async def login(*, demo: bool, as_json: bool) -> None:
    """Log in, once: the login is kept (for you only) and renewed by itself.

    \b
      rekindle login           opens the browser, and prints the address for another one
      rekindle login --demo    the demo user of the local stack
    """  # noqa: D301
    place = find_place()
    tokens = await (_log_in_demo(place) if demo else _log_in_person(place))
    store = TokenStore.of_this_user()
    async with store.locked():
        store.write(place.base_url, tokens)
    async with Rekindle(place.base_url, tokens.access_token) as rekindle:
        account = await rekindle.me()
    if as_json:
        show_json({"base_url": place.base_url, **account.model_dump(mode="json")})
    else:
        who = account.email or (place.state["demo"]["email"] if demo else account.account_id)
        out.print(f"[green]✓[/green] Logged in at {place.base_url} as {plain(str(who))}.")


@click.command(short_help="Forget the login on this machine.")
@door
async def logout() -> None:
    """Forget the login on this machine, and make its refresh token worthless."""
    place, store = find_place(), TokenStore.of_this_user()
    async with store.locked():
        tokens = store.read(place.base_url)
        store.forget(place.base_url)
    if tokens:
        with suppress(Unreachable):  # forgotten here is what the user asked for
            await issuer_of(place).revoke(tokens)
    out.print(f"[green]✓[/green] Logged out at {place.base_url}.")


@click.command(short_help="Erase everything, for good.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@door
async def erase(*, yes: bool, as_json: bool) -> None:
    """Erase your account: photos, results, credits, plan and login. Nothing brings them back.

    Download first what you want to keep: `rekindle jobs --help`.
    """
    async with connected() as rekindle:
        account, balance = await rekindle.me(), await rekindle.credits.balance()
        if not yes:
            left = balance.available + balance.held
            question = f"Erase everything of {account.email or account.account_id}, {left} credits"
            click.confirm(f"{question} included? This cannot be undone", abort=True, err=True)
        erased = await rekindle.erase(confirm=account.account_id)
    place, store = find_place(), TokenStore.of_this_user()
    async with store.locked():
        store.forget(place.base_url)
    if as_json:
        show_json(erased)
        return
    out.print("[green]✓[/green] Everything is being erased; it takes some minutes. What stays:")
    for kept in erased.kept:
        out.print(f"  · {plain(kept)}")


async def _log_in_person(place: Place) -> Tokens:
    show = partial(lead_to, words="Log in here")
    return await login_in_browser(issuer_of(place), show)


async def _log_in_demo(place: Place) -> Tokens:
    demo = place.state.get("demo")
    if not demo:
        raise RekindleError(
            f"{place.base_url} is not the local stack, and only that has a demo user. "
            "Log in with `rekindle login`."
        )
    return await login_with_password(
        issuer_of(place), email=demo["email"], password=demo["password"]
    )
