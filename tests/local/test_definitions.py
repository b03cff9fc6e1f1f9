"""The broker's topology: complete, the same as the contracts, and acceptable to old and new."""

import asyncio
import json
import re
from typing import Any
from urllib.parse import quote

import pytest

from contracts import catalog
from deploy.local import broker
from deploy.local.places import DEFINITIONS
from tests.conftest import TESTS_VHOST

STATISTICS_TIMEOUT_S = 30
TOPOLOGY = json.loads(DEFINITIONS.read_text())
QUEUES = [queue["name"] for queue in TOPOLOGY["queues"]]
# What RabbitMQ 3.10.8 accepts in a policy for queues, of what we use.
OLD_KEYS = {
    "dead-letter-exchange",
    "dead-letter-routing-key",
    "dead-letter-strategy",
    "delivery-limit",
    "max-length",
    "message-ttl",
    "overflow",
}


def policies_of(queue: str) -> list[dict[str, Any]]:
    return [policy for policy in TOPOLOGY["policies"] if re.search(policy["pattern"], queue)]


@pytest.mark.parametrize("queue", QUEUES)
def test_every_queue_has_exactly_one_policy_and_it_is_bounded(queue: str) -> None:
    (policy,) = policies_of(queue)

    assert policy["priority"] == 20
    assert policy["definition"]["max-length"] > 0
    assert set(policy["definition"]) <= OLD_KEYS


@pytest.mark.parametrize(
    "queue", [name for name in QUEUES if name.count(".") > 1 or "events" in name]
)
def test_a_message_given_up_on_is_never_lost(queue: str) -> None:
    definition = policies_of(queue)[0]["definition"]
    if queue.startswith("rk.dead."):
        assert "dead-letter-exchange" not in definition
        return
    assert definition["dead-letter-strategy"] == "at-least-once"
    # At-least-once needs it: a full dead-letter queue must hold the message back.
    assert definition["overflow"] == "reject-publish"
    if not queue.startswith("rk.retry."):
        service = queue.split(".")[1]
        assert definition["dead-letter-exchange"] == "rk.dlx"
        assert definition["dead-letter-routing-key"] == f"dead.{service}"


def test_every_queue_is_a_durable_quorum_queue() -> None:
    for queue in TOPOLOGY["queues"]:
        assert queue["durable"]
        assert queue["arguments"] == {"x-queue-type": "quorum"}


@pytest.mark.parametrize("service", sorted(catalog.EVENTS_HEARD))
def test_a_service_is_sent_exactly_what_it_hears(service: str) -> None:
    bound = {
        binding["routing_key"]
        for binding in TOPOLOGY["bindings"]
        if binding["destination"] == f"rk.{service}.events"
    }

    assert bound == {message.type for message in catalog.EVENTS_HEARD[service]}


async def test_the_broker_applies_every_policy(stack: dict[str, Any], amqp_url: str) -> None:
    place = quote(TESTS_VHOST, safe="")
    wanted = {queue: policies_of(queue)[0]["name"] for queue in QUEUES}
    applied: dict[str, Any] = {}

    async with asyncio.timeout(STATISTICS_TIMEOUT_S):
        while applied != wanted:  # told with the next statistics, every five seconds
            await asyncio.sleep(0.2)
            found = broker.call(stack["amqp_management_url"], "GET", f"queues/{place}")
            applied = {queue["name"]: queue.get("policy") for queue in found}
