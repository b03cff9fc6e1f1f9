"""Faults that a test may ask Stripe's emulator for."""

from deploy.local.faults import FaultsOnDemand, Seconds, Times
from deploy.local.stripe.errors import Refusal

TOO_MANY = 429


class Faults(FaultsOnDemand):
    lose_webhook: Times = 0  # a webhook is never sent
    duplicate_webhook: Times = 0  # a webhook is sent twice
    late_webhook: Times = 0  # a webhook comes `late_seconds` after the others
    late_seconds: Seconds = 60.0
    reorder_webhooks: Times = 0  # of the webhooks that are due, the newest is sent first
    forge_webhook: Times = 0  # somebody else calls the address first, with another secret
    answer_429: Times = 0  # a call is refused as one too many
    answer_500: Times = 0  # a call fails before anything happened
    answer_503: Times = 0  # Stripe is away
    fail_accepted: Times = 0  # a call is done, and its caller is told of an internal error
    slow_calls: Times = 0  # a call takes `slow_seconds` before anything happens
    slow_seconds: Seconds = 1.0

    def refuse(self) -> None:
        if self.happens("answer_429"):
            raise Refusal("Too many requests.", status=TOO_MANY, code="rate_limit")
        for status in (500, 503):
            if self.happens(f"answer_{status}"):
                raise Refusal("An unknown error occurred.", status=status, kind="api_error")

    def slowness(self) -> float:
        return self.slow_seconds if self.happens("slow_calls") else 0.0

    def lose_answer_if_due(self) -> None:
        if self.happens("fail_accepted"):
            raise Refusal("An unknown error occurred.", status=500, kind="api_error")
