from collections.abc import Iterator

import pytest

from tests.worker.storage import Bucket, Picture, open_bucket, read_portrait


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with open_bucket() as bucket:
        yield bucket


@pytest.fixture(scope="session")
def portrait() -> Picture:
    return read_portrait()
