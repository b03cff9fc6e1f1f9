"""The client and the command on the running system: what a user sees, and what it costs."""

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image, ImageDraw

from deploy.local import demo
from sdk.rekindle import LoginFailed, Rekindle, RekindleProblem
from sdk.rekindle.cli.door import INTERRUPTED
from sdk.rekindle.login import Issuer, login_with_password
from sdk.rekindle.problems import NotLoggedIn
from sdk.rekindle.tokens import StoredLogin, TokenStore
from tests.journeys import photos
from tests.sdk.scripted import measured

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-c", "from sdk.rekindle.cli import main; main()")
COMMAND_TIMEOUT_S = 170
PRICE = 2

State = dict[str, Any]
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
async def rekindle(stack: State) -> AsyncIterator[Rekindle]:
    tokens = await login_with_password(Issuer(stack["issuer_url"]), **stack["demo"])
    async with Rekindle(stack["gateway_url"], tokens.access_token) as client:
        yield client


@pytest.fixture
def environment(stack: State, tmp_path: Path) -> dict[str, str]:
    """That of a program in a folder below the stack's state, with a home of its own."""
    (tmp_path / ".rekindle").symlink_to(stack["home"])
    return {
        **measured(),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }


@pytest.fixture
def command(environment: dict[str, str], tmp_path: Path) -> Command:
    """The program, logged in."""

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*PROGRAM, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )

    assert run("login", "--demo").returncode == 0
    return run


def portrait(path: Path) -> Path:
    picture = Image.effect_noise((320, 400), 60).convert("RGB")
    ImageDraw.Draw(picture).ellipse((60, 80, 260, 330), (200, 150, 90))
    picture.save(path)
    return path


async def test_a_wrong_password_is_refused(stack: State) -> None:
    with pytest.raises(LoginFailed):
        await login_with_password(
            Issuer(stack["issuer_url"]), email=stack["demo"]["email"], password="wrong-password"
        )


async def test_a_login_renews_itself_and_ends_with_logging_out(
    stack: State, tmp_path: Path
) -> None:
    issuer, store = Issuer(stack["issuer_url"]), TokenStore(tmp_path / "tokens.json")
    tokens = await login_with_password(issuer, **stack["demo"])
    store.write(stack["gateway_url"], tokens)
    login = StoredLogin(store, stack["gateway_url"], issuer.renew)

    await login.renewed(tokens.access_token)
    async with Rekindle(stack["gateway_url"], login) as client:
        await client.me()
    kept = store.read(stack["gateway_url"])

    assert kept is not None
    assert kept.refresh_token != tokens.refresh_token
    await issuer.revoke(kept)
    with pytest.raises(NotLoggedIn):
        await issuer.renew(kept)


