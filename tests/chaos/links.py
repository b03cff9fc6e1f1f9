"""Proxies between every two parts that speak: where connections are cut, slowed and silenced."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from deploy.local.home import Home, read_json
from tests.chaos.schedule import LINKS
from tests.proxy import Proxy

Links = dict[str, Proxy]


@asynccontextmanager
async def open_links(home: Home) -> AsyncIterator[Links]:
    """A proxy before each server and before all copies of each service, by name.

    They listen before the stack starts, and learn its ports from what it writes down.
    """
    async with AsyncExitStack() as opened:
        links: Links = {}
        for name in LINKS:
            links[name] = await opened.enter_async_context(Proxy(_doors(home, name)))
        yield links


def _doors(home: Home, name: str) -> "_Doors":
    return _Doors(home, name)


class _Doors:
    """The ports of every copy of one program."""

    def __init__(self, home: Home, name: str) -> None:
        self._home, self._name = home, name
        self._ports: list[int] = []

    def __call__(self) -> Sequence[int]:
        if not self._ports:
            known = read_json(self._home.folder / "ports.json")
            self._ports = [port for name, port in known.items() if self._is_copy(name)]
        return self._ports

    def _is_copy(self, name: str) -> bool:
        return name == self._name or name.removeprefix(f"{self._name}-").isdecimal()
