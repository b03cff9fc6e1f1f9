"""Webhook endpoints: registered by a call, each told what it wants, under a secret of its own."""

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
import stripe

from deploy.local.stripe.store import Store
from deploy.local.stripe.webhook_endpoints import ENDPOINTS_MAX
from tests.stripe.conftest import SECRETS, Emulator, Mailbox, client_of
from tests.stripe.shop import Shop
from tests.stripe.test_webhooks import TOLERANCE_S, until_all_are_sent

CREATED = ["customer.created"]
SECONDS_MAX = 20.0


def register(shop: Shop, mailbox: Mailbox, *events: str, **more: Any) -> Any:
    params: Any = {"url": mailbox.url, "enabled_events": list(events or CREATED), **more}
    return shop.api.webhook_endpoints.create(params)


def tell(shop: Shop) -> str:
    """Let something happen that everybody may want to hear of."""
    return shop.api.customers.create({}).id


def test_an_endpoint_hears_what_it_wants_under_its_own_secret(
    own_shop: Shop, mailbox: Mailbox
) -> None:
    endpoint = register(own_shop, mailbox)

    customer = tell(own_shop)
    own_shop.api.products.create({"name": "Nobody asked"})
    customer_too = tell(own_shop)
    mailbox.wait_for(2)

    assert mailbox.types() == CREATED * 2
    for body, header in mailbox.letters:
        stripe.Webhook.construct_event(body, header, endpoint.secret, TOLERANCE_S)
    told = {json.loads(body)["data"]["object"]["id"] for body, _ in mailbox.letters}
    assert told == {customer, customer_too}


def test_the_secret_is_shown_once(own_shop: Shop, mailbox: Mailbox) -> None:
    endpoint = register(own_shop, mailbox, description="A partner")
    assert endpoint.secret.startswith("whsec_")

    found = own_shop.api.webhook_endpoints.retrieve(endpoint.id)
    (listed,) = own_shop.api.webhook_endpoints.list().data

    for one in (found, listed):
        assert (one.id, one.url, one.description) == (endpoint.id, mailbox.url, "A partner")
        assert "secret" not in one.to_dict()


def test_a_disabled_endpoint_hears_nothing_until_it_is_enabled(
    own_shop: Shop, mailbox: Mailbox
) -> None:
    endpoint = register(own_shop, mailbox)
    assert own_shop.api.webhook_endpoints.update(endpoint.id, {"disabled": True}).status == (
        "disabled"
    )
    tell(own_shop)

    own_shop.api.webhook_endpoints.update(endpoint.id, {"disabled": False})
    heard = tell(own_shop)
    mailbox.wait_for(1)

    assert [json.loads(body)["data"]["object"]["id"] for body, _ in mailbox.letters] == [heard]


def test_other_events_may_be_wanted_later(own_shop: Shop, mailbox: Mailbox) -> None:
    endpoint = register(own_shop, mailbox)
    own_shop.api.webhook_endpoints.update(endpoint.id, {"enabled_events": ["product.created"]})

    tell(own_shop)
    own_shop.api.products.create({"name": "Asked for"})
    mailbox.wait_for(1)

    assert mailbox.types() == ["product.created"]


def test_a_deleted_endpoint_is_gone_with_what_waited_for_it(
    own_shop: Shop, mailbox: Mailbox, emulator: Emulator
) -> None:
    mailbox.answers = [500]
    endpoint = register(own_shop, mailbox)
    tell(own_shop)
    mailbox.wait_for(1)

    deleted = own_shop.api.webhook_endpoints.delete(endpoint.id)
    tell(own_shop)

    assert deleted.deleted
    with pytest.raises(stripe.InvalidRequestError, match="No such webhook_endpoint"):
        own_shop.api.webhook_endpoints.retrieve(endpoint.id)
    store = emulator.account.store.connection
    deadline = time.monotonic() + SECONDS_MAX
    while store.execute("select 1 from deliveries where endpoint_id is not null").fetchone():
        assert time.monotonic() < deadline, "something still waits for it"
        time.sleep(0.05)
    assert len(mailbox.letters) == 1


def test_the_address_of_the_settings_hears_everything_beside_them(
    heard: Emulator, mailbox: Mailbox
) -> None:
    with client_of(heard.url) as client:
        shop = Shop(client)
        endpoint = register(shop, mailbox)
        tell(shop)
        mailbox.wait_for(2)
        until_all_are_sent(heard)
        (event,) = shop.api.events.list({"type": "customer.created"}).data

    verified = 0
    for body, header in mailbox.letters:
        for secret in (endpoint.secret, SECRETS[0]):
            try:
                stripe.WebhookSignature.verify_header(body, header, secret, TOLERANCE_S)
            except stripe.SignatureVerificationError:
                continue
            verified += 1
    assert verified == 2
    assert event.pending_webhooks == 0


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"url": "http://127.0.0.1:9"}, "enabled_events"),
        ({"enabled_events": ["*"]}, "url"),
        ({"url": "https://example.com/hook", "enabled_events": ["*"]}, "url"),
        ({"url": "nowhere", "enabled_events": ["*"]}, "url"),
        ({"url": "http://127.0.0.1:9", "enabled_events": ["*", "charge.failed"]}, "enabled_events"),
        (
            {"url": "http://127.0.0.1:9", "enabled_events": ["*"], "api_version": "2020-08-27"},
            "api_version",
        ),
        ({"url": "http://127.0.0.1:9", "enabled_events": ["*"], "connect": True}, "connect"),
    ],
)
def test_an_endpoint_that_cannot_be_is_refused(
    own_shop: Shop, wrong: dict[str, Any], param: str
) -> None:
    params: Any = wrong
    with pytest.raises(stripe.InvalidRequestError) as refused:
        own_shop.api.webhook_endpoints.create(params)

    assert refused.value.param == param


def test_there_are_so_many_and_no_more(own_shop: Shop, mailbox: Mailbox) -> None:
    for _ in range(ENDPOINTS_MAX):
        register(own_shop, mailbox)

    with pytest.raises(stripe.InvalidRequestError, match="maximum of 16"):
        register(own_shop, mailbox)


def test_a_file_from_before_there_were_endpoints_still_opens(tmp_path: Path) -> None:
    file = tmp_path / "stripe.sqlite3"
    before = sqlite3.connect(file)
    before.execute(
        "create table deliveries (number integer primary key autoincrement,"
        " event_id text not null, due real not null, tries integer not null default 0)"
    )
    before.execute("insert into deliveries (event_id, due) values ('evt_1', 0)")
    before.commit()
    before.close()

    store = Store(file)

    found = store.connection.execute("select event_id, endpoint_id from deliveries").fetchall()
    assert found == [("evt_1", None)]
    store.close()