def test_a_page_is_outlined_split_and_cut_by_commands(command: Command, tmp_path: Path) -> None:
    photos.album_page(tmp_path / "album.jpg")
    page = json.loads(command("photos", "add", "album.jpg", "--json").stdout)

    outline = json.loads(command("photos", "outline", page["id"], "--json").stdout)
    assert len(outline["prints"]) == 3
    assert len(command("photos", "outline", page["id"]).stdout.splitlines()) == 4
    parts = command("photos", "split", page["id"], "--json").stdout.splitlines()
    assert [json.loads(part)["state"] for part in parts] == ["ready"] * 3
    corners = ("0,0", "0.5,0", "0.5,1", "0,1")
    cut = json.loads(command("photos", "cut", page["id"], *corners, "--json").stdout)
    assert (cut["width"], cut["height"]) == (page["width"] // 2, page["height"])
    whole = json.loads(command("photos", "cut", page["id"], "--json").stdout)
    assert (whole["width"], whole["quad"]) == (page["width"], None)
    assert command("photos", "cut", page["id"], "here", *corners[1:]).returncode == 2


async def test_prices_and_plans_are_read_as_data(rekindle: Rekindle) -> None:
    kinds = {one.kind: one for one in await rekindle.kinds()}
    plans = {one.plan: one for one in (await rekindle.plans()).plans}

    assert {name: one.credits for name, one in kinds.items()} == {
        "restore": 2,
        "colourize": 3,
        "restore_colourize": 4,
        "bring_together": 6,
        "animate": 8,
    }
    assert plans["remember"].credits_monthly == 25


async def test_somebody_elses_photo_is_not_there(rekindle: Rekindle) -> None:
    with pytest.raises(RekindleProblem) as caught:
        await rekindle.photos.get(uuid4())

    assert (caught.value.status, caught.value.code) == (404, "not-found")


async def test_the_same_key_is_the_same_job(rekindle: Rekindle, tmp_path: Path) -> None:
    photo = await rekindle.photos.add(portrait(tmp_path / "old.png"))
    key = str(uuid4())

    first = await rekindle.jobs.create("restore", [photo.id], idempotency_key=key)
    again = await rekindle.jobs.create("restore", [photo.id], idempotency_key=key)
    ended = await rekindle.jobs.wait(first.id)

    assert again.id == first.id
    assert ended.state == "completed"
    closing = await rekindle.credits.settled(first.id)
    assert closing is not None
    assert (closing.movement, closing.amount) == ("capture", PRICE)


def test_a_photo_is_restored_by_one_command(command: Command, tmp_path: Path) -> None:
    portrait(tmp_path / "old.png")

    outcome = command("restore", "old.png", "--kind", "restore", "--out", "new.png", "--json")

    said = json.loads(outcome.stdout)
    assert outcome.returncode == 0
    assert said["job"]["state"] == "completed"
    assert said["credits"]["before"] - said["credits"]["after"] == PRICE
    with Image.open(tmp_path / "new.png") as result:
        result.load()
        assert result.size == (said["job"]["result"]["width"], said["job"]["result"]["height"])
    job_id = said["job"]["id"]
    assert job_id in command("jobs", "list").stdout
    assert json.loads(command("jobs", "show", job_id, "--json").stdout)["price"] == PRICE
    too_late = command("jobs", "cancel", job_id, "--json")
    assert json.loads(too_late.stdout)["problem"]["code"] == "job-ended"
    assert "credits to spend" in command("credits").stdout
    receipts = json.loads(command("credits", "--json").stdout)["receipts"]
    assert {one["movement"] for one in receipts if one["job_id"] == job_id} == {
        "hold",
        "capture",
    }


def test_photos_are_added_listed_shown_and_deleted(command: Command, tmp_path: Path) -> None:
    portrait(tmp_path / "old.png")
    added = json.loads(command("photos", "add", "old.png", "--json").stdout)

    assert added["state"] == "ready"
    listed = json.loads(command("photos", "list", "--json").stdout)
    assert added["id"] in [photo["id"] for photo in listed["items"]]
    assert added["id"] in command("photos", "list").stdout
    assert json.loads(command("photos", "show", added["id"], "--json").stdout)["width"] == 320
    assert command("photos", "delete", added["id"]).returncode == 0
    gone = command("photos", "show", added["id"], "--json")
    assert gone.returncode == 1
    assert json.loads(gone.stdout)["problem"]["code"] == "not-found"


def test_what_is_no_photo_is_refused_with_the_reason(command: Command, tmp_path: Path) -> None:
    (tmp_path / "page.jpg").write_text("<html>not a photo</html>" * 100)
    (tmp_path / "empty.jpg").touch()
    buffer = io.BytesIO()
    Image.effect_noise((300, 300), 50).save(buffer, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 3])

    outcome = command("photos", "add", "page.jpg", "empty.jpg", "cut.jpg", "--json")

    assert outcome.returncode == 1
    refusals = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert [refusal["filename"] for refusal in refusals] == ["page.jpg", "empty.jpg", "cut.jpg"]
    assert refusals[0]["problem"]["code"] == "not-a-photo"
    assert all(refusal["problem"]["detail"] for refusal in refusals)
    assert "Traceback" not in outcome.stderr


