"""A collection on moto for the tests of the snapshot store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.snapshots import World, a_world, fill


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A collection without a version yet."""
    with a_world(tmp_path) as made:
        yield made


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A Chroma directory with 200 embeddings, closed."""
    made = tmp_path / "chroma"
    fill(made, 200)
    return made
