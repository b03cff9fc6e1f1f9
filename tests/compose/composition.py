"""docker-compose.yml as Docker would read it: anchors merged, variables put in."""

import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from deploy.local import compose_env

FILE = Path(__file__).parents[2] / "docker-compose.yml"
VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?:(:\?|:-)([^}]*))?\})")

Service = dict[str, Any]


class MissingVariableError(LookupError):
    """The file asks for a variable that `.env` does not have."""


def read(variables: dict[str, str]) -> dict[str, Any]:
    document = YAML(typ="safe", pure=True).load(FILE.read_text())
    interpolated = _interpolated(document, variables)
    assert isinstance(interpolated, dict)
    return interpolated


def services() -> dict[str, Service]:
    found = read(compose_env.completed({}))["services"]
    assert isinstance(found, dict)
    return found


def _interpolated(value: Any, variables: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _interpolated(one, variables) for key, one in value.items()}
    if isinstance(value, list):
        return [_interpolated(one, variables) for one in value]
    if isinstance(value, str):
        return VARIABLE.sub(lambda match: _value(match, variables), value)
    return value


def _value(match: re.Match[str], variables: dict[str, str]) -> str:
    if match[0] == "$$":
        return "$"
    if match[1] not in variables:
        raise MissingVariableError(match[1])
    return variables[match[1]]
