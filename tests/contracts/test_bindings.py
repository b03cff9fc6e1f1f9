"""The broker carries to each service exactly what the catalog says it hears."""

import json
from pathlib import Path
from typing import Any

import pytest

from contracts.catalog import EVENTS_HEARD, MESSAGES
from contracts.message import Event

DEFINITIONS: dict[str, Any] = json.loads(Path("deploy/rabbitmq/definitions.json").read_text())
SERVICES = ("gateway", "uploads", "credits", "processing", "billing")


def bound_to(queue: str) -> list[tuple[str, str]]:
    return [
        (binding["source"], binding["routing_key"])
        for binding in DEFINITIONS["bindings"]
        if binding["destination"] == queue
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_gets_exactly_the_events_it_hears(service: str) -> None:
    heard = [("rk.events", event.type) for event in EVENTS_HEARD[service]]

    assert sorted(bound_to(f"rk.{service}.events")) == sorted(heard)


def test_every_event_can_be_published() -> None:
    """An event that no queue takes would come back to the relay for ever."""
    carried = {key for binding in DEFINITIONS["bindings"] for key in [binding["routing_key"]]}
    unheard = {
        message.type
        for message in MESSAGES
        if issubclass(message, Event) and message.type not in carried
    }

    assert not unheard


def test_every_queue_that_hears_exists_and_is_a_quorum_queue() -> None:
    queues = {queue["name"]: queue for queue in DEFINITIONS["queues"]}
    for service in SERVICES:
        queue = queues[f"rk.{service}.events"]
        assert queue["durable"]
        assert queue["arguments"]["x-queue-type"] == "quorum"


def test_commands_reach_the_queue_of_the_same_name() -> None:
    commands = [b for b in DEFINITIONS["bindings"] if b["source"] == "rk.commands"]

    assert commands
    assert all(binding["routing_key"] == binding["destination"] for binding in commands)
