"""From the wheel alone: `instep init`, and what it wrote, synthesized by the real CDK CLI."""

import json
import os
from pathlib import Path

import pytest

from instep.cdk.code import OF_THE_DOMAIN, OF_THE_ENGINE
from instep.cdk.config import Config
from instep.cdk.dependencies import build_dependencies
from instep.cdk.node import ensure_node_modules
from instep.cdk.packages import LOCK, target_of
from tests.support.marks import ROOT
from tests.wheel.conftest import Installed

BUILD = ROOT / ".build"
OUTPUTS = {
    "DynamodbTableName",
    "ChromadbBucket",
    "StateMachineArn",
    "InboxQueueUrl",
    "DlqUrl",
    "EventBusName",
    "LockTableName",
    "KeepVersions",
    "KeepDays",
    "AlarmTopicArn",
    "FailuresBucket",
    "OperatorPolicyArn",
    "ReaderPolicyArn",
}

pytestmark = pytest.mark.timeout(900)  # the first time, the layer is built


@pytest.fixture(scope="module")
def dependencies() -> Path:
    """The layer for this machine, whose making is the only thing here that fetches."""
    return build_dependencies(LOCK, target_of(Config.from_context({"localCloud": True}.get)), BUILD)


@pytest.fixture(scope="module")
def shop(
    installed: Installed, dependencies: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A new app beside nothing, but that the layer and the CDK CLI are there already."""
    here = tmp_path_factory.mktemp("here")
    done = installed.run("instep", "init", "my-shop", within=here)
    assert done.returncode == 0, done.stderr
    app = here / "my-shop"
    (app / ".build").mkdir()
    ensure_node_modules(BUILD)
    assert dependencies.is_dir()
    for made in ("node", "dependencies"):
        (app / ".build" / made).symlink_to(BUILD / made)
    return app


@pytest.fixture(scope="module")
def synthesized(installed: Installed, shop: Path) -> Path:
    """The template, made by `cdk synth` as a person calls it, for the local cloud."""
    programs = ensure_node_modules(BUILD)
    done = installed.run(
        programs / "cdk",
        *("synth", "--quiet", "--output", "cdk.out", "-c", "localCloud=true", "--no-notices"),
        within=shop,
        path=str(programs),
        HOME=os.environ["HOME"],  # where jsii keeps the CDK's library unpacked
        CDK_DISABLE_CLI_TELEMETRY="true",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return shop / "cdk.out" / "MyShop.template.json"


def test_the_command_line_finds_its_outputs(synthesized: Path) -> None:
    assert json.loads(synthesized.read_text())["Outputs"].keys() == OUTPUTS


def test_each_function_is_the_engine_s_bound_to_the_mapping(synthesized: Path, shop: Path) -> None:
    assert synthesized.is_file()
    (functions,) = (shop / ".build" / "functions").iterdir()
    made = {path.name for path in functions.iterdir()}
    assert made == {*OF_THE_DOMAIN, *OF_THE_ENGINE}
    (library,) = (shop / ".build" / "library").iterdir()
    packed = library / "python"
    assert {path.name for path in packed.iterdir()} >= {"instep", "instep_domain"}
    mapping = (packed / "instep_domain" / "instep.toml").read_text()
    assert mapping == (shop / "instep.toml").read_text()


def test_its_own_test_passes(installed: Installed, shop: Path) -> None:
    done = installed.run("python", "-m", "pytest", "-q", "tests", within=shop)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_reader_needs_no_more_than_the_lock_of_the_functions(
    installed: Installed, dependencies: Path, tmp_path: Path
) -> None:
    path = os.pathsep.join([str(installed.packages), str(dependencies / "python")])
    code = "import instep, chromadb; print(chromadb.__file__, instep.open_snapshot.__name__)"
    done = installed.run("python", "-S", "-c", code, within=tmp_path, PYTHONPATH=path)
    assert done.stdout.startswith(str(dependencies)), done.stderr
    assert done.stdout.endswith("open_snapshot\n")


def test_nothing_was_written_beside_the_installed_package(
    synthesized: Path, installed: Installed
) -> None:
    assert synthesized.is_file()
    made = {name for _, folders, _ in os.walk(installed.packages) for name in folders}
    assert made & {".build", ".instep", "node_modules"} == set()
