from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.deployed import DeployedApp
from tests.support.watch import Watch


@pytest.fixture
def watch(app: DeployedApp, assembly: Path) -> Iterator[Watch]:
    """Nobody has anything to tell, before and after."""
    (template,) = assembly.glob("*.template.json")
    made = Watch(app, template)
    assert made.speaking() == set()
    yield made
    made.passes(61)
    assert made.speaking() == set()
