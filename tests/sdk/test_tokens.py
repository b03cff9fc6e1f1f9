"""The login on disk: private, whole, and renewed by one program at a time."""

import asyncio
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdk.rekindle import tokens as tokens_module
from sdk.rekindle.problems import NotLoggedIn, TookTooLong
from sdk.rekindle.tokens import StoredLogin, Tokens, TokenStore

URL = "http://127.0.0.1:8080"


def some_tokens(name: str = "first", *, lasts_s: float = 3600) -> Tokens:
    return Tokens(name, f"refresh-{name}", time.time() + lasts_s, "http://issuer")


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return TokenStore(tmp_path / "rekindle" / "tokens.json")


class Renewals:
    """Renews as an issuer with rotation does: each refresh token works once."""

    def __init__(self) -> None:
        self.spent: list[str] = []

    async def __call__(self, tokens: Tokens) -> Tokens:
        assert tokens.refresh_token not in self.spent, "a refresh token was used twice"
        self.spent.append(tokens.refresh_token)
        await asyncio.sleep(0.05)
        return some_tokens(f"renewed-{len(self.spent)}")


def test_only_the_owner_can_read_the_login(store: TokenStore) -> None:
    mask = os.umask(0)
    try:
        store.write(URL, some_tokens())
    finally:
        os.umask(mask)

    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700


def test_each_address_has_its_own_login(store: TokenStore) -> None:
    store.write(URL, some_tokens("here"))
    store.write("https://elsewhere", some_tokens("there"))

    store.forget(URL)

    assert store.read(URL) is None
    there = store.read("https://elsewhere")
    assert there is not None
    assert there.access_token == "there"


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"http://127.0.0.1:8080": {"a": 1}}'])
def test_a_damaged_file_is_as_good_as_no_login(store: TokenStore, damage: str) -> None:
    store.write(URL, some_tokens())
    store.path.write_text(damage)

    assert store.read(URL) is None


def test_the_file_is_kept_where_the_xdg_rules_say(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert TokenStore.of_this_user().path == tmp_path / "rekindle" / "tokens.json"

    monkeypatch.setenv("XDG_CONFIG_HOME", "relative/paths/are/ignored")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert TokenStore.of_this_user().path == tmp_path / ".config" / "rekindle" / "tokens.json"


async def test_a_token_that_lasts_is_used_as_it_is(store: TokenStore) -> None:
    renew = Renewals()
    store.write(URL, some_tokens())

    assert await StoredLogin(store, URL, renew).token() == "first"
    assert renew.spent == []


async def test_many_that_need_a_new_token_renew_it_once(store: TokenStore) -> None:
    renew = Renewals()
    store.write(URL, some_tokens(lasts_s=5))
    logins = [StoredLogin(store, URL, renew) for _ in range(5)]

    found = await asyncio.gather(*(login.token() for login in logins))

    assert set(found) == {"renewed-1"}
    assert renew.spent == ["refresh-first"]


async def test_a_rejected_token_is_renewed_unless_somebody_already_did(store: TokenStore) -> None:
    renew = Renewals()
    store.write(URL, some_tokens())
    login = StoredLogin(store, URL, renew)

    assert await login.renewed("first") == "renewed-1"
    assert await login.renewed("first") == "renewed-1"
    assert renew.spent == ["refresh-first"]


async def test_without_a_login_the_way_to_one_is_said(store: TokenStore) -> None:
    with pytest.raises(NotLoggedIn, match="not logged in"):
        await StoredLogin(store, URL, Renewals()).token()


@pytest.fixture
def lock_held_elsewhere(store: TokenStore) -> Iterator[subprocess.Popen[bytes]]:
    store.write(URL, some_tokens())
    lock = store.path.with_suffix(".lock")
    program = f"import fcntl,sys; f=open({str(lock)!r},'w'); fcntl.flock(f,2); print(flush=True); "
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", program + "sys.stdin.read()"]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout
        holder.stdout.readline()
        yield holder
        holder.kill()


async def test_another_program_that_holds_the_lock_is_waited_for_but_not_for_ever(
    store: TokenStore,
    lock_held_elsewhere: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tokens_module, "LOCK_TIMEOUT_S", 0.2)

    with pytest.raises(TookTooLong):
        await store.locked().__aenter__()

    lock_held_elsewhere.kill()
    lock_held_elsewhere.wait()
    async with store.locked():
        pass
