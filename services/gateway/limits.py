"""Rate limits: token buckets in this process, one per limit and caller, bounded in number."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

BUCKETS_MAX = 20_000
IPV6_NETWORK_BITS = 64


@dataclass(frozen=True, slots=True)
class Limit:
    """How often something may be asked for: `quota` at once, refilled over `window_s`."""

    name: str
    quota: int
    window_s: int


READS = Limit("reads", quota=600, window_s=60)
WRITES = Limit("writes", quota=120, window_s=60)
JOBS = Limit("jobs", quota=30, window_s=60)
ANONYMOUS = Limit("anonymous", quota=120, window_s=60)
HOOKS = Limit("hooks", quota=1_200, window_s=60)
STRIPE_HOOKS = Limit("stripe-hooks", quota=30_000, window_s=60)
"""Stripe sends everybody's events from few addresses, and what is refused comes hours later."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a caller stands after a request."""

    limit: Limit
    quota: int
    remaining: int
    full_in_s: int
    retry_after_s: int | None

    def headers(self) -> list[tuple[bytes, bytes]]:
        """As draft-ietf-httpapi-ratelimit-headers-10 writes it."""
        policy = f'"{self.limit.name}";q={self.quota};w={self.limit.window_s}'
        state = f'"{self.limit.name}";r={self.remaining};t={self.full_in_s}'
        return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", state.encode())]


class Limiter:
    """The buckets of this process. `factor` widens or narrows every quota."""

    def __init__(self, *, factor: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._factor, self._clock = factor, clock
        self._buckets: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def charge(self, limit: Limit, caller: str) -> Standing:
        """Take one token, if there is one."""
        quota = max(1, round(limit.quota * self._factor))
        rate = quota / limit.window_s
        now, bucket = self._clock(), (limit.name, caller)
        tokens, since = self._buckets.get(bucket, (float(quota), now))
        tokens = min(quota, tokens + (now - since) * rate)
        wait_s = None if tokens >= 1 else math.ceil((1 - tokens) / rate)
        if wait_s is None:
            tokens -= 1
        self._buckets[bucket] = (tokens, now)
        self._buckets.move_to_end(bucket)
        if len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)
        return Standing(limit, quota, int(tokens), math.ceil((quota - tokens) / rate), wait_s)


def network_of(address: str) -> str:
    """What counts as one anonymous caller: an IPv4 address, or the network an IPv6 host owns."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, IPV6_NETWORK_BITS), strict=False))
    return str(parsed)
