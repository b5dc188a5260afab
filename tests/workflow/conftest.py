"""One local cloud a session, with a fault proxy between it and the functions."""

from collections.abc import Iterator

import pytest

from tests.support.cloud import faulty_cloud
from tools.local_cloud.fault_proxy import FaultProxy
from tools.local_cloud.launcher import LocalCloud
from tools.local_cloud.target import Target


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalCloud, FaultProxy]]:
    with faulty_cloud(tmp_path_factory.mktemp("cloud") / "state") as pair:
        yield pair


@pytest.fixture(scope="session")
def target(running: tuple[LocalCloud, FaultProxy]) -> Target:
    return Target.of(running[0])


@pytest.fixture(scope="session")
def proxy(running: tuple[LocalCloud, FaultProxy]) -> FaultProxy:
    return running[1]
