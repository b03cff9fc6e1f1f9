"""Faults that a test may ask an emulator for: how often each is still to happen, or by chance.

Chances come from the seed that was set with them: the same calls in the same order meet the same
faults again.
"""

import random
from typing import Annotated, Self

from fastapi import HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

TIMES_MAX = 1_000
SECONDS_MAX = 600.0
LOOPBACK = frozenset({"127.0.0.1", "::1"})

Times = Annotated[int, Field(ge=0, le=TIMES_MAX)]
Seconds = Annotated[float, Field(ge=0, le=SECONDS_MAX)]
Chance = Annotated[float, Field(ge=0, le=1)]


class FaultsOnDemand(BaseModel):
    """Each field of type `Times` is a fault; an emulator asks whether it `happens`."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    seed: int = 0  # of the chances
    chances: dict[str, Chance] = Field(default_factory=dict)

    _rng: random.Random = PrivateAttr(default_factory=random.Random)

    @model_validator(mode="after")
    def _are_faults(self) -> Self:
        fields = type(self).model_fields
        counted = {name for name, given in fields.items() if given.annotation is int} - {"seed"}
        if strange := self.chances.keys() - counted:
            raise ValueError(f"no faults that happen by chance: {sorted(strange)}")
        return self

    def happens(self, fault: str) -> bool:
        """Whether a fault is due now: a counted one is due once less then, or chance has it."""
        left: int = getattr(self, fault)
        if left > 0:
            setattr(self, fault, left - 1)
            return True
        chance = self.chances.get(fault, 0.0)
        return chance > 0 and self._rng.random() < chance

    def set(self, wanted: Self) -> None:
        """Set what was named and leave the rest; chances begin anew from their seed."""
        for name in wanted.model_fields_set:
            setattr(self, name, getattr(wanted, name))
        if wanted.model_fields_set & {"seed", "chances"}:
            self._rng.seed(self.seed)

    def clear(self) -> None:
        self.set(type(self)(**type(self)().model_dump()))


def refuse_strangers(request: Request) -> None:
    """Faults are asked for on this machine only."""
    if request.client is None or request.client.host not in LOOPBACK:
        raise HTTPException(403, "this door is for this machine only")
