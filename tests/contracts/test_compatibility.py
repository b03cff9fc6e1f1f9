"""Each way to break a reader or a writer has a name; an optional addition breaks nobody."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from contracts import compatibility
from contracts.catalog import MESSAGES
from contracts.compatibility import faults, faults_of_all

Schema = dict[str, Any]


class Corner(BaseModel):
    x: float
    y: float


class Told(BaseModel):
    """A message with one of everything."""

    name: str
    amount: int = Field(gt=0, le=100)
    tier: Literal["priority", "standard"]
    ids: list[str] = Field(max_length=3)
    pair: tuple[int, int]
    corner: Corner
    note: str | None = None


OLD = Told.model_json_schema()


def field(schema: Schema, name: str) -> Schema:
    found: Schema = schema["properties"][name]
    return found


def add_optional(schema: Schema) -> None:
    schema["properties"]["seconds"] = {"type": "number", "default": 0}


def explain(schema: Schema) -> None:
    schema["description"] = field(schema, "name")["description"] = "Better words."


def remove(schema: Schema) -> None:
    del schema["properties"]["note"]


def rename(schema: Schema) -> None:
    schema["properties"]["remark"] = schema["properties"].pop("note")


def retype(schema: Schema) -> None:
    field(schema, "name")["type"] = "integer"


def reformat(schema: Schema) -> None:
    field(schema, "name")["format"] = "uuid"


def add_required(schema: Schema) -> None:
    schema["properties"]["seconds"] = {"type": "number"}
    schema["required"].append("seconds")


def require(schema: Schema) -> None:
    schema["required"].append("note")


def relax(schema: Schema) -> None:
    schema["required"].remove("name")


def narrow_bound(schema: Schema) -> None:
    field(schema, "amount")["maximum"] = 99


def widen_bound(schema: Schema) -> None:
    field(schema, "amount")["maximum"] = 101


def bound(schema: Schema) -> None:
    field(schema, "name")["maxLength"] = 10


def unbind(schema: Schema) -> None:
    del field(schema, "amount")["exclusiveMinimum"]


def narrow_choice(schema: Schema) -> None:
    field(schema, "tier")["enum"] = ["priority"]


def widen_choice(schema: Schema) -> None:
    field(schema, "tier")["enum"].append("batch")


def free_choice(schema: Schema) -> None:
    del field(schema, "tier")["enum"]


def forbid_null(schema: Schema) -> None:
    schema["properties"]["note"] = {"type": "string"}


def allow_null(schema: Schema) -> None:
    schema["properties"]["name"] = {"anyOf": [{"type": "null"}, {"type": "string"}]}


def retype_items(schema: Schema) -> None:
    field(schema, "ids")["items"] = {"type": "integer"}


def lengthen_pair(schema: Schema) -> None:
    field(schema, "pair")["prefixItems"].append({"type": "integer"})


def retype_part_of_pair(schema: Schema) -> None:
    field(schema, "pair")["prefixItems"][1] = {"type": "string"}


def remove_inside(schema: Schema) -> None:
    corner = schema["$defs"]["Corner"]
    del corner["properties"]["y"]
    corner["required"].remove("y")


def close(schema: Schema) -> None:
    schema["additionalProperties"] = False


def use_unknown_keyword(schema: Schema) -> None:
    field(schema, "name")["not"] = {"const": "x"}


@pytest.mark.parametrize("change", [add_optional, explain])
def test_an_optional_addition_and_better_words_are_no_fault(
    change: Callable[[Schema], None],
) -> None:
    new = copy.deepcopy(OLD)
    change(new)

    assert faults(OLD, new) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (remove, "note: removed"),
        (rename, "note: renamed to remark"),
        (retype, "name: retyped"),
        (reformat, "name: retyped"),
        (add_required, "seconds: newly required"),
        (require, "note: newly required"),
        (relax, "name: no longer required"),
        (narrow_bound, "amount: narrowed (maximum)"),
        (widen_bound, "amount: widened (maximum)"),
        (bound, "name: narrowed (maxLength)"),
        (unbind, "amount: widened (exclusiveMinimum)"),
        (narrow_choice, "tier: narrowed (enum)"),
        (widen_choice, "tier: widened (enum)"),
        (free_choice, "tier: widened (enum)"),
        (forbid_null, "note: narrowed"),
        (allow_null, "name: widened"),
        (retype_items, "ids[]: retyped"),
        (lengthen_pair, "pair[]: retyped"),
        (retype_part_of_pair, "pair[1]: retyped"),
        (remove_inside, "corner.y: removed"),
        (close, "[]: retyped"),
        (use_unknown_keyword, "name: not understood: not"),
    ],
)
def test_every_other_change_is_a_fault_with_a_name(
    change: Callable[[Schema], None], fault: str
) -> None:
    new = copy.deepcopy(OLD)
    change(new)

    assert faults(OLD, new) == [fault]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.type)
def test_a_message_is_compatible_with_itself(message: type[BaseModel]) -> None:
    schema = message.model_json_schema()

    assert faults(schema, copy.deepcopy(schema)) == []


def test_a_type_may_go_only_after_a_later_version_has_come() -> None:
    old = {"credits.hold.placed.v1": OLD}

    assert faults_of_all(old, {"credits.hold.placed.v2": OLD}) == []
    assert faults_of_all(old, {}) == [
        "credits.hold.placed.v1: removed, and no later version of it exists"
    ]
    assert faults_of_all({}, old) == []


def test_the_contracts_are_compatible_with_the_last_commit_on_main(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert compatibility.main() == 0, capsys.readouterr().out


def test_what_git_has_is_compared_with_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if compatibility.last_commit() is None:
        pytest.skip("there is no history here")
    for schema in compatibility.SCHEMAS.glob("*.json"):
        text = schema.read_text()
        (tmp_path / schema.name).write_text(text.replace('"sha256"', '"checksum"'))
    monkeypatch.setattr(compatibility, "working", lambda: _read(tmp_path))

    assert compatibility.main() == 1
    assert "processing.job.completed.v1: sha256: " in capsys.readouterr().out


def _read(folder: Path) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compatibility, "SCHEMAS", folder)
        return WORKING()


WORKING = compatibility.working
