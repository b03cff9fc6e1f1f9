"""Write the JSON Schema of every message: `make contracts`."""

import json
from pathlib import Path

from contracts.catalog import MESSAGES

SCHEMAS = Path(__file__).parent / "schemas"


def write() -> None:
    """Write one snapshot per type and remove those of types that are gone."""
    for stale in {path.stem for path in SCHEMAS.glob("*.json")} - {m.type for m in MESSAGES}:
        (SCHEMAS / f"{stale}.json").unlink()
    for message in MESSAGES:
        schema = json.dumps(message.model_json_schema(), indent=2, sort_keys=True)
        (SCHEMAS / f"{message.type}.json").write_text(schema + "\n")


if __name__ == "__main__":
    write()
