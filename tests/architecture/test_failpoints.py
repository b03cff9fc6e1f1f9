"""Every failpoint of the catalogue stands at one line of the services, and no other does."""

import ast
from collections import Counter
from pathlib import Path

from services.kit.failpoints import POINTS

REACHED = "failpoints.reach"


def reached() -> Counter[str]:
    """How often each name is passed in the code of the services, as it is written there."""
    calls = [
        node
        for path in Path("services").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == REACHED
    ]
    return Counter(ast.unparse(call.args[0]).strip("'\"") for call in calls)


def test_every_declared_point_is_passed_at_one_line_and_no_other_is_passed() -> None:
    assert reached() == dict.fromkeys(POINTS, 1)


def test_there_are_enough_points_for_120_runs() -> None:
    assert len(POINTS) >= 40


def test_every_point_is_awaited() -> None:
    """A coroutine that nobody awaits would never do what a test armed it for."""
    for path in Path("services").rglob("*.py"):
        text = path.read_text()
        awaited = text.count(f"await {REACHED}(") + text.count(f"await_only({REACHED}(")

        assert awaited == text.count(f"{REACHED}("), path


def test_a_point_says_what_is_and_what_is_not_so() -> None:
    assert not [name for name, window in POINTS.items() if len(window.split()) < 4]
