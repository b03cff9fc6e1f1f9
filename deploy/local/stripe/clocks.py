"""Test clocks: customers that live in a time of their own, which is put forward by hand."""

from deploy.local.stripe import due, forms
from deploy.local.stripe.calls import Call, Operation
from deploy.local.stripe.errors import invalid, missing_param
from deploy.local.stripe.periods import DAY_S
from deploy.local.stripe.reading import PAGED, list_of, retrieve
from deploy.local.stripe.store import Object

ADVANCE_S_MAX = 366 * DAY_S * 2
KEPT_S = 30 * DAY_S


def create(call: Call) -> Object:
    frozen = forms.integer(call.params, "frozen_time")
    if frozen is None:
        raise missing_param("frozen_time")
    made = call.account.new(
        "test_helpers.test_clock",
        "clock",
        deletes_after=call.account.now() + KEPT_S,
        frozen_time=frozen,
        name=call.params.get("name"),
        status="ready",
        status_details={},
    )
    call.account.keep(made)
    call.account.tell("test_helpers.test_clock.created", made)
    return made


def advance(call: Call) -> Object:
    """Everything due until then has happened when this call is answered."""
    account = call.account
    clock = account.get("test_helpers.test_clock", call.id)
    until = forms.integer(call.params, "frozen_time")
    if until is None:
        raise missing_param("frozen_time")
    if not clock["frozen_time"] < until <= clock["frozen_time"] + ADVANCE_S_MAX:
        raise invalid("A clock goes forward, by two years at most.", param="frozen_time")
    advancing = {
        "status": "advancing",
        "status_details": {"advancing": {"target_frozen_time": until}},
    }
    account.tell("test_helpers.test_clock.advancing", {**clock, **advancing})
    due.catch_up(account, until, test_clock=clock["id"])
    account.change(clock, frozen_time=until)
    account.tell("test_helpers.test_clock.ready", clock)
    # Stripe is not done yet when it answers; whoever waits for `ready` waits here too.
    return {**clock, **advancing}


OPERATIONS = {
    "POST /v1/test_helpers/test_clocks": Operation(create, ("frozen_time", "name")),
    "GET /v1/test_helpers/test_clocks/{test_clock}": retrieve("test_helpers.test_clock"),
    "POST /v1/test_helpers/test_clocks/{test_clock}/advance": Operation(advance, ("frozen_time",)),
    "GET /v1/test_helpers/test_clocks": list_of(
        "test_helpers.test_clock", "/v1/test_helpers/test_clocks", paging=PAGED
    ),
}