def test_an_unknown_kind_is_refused_before_the_photo_travels(
    command: Command, tmp_path: Path
) -> None:
    portrait(tmp_path / "old.png")
    before = json.loads(command("photos", "list", "--json").stdout)["items"]

    outcome = command("restore", "old.png", "--kind", "embellish")

    assert outcome.returncode == 1
    assert "There is no edit" in outcome.stderr
    after = json.loads(command("photos", "list", "--json").stdout)["items"]
    assert [photo["id"] for photo in after] == [photo["id"] for photo in before]


async def test_a_phone_sends_a_photo_while_the_terminal_watches(
    stack: State, command: Command, environment: dict[str, str], tmp_path: Path
) -> None:
    started = await asyncio.create_subprocess_exec(
        *PROGRAM, "handoff", cwd=tmp_path, env=environment, stdout=subprocess.PIPE
    )
    lines = said_by(started)
    try:
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            address = await until(lines, "/handoff#")
            assert address.startswith(stack["gateway_url"])
            async with Rekindle(stack["gateway_url"], address.partition("#")[2]) as phone:
                photo = await phone.photos.add(portrait(tmp_path / "old.png"))
                await until(lines, f"{photo.id} is ready")
                with pytest.raises(RekindleProblem, match="Sign in"):
                    await phone.credits.balance()
                started.send_signal(signal.SIGINT)
                await started.wait()
                with pytest.raises(NotLoggedIn):
                    await phone.photos.get(photo.id)
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()

    assert started.returncode == INTERRUPTED
    kept = json.loads(command("photos", "show", str(photo.id), "--json").stdout)
    assert kept["state"] == "ready"


async def said_by(process: asyncio.subprocess.Process) -> AsyncIterator[str]:
    assert process.stdout
    async for line in process.stdout:
        yield line.decode().strip()


async def until(lines: AsyncIterator[str], part: str) -> str:
    async for line in lines:
        if part in line:
            return line
    pytest.fail(f"it ended before it said {part}")


def test_the_doctor_finds_a_running_stack_well(command: Command) -> None:
    examined = json.loads(command("doctor", "--json").stdout)

    assert [part for part in examined["parts"] if not part["well"]] == []
    assert {"gateway", "issuer", "database", "broker", "s3", "runpod", "disk", "clock"} <= {
        part["part"] for part in examined["parts"]
    }


def test_logging_out_forgets_the_login(command: Command) -> None:
    assert command("logout").returncode == 0

    outcome = command("credits", "--json")

    assert outcome.returncode == 1
    assert json.loads(outcome.stdout)["problem"]["code"] == "not-logged-in"


def test_the_demo_restores_a_photo_and_says_what_moved(
    stack: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    restored = demo.run(stack, None, "restore_colourize", tmp_path)

    said = capsys.readouterr().out
    assert restored, said
    assert "held 4 credits" in said
    assert "spent 4 credits" in said
    for name in ("before.png", "after.png", "side-by-side.png"):
        assert (tmp_path / name).stat().st_size > 1000


def test_the_demo_says_no_when_the_photo_is_refused(
    stack: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.jpg"
    page.write_text("<html>" * 100)

    assert demo.run(stack, page, "restore", tmp_path) is False
    assert "✗" in capsys.readouterr().out


def test_an_operator_sees_costs_with_the_stacks_own_books(command: Command, tmp_path: Path) -> None:
    shown = command("costs", "today", "--json")
    plotted = command("costs", "plot", "--out", str(tmp_path / "costs.png"))

    assert (shown.returncode, shown.stderr) == (0, "")
    assert "items" in json.loads(shown.stdout)
    assert plotted.returncode == 0
    with Image.open(tmp_path / "costs.png") as picture:
        assert picture.format == "PNG"
