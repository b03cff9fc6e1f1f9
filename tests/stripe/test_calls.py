"""What Stripe does around every call, and faults of it that a test can ask for."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import stripe

from tests.stripe.conftest import KEY, Emulator, client_of
from tests.stripe.shop import Shop


def order(emulator: Emulator, **faults: Any) -> None:
    httpx.post(f"{emulator.url}/__control/faults", json=faults).raise_for_status()


def post(emulator: Emulator, path: str, key: str, **fields: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": key}
    return httpx.post(f"{emulator.url}{path}", data=fields, headers=headers, trust_env=False)


def test_a_key_in_use_is_a_conflict(emulator: Emulator) -> None:
    order(emulator, slow_calls=1, slow_seconds=1.0)

    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(post, emulator, "/v1/customers", "same")
        time.sleep(0.3)
        conflict = post(emulator, "/v1/customers", "same")

    assert conflict.status_code == 409
    assert conflict.json()["error"]["code"] == "idempotency_key_in_use"
    assert post(emulator, "/v1/customers", "same").json() == slow.result().json()


def test_a_decline_is_kept_for_its_key_but_a_bad_parameter_is_not(emulator: Emulator) -> None:
    payment = {"amount": "500", "currency": "usd", "confirm": "true"}
    card = "pm_card_visa_chargeDeclined"
    first = post(emulator, "/v1/payment_intents", "decline", payment_method=card, **payment)
    again = post(emulator, "/v1/payment_intents", "decline", payment_method=card, **payment)
    assert first.status_code == again.status_code == 402
    assert first.json() == again.json()

    assert post(emulator, "/v1/customers", "typo", colour="red").status_code == 400
    assert post(emulator, "/v1/customers", "typo").status_code == 200


def test_a_key_is_good_for_one_path_only(emulator: Emulator) -> None:
    assert post(emulator, "/v1/customers", "path").status_code == 200

    other = post(emulator, "/v1/products", "path", name="Credits")

    assert other.json()["error"]["type"] == "idempotency_error"


def test_an_answer_that_was_lost_is_given_again_and_nothing_is_done_twice(
    emulator: Emulator,
) -> None:
    order(emulator, fail_accepted=1)

    with client_of(emulator.url, retries=2) as client:
        made = client.v1.customers.create({})
        assert [one.id for one in client.v1.customers.list().data] == [made.id]


@pytest.mark.parametrize(
    ("fault", "error"), [("answer_429", stripe.RateLimitError), ("answer_500", stripe.APIError)]
)
def test_calls_are_refused_when_that_is_asked_for(
    own_shop: Shop, emulator: Emulator, fault: str, error: type[Exception]
) -> None:
    order(emulator, **{fault: 1})
    with pytest.raises(error):
        own_shop.api.customers.create({})

    assert own_shop.api.customers.list().data == []
    assert own_shop.api.customers.create({}).id


def test_chances_from_the_same_seed_meet_the_same_calls(own_shop: Shop, emulator: Emulator) -> None:
    def outcomes() -> list[bool]:
        order(emulator, seed=7, chances={"answer_500": 0.5})
        found = []
        for _ in range(20):
            try:
                own_shop.api.customers.create({})
                found.append(True)
            except stripe.APIError:
                found.append(False)
        httpx.delete(f"{emulator.url}/__control/faults")
        return found

    first = outcomes()

    assert first == outcomes()
    assert len(set(first)) == 2


def test_a_parameter_that_only_stripe_knows_is_refused_in_plain_words(own_shop: Shop) -> None:
    params: Any = {"shipping": {"name": "x"}}
    with pytest.raises(stripe.InvalidRequestError, match="this emulator does not"):
        own_shop.api.customers.create(params)


def test_the_control_door_is_for_this_machine_only(emulator: Emulator) -> None:
    elsewhere = httpx.get(f"{emulator.url}/__control/faults", headers={"Host": "evil.example"})

    assert elsewhere.status_code == 400


@pytest.mark.parametrize("body", ["a[b]=1&a=2", "[[]]=1", "&".join(["x=1"] * 2_000), "=" * 100])
def test_bodies_that_make_no_sense_are_refused(emulator: Emulator, body: str) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}

    answer = httpx.post(f"{emulator.url}/v1/customers", content=body, headers=headers)

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
