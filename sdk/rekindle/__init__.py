"""Rekindle for Python programs: a typed asynchronous client, and the `rekindle` command."""

from sdk.rekindle.client import Rekindle
from sdk.rekindle.models import (
    Balance,
    Batch,
    BegunHandoff,
    Checkout,
    FeedEvent,
    Handoff,
    Job,
    Kind,
    Page,
    Photo,
    Plans,
    Quote,
    Receipt,
)
from sdk.rekindle.problems import (
    LoginFailed,
    NotLoggedIn,
    RekindleError,
    RekindleProblem,
    TookTooLong,
    Unreachable,
)
from sdk.rekindle.tokens import FixedToken, TokenProvider, TokenStore

__all__ = [
    "Balance",
    "Batch",
    "BegunHandoff",
    "Checkout",
    "FeedEvent",
    "FixedToken",
    "Handoff",
    "Job",
    "Kind",
    "LoginFailed",
    "NotLoggedIn",
    "Page",
    "Photo",
    "Plans",
    "Quote",
    "Receipt",
    "Rekindle",
    "RekindleError",
    "RekindleProblem",
    "TokenProvider",
    "TokenStore",
    "TookTooLong",
    "Unreachable",
]
