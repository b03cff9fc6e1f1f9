"""Refusals of the gateway, in domain words."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from services.kit.problems import Problem


class AccountWasErased(Problem):
    """Whose account was erased may begin anew, but not at once."""

    status = 403
    title = "Your account was erased"

    def __init__(self, *, anew_at: datetime) -> None:
        super().__init__(
            f"Everything in it is gone. You can begin anew from {anew_at:%d %B %Y} on.",
            anew_at=anew_at.isoformat(),
        )


class ErasureUnconfirmed(Problem):
    """Nobody should erase everything by mistake."""

    status = 400
    title = "Please confirm that everything is to be erased"

    def __init__(self) -> None:
        super().__init__("Nothing was erased. Repeat the account's own id in `confirm`.")


class IdempotencyKeyRequired(Problem):
    """What spends credits must carry the caller's own name for the attempt."""

    status = 400
    title = "An Idempotency-Key is needed"

    def __init__(self) -> None:
        super().__init__("Send an Idempotency-Key header of 1 to 255 printable characters.")


class IdempotencyKeyReused(Problem):
    """The key names another request."""

    status = 422
    title = "This Idempotency-Key belongs to another request"

    def __init__(self) -> None:
        super().__init__("The key was used within 24 hours with another body; choose a new one.")


class RequestInFlight(Problem):
    """The first request with this key has not been answered yet."""

    status = 409
    title = "The first request is still being answered"

    def __init__(self, *, retry_after_s: int) -> None:
        super().__init__(
            "A request with this Idempotency-Key is being answered.", retry_after_s=retry_after_s
        )


class PhotoUnusable(Problem):
    """The photo was refused; no job can be done with it."""

    status = 409
    title = "This photo cannot be used"

    def __init__(self, photo_id: UUID, *, reason: object) -> None:
        super().__init__("The photo was refused when it was uploaded.", photo_id=str(photo_id))
        self.facts["problem"] = reason


class UnknownKind(Problem):
    """There is no such kind of work."""

    status = 422
    title = "We do not know this kind of work"

    def __init__(self, *, kinds: Iterable[str]) -> None:
        names = list(kinds)
        super().__init__(f"Ask for one of: {', '.join(names)}.", kinds=names)


class TooManyRequests(Problem):
    """The caller is faster than its limit allows."""

    status = 429
    title = "Too many requests"

    def __init__(self, *, limit: str, retry_after_s: int) -> None:
        super().__init__(
            f"Wait {retry_after_s} s and send the request again.",
            limit=limit,
            retry_after_s=retry_after_s,
        )


class TooManyStreams(Problem):
    """The account listens in too many places at once."""

    status = 429
    title = "Too many event streams"

    def __init__(self, *, streams_max: int, retry_after_s: int) -> None:
        super().__init__(
            f"An account may hold {streams_max} event streams; close one.",
            streams_max=streams_max,
            retry_after_s=retry_after_s,
        )


class TooManyHandoffs(Problem):
    """The account has as many open hand-offs as it may."""

    status = 409
    title = "Too many open hand-offs"

    def __init__(self, *, open_max: int) -> None:
        super().__init__(
            f"An account may have {open_max} open hand-offs; revoke one, or let one expire.",
            open_max=open_max,
        )


class HandoffClosed(Problem):
    """The hand-off has all its photos, or its time is over."""

    status = 403
    title = "This hand-off takes no more photos"

    def __init__(self, *, photos_max: int) -> None:
        super().__init__(
            f"It has its {photos_max} photos, or its time is over; make a new one.",
            photos_max=photos_max,
        )


class HandoffOnlyAddsPhotos(Problem):
    """The token of a hand-off is good for adding photos, and this is something else."""

    status = 403
    title = "A hand-off is for adding photos only"

    def __init__(self) -> None:
        super().__init__("Sign in to do this.")


class CrossSiteRequest(Problem):
    """A browser sent the session cookie on behalf of another site."""

    status = 403
    title = "Refused: the request comes from another site"

    def __init__(self) -> None:
        super().__init__("Changes with a session cookie are accepted from our own pages only.")


class LoginFailed(Exception):  # noqa: N818  # what happened; the browser is sent back to the page
    """The sign-in did not end in a person we know. The reason is a word for logs."""


class NothingToSplit(Problem):
    """No second print was found in the picture."""

    status = 422
    title = "There is only one print"

    def __init__(self) -> None:
        super().__init__("We found no second print here. Mark them yourself, and send `quads`.")


class NothingToShare(Problem):
    """The job has no picture, or none yet."""

    status = 409
    title = "There is nothing to share yet"

    def __init__(self) -> None:
        super().__init__("Only a finished picture can be shared.")
