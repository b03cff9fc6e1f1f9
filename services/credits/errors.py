"""What can be refused about credits."""

from services.kit.problems import Problem


class InsufficientCredits(Problem):
    """The account has fewer free credits than the work costs."""

    status = 402
    title = "Not enough credits"

    def __init__(self, *, needed: int, available: int) -> None:
        super().__init__(
            f"This needs {needed} credits and the account has {available}."
            " Buy more, or choose a larger plan.",
            needed=needed,
            available=available,
            missing=needed - available,
        )


class HoldClosed(Problem):
    """The hold was captured, released or has expired: it cannot change any more."""

    status = 409
    title = "The hold is closed"


class HoldDiffers(Problem):
    """The job already has a hold, of another amount or for another account."""

    status = 409
    title = "The job has a different hold"


class NothingToRefund(Problem):
    """The job was not delivered, so nothing was spent on it."""

    status = 409
    title = "Nothing to give back"


class TooLateToRefund(Problem):
    """The result was delivered too long ago."""

    status = 409
    title = "Too late to reject this result"


class TooManyRefunds(Problem):
    """The account has rejected as many results as it may this month."""

    status = 409
    title = "Too many results rejected this month"

    def __init__(self, *, maximum: int) -> None:
        super().__init__(
            f"{maximum} results a month can be rejected. Try again next month, or write to us.",
            maximum=maximum,
        )


class NeedsAnother(Problem):
    """A large adjustment is answered for by two people."""

    status = 409
    title = "Somebody else has to approve this"


class AlreadyApproved(Problem):
    """The adjustment was booked before."""

    status = 409
    title = "Approved already"
