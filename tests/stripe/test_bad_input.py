"""What makes no sense is refused in Stripe's shape, and changes nothing."""

import httpx
import pytest

from tests.stripe.conftest import KEY, Emulator

PRICE = {"currency": "usd", "unit_amount": "499", "product": "prod_known"}
LINE = {"mode": "payment", "success_url": "http://127.0.0.1/", "line_items[0][quantity]": "1"}


def call(
    emulator: Emulator, method: str, path: str, data: dict[str, str] | None = None
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {KEY}"}
    return httpx.request(
        method, f"{emulator.url}/v1/{path}", data=data, headers=headers, trust_env=False
    )


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        ("customers", {"email[x]": "1"}, "email"),
        ("customers", {"metadata": "x"}, "metadata"),
        ("customers", {"expand": "x"}, "expand"),
        ("prices", {**PRICE, "unit_amount": "-1"}, "unit_amount"),
        ("prices", {**PRICE, "unit_amount": "many"}, "unit_amount"),
        ("prices", {"currency": "usd", "unit_amount": "499", "product[x]": "1"}, "product"),
        ("prices", {**PRICE, "recurring[interval]": "fortnight"}, "recurring[interval]"),
        ("coupons", {"percent_off": "abc"}, "percent_off"),
        ("coupons", {"percent_off": "150"}, "percent_off"),
        ("coupons", {"percent_off": "0"}, "percent_off"),
        ("coupons", {"amount_off": "-5", "currency": "usd"}, "amount_off"),
        ("checkout/sessions", {**LINE, "line_items": "x"}, "line_items"),
        (
            "checkout/sessions",
            {**LINE, "line_items[0][price][x]": "1"},
            "line_items[0][price]",
        ),
        ("billing_portal/configurations", {"features": "all"}, "features"),
    ],
)
def test_a_call_that_makes_no_sense_names_the_parameter(
    emulator: Emulator, path: str, fields: dict[str, str], param: str
) -> None:
    call(emulator, "POST", "products", data={"id": "prod_known", "name": "Known"})

    answer = call(emulator, "POST", path, data=fields)

    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert call(emulator, "GET", path).json()["data"] == []


@pytest.mark.parametrize(
    "query", ["limit[a]=1", "starting_after[a]=b", "created[gte]=soon", "limit=101"]
)
def test_a_list_that_makes_no_sense_is_refused(emulator: Emulator, query: str) -> None:
    answer = call(emulator, "GET", f"customers?{query}")

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
