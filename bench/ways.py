"""Several programs that make the same pictures of the same file, in turns."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench import cpu, peer_process
from bench.peer_process import Peer

OURS = "ours"
MB = 1024 * 1024


@dataclass(slots=True)
class Measured:
    """Of one way, for one picture: CPU and wall time in each round, and the most memory ever."""

    cpu_ms: list[float] = field(default_factory=list)
    wall_ms: list[float] = field(default_factory=list)
    peak_mb: float = 0.0


async def in_turns(
    ways: Sequence[str], path: Path, *, side: int, rounds: int, repeats: int
) -> Mapping[str, Measured]:
    """Let each way do it `repeats` times in each round; a program has the one file to itself."""
    measured = {way: Measured() for way in ways}
    async with AsyncExitStack() as programs:
        started = {
            way: await programs.enter_async_context(_program(way, path, side)) for way in ways
        }
        for program in started.values():
            await program.ready()
            await program.go()  # once to load what it needs
        for _ in range(rounds):
            for way, program in started.items():
                await _round(program, measured[way], repeats)
        for way, program in started.items():
            measured[way].peak_mb = cpu.peak_bytes(program.pid) / MB
    return measured


def _program(way: str, path: Path, side: int) -> AbstractAsyncContextManager[Peer]:
    module = "bench.images" if way == OURS else "bench.peers.images"
    command = ("-m", module, way, str(path), str(side))
    return peer_process.running(way, command, {}, ours=way == OURS)


async def _round(program: Peer, measured: Measured, repeats: int) -> None:
    before = cpu.seconds({program.name: program.pid})
    wall_s = 0.0
    for _ in range(repeats):
        did = await program.go()
        assert did["did"] > 0, program.name
        wall_s += did["wall_s"]
    spent = cpu.spent({program.name: program.pid}, before)[program.name]
    measured.cpu_ms.append(spent / repeats * 1e3)
    measured.wall_ms.append(wall_s / repeats * 1e3)
