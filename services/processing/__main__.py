"""Processing's roles besides HTTP: `python -m services.processing consumer|dispatcher`."""

import argparse
import asyncio
from importlib import import_module

ROLES = {
    "consumer": ("services.processing.consumers", "prepares photos, submits, checks results"),
    "dispatcher": ("services.processing.dispatcher", "starts jobs, follows attempts, tidies up"),
}


def main() -> None:
    """Start one role; settings come from the environment."""
    parser = argparse.ArgumentParser(
        prog="python -m services.processing",
        description="\n".join(f"{role:12}{does}" for role, (_, does) in ROLES.items()),
        epilog="Settings come from the environment; a role that lacks one names it and stops.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("role", choices=ROLES)
    module, _ = ROLES[parser.parse_args().role]
    # Only what the role needs is imported; decoding children import this file as well.
    asyncio.run(import_module(module).main())


if __name__ == "__main__":
    main()
