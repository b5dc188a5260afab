"""One local cloud a session, a fault proxy between it and the functions, the app deployed once; and
the same definitions on moto's interpreter.
"""

import fcntl
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from instep.cdk.definitions import definitions
from instep.local.deploy import synthesize
from instep.local.fault_proxy import FaultProxy
from instep.local.launcher import LocalCloud
from instep.local.target import Target
from instep.snapshot.acts import folding
from tests.support.aws import services
from tests.support.cloud import faulty_cloud
from tests.support.deployed import DeployedApp
from tests.support.interpreter import Interpreter
from tests.support.moto_states import install
from tests.support.pipeline import Pipeline


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
def assembly(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The app as it is deployed locally, synthesized once for all workers; no round here, however
    busy the machine, takes as long as rounds are apart.
    """
    mine = tmp_path_factory.getbasetemp()
    shared = mine if worker_id == "master" else mine.parent
    made = shared / "synth" / "cdk.out"
    with (shared / "synth.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (made / "manifest.json").exists():
            synthesize(made, {"localCloud": "true", "roundSeconds": "60"})
    return made


@pytest.fixture(scope="session")
def deployed(target: Target, proxy: FaultProxy, assembly: Path) -> DeployedApp:
    """The synthesized app, deployed by the real CDK CLI; nothing starts it but the tests."""
    return DeployedApp.deploy(target, proxy, assembly)


@pytest.fixture
def app(deployed: DeployedApp) -> DeployedApp:
    """The deployed app with empty queues; each test uses receipts of its own."""
    deployed.emptied()
    return deployed


@pytest.fixture(scope="session")
def machines(assembly: Path) -> dict[str, Any]:
    """The synthesized definitions of runner and round, functions named by their logical ids."""
    (template,) = assembly.glob("*.template.json")
    found = definitions(json.loads(template.read_text()))
    return {"runner": json.loads(found.runner), "round": json.loads(found.round)}


@pytest.fixture
def machine(
    machines: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Interpreter]:
    with services(monkeypatch) as aws:
        monkeypatch.setenv("CHROMA_ROOT", str(tmp_path / "chroma"))
        interpreter = Interpreter(Pipeline(aws), machines)
        install(interpreter, monkeypatch)
        yield interpreter


@pytest.fixture
def short_of_a_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    """The receipt's four words make a fold due, as hundreds do otherwise; its line does not."""
    monkeypatch.setattr(folding, "PENDING_VECTORS", 4)
