"""One synthesis a session; jsii starts our own Node."""

import os
from pathlib import Path

import pytest

from tools.node import jsii_environment

os.environ.update(jsii_environment())  # before any test module imports aws_cdk

from stacks.packages import ROOT, Packages
from tests.infrastructure.synthesis import Synthesized, synthesize


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """Layers that hold one empty file: what the template says does not depend on them."""
    folder = tmp_path_factory.mktemp("packages")
    for layer in ("dependencies", "library"):
        (folder / layer / "python").mkdir(parents=True)
        (folder / layer / "python" / "placeholder.py").touch()
    return Packages(folder / "dependencies", folder / "library", ROOT / "functions")


@pytest.fixture(scope="session")
def app(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    """The app as cdk.json describes it."""
    return synthesize(packages, tmp_path_factory.mktemp("cdk.out"))


@pytest.fixture(scope="session")
def machine_file(app: Synthesized, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state machine's definition as a file."""
    path = tmp_path_factory.mktemp("definition") / "machine.json"
    path.write_text(app.definition_text)
    return path
