"""Refusals, in the vocabulary of RFC 9457."""

import re
from typing import ClassVar

TYPE_BASE = "https://rekindle.example/problems/"


class Problem(Exception):  # noqa: N818  # RFC 9457 calls it a problem
    """A refusal the caller can understand and act on."""

    status: ClassVar[int]
    title: ClassVar[str]

    def __init__(self, detail: str, **facts: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts = facts

    @property
    def code(self) -> str:
        """The stable name: `NotEnough` → `not-enough`."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", type(self).__name__).lower()

    def document(self, *, instance: str, trace_id: str) -> dict[str, object]:
        """The problem as RFC 9457 members, with its facts as extensions."""
        return {
            "type": TYPE_BASE + self.code,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "code": self.code,
            "trace_id": trace_id,
            **self.facts,
        }


class NotFound(Problem):
    """It does not exist, or belongs to somebody else: the answer is the same."""

    status = 404
    title = "Not found"

    def __init__(self, detail: str = "There is nothing here for you.") -> None:
        super().__init__(detail)


class Unauthenticated(Problem):
    """No token, or one that is not valid (any more)."""

    status = 401
    title = "Not signed in"

    def __init__(self, detail: str = "Sign in again: the token is missing or not valid.") -> None:
        super().__init__(detail)


class Unavailable(Problem):
    """A part of the system does not answer; the same request may be sent again."""

    status = 503
    title = "Try again in a moment"

    def __init__(self, detail: str, *, retry_after_s: int = 5) -> None:
        super().__init__(detail, retry_after_s=retry_after_s)
