"""Processing's roles besides HTTP: `python -m services.processing consumer|dispatcher|…`."""

import argparse
from importlib import import_module

import uvloop

ROLES = {
    "consumer": ("services.processing.consumers", "prepares photos, submits, checks results"),
    "dispatcher": ("services.processing.dispatcher", "starts jobs, follows attempts, tidies up"),
    "audit": ("services.processing.auditing", "compares results with the bucket"),
    "decoders": ("services.processing.decoders", "shows which decoders and walls there are"),
    "costs": ("services.processing.spending_desk", "shows an operator what GPU time costs"),
}
OPERATORS_ROLES = ("audit", "costs", "decoders")


def main() -> None:
    """Start one role; settings come from the environment."""
    parser = argparse.ArgumentParser(
        prog="python -m services.processing",
        description="\n".join(f"{role:12}{does}" for role, (_, does) in ROLES.items()),
        epilog="Settings come from the environment; a role that lacks one names it and stops.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("asked", nargs=argparse.REMAINDER, help="what an operator's role is asked")
    options = parser.parse_args()
    module, _ = ROLES[options.role]
    # Only what the role needs is imported.
    role = import_module(module).main
    for_operators = options.role in OPERATORS_ROLES
    uvloop.run(role(options.asked) if options.asked or for_operators else role())


if __name__ == "__main__":
    main()
