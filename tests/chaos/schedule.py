"""Which fault happens when, to what, and for how long: all of it follows from the seed.

Faults are cards of a deck that is shuffled, dealt and shuffled again, so that a short run meets
many kinds and a long one meets each as often as its weight says.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

SERVICES = ("gateway", "uploads", "credits", "processing", "billing")
CONSUMERS = tuple(f"{service}-consumer" for service in SERVICES)
NODES = ("rabbitmq", "rabbitmq-2", "rabbitmq-3")
DISKS = ("postgres", "s3", *NODES)
LINKS = (*SERVICES, "postgres", "amqp", "s3", "runpod", "stripe")
COPIES = 2

SHORT_S, LONG_S = (0.5, 2.5), (2.0, 6.0)
ALARM_S = (11.0, 15.0)
"""RabbitMQ looks at its disk every ten seconds while there is much room."""

JUMP_S = (3.0, 8.0)
AT_ONCE = (0.0, 0.0)
RUNPOD_FAULTS = {
    "lose_webhook": 3,
    "duplicate_webhook": 3,
    "fail infra": 1,
    "fail oom": 1,
    "fail model": 1,
    "time_out_next": 1,
    "answer_429": 3,
    "answer_500": 2,
    "truncate_answer": 2,
    "unknown_state": 3,
    "hang_submit": 1,
    "garbage_output": 1,
    "forget a run": 1,
}
"""How often each happens once it is asked for."""

STRIPE_FAULTS = {
    "lose_webhook": 3,
    "duplicate_webhook": 3,
    "late_webhook": 3,
    "reorder_webhooks": 3,
    "forge_webhook": 2,
    "answer_429": 3,
    "answer_500": 3,
    "answer_503": 3,
    "fail_accepted": 2,
    "slow_calls": 3,
}
"""Likewise; of `deploy/local/stripe/faults.py`."""


@dataclass(frozen=True, slots=True)
class Card:
    """One kind of fault: what it can hit, how long it lasts, and how many of it are in the deck."""

    kind: str
    targets: Sequence[str]
    lasts_s: tuple[float, float] = AT_ONCE
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a run; times are seconds from the beginning of the faults."""

    at_s: float
    kind: str
    target: str
    lasts_s: float

    @property
    def ends_s(self) -> float:
        return self.at_s + self.lasts_s


def _copies(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(copy for name in names for copy in (name, *_more(name)))


def _more(name: str) -> list[str]:
    return [f"{name}-{number}" for number in range(2, COPIES + 1)]


ROLES = {
    "service": _copies(SERVICES),
    "consumer": _copies(CONSUMERS),
    "relay": _copies(["relay"]),
    "dispatcher": _copies(["dispatcher"]),
    "worker": _copies(["worker"]),
}
PROGRAMS = tuple(name for role, names in ROLES.items() if role != "worker" for name in names)
DECK = (
    *(Card(f"kill {role}", names, weight=3) for role, names in ROLES.items()),
    *(Card(f"freeze {role}", names, SHORT_S, weight=2) for role, names in ROLES.items()),
    *(Card(f"kill {server}", [server]) for server in ("postgres", "s3", "stripe")),
    *(Card(f"freeze {server}", [server], SHORT_S) for server in ("postgres", "s3", "stripe")),
    Card("kill rabbitmq", NODES, weight=2),
    Card("kill cluster", ["cluster"]),
    Card("freeze rabbitmq", NODES, LONG_S),
    Card("part rabbitmq", NODES, LONG_S, weight=2),
    Card("cut link", LINKS, weight=4),
    Card("slow link", LINKS, LONG_S, weight=3),
    Card("stall link", LINKS, SHORT_S, weight=3),
    Card("refuse link", LINKS, SHORT_S, weight=3),
    Card("mute link", LINKS, SHORT_S, weight=3),
    Card("jump clock", PROGRAMS, JUMP_S, weight=5),
    Card("cut sessions", ["postgres"]),
    Card("close connections", ["rabbitmq"]),
    Card("fill disk", DISKS, SHORT_S, weight=3),
    Card("disk alarm", NODES, ALARM_S),
    Card("no workers", ["runpod"], LONG_S),
    Card("late runs", ["runpod"], LONG_S),
    *(Card(f"runpod {fault}", ["runpod"]) for fault in RUNPOD_FAULTS),
    *(Card(f"stripe {fault}", ["stripe"]) for fault in STRIPE_FAULTS),
)


def plan(
    seed: int, *, for_s: float, pause_s: tuple[float, float], wishes: Sequence[str] = ()
) -> list[Fault]:
    """Every fault of a run, in order; of the wished kinds only, if there are wishes.

    A wish is a kind and, if it matters, whom it is to hit: `kill relay`, `cut link@gateway`.
    """
    rng = random.Random(seed)
    deal = _deal(rng, [_wished(wish) for wish in wishes] or DECK)
    faults: list[Fault] = []
    at_s = rng.uniform(*pause_s)
    while at_s < for_s:
        card = next(deal)
        faults.append(Fault(at_s, card.kind, rng.choice(card.targets), rng.uniform(*card.lasts_s)))
        at_s += rng.uniform(*pause_s)
    return faults


def _wished(wish: str) -> Card:
    kind, _, target = wish.partition("@")
    card = next(card for card in DECK if card.kind == kind)
    if not target:
        return card
    targets = [name for name in card.targets if name in (target, *_more(target))]
    assert targets, wish
    return replace(card, targets=targets)


def _deal(rng: random.Random, cards: Sequence[Card]) -> Iterator[Card]:
    while True:
        deck = [card for card in cards for _ in range(card.weight)]
        rng.shuffle(deck)
        yield from deck
