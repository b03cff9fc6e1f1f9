"""The browser, and files for people to choose from."""

from pathlib import Path
from typing import Any

import pytest

from deploy.local import chromium
from deploy.local.places import WEB
from tests.web import files


@pytest.fixture(scope="session")
def environment(stack: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the tests of the app are told: where the app is, which browser, which files."""
    found = chromium.find()
    folder = tmp_path_factory.mktemp("files")
    files.write(folder)
    return {
        **found.settings,
        "REKINDLE_URL": stack["gateway_url"],
        "REKINDLE_CHROMIUM": str(found.program),
        "REKINDLE_CHROMIUM_LIBRARIES": found.libraries,
        "REKINDLE_FILES": str(folder),
        "REKINDLE_EXPORT": str(WEB / "out"),
        "REKINDLE_SCREENSHOTS": str(_emptied(WEB / "screenshots")),
    }


def _emptied(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    return folder
