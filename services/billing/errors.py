"""What can be refused about plans and money."""

from services.kit.problems import Problem, Unavailable


class UnknownPlan(Problem):
    """There is no plan of this name."""

    status = 422
    title = "There is no such plan"

    def __init__(self, plan: str, *, plans: list[str]) -> None:
        super().__init__(f"There is no plan “{plan}”; there are {', '.join(plans)}.", plans=plans)


class UnknownItem(Problem):
    """Nothing of this name can be bought."""

    status = 422
    title = "That is not for sale"

    def __init__(self, *, on_sale: list[str]) -> None:
        super().__init__(
            "Ask for one plan with its interval, or for one top-up, of those in GET /v1/plans.",
            on_sale=on_sale,
        )


class AlreadySubscribed(Problem):
    """The account has a subscription; changing it is the portal's business."""

    status = 409
    title = "There is a subscription already"

    def __init__(self, plan: str) -> None:
        super().__init__(
            f"This account is subscribed to {plan}. Change or resume it at POST /v1/portal.",
            plan=plan,
        )


class NothingToManage(Problem):
    """The portal shows purchases, and there is none."""

    status = 409
    title = "Nothing was bought yet"

    def __init__(self) -> None:
        super().__init__("The customer portal opens with the first purchase: POST /v1/checkout.")


class NotSubscribed(Problem):
    """Only a subscription that is paid for can be cancelled."""

    status = 409
    title = "There is no subscription"

    def __init__(self) -> None:
        super().__init__("This account has no subscription that could be cancelled.")


class OtherCheckout(Problem):
    """An Idempotency-Key names one purchase."""

    status = 422
    title = "This key was used for something else"

    def __init__(self) -> None:
        super().__init__("Use a new Idempotency-Key for another purchase.")


class KeyRequired(Problem):
    """A purchase needs a name, so that asking twice is no second purchase."""

    status = 400
    title = "An Idempotency-Key is needed"

    def __init__(self) -> None:
        super().__init__("Send an Idempotency-Key of 1 to 255 printable characters.")


class SignatureRefused(Problem):
    """Whoever sent this does not know our secret, or it was on its way for too long."""

    status = 400
    title = "The signature is not valid"

    def __init__(self, why: str) -> None:
        super().__init__("This is not a webhook that Stripe has signed for us just now.")
        self.why = why


class StripeAway(Unavailable):
    """Stripe does not answer, or not with an answer."""

    def __init__(self) -> None:
        super().__init__("Stripe does not answer right now. Nothing was bought; try again.")


class PricesNotSynced(Unavailable):
    """Stripe has no price for what is on offer."""

    def __init__(self) -> None:
        super().__init__("Nothing can be bought just now: prices are being set up.")


class Missing(Exception):  # noqa: N818  # what Stripe says of it
    """Stripe has no such object."""


class Refused(Exception):  # noqa: N818  # an outcome
    """What Stripe says does not fit our books; an operator has to look. Trying again is no use."""
