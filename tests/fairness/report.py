"""What a run through the traffic showed, as a table, and which promises it broke."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from uuid import UUID

from services.processing.dispatching import TIERS, runs_max
from services.processing.line import LATEST_STARTS
from tests.fairness import ideal
from tests.fairness.replay import Story
from tests.fairness.traffic import RUN_S, SLOTS, Traffic

WORST = 6
RATIO_MAX = 2.0
SLACK_S = 2 * RUN_S
"""Sand has no grains, jobs have: a slot that is taken is free again a run later."""

STARVED_S = 3_600.0
"""However much is asked for: a free job that waits for longer has starved."""

RIGHT_WITHIN = 0.3
NEAR_JOBS = SLOTS
"""As many jobs start within one run's length: less nobody can foresee."""

RIGHT_SHARE_MIN = 0.75
PLACES_RIGHT_MIN = 0.85

SHARE_TOLERANCE = 0.03


@dataclass(frozen=True, slots=True)
class Table:
    """The run in words, and the promises it broke."""

    text: str
    broken: list[str]


@dataclass(frozen=True, slots=True)
class Account:
    """One account's waits, in seconds."""

    name: str
    jobs: int
    waited_s: float
    fair_s: float
    longest_s: float

    @property
    def ratio(self) -> float:
        """How much longer than fair, beyond what grains account for."""
        return max(0.0, self.waited_s - SLACK_S) / self.fair_s if self.fair_s else 0.0

    @property
    def is_fair(self) -> bool:
        return self.waited_s <= RATIO_MAX * self.fair_s + SLACK_S


def table(stories: Sequence[Story], traffic: Traffic, slots: int) -> Table:
    """Compare what happened with what would be fair and with what was shown."""
    accounts = _accounts(stories, traffic, ideal.waits(traffic.wishes, slots))
    lines, broken = [], []
    for name, chosen in _groups(accounts):
        lines.append(_row(name, chosen))
    lines.append("")
    lines.append("worst against their fair wait:")
    lines += [_row(a.name, [a]) for a in sorted(accounts, key=lambda a: -a.ratio)[:WORST]]
    broken += [f"{a.name} waited too long" for a in accounts if not a.is_fair]
    share, seconds = _paid_share(stories, slots)
    promised = runs_max(slots)["priority"] / slots
    lines += ["", f"paid share of starts while both tiers waited ({seconds:.0f} s): {share:.1%}"]
    if share < promised - SHARE_TOLERANCE:
        broken.append(f"paid got {share:.1%}, not {promised:.0%}")
    # Before anything has run nobody knows how fast it goes; and when people stop asking, all that
    # is left goes faster than anybody could foresee.
    known_from_s = sorted(s.started_at_s for s in stories)[LATEST_STARTS]
    asked_until_s = traffic.wishes[-1].at_s
    waited = [
        s
        for s in stories
        if s.wish.at_s >= known_from_s and s.waited_s > 0 and s.started_at_s <= asked_until_s
    ]
    free_s = max(s.waited_s for s in stories if s.wish.account_id != traffic.hog
                 and s.wish.tier == "standard")  # fmt: skip
    lines.append(f"longest wait of a free account that is not the one: {free_s:.0f} s")
    if free_s > STARVED_S:
        broken.append(f"a free job starved for {free_s:.0f} s")
    placed = _positions(stories)
    right_places = sum(_is_near(s.shown_position, placed[id(s)]) for s in waited)
    of_places = right_places / max(1, len(waited))
    lines.append(f"position right within 30 % (or {NEAR_JOBS} jobs): {of_places:.1%} of them")
    if of_places < PLACES_RIGHT_MIN:
        broken.append(f"only {of_places:.1%} of the positions were right")
    right = _right(waited)
    lines.append(
        f"expected start right within 30 % (or a run's length): {right:.1%} of {len(waited)} jobs"
        f" that waited; median error {median(map(_error, waited) if waited else [0.0]):.1%}"
    )
    if right < RIGHT_SHARE_MIN:
        broken.append(f"only {right:.1%} of the expected starts were right")
    head = f"{'':24}{'jobs':>7}{'mean wait':>11}{'fair wait':>11}{'ratio':>8}{'longest':>10}"
    return Table("\n".join([head, *lines, "", *(broken or ["fair"])]), broken)


