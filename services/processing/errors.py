"""What processing refuses, in the words of the domain."""

from collections.abc import Iterable

from services.kit.problems import Problem


class UnknownKind(Problem):
    """There is no such kind of work."""

    status = 422
    title = "We do not know this kind of work"

    def __init__(self, *, kinds: Iterable[str]) -> None:
        names = list(kinds)
        super().__init__(f"Ask for one of: {', '.join(names)}.", kinds=names)


class KindNotAvailable(Problem):
    """We will do this one day, and do not do it yet."""

    status = 422
    title = "Not available yet"

    def __init__(self, *, kind: str) -> None:
        super().__init__(f"{kind} cannot be ordered yet.", kind=kind)


class WrongNumberOfPhotos(Problem):
    """The kind of work takes more, or fewer, different photos."""

    status = 422
    title = "Wrong number of photos"

    def __init__(self, *, kind: str, photos_min: int, photos_max: int) -> None:
        needed = str(photos_min) if photos_min == photos_max else f"{photos_min} to {photos_max}"
        super().__init__(
            f"{kind} takes {needed} different photo(s).",
            photos_min=photos_min,
            photos_max=photos_max,
        )


class PhotoUnusable(Problem):
    """The photo could not be prepared, so no work on it can be ordered."""

    status = 409
    title = "This photo cannot be used"


class PhotoUnreadable(Problem):
    """The picture cannot be decoded; `reason` is the code that preparation would give."""

    status = 422
    title = "This photo cannot be read"


class InsufficientCredits(Problem):
    """The account has fewer free credits than the work costs."""

    status = 402
    title = "Not enough credits"

    def __init__(self, *, needed: int, available: int) -> None:
        super().__init__(
            f"This needs {needed} credits and you have {available}. Add credits or change plan.",
            needed=needed,
            available=available,
            missing=needed - available,
        )


class IdempotencyKeyReused(Problem):
    """The key belongs to an order of something else."""

    status = 422
    title = "This Idempotency-Key was used for another order"

    def __init__(self) -> None:
        super().__init__("Send a new Idempotency-Key with a new order.")


class IdempotencyKeyRequired(Problem):
    """An order without a key could be paid twice when it is sent twice."""

    status = 400
    title = "Idempotency-Key is missing"

    def __init__(self) -> None:
        super().__init__("Send an Idempotency-Key header of 1 to 255 printable characters.")


class JobEnded(Problem):
    """The job is over: there is nothing left to cancel."""

    status = 409
    title = "This job has ended"

    def __init__(self, *, state: str) -> None:
        super().__init__(f"The job is {state} and stays so.", state=state)


class InvalidCursor(Problem):
    """The cursor does not come from us."""

    status = 422
    title = "This cursor is not one of ours"

    def __init__(self) -> None:
        super().__init__("Use `next_cursor` of the page before, as it is.")
