"""What we read of Stripe's objects, checked: its answers are input like any other.

Only the fields that decide something are here, in the shapes of the pinned API version. Metadata is
not among them: whoever may edit it in the Dashboard must not be able to move credits.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AliasPath, BaseModel, BeforeValidator, ConfigDict, Field

ID_LENGTH_MAX = 255


def _id_of(value: Any) -> Any:
    """The id of an object that is there as a whole, or by its id only."""
    return value.get("id") if isinstance(value, dict) else value


def _moment(value: Any) -> Any:
    return datetime.fromtimestamp(value, UTC) if type(value) is int else value


StripeId = Annotated[str, BeforeValidator(_id_of), Field(min_length=1, max_length=ID_LENGTH_MAX)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Cents = Annotated[int, Field(ge=0, le=10**12)]
Quantity = Annotated[int, Field(ge=1, le=1_000)]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Price(_Facts):
    id: StripeId
    lookup_key: str | None = None
    unit_amount: Cents | None = None
    currency: str


class CataloguePrice(Price):
    """A price as it is kept in step with ours."""

    active: bool
    interval: Annotated[str | None, Field(validation_alias=AliasPath("recurring", "interval"))] = (
        None
    )


class PortalConfiguration(_Facts):
    id: StripeId
    digest: Annotated[str | None, Field(validation_alias=AliasPath("metadata", "rekindle"))] = None


class SubscriptionItem(_Facts):
    price: Price
    quantity: Quantity = 1
    current_period_end: Moment


class Subscription(_Facts):
    id: StripeId
    customer: StripeId
    status: str
    start_date: Moment
    ended_at: Moment | None = None
    cancel_at: Moment | None = None
    cancel_at_period_end: bool = False
    items: Annotated[
        list[SubscriptionItem],
        Field(min_length=1, max_length=1, validation_alias=AliasPath("items", "data")),
    ]

    @property
    def item(self) -> SubscriptionItem:
        """We sell one plan at a time."""
        return self.items[0]

    @property
    def will_end_at(self) -> datetime | None:
        if self.cancel_at:
            return self.cancel_at
        return self.item.current_period_end if self.cancel_at_period_end else None


class Discount(_Facts):
    amount: Cents


class LineParent(_Facts):
    """What made an invoice line: a subscription's item, or something added to the invoice."""

    subscription: StripeId | None = None
    proration: bool = False


class InvoiceLine(_Facts):
    id: StripeId
    amount: int
    quantity: Quantity | None = None
    discount_amounts: list[Discount] | None = None
    starts_at: Annotated[Moment, Field(validation_alias=AliasPath("period", "start"))]
    ends_at: Annotated[Moment, Field(validation_alias=AliasPath("period", "end"))]
    price_id: Annotated[
        StripeId | None, Field(validation_alias=AliasPath("pricing", "price_details", "price"))
    ] = None
    of_item: Annotated[
        LineParent | None, Field(validation_alias=AliasPath("parent", "subscription_item_details"))
    ] = None
    added: Annotated[
        LineParent | None, Field(validation_alias=AliasPath("parent", "invoice_item_details"))
    ] = None

    @property
    def subscription(self) -> str | None:
        """Which subscription it is for. What an operator adds by hand is for none."""
        if self.of_item:
            return self.of_item.subscription
        return self.added.subscription if self.added and self.added.proration else None

    @property
    def is_proration(self) -> bool:
        return self.of_item.proration if self.of_item else self.added is not None


class Invoice(_Facts):
    id: StripeId
    customer: StripeId | None
    status: str | None
    currency: str
    amount_paid: Cents
    attempt_count: int = 0
    billing_reason: str | None = None
    subscription: Annotated[
        StripeId | None,
        Field(validation_alias=AliasPath("parent", "subscription_details", "subscription")),
    ] = None
    paid_at: Annotated[
        Moment | None, Field(validation_alias=AliasPath("status_transitions", "paid_at"))
    ] = None
    lines: Annotated[list[InvoiceLine], Field(validation_alias=AliasPath("lines", "data"))]
    has_more_lines: Annotated[bool, Field(validation_alias=AliasPath("lines", "has_more"))] = False


class InvoicePayment(_Facts):
    """Which payment intent paid which invoice."""

    invoice: StripeId
    status: str
    payment_intent: Annotated[
        StripeId | None, Field(validation_alias=AliasPath("payment", "payment_intent"))
    ] = None


class SessionLine(_Facts):
    price: Price
    quantity: Quantity = 1


class Session(_Facts):
    id: StripeId
    mode: str
    status: str | None
    payment_status: str
    customer: StripeId | None
    currency: str | None
    created: Moment
    payment_intent: StripeId | None = None
    subscription: StripeId | None = None
    lines: Annotated[
        list[SessionLine], Field(validation_alias=AliasPath("line_items", "data"))
    ] = []


class Refund(_Facts):
    id: StripeId
    amount: Cents
    status: str | None
    created: Moment

    @property
    def is_effective(self) -> bool:
        """Whether the money goes back, as far as anybody knows."""
        return self.status not in ("failed", "canceled")


class Dispute(_Facts):
    id: StripeId
    amount: Cents
    status: str
    created: Moment

    @property
    def state(self) -> Literal["open", "won", "lost"] | None:
        """None for an inquiry: no money has moved because of it."""
        if self.status == "lost" or self.status.startswith("appeal_"):
            return "lost"
        if self.status in ("needs_response", "under_review"):
            return "open"
        return "won" if self.status in ("won", "prevented", "charge_refunded") else None


class Charge(_Facts):
    id: StripeId
    created: Moment
    disputed: bool = False


class PaymentIntent(_Facts):
    id: StripeId
    customer: StripeId | None
    status: str
    currency: str
    amount_received: Cents
    latest_charge: Charge | None = None


class Money(_Facts):
    """A payment intent with everything that went back of it."""

    intent: PaymentIntent
    refunds: list[Refund]
    disputes: list[Dispute]


class PaidInvoice(_Facts):
    """An invoice, and the money that paid it, if there was any to pay."""

    invoice: Invoice
    money: Money | None
    unpaid_by: str | None = None
    """The state of the payment that should have paid it, while it is open."""


class PaidSession(_Facts):
    """A finished checkout, and the money that paid it, if there was any to pay."""

    session: Session
    money: Money | None


class Found(_Facts):
    """What Stripe says about the subject of an event, all of it read after the lease was taken."""

    subscriptions: list[Subscription] = []
    invoices: list[PaidInvoice] = []
    sessions: list[PaidSession] = []
    is_deleted: bool = False


class Event(_Facts):
    """An event, without the object as it was then: that is read again."""

    id: StripeId
    type: Annotated[str, Field(max_length=ID_LENGTH_MAX)]
    created: Moment
    livemode: bool
    api_version: str | None = None
    account: str | None = None
    object: Annotated[
        str, Field(max_length=64, validation_alias=AliasPath("data", "object", "object"))
    ]
    object_id: Annotated[StripeId, Field(validation_alias=AliasPath("data", "object", "id"))]
    customer: Annotated[
        StripeId | None, Field(validation_alias=AliasPath("data", "object", "customer"))
    ] = None
    payment_intent: Annotated[
        StripeId | None, Field(validation_alias=AliasPath("data", "object", "payment_intent"))
    ] = None
