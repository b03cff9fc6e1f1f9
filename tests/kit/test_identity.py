"""An internal token says who calls, and only the service it was made for believes it."""

import time
from uuid import uuid4

import pytest
from jose import jwt

from services.kit.identity import Callers, TokenSource
from services.kit.problems import Unauthenticated

SECRET, OLD, OTHER = "n" * 32, "o" * 32, "x" * 32


def token(**changes: object) -> str:
    now = int(time.time())
    claims = {"iss": "gateway", "aud": "credits", "sub": str(uuid4()), "iat": now, "exp": now + 60}
    return str(jwt.encode({**claims, **changes}, SECRET, algorithm="HS256"))


def test_a_token_names_caller_and_account() -> None:
    account_id = uuid4()
    source = TokenSource(issuer="gateway", audience="credits", secret=SECRET)

    caller = Callers("credits", [SECRET]).of(source.token(account_id))

    assert (caller.service, caller.account_id) == ("gateway", account_id)


def test_a_token_without_account_is_for_the_callers_own_work() -> None:
    source = TokenSource(issuer="processing", audience="credits", secret=SECRET)

    caller = Callers("credits", [SECRET]).of(source.token(None))

    assert caller.account_id is None


def test_tokens_are_reused_while_fresh_and_kept_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.kit.identity.TOKENS_KEPT_MAX", 2)
    source = TokenSource(issuer="gateway", audience="credits", secret=SECRET)
    first, second, third = uuid4(), uuid4(), uuid4()

    assert source.token(first) is source.token(first)
    source.token(second)
    source.token(third)

    assert len(source._kept) == 2


def test_a_token_made_while_the_clock_was_ahead_is_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = TokenSource(issuer="gateway", audience="credits", secret=SECRET)
    with monkeypatch.context() as jumped:
        jumped.setattr("services.kit.identity.time.time", lambda: time.monotonic() + 10**10)
        ahead = source.token(None)

    assert source.token(None) != ahead


def test_both_secrets_are_good_while_one_is_replaced() -> None:
    old = TokenSource(issuer="gateway", audience="credits", secret=OLD).token(uuid4())

    assert Callers("credits", [SECRET, OLD]).of(old)
    with pytest.raises(Unauthenticated):
        Callers("credits", [SECRET]).of(old)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "x",
        "a.b.c",
        "x" * 10_000,
        token(aud="uploads"),
        token(exp=int(time.time()) - 5),
        token(sub="no uuid"),
        jwt.encode({"iss": "gateway", "aud": "credits", "sub": ""}, SECRET, algorithm="HS256"),
        jwt.encode({"iss": "gateway", "aud": "credits", "sub": ""}, OTHER, algorithm="HS256"),
        jwt.encode(
            {"iss": "gateway", "aud": "credits", "sub": "", "exp": time.time() + 60},
            SECRET,
            algorithm="HS512",
        ),
    ],
)
def test_anything_else_is_refused(bad: str) -> None:
    with pytest.raises(Unauthenticated):
        Callers("credits", [SECRET]).of(bad)


def test_a_token_is_remembered_only_while_it_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.kit.identity.TOKENS_KEPT_MAX", 2)
    callers, now = Callers("credits", [SECRET]), time.time()
    tokens = [token(exp=int(now) + 60) for _ in range(3)]

    first = callers.of(tokens[0])
    assert callers.of(tokens[0]) is first
    for one in tokens[1:]:
        callers.of(one)
    assert len(callers._verified) == 2

    monkeypatch.setattr(time, "time", lambda: now + 61)
    asked: list[str] = []
    monkeypatch.setattr(jwt, "decode", lambda token, *_, **__: asked.append(token))
    with pytest.raises(Unauthenticated):
        callers.of(tokens[2])
    assert asked == [tokens[2]]
