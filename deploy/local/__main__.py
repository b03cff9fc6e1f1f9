"""`python -m deploy.local`: what the Makefile calls, and what tests and tools may call too."""

import argparse
import asyncio
import json
import sys
import time
from contextlib import suppress
from pathlib import Path

from deploy.local import lock, run, stack
from deploy.local.home import Home
from deploy.local.places import PRIVATE
from deploy.local.trouble import StackError, plain_words

KINDS = ("restore", "colourize", "restore_colourize")
LOG_LINES = 40
RESTORED, NOT_RESTORED, REFUSED = 0, 1, 2


def main() -> int:
    options = _parser().parse_args()
    home = Home(options.home.resolve())
    try:
        with plain_words():
            return int(options.action(home, options))
    except StackError as trouble:
        print(f"\n{trouble}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return REFUSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    commands = parser.add_subparsers(required=True)

    def command(name: str, action: object, about: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=about)
        added.add_argument("--home", type=Path, default=PRIVATE)
        added.set_defaults(action=action)
        return added

    for name, action, about in (
        ("up", _up, "start the stack and keep it running"),
        ("run", _run, "start the stack, restore one photo, keep running"),
    ):
        starting = command(name, action, about)
        starting.add_argument("--only", default="", help="start these programs only")
        starting.add_argument("--coverage", action="store_true")
        starting.add_argument("--any-port", action="store_true", help="do not prefer port 8080")
        starting.add_argument("--detach", action="store_true")
        starting.add_argument("--once", action="store_true", help="stop after the photo")
        starting.add_argument("--copies", type=int, default=1, help="of each service and role")
        starting.add_argument("--workers", type=int, default=1, help="so many emulated GPUs")
        starting.add_argument("--gpu-slots", type=int, default=1, help="runs at RunPod at once")
        starting.add_argument("--rabbitmq-nodes", type=int, default=1, help="of one cluster")
        starting.add_argument("--clocks", action="store_true", help="that can be set")
        starting.add_argument("--through", default="{}", help="JSON: ports of proxies, by name")
        _photo(starting)
    command("down", _down, "stop the stack")
    command("status", _status, "show what runs")
    command("logs", _logs, "show the end of the logs").add_argument("name", nargs="?")
    command("clean", _clean, "stop, and delete data, logs and secrets")
    _photo(command("demo", _demo, "restore one photo on the running stack"))
    return parser


def _photo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--photo", type=lambda text: Path(text) if text else None)
    parser.add_argument("--kind", choices=KINDS, default="restore_colourize")


def _options(options: argparse.Namespace) -> stack.Options:
    only = tuple(name for name in options.only.split(",") if name)
    return stack.Options(
        only=only,
        coverage=options.coverage,
        gateway_port=None if options.any_port else stack.GATEWAY_PORT,
        copies=options.copies,
        workers=options.workers,
        gpu_slots=options.gpu_slots,
        rabbitmq_nodes=options.rabbitmq_nodes,
        clocks=options.clocks,
        through=json.loads(options.through),
    )


def _up(home: Home, options: argparse.Namespace) -> int:
    if options.detach:
        arguments = [argument for argument in sys.argv[2:] if argument != "--detach"]
        run.detach(home, arguments)
        print(f"The stack runs; its addresses are in {home.state_file}.")
        return 0
    return asyncio.run(_stay(home, options))


async def _stay(home: Home, options: argparse.Namespace) -> int:
    with suppress(asyncio.CancelledError):
        async with run.running(home, _options(options)):
            await asyncio.Event().wait()
    return 0


def _run(home: Home, options: argparse.Namespace) -> int:
    if options.photo and not options.photo.is_file():
        raise StackError(f"There is no photo at {options.photo}: give PHOTO the path of a file.")
    return asyncio.run(_restore(home, options))


async def _restore(home: Home, options: argparse.Namespace) -> int:
    restored = False
    with suppress(asyncio.CancelledError):
        async with run.running(home, _options(options)) as state:
            restored = await run.photo(home, path=options.photo, kind=options.kind)
            if not options.once:
                print(_addresses(state), flush=True)
                await asyncio.Event().wait()
    return RESTORED if restored else NOT_RESTORED


def _demo(home: Home, options: argparse.Namespace) -> int:
    from deploy.local import demo  # noqa: PLC0415 - brings the imaging libraries

    restored = demo.run(_running_state(home), options.photo, options.kind, home.demo)
    return RESTORED if restored else NOT_RESTORED


def _down(home: Home, _options: argparse.Namespace) -> int:
    began = time.monotonic()
    if run.stop(home):
        print(f"Stopped after {time.monotonic() - began:.1f} s.")
    else:
        print("Nothing was running.")
    return 0


def _status(home: Home, _options: argparse.Namespace) -> int:
    if lock.owner(home) is None:
        print("Nothing runs: `make run` starts it.")
        return 1
    state = home.state()
    for name, entry in state.get("processes", {}).items():
        mark = "runs" if lock.is_alive(entry) else "DOWN"
        port = f"127.0.0.1:{entry['port']}" if entry["port"] else ""
        print(f"{name:<22}{mark:<6}{entry['pid']:>8}  {port:<18}{entry['log']}")
    print(_addresses(state) if state.get("ready") else "It is still starting.")
    return 0


def _logs(home: Home, options: argparse.Namespace) -> int:
    logs = sorted(home.logs.glob(f"{options.name or '*'}.log"))
    if not logs:
        raise StackError(f"There is no log of {options.name or 'any program'} in {home.logs}.")
    for log in logs:
        lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        print(f"==> {log}", *lines, "", sep="\n")
    return 0


def _clean(home: Home, _options: argparse.Namespace) -> int:
    run.stop(home)
    home.forget()
    print(f"Data, logs and secrets of {home.folder} are deleted.")
    return 0


def _running_state(home: Home) -> dict[str, object]:
    state = home.state()
    if lock.owner(home) is None or not state.get("ready"):
        raise StackError("The stack does not run: start it with `make run`.")
    return state


def _addresses(state: dict[str, object]) -> str:
    demo = state["demo"]
    assert isinstance(demo, dict)
    return (
        f"\n  Rekindle   {state['gateway_url']}\n"
        f"  log in as  {demo['email']}  with the password  {demo['password']}\n"
        f"  issuer     {state['issuer_url']}\n"
        f"  RabbitMQ   {state['amqp_management_url']}\n"
        "  buy        .venv/bin/rekindle login --demo, then .venv/bin/rekindle buy 10:\n"
        "             its page takes the card 4242 4242 4242 4242, and the credits arrive\n"
        "\n  Ctrl-C stops everything."
    )


if __name__ == "__main__":
    sys.exit(main())
