"""RabbitMQ's nodes as targets: one is struck at a time, so that a majority is always left."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from deploy.local import broker, rabbitmq
from deploy.local.home import Home, read_json
from deploy.local.trouble import StackError
from tests.chaos.schedule import NODES

WHOLE_WITHIN_S = 15.0
LOOK_AGAIN_S = 0.5
STUCK_AFTER_S = 60.0
BACK_WITHIN_TRIES = 8
CALL_TIMEOUT_S = 30.0
NOBODY_DEPENDS_ON_IT = "health/checks/node-is-quorum-critical"
CUT_OFF = """\
spawn(fun() ->
    Others = nodes(),
    Cookie = erlang:get_cookie(),
    [{{erlang:set_cookie(Node, cut_off), erlang:disconnect_node(Node)}} || Node <- Others],
    timer:sleep({milliseconds}),
    [erlang:set_cookie(Node, Cookie) || Node <- Others]
end).
"""
"""What a node does to be alone for a while: with another cookie nobody can speak to it."""

MEND = """\
[begin
    rabbit_quorum_queue:delete_member(Queue, Node),
    rabbit_quorum_queue:add_member(Queue, Node, promotable, 5000)
end ||
    Node <- nodes(),
    Queue <- rabbit_amqqueue:list(),
    amqqueue:get_type(Queue) =:= rabbit_quorum_queue,
    rpc:call(Node, erlang, whereis, [element(1, amqqueue:get_pid(Queue))]) =:= undefined].
"""
"""What an operator does when a full disk has spoiled a member's log: out with it, and in again."""


class Cluster:
    """The nodes of one home's RabbitMQ."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._turn = asyncio.Lock()
        self.restarted = 0
        """Nodes that were stuck while they started, until they were started again."""

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until every node is back, and let nobody else strike one meanwhile.

        `TimeoutError` if that takes long: faults must not queue up behind one another.
        """
        async with asyncio.timeout(WHOLE_WITHIN_S):
            await self._turn.acquire()
        try:
            await self._whole()
            yield
        finally:
            self._turn.release()

    async def cut_off(self, name: str, for_s: float) -> None:
        """Part one node from the others; its clients still reach it."""
        await self._tell(name, CUT_OFF.format(milliseconds=int(for_s * 1000)))
        await asyncio.sleep(for_s)

    async def comes_back(self) -> None:
        """Wait until every node is there again, as long as an operator would help it."""
        for _ in range(BACK_WITHIN_TRIES):
            with suppress(Exception):
                async with self.turn():
                    return

    async def _whole(self) -> None:
        try:
            await self._becomes_whole()
        except TimeoutError:
            await asyncio.to_thread(self._restart_stuck)
            for name in NODES[:2]:  # each mends what the others have
                await self._tell(name, MEND)
            await self._becomes_whole()

    async def _becomes_whole(self) -> None:
        async with asyncio.timeout(WHOLE_WITHIN_S):
            while not await asyncio.to_thread(self._is_whole):
                await asyncio.sleep(LOOK_AGAIN_S)

    def _is_whole(self) -> bool:
        """Whether every queue would keep its majority without any one of the nodes."""
        urls = self._home.state()["amqp_management_urls"]
        if len(urls) == 1:
            return True
        try:
            return all(broker.call(url, "GET", NOBODY_DEPENDS_ON_IT) for url in urls)
        except (StackError, OSError):
            return False

    def _restart_stuck(self) -> None:
        """What an operator does when nodes that were all killed wait for one another for ever."""
        state = self._home.state()
        for name, url in zip(NODES, state["amqp_management_urls"], strict=False):
            pid = int(state["processes"][name]["pid"])
            if _is_up(url) or time.time() - Path(f"/proc/{pid}").stat().st_ctime < STUCK_AFTER_S:
                continue
            os.kill(pid, signal.SIGKILL)
            self.restarted += 1

    async def _tell(self, name: str, expression: str) -> None:
        """Let one node evaluate something."""
        programs = await asyncio.to_thread(rabbitmq.find)
        number = name.removeprefix("rabbitmq")
        port = read_json(self._home.folder / "ports.json")[f"rabbitmq-distribution{number}"]
        asking = await asyncio.create_subprocess_exec(
            *(programs.erlang_bin / "erl_call", "-address", f"localhost:{port}", "-R", "-e"),
            env={"HOME": str(self._home.data / name / "home")},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        answer, _ = await asyncio.wait_for(asking.communicate(expression.encode()), CALL_TIMEOUT_S)
        assert answer.startswith(b"{ok"), answer


def _is_up(url: str) -> bool:
    try:
        broker.call(url, "GET", "overview")
    except (StackError, OSError):
        return False
    return True
