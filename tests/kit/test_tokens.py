"""What a token must be to speak for somebody, and what an issuer can do to us."""

import asyncio
import time
from typing import Any

import pytest

from services.kit import tokens
from services.kit.tokens import InvalidToken, Principal, TokenVerifier
from tests.kit.hostile_tokens import HOSTILE, STRANGE_KEYS
from tests.kit.minting import (
    AUDIENCE,
    CLIENT,
    ISSUER,
    Claims,
    claims,
    elliptic_key,
    encoded,
    published,
    token,
)

REFUSED_WITHIN_S = 0.1


class Issuer:
    """The far end of `fetch_jwks`: what it publishes, how often it was asked, what goes wrong."""

    def __init__(self) -> None:
        self.keys: Any = [published("new"), published("old")]
        self.asked = 0
        self.error: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()

    async def fetch(self) -> dict[str, Any]:
        self.asked += 1
        await self.open.wait()
        if self.error:
            raise self.error
        return {"keys": self.keys}


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def verifier(issuer: Issuer, clock: Clock) -> TokenVerifier:
    return TokenVerifier(ISSUER, AUDIENCE, {CLIENT, "cli"}, issuer.fetch, clock=clock)


@pytest.fixture
def few_remembered(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(tokens, "VERIFIED_MAX", 3)
    return 3


async def refuses(verifier: TokenVerifier, forged: str) -> bool:
    try:
        await verifier.verify(forged)
    except InvalidToken:
        return True
    return False


def test_the_hostile_table_is_long() -> None:
    assert len(HOSTILE) >= 60


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_token_is_refused(
    verifier: TokenVerifier, issuer: Issuer, name: str
) -> None:
    forged = HOSTILE[name]()
    await verifier.verify(token())
    begun = time.perf_counter()

    with pytest.raises(InvalidToken):
        await verifier.verify(forged)

    assert time.perf_counter() - begun < REFUSED_WITHIN_S
    assert issuer.asked == 1


@pytest.mark.parametrize("wrong", [None, 1, b"a.b.c", ["a"]])
async def test_what_is_not_text_is_refused(verifier: TokenVerifier, wrong: Any) -> None:
    with pytest.raises(InvalidToken):
        await verifier.verify(wrong)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("header: alg 'none', unsigned", "type"),
        ("header: alg ES256", "type"),
        ("header: kid a path", "kid"),
        ("header: jku", "header"),
        ("header: 100 deep", "header"),
        ("header: 60 deep in objects", "header"),
        ("shape: 100 KB", "length"),
    ],
)
async def test_a_header_is_judged_before_anything_dear_is_done(
    verifier: TokenVerifier, issuer: Issuer, name: str, reason: str
) -> None:
    with pytest.raises(InvalidToken, match=f"^{reason}$"):
        await verifier.verify(HOSTILE[name]())

    assert issuer.asked == 0


async def test_a_refusal_says_nothing_of_the_token(verifier: TokenVerifier) -> None:
    with pytest.raises(InvalidToken, match=r"^JWTError$") as refusal:
        await verifier.verify(token(key="thief", kid="new"))

    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


async def test_a_good_token_names_the_person_and_the_program(verifier: TokenVerifier) -> None:
    said = claims()

    principal = await verifier.verify(token(said))

    scopes = frozenset({"openid", "email"})
    assert principal == Principal(said["sub"], CLIENT, scopes, said["exp"])


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": AUDIENCE},
        {"azp": "cli"},
        {"scope": None},
        {"sub": "google-oauth2|103547991597142817347"},
        {"sub": "samlp|family|grandma@example.org"},
        {"sub": "0b8f7e0e-6f5c-4a58-9d5b-1f4d6c7f3a11"},
        {"gty": "refresh_token"},
        {"nbf": 1},
        {"permissions": ["read:all"], "org_id": "org_1"},
        {"iat_in_s": -86_300, "exp_in_s": 90},
        {"iat_in_s": 30},
    ],
    ids=str,
)
async def test_a_token_may_differ_in_what_does_not_matter(
    verifier: TokenVerifier, changes: Claims
) -> None:
    assert (await verifier.verify(token(claims(**changes)))).subject


@pytest.mark.parametrize("header", [{"typ": "at+jwt"}, {"typ": None}])
async def test_a_header_may_leave_its_type_out(
    verifier: TokenVerifier, header: dict[str, Any]
) -> None:
    assert await verifier.verify(token(**header))


async def test_a_clock_that_runs_a_little_late_is_forgiven(verifier: TokenVerifier) -> None:
    assert await verifier.verify(token(claims(iat_in_s=-600, exp_in_s=-30)))


async def test_both_keys_of_a_rotation_are_good(verifier: TokenVerifier, issuer: Issuer) -> None:
    await verifier.verify(token(key="old"))
    await verifier.verify(token(key="new"))

    assert issuer.asked == 1


async def test_a_new_key_is_found_once_a_minute_has_passed(
    verifier: TokenVerifier, issuer: Issuer, clock: Clock
) -> None:
    await verifier.verify(token())
    issuer.keys = [published("newer"), published("new")]
    assert await refuses(verifier, token(key="newer"))
    clock.now_s += tokens.FETCH_EVERY_S - 1
    assert await refuses(verifier, token(key="newer"))
    assert issuer.asked == 1

    clock.now_s += 1
    await verifier.verify(token(key="newer"))

    assert issuer.asked == 2


async def test_a_key_that_was_withdrawn_is_forgotten(
    verifier: TokenVerifier, issuer: Issuer, clock: Clock
) -> None:
    await verifier.verify(token(key="old"))
    issuer.keys = [published("new")]

    clock.now_s += tokens.KEYS_FRESH_S + 1

    assert await refuses(verifier, token(key="old"))


