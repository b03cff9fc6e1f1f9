"""Whoever starts before RabbitMQ does waits for it, however it fails meanwhile."""

import socket
import subprocess
import sys
import time

from deploy.local.places import ROOT

DROPS, WITHIN_S = 60, 30.0
HOST = "127.0.0.1"
STARTING = """
import asyncio, sys, uvloop
from services.kit import bus

async def start():
    await bus.start(bus.create_broker(sys.argv[1], name="tests"))

bus.CONNECT_RETRY_S = 0
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(start())
"""


def test_starting_goes_on_while_connections_are_dropped() -> None:
    """As a proxy drops them whose broker is down; under uvloop, as our web servers run.

    There about every third raises StopAsyncIteration. In a process of its own, for the client
    library leaves tasks behind that nothing ends.
    """
    with socket.create_server((HOST, 0)) as door:
        door.settimeout(WITHIN_S)
        url = f"amqp://a:b@{HOST}:{door.getsockname()[1]}/x"
        command = [sys.executable, "-c", STARTING, url]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as starting:
            try:
                for _ in range(DROPS):
                    door.accept()[0].close()
                time.sleep(0.1)
                assert starting.poll() is None
            finally:
                starting.kill()
