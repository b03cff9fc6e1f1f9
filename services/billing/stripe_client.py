"""Stripe, reached over its official library: the only module that knows it.

Every write carries an idempotency key, so that a call whose answer was lost can be made again.
Nothing here may be called inside a transaction.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

import stripe
import structlog
from pydantic import BaseModel, ValidationError

from services.billing import facts
from services.billing.errors import Missing, Refused, SignatureRefused, StripeAway

API_VERSION: Final = "2026-10-28.endive"
TIMEOUT_S = 10
RETRIES_MAX = 2
PAGE = 100
LATEST_INVOICES = 4
OBJECTS_MAX = 10_000
"""No list is read further than this; whoever reads so far is told."""

LOOKUP_KEYS_MAX = 10

TOLERANCE_S = 300
SIGNATURE_LENGTH_MAX = 4_096

Options = dict[str, Any]
Shape = TypeVar("Shape", bound=BaseModel)

log = structlog.get_logger()

stripe.enable_telemetry = False


class Stripe:
    """What we ask of Stripe, in our own words."""

    def __init__(self, api_key: str, *, base_url: str | None = None) -> None:
        self._http = stripe.HTTPXClient(timeout=TIMEOUT_S)
        self._client = stripe.StripeClient(
            api_key,
            base_addresses={"api": base_url} if base_url else {},
            http_client=self._http,
            max_network_retries=RETRIES_MAX,
            stripe_version=API_VERSION,
        )
        self.api = self._client.v1

    async def close(self) -> None:
        """Close the connections kept alive."""
        await self._http.close_async()  # type: ignore[no-untyped-call]

    async def create_customer(self, account_id: UUID, *, number: int) -> str:
        """A customer for an account: the first one, or the next after one that was deleted."""
        # People read the metadata in the Dashboard; we never do.
        params: Any = {"metadata": {"account_id": str(account_id)}}
        made = await ask(
            self.api.customers.create_async(params, _once(f"customer:{account_id}:{number}"))
        )
        return str(made["id"])

    async def delete_customer(self, customer_id: str) -> None:
        """End what the customer pays for, at once, and forget who it is; invoices stay at Stripe.

        Deleting twice is no error, so it needs no key.
        """
        try:
            await ask(self.api.customers.delete_async(customer_id))
        except Missing:
            log.info("customer.deleted_before", customer_id=customer_id)

    async def create_session(self, params: Mapping[str, Any], *, key: str) -> tuple[str, str]:
        """A hosted checkout: its id and its address."""
        asked: Any = dict(params)
        made = await ask(self.api.checkout.sessions.create_async(asked, _once(key)))
        return str(made["id"]), str(made["url"])

    async def expire_session(self, session_id: str) -> None:
        """Close a checkout that nobody has paid; one that is closed already stays as it is."""
        try:
            await ask(
                self.api.checkout.sessions.expire_async(
                    session_id, options=_once(f"expire:{session_id}")
                )
            )
        except (Refused, Missing) as error:
            log.info("checkout.not_expired", session_id=session_id, error=str(error)[:200])

    async def create_portal(self, params: Mapping[str, Any], *, key: str) -> str:
        """The address of the customer portal, for one visit."""
        asked: Any = dict(params)
        made = await ask(self.api.billing_portal.sessions.create_async(asked, _once(key)))
        return str(made["url"])

    async def prices(self, lookup_keys: Sequence[str]) -> dict[str, facts.CataloguePrice]:
        """The prices that have these lookup keys now."""
        found: dict[str, facts.CataloguePrice] = {}
        for begin in range(0, len(lookup_keys), LOOKUP_KEYS_MAX):
            asked = lookup_keys[begin : begin + LOOKUP_KEYS_MAX]
            params: Any = {"lookup_keys": list(asked), "limit": PAGE}
            async for price in _items(self.api.prices.list_async(params), facts.CataloguePrice):
                if price.lookup_key:
                    found[price.lookup_key] = price
        return found

    async def create_price(self, params: Mapping[str, Any], *, key: str) -> facts.Price:
        asked: Any = dict(params)
        return _read(facts.Price, await ask(self.api.prices.create_async(asked, _once(key))))

    async def product_name(self, product_id: str) -> str | None:
        """What a product is called; None if there is none."""
        try:
            return str((await ask(self.api.products.retrieve_async(product_id)))["name"])
        except Missing:
            return None

    async def create_product(self, product_id: str, name: str) -> None:
        params: Any = {"id": product_id, "name": name}
        await ask(self.api.products.create_async(params, _once(f"product:{product_id}")))

    async def rename_product(self, product_id: str, name: str) -> None:
        params: Any = {"name": name}
        key = f"product:{product_id}:{name}"
        await ask(self.api.products.update_async(product_id, params, _once(key)))

    async def portal_configuration(self) -> facts.PortalConfiguration | None:
        """What we configured the portal with before."""
        params: Any = {"is_default": True, "active": True, "limit": PAGE}
        page = self.api.billing_portal.configurations.list_async(params)
        return await anext(_items(page, facts.PortalConfiguration), None)

    async def keep_portal(
        self, params: Mapping[str, Any], found: facts.PortalConfiguration | None, *, key: str
    ) -> None:
        """Configure the portal. The first configuration becomes the default one."""
        asked: Any = dict(params)
        configurations = self.api.billing_portal.configurations
        if found:
            await ask(configurations.update_async(found.id, asked, _once(f"{key}:{found.id}")))
        else:
            await ask(configurations.create_async(asked, _once(key)))

    async def subscriptions_of(self, customer_id: str) -> list[facts.Subscription]:
        """Every subscription the customer ever had."""
        params: Any = {"customer": customer_id, "status": "all", "limit": PAGE}
        page = self.api.subscriptions.list_async(params)
        return [item async for item in _items(page, facts.Subscription)]

    async def subscription(self, subscription_id: str) -> facts.Subscription:
        return _read(
            facts.Subscription, await ask(self.api.subscriptions.retrieve_async(subscription_id))
        )

    async def invoice(self, invoice_id: str) -> facts.Invoice:
        """An invoice with all its lines."""
        found = _read(facts.Invoice, await ask(self.api.invoices.retrieve_async(invoice_id)))
        if not found.has_more_lines:
            return found
        params: Any = {"limit": PAGE}
        page = self.api.invoices.line_items.list_async(invoice_id, params)
        lines = [line async for line in _items(page, facts.InvoiceLine)]
        return found.model_copy(update={"lines": lines})

    async def latest_invoices(self, customer_id: str) -> list[str]:
        """The customer's latest paid invoices, newest first."""
        params: Any = {"customer": customer_id, "status": "paid", "limit": LATEST_INVOICES}
        found = await ask(self.api.invoices.list_async(params))
        return [str(one["id"]) for one in found["data"]]

    async def session(self, session_id: str) -> facts.Session:
        params: Any = {"expand": ["line_items"]}
        asked = self.api.checkout.sessions.retrieve_async(session_id, params)
        return _read(facts.Session, await ask(asked))

    async def session_paid_by(self, payment_intent_id: str) -> str | None:
        """The checkout that a payment was made in."""
        params: Any = {"payment_intent": payment_intent_id, "limit": 1}
        found = await ask(self.api.checkout.sessions.list_async(params))
        return str(found["data"][0]["id"]) if found["data"] else None

    async def invoice_paid_by(self, payment_intent_id: str) -> str | None:
        """The invoice that a payment was made for."""
        payment = {"type": "payment_intent", "payment_intent": payment_intent_id}
        found = await self._invoice_payments({"payment": payment})
        return found[0].invoice if found else None

    async def intent_that_paid(self, invoice_id: str) -> str | None:
        """The payment that paid an invoice; none where nothing was to pay."""
        found = await self._invoice_payments({"invoice": invoice_id, "status": "paid"})
        return next((one.payment_intent for one in found if one.payment_intent), None)

    async def state_of_payment(self, invoice_id: str) -> str | None:
        """How the payment of an open invoice stands; none where it has none."""
        found = await self._invoice_payments({"invoice": invoice_id, "status": "open"})
        intent = next((one.payment_intent for one in found if one.payment_intent), None)
        return (await self.intent(intent)).status if intent else None

    async def _invoice_payments(self, params: Any) -> list[facts.InvoicePayment]:
        asked: Any = {**params, "limit": PAGE}
        page = self.api.invoice_payments.list_async(asked)
        return [item async for item in _items(page, facts.InvoicePayment)]

    async def intent(self, payment_intent_id: str) -> facts.PaymentIntent:
        params: Any = {"expand": ["latest_charge"]}
        asked = self.api.payment_intents.retrieve_async(payment_intent_id, params)
        return _read(facts.PaymentIntent, await ask(asked))

    async def money(self, payment_intent_id: str) -> facts.Money:
        """A payment, and what went back of it."""
        params: Any = {"payment_intent": payment_intent_id, "limit": PAGE}
        refunds = self.api.refunds.list_async(params)
        disputes = self.api.disputes.list_async(params)
        # The intent last: what went back is never newer than what came in.
        back = [item async for item in _items(refunds, facts.Refund)]
        contested = [item async for item in _items(disputes, facts.Dispute)]
        return facts.Money(
            intent=await self.intent(payment_intent_id), refunds=back, disputes=contested
        )

    async def events_since(self, moment: datetime) -> AsyncIterator[facts.Event]:
        """What happened since then, newest first."""
        params: Any = {"created": {"gte": int(moment.timestamp())}, "limit": PAGE}
        async for event in _items(self.api.events.list_async(params), facts.Event):
            yield event

    async def event(self, event_id: str) -> facts.Event:
        return _read(facts.Event, await ask(self.api.events.retrieve_async(event_id)))