async def test_10_000_unknown_keys_cost_one_fetch(
    verifier: TokenVerifier, issuer: Issuer, clock: Clock
) -> None:
    await verifier.verify(token())
    clock.now_s += tokens.FETCH_EVERY_S
    payload, signature = encoded(b"{}"), encoded(b"x" * 256)

    for number in range(10_000):
        header = encoded(b'{"alg":"RS256","kid":"k%d"}' % number)
        assert await refuses(verifier, f"{header}.{payload}.{signature}")

    assert issuer.asked == 2


async def test_many_who_wait_share_one_fetch(verifier: TokenVerifier, issuer: Issuer) -> None:
    issuer.open.clear()
    waiting = [asyncio.create_task(verifier.verify(token())) for _ in range(50)]
    await asyncio.sleep(0.01)
    waiting[0].cancel()
    issuer.open.set()

    answers = await asyncio.gather(*waiting, return_exceptions=True)

    assert issuer.asked == 1
    assert isinstance(answers[0], asyncio.CancelledError)
    assert all(isinstance(answer, Principal) for answer in answers[1:])


async def test_keys_serve_for_a_day_while_the_issuer_is_down(
    verifier: TokenVerifier, issuer: Issuer, clock: Clock
) -> None:
    await verifier.verify(token())
    issuer.error = OSError("no route")

    clock.now_s += tokens.KEYS_STALE_S - 1
    await verifier.verify(token())
    clock.now_s += tokens.VERIFIED_FOR_S + 1

    assert await refuses(verifier, token())


async def test_an_issuer_that_is_down_is_asked_once_a_minute(
    verifier: TokenVerifier, issuer: Issuer, clock: Clock
) -> None:
    await verifier.verify(token())
    issuer.error = OSError("no route")
    clock.now_s += tokens.KEYS_FRESH_S + 1

    for number in range(20):
        await verifier.verify(token(claims(jti=str(number))))

    assert issuer.asked == 2


async def test_an_issuer_that_starts_late_is_found_in_seconds(
    verifier: TokenVerifier, issuer: Issuer, clock: Clock
) -> None:
    issuer.error = OSError("not yet")
    assert await refuses(verifier, token())
    assert await refuses(verifier, token())
    assert issuer.asked == 1

    issuer.error = None
    clock.now_s += tokens.FETCH_EVERY_AT_START_S
    await verifier.verify(token())


async def test_an_issuer_that_does_not_answer_is_given_up_on(
    verifier: TokenVerifier, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "FETCH_TIMEOUT_S", 0.05)
    issuer.open.clear()

    async with asyncio.timeout(1):
        assert await refuses(verifier, token())


@pytest.mark.parametrize("name", STRANGE_KEYS)
async def test_a_strange_key_set_opens_nothing(
    verifier: TokenVerifier, issuer: Issuer, name: str
) -> None:
    issuer.keys = STRANGE_KEYS[name]()

    assert await refuses(verifier, token())
    assert issuer.asked == 1


async def test_a_strange_key_does_not_hide_the_good_one(
    verifier: TokenVerifier, issuer: Issuer
) -> None:
    strange = [elliptic_key() | {"kid": "e"}, "a string", None, {}, published("new", kid=["x"])]
    issuer.keys = [*strange, published("new")]

    assert await verifier.verify(token())


async def test_a_short_key_opens_nothing(verifier: TokenVerifier, issuer: Issuer) -> None:
    issuer.keys = [published("short")]

    assert await refuses(verifier, token(key="short"))


async def test_the_first_of_two_keys_with_one_name_counts(
    verifier: TokenVerifier, issuer: Issuer
) -> None:
    issuer.keys = [published("new"), published("thief", kid="new")]

    await verifier.verify(token())
    assert await refuses(verifier, token(key="thief", kid="new"))


@pytest.mark.parametrize("answer", [None, {}, "keys", [published("old")] * 17], ids=type)
async def test_an_answer_that_is_no_key_set_changes_nothing(
    verifier: TokenVerifier, issuer: Issuer, clock: Clock, answer: Any
) -> None:
    await verifier.verify(token())
    issuer.keys = answer
    clock.now_s += tokens.KEYS_FRESH_S + 1

    await verifier.verify(token())

    assert issuer.asked == 2


async def test_a_key_may_leave_its_use_and_algorithm_out(
    verifier: TokenVerifier, issuer: Issuer
) -> None:
    issuer.keys = [{m: v for m, v in published("new").items() if m not in {"use", "alg"}}]

    assert await verifier.verify(token())


async def test_a_verified_token_costs_little_the_second_time(verifier: TokenVerifier) -> None:
    good = token()
    first = await verifier.verify(good)

    assert await verifier.verify(good) is first


async def test_a_verified_token_is_remembered_for_a_minute_only(
    verifier: TokenVerifier, clock: Clock
) -> None:
    good = token()
    first = await verifier.verify(good)

    clock.now_s += tokens.VERIFIED_FOR_S

    assert await verifier.verify(good) is not first


async def test_a_remembered_token_is_forgotten_when_it_expires(
    verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = token(claims(exp_in_s=30))
    first = await verifier.verify(good)

    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 31)

    assert await verifier.verify(good) is not first


async def test_no_more_tokens_are_remembered_than_allowed(
    verifier: TokenVerifier, few_remembered: int
) -> None:
    good = [token(claims(jti=str(number))) for number in range(few_remembered + 1)]
    first = [await verifier.verify(each) for each in good]

    assert await verifier.verify(good[-1]) is first[-1]
    assert await verifier.verify(good[0]) is not first[0]
    assert len(verifier._verified) == few_remembered


async def test_no_token_is_kept_in_memory(verifier: TokenVerifier) -> None:
    good = token()
    await verifier.verify(good)

    assert good not in repr(vars(verifier))
