"""The app: its packages by the lock, and its export, made anew when something in it has changed.

Standard library only: the set-up runs this before any environment exists.
"""

import sys
from pathlib import Path

from deploy.local import node, wheels
from deploy.local.places import ROOT, WEB, WEB_EXPORT
from deploy.local.trouble import StackError

LOCKED = (WEB / "package.json", WEB / "package-lock.json", WEB / ".npmrc")
CONTRACT = ROOT / "docs" / "api" / "openapi.json"
CONFIGURATION = ("next.config.mjs", "postcss.config.mjs", "tsconfig.json")
SOURCES = ("src", "public", "scripts")
PACKAGES_STAMP = WEB / "node_modules" / ".rekindle-complete"
EXPORT_STAMP = WEB / ".next" / ".rekindle-complete"


def is_current() -> bool:
    return (
        wheels.is_current(PACKAGES_STAMP, LOCKED)
        and wheels.is_current(EXPORT_STAMP, _made_of())
        and (WEB_EXPORT / "index.html").is_file()
    )


def make() -> None:
    """Install the packages and build the export, as far as they are not current."""
    if is_current():
        return
    found = node.find()
    if not wheels.is_current(PACKAGES_STAMP, LOCKED):
        # No package's own scripts run: none of ours needs them.
        found.run_npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=WEB)
        wheels.write_stamp(PACKAGES_STAMP, LOCKED)
    found.run_npm("run", "build", folder=WEB)
    wheels.write_stamp(EXPORT_STAMP, _made_of())
    print(f"  the app is built (Node: {found.origin})", flush=True)


def check() -> None:
    """Lint, types and unit tests of the app."""
    found = node.find()
    for script in ("lint", "types", "unit"):
        print(found.run_npm("run", "--silent", script, folder=WEB), end="", flush=True)


def _made_of() -> list[Path]:
    generated = WEB / "src" / "api" / "schema.d.ts"
    files = {path for folder in SOURCES for path in (WEB / folder).rglob("*") if path.is_file()}
    files |= {WEB / name for name in CONFIGURATION} | {*LOCKED, CONTRACT}
    return sorted(files - {generated})


if __name__ == "__main__":
    try:
        check()
    except StackError as trouble:
        sys.exit(str(trouble))
