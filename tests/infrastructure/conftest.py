"""One synthesis a session; instep.cdk, imported first, has jsii start our own Node."""

from pathlib import Path

import pytest

from instep.cdk.code import Code
from instep.cdk.packages import Packages, stage_functions
from tests.infrastructure.synthesis import Synthesized, synthesize
from tests.support.marks import ROOT


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """Layers that hold one empty file: what the template says does not depend on them. The handlers
    as they are packed, for in their own folder caches come and go with other tests.
    """
    folder = tmp_path_factory.mktemp("packages")
    for layer in ("dependencies", "library"):
        (folder / layer / "python").mkdir(parents=True)
        (folder / layer / "python" / "placeholder.py").touch()
    code = Code(ROOT, "receipt_domain:DOMAIN", handlers=ROOT / "functions")
    functions = stage_functions(code, folder, local=False)
    return Packages(folder / "dependencies", folder / "library", functions)


@pytest.fixture(scope="session")
def app(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    """The app as cdk.json describes it."""
    return synthesize(packages, tmp_path_factory.mktemp("cdk.out"))


@pytest.fixture(scope="session")
def local(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    """The same for the local cloud."""
    return synthesize(packages, tmp_path_factory.mktemp("cdk.out"), localCloud="true")


@pytest.fixture(scope="session")
def machine_files(app: Synthesized, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The definitions of the runner and of the round, each as a file."""
    folder = tmp_path_factory.mktemp("definitions")
    texts = {"runner": app.definitions.runner, "round": app.definitions.round}
    for name, text in texts.items():
        (folder / f"{name}.json").write_text(text)
    return [folder / f"{name}.json" for name in texts]
