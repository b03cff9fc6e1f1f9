"""How an engine is set up: environment variables with its name in front, each with a default."""

import os
from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

Quantization = Literal["bf16", "int8", "nf4"]
"""How large the weights of the big networks are: 2 bytes each, 1, or a half."""

Placement = Literal["gpu", "offload"]
"""Everything on the GPU at once, or each network only while it works."""

Settings = TypeVar("Settings", bound="EngineSettings")


class EngineSettings(BaseModel):
    """What all of these engines can be told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    revision: str | None = None
    quantization: Quantization = "bf16"
    placement: Placement = "gpu"


class LightningFile(BaseModel):
    """Weights of a LoRA with which few steps are enough: a file or a folder of a repository."""

    model_config = ConfigDict(frozen=True)

    repository: str
    file: str


def _parse(name: object) -> object:
    if not isinstance(name, str):
        return name
    parts = name.split("/", 2)
    if len(parts) != 3 or not all(parts):  # noqa: PLR2004 - as the sentence says
        raise ValueError("must be organization/repository/path")
    return LightningFile(repository="/".join(parts[:2]), file=parts[2])


Lightning = Annotated[LightningFile, BeforeValidator(_parse)]
"""In the environment it is written as `organization/repository/path`."""


def read_settings(
    kind: type[Settings], prefix: str, environment: Mapping[str, str] = os.environ
) -> Settings:
    """Read `QWEN_MODEL` as `model`, and so on. A setting that does not exist ends the worker."""
    told = {
        name.removeprefix(prefix).lower(): value
        for name, value in environment.items()
        if name.startswith(prefix) and value
    }
    try:
        return kind.model_validate(told)
    except ValidationError as error:
        faults = "; ".join(
            f"{prefix}{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors()
        )
        raise SystemExit(f"The engine's settings are wrong: {faults}") from None