def verify(body: bytes, header: str, secrets: Sequence[str]) -> facts.Event:
    """The event in a webhook that was signed with one of the secrets, not long ago."""
    if not header or len(header) > SIGNATURE_LENGTH_MAX:
        raise SignatureRefused("header")
    for secret in secrets:
        try:
            stripe.WebhookSignature.verify_header(body, header, secret, TOLERANCE_S)
        except Exception as error:  # noqa: BLE001  # a header of garbage raises from many families
            why = _why(error)
        else:
            _refuse_the_future(header)
            return _event(body)
    raise SignatureRefused(why)


def _refuse_the_future(header: str) -> None:
    """Stripe's library refuses the old only; a clock that is ahead may sign far into the future."""
    stamps = [part[2:] for part in header.split(",") if part.startswith("t=")]
    if int(stamps[0]) > time.time() + TOLERANCE_S:
        raise SignatureRefused("timestamp")


def _why(error: Exception) -> str:
    text = str(error).lower()
    if "tolerance" in text:
        return "timestamp"
    return "signature" if isinstance(error, stripe.SignatureVerificationError) else "header"


def _event(body: bytes) -> facts.Event:
    try:
        return facts.Event.model_validate_json(body)
    except ValidationError as error:
        log.warning("webhook.unreadable", faults=error.error_count())
        raise SignatureRefused("shape") from None


