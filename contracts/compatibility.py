"""Whether messages changed only as a version may: `python -m contracts.compatibility`.

Within a version old and new writers and readers meet in every pairing, so exactly one change is
safe: a new field that need not be there. Everything else is a fault with a name, and asks for a new
version. The comparison is closed: a keyword that it does not know is a fault as well.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FOLDER = "contracts/schemas"
SCHEMAS = Path(__file__).parent / "schemas"
BASES = ("main", "origin/main", "HEAD")
GIT_TIMEOUT_S = 30
DEPTH_MAX = 20

ANNOTATIONS = {"title", "description", "default", "examples", "$defs"}
LOWER = {"minimum", "exclusiveMinimum", "minLength", "minItems"}
UPPER = {"maximum", "exclusiveMaximum", "maxLength", "maxItems"}
EXACT = {"type", "const", "format", "pattern", "multipleOf", "uniqueItems"}
NESTED = {"items", "additionalProperties"}
COMPARED = {"properties", "required", "enum", "anyOf", "prefixItems"} | NESTED

Schema = Mapping[str, Any]


def faults(old: Schema, new: Schema) -> list[str]:
    """Every change that a reader or writer of the other side would stumble over."""
    return list(_Comparison(old, new).of(old, new, "", DEPTH_MAX))


def faults_of_all(old: Mapping[str, Schema], new: Mapping[str, Schema]) -> list[str]:
    """The same for all messages by type. A type may go only when a later version of it exists."""
    found = []
    for name, schema in sorted(old.items()):
        if name in new:
            found += [f"{name}: {fault}" for fault in faults(schema, new[name])]
        elif not any(_succeeds(other, name) for other in new):
            found.append(f"{name}: removed, and no later version of it exists")
    return found


class _Comparison:
    def __init__(self, old: Schema, new: Schema) -> None:
        self._old, self._new = old.get("$defs", {}), new.get("$defs", {})

    def of(self, old: Any, new: Any, path: str, depth: int) -> Iterator[str]:
        if not isinstance(old, Mapping) or not isinstance(new, Mapping):
            if old != new:
                yield f"{path or 'message'}: retyped"
            return
        old, new = _resolved(old, self._old), _resolved(new, self._new)
        known = ANNOTATIONS | LOWER | UPPER | EXACT | COMPARED
        if unknown := sorted((old.keys() | new.keys()) - known):
            yield f"{path or 'message'}: not understood: {', '.join(unknown)}"
        elif depth == 0:
            yield f"{path}: nested too deeply"
        elif "anyOf" in old or "anyOf" in new:
            yield from self._alternatives(old, new, path, depth)
        else:
            yield from _values(old, new, path or "message")
            yield from self._fields(old, new, path, depth)
            for keyword in sorted(NESTED & (old.keys() | new.keys())):
                inner = old.get(keyword, True), new.get(keyword, True)
                yield from self.of(*inner, f"{path}[]", depth - 1)
            yield from self._positions(old, new, path, depth)

    def _fields(self, old: Schema, new: Schema, path: str, depth: int) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed, needs = set(old.get("required", ())), set(new.get("required", ()))
        added = after.keys() - before.keys()
        path = f"{path}." if path else ""
        for name in sorted(before.keys() - after.keys()):
            twins = [other for other in sorted(added) if _meaning(before[name], after[other])]
            yield f"{path}{name}: renamed to {twins[0]}" if twins else f"{path}{name}: removed"
        for name in sorted((needs - needed) & after.keys()):
            yield f"{path}{name}: newly required"
        for name in sorted((needed - needs) & after.keys()):
            yield f"{path}{name}: no longer required"
        for name in sorted(before.keys() & after.keys()):
            yield from self.of(before[name], after[name], f"{path}{name}", depth - 1)

    def _alternatives(self, old: Schema, new: Schema, path: str, depth: int) -> Iterator[str]:
        before = _by_type(old.get("anyOf", [old]), self._old)
        after = _by_type(new.get("anyOf", [new]), self._new)
        if before.keys() - after.keys():
            yield f"{path}: narrowed"
        if after.keys() - before.keys():
            yield f"{path}: widened"
        for name in sorted(before.keys() & after.keys()):
            yield from self.of(before[name], after[name], path, depth - 1)

    def _positions(self, old: Schema, new: Schema, path: str, depth: int) -> Iterator[str]:
        before, after = old.get("prefixItems", []), new.get("prefixItems", [])
        if len(before) != len(after):
            yield f"{path}[]: retyped"
            return
        for index, pair in enumerate(zip(before, after, strict=True)):
            yield from self.of(*pair, f"{path}[{index}]", depth - 1)


def _values(old: Schema, new: Schema, path: str) -> Iterator[str]:
    """What may stand there: its type, its bounds, its choices."""
    if any(old.get(keyword) != new.get(keyword) for keyword in EXACT):
        yield f"{path}: retyped"
    narrowed: set[str] = set()
    widened: set[str] = set()
    for keyword in LOWER | UPPER:
        sign = 1 if keyword in LOWER else -1
        before = sign * old[keyword] if keyword in old else float("-inf")
        after = sign * new[keyword] if keyword in new else float("-inf")
        (narrowed if after > before else widened if after < before else set()).add(keyword)
    if "enum" in old or "enum" in new:
        choices, chosen = set(old.get("enum", ())), set(new.get("enum", ()))
        if "enum" not in old or ("enum" in new and choices - chosen):
            narrowed.add("enum")
        if "enum" not in new or ("enum" in old and chosen - choices):
            widened.add("enum")
    if narrowed:
        yield f"{path}: narrowed ({', '.join(sorted(narrowed))})"
    if widened:
        yield f"{path}: widened ({', '.join(sorted(widened))})"


def _by_type(alternatives: list[Schema], definitions: Schema) -> dict[str, Schema]:
    """Alternatives by what tells them apart, so that their order does not matter."""
    found = [_resolved(alternative, definitions) for alternative in alternatives]
    return {f"{one.get('type')} {one.get('format')} {one.get('const')}": one for one in found}


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    target: Schema = definitions[schema["$ref"].removeprefix("#/$defs/")]
    return {**target, **{key: value for key, value in schema.items() if key != "$ref"}}


def _meaning(one: Schema, other: Schema) -> bool:
    """Whether two fields differ in nothing but their names and explanations."""
    first, second = (
        {key: value for key, value in schema.items() if key not in ANNOTATIONS}
        for schema in (one, other)
    )
    return first == second


def _succeeds(later: str, earlier: str) -> bool:
    (name, _, version), (old_name, _, old_version) = (
        type_.rpartition(".v") for type_ in (later, earlier)
    )
    return name == old_name and int(version) > int(old_version)


def committed(base: str) -> dict[str, Schema]:
    """The schemas of a commit, by type."""
    listed = _git("ls-tree", "-r", "--name-only", base, "--", FOLDER).splitlines()
    return {Path(path).stem: json.loads(_git("show", f"{base}:{path}")) for path in listed}


def working() -> dict[str, Schema]:
    """The schemas as they are now, by type."""
    return {path.stem: json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")}


def last_commit() -> str | None:
    """What to compare with: the last commit on main; none where there is no history."""
    for base in BASES:
        try:
            return _git("rev-parse", "--verify", "--quiet", f"{base}^{{commit}}").strip()
        except (OSError, subprocess.CalledProcessError):
            continue
    return None


def _git(*command: str) -> str:
    return subprocess.run(  # noqa: S603  # nothing in it comes from outside
        ["git", *command],  # noqa: S607  # whichever git the developer uses
        cwd=SCHEMAS.parents[1],
        check=True,
        capture_output=True,
        text=True,
        timeout=GIT_TIMEOUT_S,
    ).stdout


def main() -> int:
    """Print what is wrong; the exit code says whether anything is."""
    base = last_commit()
    if base is None:
        sys.stdout.write("No commit to compare the contracts with.\n")
        return 0
    found = faults_of_all(committed(base), working())
    for fault in found:
        sys.stdout.write(f"{fault}\n")
    if found:
        sys.stdout.write("A change like this needs a new version (v2.py) beside the old one.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
