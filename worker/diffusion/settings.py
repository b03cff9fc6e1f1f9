"""How an engine is set up: environment variables with its name in front, each with a default."""

import os
from collections.abc import Mapping
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

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
    """Weights of a LoRA with which few steps are enough: a file of a repository."""

    model_config = ConfigDict(frozen=True)

    repository: str
    file: str

    @classmethod
    def parse(cls, name: str) -> "LightningFile":
        """Read `organization/repository/path/of/file.safetensors`."""
        organization, repository, file = name.split("/", 2)
        return cls(repository=f"{organization}/{repository}", file=file)


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
