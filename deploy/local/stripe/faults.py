"""Faults that a test may ask for: how often each is still to happen, or how often by chance."""

import random
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr

from deploy.local.stripe.errors import Refusal

TIMES_MAX = 1_000
SECONDS_MAX = 600.0
TOO_MANY = 429

Times = Annotated[int, Field(ge=0, le=TIMES_MAX)]
Seconds = Annotated[float, Field(ge=0, le=SECONDS_MAX)]
Chance = Annotated[float, Field(ge=0, le=1)]


def _countable(chances: dict[str, float]) -> dict[str, float]:
    counted = {name for name, given in Faults.model_fields.items() if given.annotation is int}
    if strange := chances.keys() - (counted - {"seed"}):
        raise ValueError(f"no faults that happen by chance: {sorted(strange)}")
    return chances


class Faults(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    lose_webhook: Times = 0  # a webhook is never sent
    duplicate_webhook: Times = 0  # a webhook is sent twice
    late_webhook: Times = 0  # a webhook comes `late_seconds` after the others
    late_seconds: Seconds = 60.0
    reorder_webhooks: Times = 0  # of the webhooks that are due, the newest is sent first
    forge_webhook: Times = 0  # somebody else calls the address first, with another secret
    answer_429: Times = 0  # a call is refused as one too many
    answer_500: Times = 0  # a call fails before anything happened
    fail_accepted: Times = 0  # a call is done, and its caller is told of an internal error
    slow_calls: Times = 0  # a call takes `slow_seconds` before anything happens
    slow_seconds: Seconds = 1.0
    seed: int = 0  # of the chances
    chances: Annotated[dict[str, Chance], AfterValidator(_countable)] = Field(default_factory=dict)

    _rng: random.Random = PrivateAttr(default_factory=random.Random)

    def happens(self, fault: str) -> bool:
        """Whether a fault is due now: a counted one is due once less then, or chance has it."""
        left: int = getattr(self, fault)
        if left > 0:
            setattr(self, fault, left - 1)
            return True
        chance = self.chances.get(fault, 0.0)
        return chance > 0 and self._rng.random() < chance

    def refuse(self) -> None:
        if self.happens("answer_429"):
            raise Refusal("Too many requests.", status=TOO_MANY, code="rate_limit")
        if self.happens("answer_500"):
            raise Refusal("An unknown error occurred.", status=500, kind="api_error")

    def slowness(self) -> float:
        return self.slow_seconds if self.happens("slow_calls") else 0.0

    def lose_answer_if_due(self) -> None:
        if self.happens("fail_accepted"):
            raise Refusal("An unknown error occurred.", status=500, kind="api_error")

    def set(self, wanted: "Faults") -> None:
        """Set what was named and leave the rest; chances begin anew from their seed."""
        for name in wanted.model_fields_set:
            setattr(self, name, getattr(wanted, name))
        if wanted.model_fields_set & {"seed", "chances"}:
            self._rng.seed(self.seed)