def _accounts(stories: Sequence[Story], traffic: Traffic, fair_s: Sequence[float]) -> list[Account]:
    of: dict[UUID, list[tuple[Story, float]]] = defaultdict(list)
    for story, fair in zip(stories, fair_s, strict=True):
        of[story.wish.account_id].append((story, fair))
    return [
        Account(
            name=_name(account_id, both[0][0], traffic),
            jobs=len(both),
            waited_s=fmean(story.waited_s for story, _ in both),
            fair_s=fmean(fair for _, fair in both),
            longest_s=max(story.waited_s for story, _ in both),
        )
        for account_id, both in of.items()
    ]


def _name(account_id: UUID, story: Story, traffic: Traffic) -> str:
    if account_id == traffic.hog:
        return "the one with 80 %"
    return f"{'paid' if story.wish.tier == 'priority' else 'free'} {account_id.hex[-6:]}"


def _groups(accounts: Iterable[Account]) -> Iterable[tuple[str, list[Account]]]:
    for name in ("paid", "free", "the one"):
        yield f"{name} (all)", [a for a in accounts if a.name.startswith(name)]


def _row(name: str, accounts: Sequence[Account]) -> str:
    jobs = sum(a.jobs for a in accounts)
    waited = sum(a.waited_s * a.jobs for a in accounts) / jobs
    fair = sum(a.fair_s * a.jobs for a in accounts) / jobs
    longest = max(a.longest_s for a in accounts)
    ratio = f"{waited / fair:8.2f}" if fair >= 1 else f"{'-':>8}"
    return f"{name:24}{jobs:7}{waited:10.1f}s{fair:10.1f}s{ratio}{longest:9.0f}s"


def _paid_share(stories: Sequence[Story], slots: int) -> tuple[float, float]:
    """The share of starts that were paid ones while both tiers had more waiting than slots."""
    changes: list[tuple[float, int, str]] = []
    for story in stories:
        changes.append((story.wish.at_s, 1, story.wish.tier))
        changes.append((story.started_at_s, -1, story.wish.tier))
    waiting = dict.fromkeys(TIERS, 0)
    starts = dict.fromkeys(TIERS, 0)
    seconds, since = 0.0, 0.0
    for at_s, change, tier in sorted(changes, key=lambda c: (c[0], -c[1])):
        both = all(count > slots for count in waiting.values())
        if both:
            seconds += at_s - since
            starts[tier] += change < 0  # type: ignore[index]
        since = at_s
        waiting[tier] += change  # type: ignore[index]
    return starts["priority"] / max(1, sum(starts.values())), seconds


def _error(story: Story) -> float:
    return abs(story.shown_s - story.waited_s) / story.waited_s


def _right(waited: Sequence[Story]) -> float:
    right = [
        s for s in waited if abs(s.shown_s - s.waited_s) <= max(RIGHT_WITHIN * s.waited_s, RUN_S)
    ]
    return len(right) / max(1, len(waited))


def _positions(stories: Sequence[Story]) -> dict[int, int]:
    """What each job's position was, as it turned out: itself, and what started before it."""
    started: dict[str, list[float]] = {
        tier: sorted(s.started_at_s for s in stories if s.wish.tier == tier) for tier in TIERS
    }
    return {
        id(s): 1
        + bisect_left(started[s.wish.tier], s.started_at_s)
        - bisect_right(started[s.wish.tier], s.wish.at_s)
        for s in stories
    }


def _is_near(shown: int, real: int) -> bool:
    return abs(shown - real) <= max(RIGHT_WITHIN * real, NEAR_JOBS)
