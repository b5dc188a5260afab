"""One local cloud a session, a fault proxy between it and the functions, the app deployed once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cloud import faulty_cloud
from tests.support.deployed import DeployedApp
from tools.local_cloud.deploy import bootstrap, deploy_assembly, synthesize
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


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app as it is deployed locally, synthesized once."""
    return synthesize(tmp_path_factory.mktemp("synth") / "cdk.out", {"localCloud": "true"})


@pytest.fixture(scope="session")
def deployed(target: Target, proxy: FaultProxy, assembly: Path) -> DeployedApp:
    """The synthesized app, deployed by the real CDK CLI; nothing starts it but the tests."""
    bootstrap(target)
    app = DeployedApp(target, deploy_assembly(target, assembly), proxy)
    app.switch_triggers(enabled=False)
    app.schedule(enabled=False)
    return app


@pytest.fixture
def app(deployed: DeployedApp) -> DeployedApp:
    """The deployed app with empty queues; each test uses receipts of its own."""
    deployed.drained()
    deployed.rejected()
    return deployed
