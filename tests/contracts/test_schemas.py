"""The committed schemas are those of the code, and readers tolerate what they do not know."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from contracts import compatibility, snapshot
from contracts.__main__ import main as write_contracts
from contracts.catalog import EVENTS_HEARD, MESSAGES
from contracts.message import Command, Envelope, Event, Message

SCHEMAS = Path("contracts/schemas")


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.type)
def test_the_snapshot_is_current(message: type[Message]) -> None:
    snapshot = SCHEMAS / f"{message.type}.json"

    assert json.loads(snapshot.read_text()) == message.model_json_schema(), "run `make contracts`"


def test_there_is_no_snapshot_of_a_message_that_is_gone() -> None:
    assert {path.stem for path in SCHEMAS.iterdir()} == {message.type for message in MESSAGES}


def _all_messages(family: type[Message] = Message) -> Iterator[type[Message]]:
    for message in family.__subclasses__():
        if "type" in vars(message) and message.__module__.startswith("contracts."):
            yield message
        yield from _all_messages(message)


def test_every_message_is_in_the_catalog_once() -> None:
    assert len(MESSAGES) == len({message.type for message in MESSAGES})
    assert set(_all_messages()) == set(MESSAGES)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.type)
def test_a_type_names_its_family_its_verb_and_its_version(message: type[Message]) -> None:
    family, noun, verb, version = message.type.split(".")

    assert message.__module__ == f"contracts.{family}.{version}"
    assert noun.isalpha()
    assert issubclass(
        message, Event if verb.endswith(("ed", "paid", "ing", "ready", "usable")) else Command
    )


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.type)
def test_readers_ignore_fields_they_do_not_know(message: type[Message]) -> None:
    schema = message.model_json_schema()
    fields = {name: _example(schema, schema["properties"][name]) for name in schema["required"]}

    read = message.model_validate(fields | {"added_later": {"by": "a newer writer"}})

    assert read == message.model_validate(fields)
    assert "added_later" not in read.model_dump()


def test_readers_ignore_unknown_fields_of_the_envelope() -> None:
    written: dict[str, Any] = {
        "id": UUID(int=1),
        "source": "/rekindle/tests",
        "type": "tests.envelope.read.v1",
        "time": "2026-01-01T00:00:00Z",
        "subject": "an envelope",
        "correlationid": UUID(int=2),
        "data": {},
    }

    assert Envelope.model_validate(written | {"partitionkey": "x"}) == Envelope.model_validate(
        written
    )


def test_only_events_are_heard() -> None:
    for heard in EVENTS_HEARD.values():
        assert all(issubclass(message, Event) for message in heard)


def _example(whole: dict[str, Any], schema: dict[str, Any]) -> Any:
    """Some value that the schema allows."""
    if "$ref" in schema:
        return _example(whole, whole["$defs"][schema["$ref"].removeprefix("#/$defs/")])
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    if "anyOf" in schema:
        return _example(whole, schema["anyOf"][0])
    formats = {
        "uuid": str(UUID(int=7)),
        "date": "2026-01-01",
        "date-time": "2026-01-01T00:00:00Z",
    }
    text = formats.get(schema.get("format", ""), "text")
    return {"string": text, "integer": 1, "number": 1.0, "array": [], "boolean": True}[
        schema["type"]
    ]


def test_stale_snapshots_are_written_anew_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in (snapshot, compatibility):
        monkeypatch.setattr(module, "SCHEMAS", tmp_path)
    snapshot.write()
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in SCHEMAS.iterdir()}
    (tmp_path / "credits.hold.placed.v1.json").write_text("{}")
    (tmp_path / "credits.hold.forgotten.v1.json").write_text("{}")

    assert write_contracts() == 1

    said = capsys.readouterr().out
    assert "credits.hold.placed.v1: the schema was stale" in said
    assert "credits.hold.forgotten.v1: the schema was stale" in said
    assert not (tmp_path / "credits.hold.forgotten.v1.json").exists()
    assert write_contracts() == 0
