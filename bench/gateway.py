"""BENCH row 5, the gateway: an authenticated GET that it passes on, against FastAPI's hello.

The request is `GET /v1/credits` with a Bearer token, which the gateway verifies, charges to the
account's limit, and sends to credits. CPU is counted of the one process that answers; what credits
and PostgreSQL spend behind it is shown apart, as the hello has nothing behind it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from bench import cpu, local, web_peer, wire
from bench.options import Options
from bench.report import Goal, Report, percentile, ratios
from sdk.rekindle import Rekindle
from tests.journeys import people

REQUESTS, CONNECTIONS, WARM_UP = 3_000, 32, 500
GOAL_FIRST, GOAL_THEN = 3.4, 1.0
PARTS = (*local.SERVERS, "issuer", "gateway", "credits")


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: where to ask, for what, and whose CPU that costs."""

    port: int
    asked: bytes
    pid: int
    behind: dict[str, int]


@dataclass(frozen=True, slots=True)
class Round:
    """Per request: microseconds of CPU in front and behind, and how long half of them took."""

    cpu_us: float
    behind_us: float
    p50_ms: float


async def measure(options: Options) -> Report:
    """Both in turns."""
    ours: list[Round] = []
    theirs: list[Round] = []
    async with local.running(only=PARTS) as stack, web_peer.running() as peer:
        token = await people.access_token(stack.facts)
        async with Rekindle(stack.facts["gateway_url"], token) as rekindle:
            await rekindle.credits.balance()  # opens the account
        headers = {"authorization": f"Bearer {token}"}
        behind = {name: stack.pids[name] for name in ("credits", "postgres")}
        gateway = Side(
            port=urlsplit(stack.facts["gateway_url"]).port or 0,
            asked=wire.request("GET", "/v1/credits", headers),
            pid=stack.pids["gateway"],
            behind=behind,
        )
        hello = Side(peer.port, wire.request("GET", "/hello", headers), peer.pid, {})
        for side in (gateway, hello):
            await _round(side, WARM_UP)
        for _ in range(options.rounds):
            ours.append(await _round(gateway, REQUESTS))
            theirs.append(await _round(hello, REQUESTS))
    return _report(ours, theirs)


async def _round(side: Side, number: int) -> Round:
    programs = {"front": side.pid, **side.behind}
    before = cpu.seconds(programs)
    took = await wire.send_many(side.port, side.asked, number=number, connections=CONNECTIONS)
    spent = cpu.spent(programs, before)
    assert len(took) == number, "not every request was answered"
    front = spent.pop("front")
    each = 1e6 / number
    return Round(front * each, sum(spent.values()) * each, percentile(took, 0.5) * 1e3)


def _report(ours: Sequence[Round], theirs: Sequence[Round]) -> Report:
    report = Report("gateway", "5. Gateway, an authenticated GET passed on, against FastAPI hello")
    costs, hello = [one.cpu_us for one in ours], [one.cpu_us for one in theirs]
    ratio = ratios(costs, hello)
    report.add("gateway / hello, first goal", ratio, "x CPU", goal=Goal(at_most=GOAL_FIRST))
    report.add("gateway / hello, second goal", ratio, "x CPU", goal=Goal(at_most=GOAL_THEN))
    report.add("gateway", costs, "CPU µs per request")
    report.add("hello", hello, "CPU µs per request")
    behind = [one.behind_us for one in ours]
    report.add("behind: credits and PostgreSQL (not counted)", behind, "CPU µs per request")
    report.add(f"gateway, p50 at {CONNECTIONS} connections", [one.p50_ms for one in ours], "ms")
    report.add(f"hello, p50 at {CONNECTIONS} connections", [one.p50_ms for one in theirs], "ms")
    report.notes.append(f"{REQUESTS} requests in each round.")
    return report
