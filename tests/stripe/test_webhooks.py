"""Webhooks: signed as Stripe's library demands, tried again, and broken on request."""

import json
import time
from typing import Any

import httpx
import pytest
import stripe

from tests.stripe.conftest import SECRETS, Emulator, Mailbox, client_of, running
from tests.stripe.shop import Shop

TOLERANCE_S = 300


def make_customers(emulator: Emulator, count: int) -> list[str]:
    with client_of(emulator.url) as client:
        return [client.v1.customers.create({}).id for _ in range(count)]


def order(emulator: Emulator, **faults: Any) -> None:
    answer = httpx.post(f"{emulator.url}/__control/faults", json=faults)
    assert answer.status_code == 200, answer.text


def customers_in(mailbox: Mailbox) -> list[str]:
    return [json.loads(body)["data"]["object"]["id"] for body, _ in mailbox.letters]


@pytest.mark.parametrize("secret", SECRETS)
def test_each_secret_verifies_what_comes(heard: Emulator, mailbox: Mailbox, secret: str) -> None:
    made = make_customers(heard, 1)
    mailbox.wait_for(1)
    body, header = mailbox.letters[0]

    event = stripe.Webhook.construct_event(body, header, secret, TOLERANCE_S)

    assert (event.type, event.data.object["id"]) == ("customer.created", made[0])
    assert event.api_version == "2026-10-28.endive"


def test_another_secret_does_not(heard: Emulator, mailbox: Mailbox) -> None:
    make_customers(heard, 1)
    mailbox.wait_for(1)
    body, header = mailbox.letters[0]

    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(body, header, "whsec_another", TOLERANCE_S)


def test_what_is_not_taken_is_sent_again_with_the_same_id(
    heard: Emulator, mailbox: Mailbox
) -> None:
    mailbox.answers = [500, 404]

    make_customers(heard, 1)
    mailbox.wait_for(3)

    ids = {json.loads(body)["id"] for body, _ in mailbox.letters}
    assert len(ids) == 1


def test_what_waits_survives_a_restart(tmp_path: Any, mailbox: Mailbox) -> None:
    with running(home=tmp_path) as silent:
        made = make_customers(silent, 3)
    assert mailbox.letters == []

    with running(home=tmp_path, webhook_url=mailbox.url, secrets=SECRETS[0]) as speaking:
        mailbox.wait_for(3)
        with client_of(speaking.url) as client:
            assert client.v1.customers.retrieve(made[0]).id == made[0]

    assert sorted(customers_in(mailbox)) == sorted(made)


def test_webhooks_are_lost_and_doubled_when_that_is_asked_for(
    heard: Emulator, mailbox: Mailbox
) -> None:
    order(heard, lose_webhook=1)
    make_customers(heard, 1)
    until_all_are_sent(heard)
    order(heard, duplicate_webhook=1)
    second = make_customers(heard, 1)

    mailbox.wait_for(2)

    assert customers_in(mailbox) == second * 2


def test_a_webhook_is_late_when_that_is_asked_for(heard: Emulator, mailbox: Mailbox) -> None:
    order(heard, late_webhook=1, late_seconds=0.5)
    first = make_customers(heard, 1)
    second = make_customers(heard, 1)

    mailbox.wait_for(2)

    # Which of the two comes late is the emulator's; both come, once.
    assert sorted(customers_in(mailbox)) == sorted(first + second)


def test_webhooks_come_backwards_when_that_is_asked_for(heard: Emulator, mailbox: Mailbox) -> None:
    with client_of(heard.url) as client:
        shop = Shop(client)
        customer, price = shop.customer().id, shop.price().id
        until_all_are_sent(heard)
        mailbox.letters.clear()
        order(heard, reorder_webhooks=1)

        shop.subscribe(customer, price)

        until_all_are_sent(heard)
        told = [one.id for one in client.v1.events.list({"limit": len(mailbox.letters)}).data]
    # A list is newest first, and so is what came.
    assert len(told) > 5
    assert [json.loads(body)["id"] for body, _ in mailbox.letters] == told


def test_a_forged_webhook_does_not_verify(heard: Emulator, mailbox: Mailbox) -> None:
    order(heard, forge_webhook=1)
    make_customers(heard, 1)
    mailbox.wait_for(2)

    verdicts = []
    for body, header in mailbox.letters:
        try:
            stripe.WebhookSignature.verify_header(body, header, SECRETS[0], TOLERANCE_S)
            verdicts.append("signed")
        except stripe.SignatureVerificationError:
            verdicts.append("forged")
    assert verdicts == ["forged", "signed"]


def until_all_are_sent(emulator: Emulator) -> None:
    """Wait until nothing waits to be sent."""
    deadline = time.monotonic() + 20
    while httpx.get(f"{emulator.url}/__control/deliveries").json()["waiting"]:
        assert time.monotonic() < deadline, "webhooks were still waiting"
        time.sleep(0.02)
