"""House rules no linter knows."""

import ast
import re
import tokenize
from pathlib import Path

import pytest

from contracts.catalog import EVENTS_HEARD, MESSAGES
from contracts.message import Command

PACKAGES = ("contracts", "services", "sdk", "worker", "deploy", "bench")
MODULES = sorted(path for package in PACKAGES for path in Path(package).rglob("*.py"))
SERVICES = ("gateway", "uploads", "credits", "processing", "billing")
KIT = sorted(path for path in Path("services/kit").glob("*.py") if path.stem != "__init__")

LINES_PER_MODULE = 400
LINES_PER_FUNCTION = 60
MODULES_IN_KIT = 20
LINES_PER_KIT_MODULE = 285
LINES_PER_README = 60

VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "constants"}
DOMAIN_WORDS = {
    *("photo", "photos", "credit", "credits", "hold", "holds", "job", "jobs", "attempt"),
    *("plan", "plans", "upload", "uploads", "restore", "colourize", "thumbnail", "master"),
}
# An attempt of a delivery and an upload of a file are the broker's and S3's own words.
WORDS_OF_OUTSIDE = {"bus": {"attempt"}, "storage": {"upload"}}

# The gateway's nudges to its own open streams may get lost; everything else goes through the bus.
MAY_PUBLISH = ["services/gateway/nudges.py", "services/kit/bus.py"]

TYPE = re.compile(r"`([a-z_.]+\.v\d+)`")


def names_in(path: Path) -> set[str]:
    """Every word of every name that a module defines or uses; not those in strings or comments."""
    with tokenize.open(path) as file:
        names = [t.string for t in tokenize.generate_tokens(file.readline) if t.type == 1]
    return {word.lower() for name in names for word in re.findall(r"[A-Z]?[a-z]+", name)}


def calls_in(path: Path) -> list[ast.Call]:
    tree = ast.parse(path.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def functions_in(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text())
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def test_there_is_something_to_look_at() -> None:
    assert len(MODULES) > 50
    assert len(KIT) > 10


def test_a_module_fits_in_the_head() -> None:
    sizes = {str(path): len(path.read_text().splitlines()) for path in MODULES}

    assert not {path: size for path, size in sizes.items() if size > LINES_PER_MODULE}


def test_a_function_fits_on_the_screen() -> None:
    sizes = {
        f"{path}:{function.name}": (function.end_lineno or 0) - function.lineno + 1
        for path in MODULES
        for function in functions_in(path)
    }

    assert not {name: size for name, size in sizes.items() if size > LINES_PER_FUNCTION}


def test_a_module_says_what_it_is_for() -> None:
    trees = {str(path): ast.parse(path.read_text()) for path in MODULES}

    assert not [path for path, tree in trees.items() if tree.body and not ast.get_docstring(tree)]


def test_a_module_is_named_after_what_it_holds() -> None:
    assert not [str(path) for path in MODULES if {path.stem, path.parent.name} & VAGUE]


def test_the_kit_stays_small() -> None:
    sizes = {str(path): len(path.read_text().splitlines()) for path in KIT}

    assert len(sizes) <= MODULES_IN_KIT
    assert not {path: size for path, size in sizes.items() if size > LINES_PER_KIT_MODULE}


def test_the_kit_knows_nothing_of_the_domain() -> None:
    known = {path.stem: names_in(path) & DOMAIN_WORDS for path in KIT}

    assert {stem: words for stem, words in known.items() if words} == WORDS_OF_OUTSIDE


def test_only_the_bus_publishes() -> None:
    """A message sent past it is neither persistent nor confirmed, and lost when unroutable."""
    raw = [
        str(path)
        for path in MODULES
        for call in calls_in(path)
        if re.search(r"broker\.(publish|request)$", ast.unparse(call.func))
    ]

    assert sorted(raw) == MAY_PUBLISH


def test_a_picture_is_opened_with_the_formats_it_may_have() -> None:
    """Left to itself Pillow tries every decoder it has, and hands EPS to Ghostscript."""
    opened = [
        (f"{path}:{call.lineno}", {keyword.arg for keyword in call.keywords})
        for path in MODULES
        for call in calls_in(path)
        if ast.unparse(call.func).endswith("Image.open")
    ]

    assert opened
    assert not [place for place, given in opened if "formats" not in given]


def test_no_limit_of_pillows_is_lifted() -> None:
    lifted = re.compile(r"MAX_IMAGE_PIXELS\s*=\s*None|LOAD_TRUNCATED_IMAGES\s*=\s*True")

    assert not [str(path) for path in MODULES if lifted.search(path.read_text())]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_explains_itself_on_a_page(service: str) -> None:
    readme = Path("services", service, "README.md").read_text()

    for part in ("**Owns**", "**Hears**", "**Says**", "**Promises**", "**When it breaks**"):
        assert part in readme
    assert len(readme.splitlines()) <= LINES_PER_README


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_says_what_it_hears(service: str) -> None:
    readme = Path("services", service, "README.md").read_text()

    commands = {message.type for message in MESSAGES if issubclass(message, Command)}
    heard = {message.type for message in EVENTS_HEARD[service]}
    # Pointing at the list itself is as good as repeating it.
    if "`contracts/catalog.py`" not in part_after("**Hears**", readme):
        assert types_after("**Hears**", readme) - commands == heard


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_says_what_it_says(service: str) -> None:
    readme = Path("services", service, "README.md").read_text()

    said = {
        message.type
        for message in MESSAGES
        if not issubclass(message, Command) and message.type.startswith(f"{service}.")
    }
    commands = {message.type for message in MESSAGES if issubclass(message, Command)}
    assert types_after("**Says**", readme) - commands == said


def types_after(heading: str, readme: str) -> set[str]:
    """The message types of a part. `.failed.v1` repeats the family and noun before it."""
    found: list[str] = []
    for written in TYPE.findall(part_after(heading, readme)):
        if written.startswith("."):
            found.append(".".join(found[-1].split(".")[:2]) + written)
        else:
            found.append(written)
    return set(found)


def part_after(heading: str, readme: str) -> str:
    """What follows a heading, up to the next one or the end of its paragraph."""
    paragraph = readme.partition(heading)[2].partition("\n\n")[0]
    return re.split(r"\*\*[A-Z]", paragraph)[0]
