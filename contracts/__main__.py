"""Write the schemas of all messages, and say what that changed: `python -m contracts`.

Fails when the committed schemas were stale, or when a change asks for a new version.
"""

import sys

from contracts import compatibility, snapshot


def main() -> int:
    """Write, compare, and explain; the exit code says whether anything is wrong."""
    before = compatibility.working()
    snapshot.write()
    after = compatibility.working()
    stale = sorted(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    )
    for name in stale:
        sys.stdout.write(f"{name}: the schema was stale and is written anew; commit it\n")
    return compatibility.main() or int(bool(stale))


if __name__ == "__main__":
    sys.exit(main())
