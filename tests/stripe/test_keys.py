"""Idempotency keys: what is the same call, and what a killed program leaves of one."""

from collections.abc import Mapping
from pathlib import Path

import httpx

from tests.stripe.conftest import KEY, Emulator, running

TIMEOUT_SECONDS = 10.0


def post(emulator: Emulator, path: str, key: str, body: str) -> httpx.Response:
    headers: Mapping[str, str] = {
        "Authorization": f"Bearer {KEY}",
        "Content-Type": "application/x-www-form-urlencoded",
        "Idempotency-Key": key,
    }
    return httpx.post(
        f"{emulator.url}{path}",
        content=body,
        headers=headers,
        timeout=TIMEOUT_SECONDS,
        trust_env=False,
    )


def test_the_same_parameters_in_another_order_are_the_same_call(emulator: Emulator) -> None:
    first = post(emulator, "/v1/customers", "order", "name=Ada&description=first")
    again = post(emulator, "/v1/customers", "order", "description=first&name=Ada")

    assert first.status_code == again.status_code == 200
    assert first.json()["id"] == again.json()["id"]


def test_a_key_whose_call_died_with_the_program_can_be_used_again(tmp_path: Path) -> None:
    with running(home=tmp_path) as emulator:
        emulator.account.store.connection.execute(
            "insert into keys (key, request, created) values ('dead', 'any', unixepoch())"
        )
        assert post(emulator, "/v1/customers", "dead", "name=Ada").status_code != 200

    with running(home=tmp_path) as emulator:
        assert post(emulator, "/v1/customers", "dead", "name=Ada").status_code == 200


def test_a_call_with_a_wrong_expansion_leaves_nothing(emulator: Emulator) -> None:
    wrong = post(emulator, "/v1/customers", "wrong", "name=Ada&expand[]=colour")

    assert wrong.status_code == 400
    assert not emulator.account.store.find("customer")
