"""One call of the API: key, faults, parameters, idempotency, the operation, and its answer."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from deploy.local.stripe import faults, forms, shapes
from deploy.local.stripe.account import API_VERSION, Account, new_id, shown
from deploy.local.stripe.errors import Refusal
from deploy.local.stripe.expanding import expand
from deploy.local.stripe.faults import Faults
from deploy.local.stripe.forms import Params
from deploy.local.stripe.store import Object

BODY_MAX = 256 * 1024
KEY_LENGTH_MAX = 255
KEYS_KEPT_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class Call:
    """What an operation is given."""

    account: Account
    params: Params
    path: dict[str, str]
    failures: list[Refusal] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The object that the path names, the first one if it names two."""
        return next(iter(self.path.values()))

    def fail(self, failure: Refusal) -> None:
        """Keep what was done, such as a payment that was declined, and tell the caller so."""
        self.failures.append(failure)


@dataclass(frozen=True, slots=True)
class Operation:
    """A function, and the parameters it acts on; others are refused rather than overlooked."""

    act: Callable[[Call], Object]
    takes: tuple[str, ...] = ()


async def answer(request: Request, name: str, operation: Operation) -> Response:
    """Everything that Stripe does around an operation."""
    request_id = new_id("req")
    try:
        response = await _answer(request, name, operation)
    except Refusal as refusal:
        response = JSONResponse(refusal.body, refusal.status)
        if refusal.status == faults.TOO_MANY:
            response.headers["Stripe-Rate-Limited-Reason"] = "global-rate"
    response.headers["Request-Id"] = request_id
    response.headers["Stripe-Version"] = request.headers.get("stripe-version", API_VERSION)
    return response


async def _answer(request: Request, name: str, operation: Operation) -> Response:
    _require_key(request)
    wanted: Faults = request.app.state.faults
    wanted.refuse()
    text = request.url.query if request.method in ("GET", "DELETE") else await _body(request)
    if request.method == "DELETE" and not text:
        text = await _body(request)
    key = request.headers.get("idempotency-key") if request.method == "POST" else None
    if key and len(key) > KEY_LENGTH_MAX:
        raise Refusal(f"Idempotency keys have {KEY_LENGTH_MAX} characters at most.")
    params = forms.parse(text)
    asked = _digest(name, request.url.path, params)
    account: Account = request.app.state.account
    if key and (known := _recall(account, key, asked)):
        return known
    _refuse_unknown(name, operation, params)
    forms.refuse_misshapen(params)
    if key:
        _begin(account, key, asked)
    try:
        await asyncio.sleep(wanted.slowness())
        with account.store.transaction():
            status, body = _act(operation, Call(account, params, dict(request.path_params)))
            if key:
                _remember(account, key, asked, status, body)
    except BaseException as error:
        if key:
            _forget(account, key)
        if isinstance(error, Refusal) and key and error.has_begun:
            _remember(account, key, asked, error.status, json.dumps(error.body))
        raise
    wanted.lose_answer_if_due()
    return Response(body, status, media_type="application/json")


def _act(operation: Operation, call: Call) -> tuple[int, str]:
    """The operation's answer: an object, or a failure such as a decline, whose traces are kept."""
    paths = call.params.pop("expand", [])
    body = operation.act(call)
    for failure in call.failures:
        return failure.status, json.dumps(failure.body)
    return 200, json.dumps(expand(call.account, shown(body), paths))


def _require_key(request: Request) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    expected: str = request.app.state.api_key
    if scheme != "Bearer" or not key:
        raise Refusal("You did not provide an API key.", status=401)
    if not hmac.compare_digest(key.encode(), expected.encode()):
        raise Refusal(f"Invalid API Key provided: {key[:8]}****", status=401)


async def _body(request: Request) -> str:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_MAX:
            raise Refusal("The request body is too large.", status=413)
    return body.decode(errors="replace")


def _refuse_unknown(name: str, operation: Operation, params: Params) -> None:
    for param in params:
        if param == "expand" or param in operation.takes:
            continue
        if param in shapes.parameters(name):
            raise Refusal(
                f"Stripe knows the parameter {param}; this emulator does not.", param=param
            )
        raise Refusal(f"Received unknown parameter: {param}", code="parameter_unknown", param=param)


def _digest(name: str, path: str, params: Params) -> str:
    """The same parameters are the same in any order."""
    plain = json.dumps(params, sort_keys=True)
    return hashlib.sha256(f"{name}\n{path}\n{plain}".encode()).hexdigest()


def _recall(account: Account, key: str, asked: str) -> Response | None:
    """The answer that was given to this key before."""
    _drop_old_keys(account)
    row = account.store.connection.execute(
        "select request, status, answer from keys where key = ?", (key,)
    ).fetchone()
    if row is None:
        return None
    request, status, body = row
    if request != asked:
        raise Refusal(
            "Keys for idempotent requests can only be used with the same parameters they were "
            f"first used with. Try using a key other than '{key}' if you meant to execute a "
            "different request.",
            kind="idempotency_error",
        )
    if status is None:
        raise Refusal(
            "There is currently another in-progress request using this Idempotent Key "
            "(that probably means you submitted twice, and the other request is still going "
            f"through): {key}. Please try again later.",
            status=409,
            kind="idempotency_error",
            code="idempotency_key_in_use",
        )
    return Response(
        body, status, media_type="application/json", headers={"Idempotent-Replayed": "true"}
    )


def _begin(account: Account, key: str, asked: str) -> None:
    account.store.connection.execute(
        "insert into keys (key, request, created) values (?, ?, unixepoch())", (key, asked)
    )


def _remember(account: Account, key: str, asked: str, status: int, body: str) -> None:
    account.store.connection.execute(
        "insert or replace into keys (key, request, status, answer, created)"
        " values (?, ?, ?, ?, unixepoch())",
        (key, asked, status, body),
    )


def _forget(account: Account, key: str) -> None:
    account.store.connection.execute("delete from keys where key = ?", (key,))


def _drop_old_keys(account: Account) -> None:
    account.store.connection.execute(
        "delete from keys where created < unixepoch() - ?", (KEYS_KEPT_S,)
    )