async def ask(call: Awaitable[Any]) -> dict[str, Any]:
    """The answer to one call as plain data."""
    with _named_errors():
        answer = await call
    plain: dict[str, Any] = answer.to_dict()
    return plain


async def _items(page: Awaitable[Any], shape: type[Shape]) -> AsyncIterator[Shape]:
    """Every object of a list, page after page."""
    with _named_errors():
        count = 0
        async for item in (await page).auto_paging_iter():
            count += 1
            if count > OBJECTS_MAX:
                log.error("stripe.list_too_long", shape=shape.__name__, objects_max=OBJECTS_MAX)
                return
            yield _read(shape, item.to_dict())


@contextmanager
def _named_errors() -> Iterator[None]:
    """What the library raises, as what we do about it."""
    try:
        yield
    except stripe.InvalidRequestError as error:
        if error.code == "resource_missing":
            raise Missing(str(error.param)) from None
        log.warning("stripe.refused", code=error.code, param=error.param)
        raise Refused(f"Stripe refuses the request: {error.code} {error.param}") from error
    except stripe.StripeError as error:
        log.warning("stripe.away", error=type(error).__name__, status=error.http_status)
        raise StripeAway from error


def _read(shape: type[Shape], answer: Mapping[str, Any]) -> Shape:
    try:
        return shape.model_validate(answer)
    except ValidationError as error:
        places = sorted({".".join(map(str, fault["loc"])) for fault in error.errors()})
        raise Refused(f"{shape.__name__} of Stripe has another shape: {places}") from None


def _once(key: str) -> Any:
    return {"idempotency_key": key}
