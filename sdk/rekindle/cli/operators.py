"""Commands that a service answers itself: the client knows none, this one runs beside it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import NoReturn

from sdk.rekindle.cli.door import fail
from sdk.rekindle.places import find_place
from sdk.rekindle.problems import RekindleError

TIMEOUT_S = 600


class NotAnOperator(RekindleError):  # noqa: N818  # an outcome
    """Nothing here leads to the books of a Rekindle."""

    code = "not-an-operator"


def answer(service: str, words: Sequence[str]) -> NoReturn:
    """Let a service's own command answer, on the operator's machine, and end as it ends."""
    try:
        environment = _environment(service)
    except RekindleError as error:
        fail(error, as_json=False)
    answered = subprocess.run(  # noqa: S603  # our own module, and words that are no shell's
        [sys.executable, "-m", f"services.{service}", *words],
        env=environment,
        check=False,
        timeout=TIMEOUT_S,
    )
    sys.exit(answered.returncode)


def _environment(service: str) -> dict[str, str]:
    if "DATABASE_URL" in os.environ:
        return dict(os.environ)
    environments = find_place().state.get("environments")
    if not environments:
        raise NotAnOperator("This Rekindle is not the local stack: set DATABASE_URL.")
    return {**os.environ, **environments[service]}
