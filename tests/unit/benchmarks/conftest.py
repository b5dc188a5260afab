"""One local S3 for the folder, and collections a thousandth of the real ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.endpoint import Endpoint, local_endpoint
from benchmarks.stage import Stage


@pytest.fixture(scope="package")
def endpoint() -> Iterator[Endpoint]:
    with local_endpoint() as endpoint:
        yield endpoint


@pytest.fixture(scope="package")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("built")


@pytest.fixture
def stage(endpoint: Endpoint, cache: Path, tmp_path: Path) -> Stage:
    return Stage(endpoint, tmp_path, cache)
