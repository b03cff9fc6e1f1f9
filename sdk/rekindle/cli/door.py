"""What all commands share: who asks whom, and how a refusal is said with its mend."""

import asyncio
import functools
import json
import os
import sys
import webbrowser
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NoReturn, ParamSpec

import click
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from sdk.rekindle.client import Rekindle
from sdk.rekindle.login import Issuer
from sdk.rekindle.places import Place, find_place
from sdk.rekindle.problems import NotLoggedIn, RekindleError
from sdk.rekindle.tokens import StoredLogin, Tokens, TokenStore

INTERRUPTED = 130
LIST_MAX = 100

MENDS = {
    "no-rekindle-found": "Start one with `make run`, or set REKINDLE_URL.",
    "not-logged-in": "Log in with `rekindle login` (or `rekindle login --demo`).",
    "unauthenticated": "Log in with `rekindle login` (or `rekindle login --demo`).",
    "unreachable": "See what is missing with `rekindle doctor`.",
    "took-too-long": "Look again with `rekindle jobs list` and `rekindle photos list`.",
    "too-many-handoffs": "Stop the other `rekindle handoff` with Ctrl-C, or wait until it ends.",
    "insufficient-credits": "Buy more with `rekindle buy`, or choose a cheaper --kind.",
    "already-subscribed": "Change it with `rekindle plan change`, or buy credits on top: "
    "`rekindle buy 10`.",
    "nothing-to-manage": "See what there is to buy: `rekindle buy`.",
    "not-subscribed": "See what you are on: `rekindle plan`.",
    "kind-not-available": "Choose another --kind.",
    "unknown-kind": "Choose another --kind.",
    "not-found": "See yours with `rekindle photos list` and `rekindle jobs list`.",
    "format-not-supported": "Save it as JPG, PNG, HEIC or WebP and add it again.",
    "not-a-photo": "Choose a JPG, PNG, HEIC or WebP file.",
    "file-damaged": "Copy or scan it again and add the new file.",
    "photo-too-large": "Make the file smaller and add it again.",
    "too-many-pixels": "Make the picture smaller and add it again.",
    "too-small": "Use a larger scan.",
    "nothing-to-split": "See what is found with `rekindle photos outline ID`.",
    "not-ready": "Wait until it is: `rekindle photos show ID`.",
    "login-failed": "Try `rekindle login` again.",
}

out = Console()
err = Console(stderr=True)

Arguments = ParamSpec("Arguments")
json_option = click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
limit_option = click.option(
    "--limit",
    type=click.IntRange(1, LIST_MAX),
    default=20,
    show_default=True,
    help="How many, newest first.",
)


def door(
    command: Callable[Arguments, Coroutine[Any, Any, None]],
) -> Callable[Arguments, None]:
    """Run an asynchronous command; what goes wrong is said in its own manner of speaking."""

    @functools.wraps(command)
    def opened(*values: Arguments.args, **options: Arguments.kwargs) -> None:
        with failing_in_sentences(as_json=bool(options.get("as_json"))):
            asyncio.run(command(*values, **options))

    return opened


@contextmanager
def failing_in_sentences(*, as_json: bool) -> Iterator[None]:
    """End the program with a sentence and its mend (or a problem as JSON), never a traceback."""
    try:
        yield
    except RekindleError as error:
        fail(error, as_json=as_json)
    except KeyboardInterrupt:
        err.print("\nStopped.")
        sys.exit(INTERRUPTED)
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        fail(RekindleError(f"{error.strerror or error}{place}."), as_json=as_json)
    except Exception as error:
        if os.environ.get("REKINDLE_DEBUG"):
            raise
        sentence = f"rekindle itself broke: {type(error).__name__}: {error}."
        fail(RekindleError(f"{sentence} REKINDLE_DEBUG=1 shows where."), as_json=as_json)


def fail(error: RekindleError, *, as_json: bool) -> NoReturn:
    """Say why, and end with exit code 1."""
    if as_json:
        show_json({"problem": error.document()})
    else:
        err.print(f"[red]✗[/red] {plain(sentence(error))}", soft_wrap=True)
    sys.exit(1)


def sentence(error: RekindleError) -> str:
    """Join what happened and what helps."""
    return " ".join(filter(None, (str(error), MENDS.get(error.code))))


def show_json(document: Any) -> None:
    """Write one JSON document on one line of standard output, at once: others may follow late."""
    print(json.dumps(document, default=_as_json, ensure_ascii=False), flush=True)


def table_of(*columns: str) -> Table:
    """Lay out a list; its ids stay whole, for they are what the next command wants."""
    table = Table(box=None)
    for place, column in enumerate(columns):
        table.add_column(column, no_wrap=place == 0, overflow="fold")
    return table


def lead_to(address: str, *, words: str) -> None:
    """Say where to go on, and open it in the user's browser."""
    err.print(f"{words} (your browser should open):")
    err.print(address, soft_wrap=True, highlight=False, markup=False)
    webbrowser.open(address)


def plain(text: str) -> str:
    """Keep rich from reading a file's name or a user's note as markup."""
    return text.replace("[", "\\[")


@asynccontextmanager
async def connected() -> AsyncIterator[Rekindle]:
    """Open the client of the user who is logged in at this place."""
    place = find_place()
    store = TokenStore.of_this_user()
    login = StoredLogin(store, place.base_url, _renew)
    if store.read(place.base_url) is None:
        raise NotLoggedIn(f"You are not logged in at {place.base_url}.")
    async with Rekindle(place.base_url, login) as rekindle:
        yield rekindle


def issuer_of(place: Place) -> Issuer:
    if place.issuer_url is None:
        raise RekindleError(f"{place.base_url} is not the local stack: set REKINDLE_ISSUER too.")
    return Issuer(place.issuer_url)


async def _renew(tokens: Tokens) -> Tokens:
    return await Issuer(tokens.issuer_url).renew(tokens)


def _as_json(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)
