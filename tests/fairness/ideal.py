"""What would be fair: slots cut as fine as sand (generalized processor sharing, Parekh 1993).

At every moment each tier gets its share of the slots, what it does not need goes to the other, and
within a tier everybody who waits gets the same, up to the cap. Whole jobs cannot be cut, so what is
compared is the end: a job that would end fairly at some time may wait until its run ends just then.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from uuid import UUID

from contracts.message import Tier
from services.processing.dispatching import RUNS_PER_ACCOUNT_MAX, TIERS, runs_max
from tests.fairness.traffic import Wish

STEP_S = 0.5
Backlogs = dict[Tier, dict[UUID, deque[list[float]]]]


def waits(wishes: Sequence[Wish], slots: int) -> list[float]:
    """The fair wait of each wish, in seconds."""
    waited = [0.0] * len(wishes)
    backlogs: Backlogs = {tier: defaultdict(deque) for tier in TIERS}
    now_s, coming = 0.0, 0
    while coming < len(wishes) or any(backlogs.values()):
        while coming < len(wishes) and wishes[coming].at_s <= now_s:
            wish = wishes[coming]
            backlogs[wish.tier][wish.account_id].append([coming, wish.runs_s])
            coming += 1
        for tier, parts in _shares(backlogs, slots).items():
            for account_id, part in parts.items():
                line = backlogs[tier][account_id]
                _work(line, part * STEP_S, waited, wishes, now_s)
                if not line:
                    del backlogs[tier][account_id]
        now_s += STEP_S
    return waited


def _shares(backlogs: Backlogs, slots: int) -> dict[Tier, dict[UUID, float]]:
    wanted = {
        tier: sum(min(len(line), RUNS_PER_ACCOUNT_MAX[tier]) for line in backlogs[tier].values())
        for tier in TIERS
    }
    most = runs_max(slots)
    paid = min(wanted["priority"], max(most["priority"], slots - wanted["standard"]))
    given = {"priority": paid, "standard": min(wanted["standard"], slots - paid)}
    return {tier: _equal_parts(backlogs[tier], tier, float(given[tier])) for tier in TIERS}


def _equal_parts(
    lines: dict[UUID, deque[list[float]]], tier: Tier, given: float
) -> dict[UUID, float]:
    """Max-min: who needs less than an equal part leaves the rest to the others."""
    parts: dict[UUID, float] = {}
    by_need = sorted(lines, key=lambda a: min(len(lines[a]), RUNS_PER_ACCOUNT_MAX[tier]))
    for left, account_id in zip(range(len(by_need), 0, -1), by_need, strict=True):
        need = min(len(lines[account_id]), RUNS_PER_ACCOUNT_MAX[tier])
        parts[account_id] = min(need, given / left)
        given -= parts[account_id]
    return parts


def _work(
    line: deque[list[float]],
    work: float,
    waited: list[float],
    wishes: Sequence[Wish],
    now_s: float,
) -> None:
    """Do that much of an account's line."""
    while line and work > 0:
        number, left = line[0]
        done = min(left, work)
        work -= done
        line[0][1] -= done
        if left == done:
            wish = wishes[int(number)]
            waited[int(number)] = max(0.0, now_s + STEP_S - wish.at_s - wish.runs_s)
            line.popleft()
