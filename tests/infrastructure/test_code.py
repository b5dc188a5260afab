"""What of an app goes into its functions, where nobody wrote handlers."""

import ast
from pathlib import Path

import pytest

from instep.cdk.bytecode import Target
from instep.cdk.code import OF_THE_DOMAIN, OF_THE_ENGINE, Code
from instep.cdk.packages import stage_functions, stage_library
from instep.errors import ConfigurationMissing
from tests.support.marks import ROOT

ELSEWHERE = Target("aarch64", "3.0")  # no such Python is here: nothing to compile


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An app with a domain in Python, in a package with rooms named like the engine's."""
    package = tmp_path / "app" / "orders_domain"
    for room in ("cli", "local", "__pycache__"):
        (package / room).mkdir(parents=True)
        (package / room / "one.py").touch()
    (package / "__init__.py").write_text("DOMAIN = 'a domain'\n")
    (package.parent / "my_embedder.py").touch()
    monkeypatch.syspath_prepend(package.parent)
    return package.parent


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_generated_handlers_are_those_that_this_repository_writes_by_hand() -> None:
    receipts = Code(ROOT, "receipt_domain:DOMAIN")
    by_hand = {path.parent.name: path for path in (ROOT / "functions").glob("*/handler.py")}
    assert by_hand.keys() == {*OF_THE_DOMAIN, *OF_THE_ENGINE}
    for name, text in receipts.written_handlers().items():
        written = ast.parse(by_hand[name].read_text())
        del written.body[0]  # its docstring
        assert ast.unparse(written) == ast.unparse(ast.parse(text)), name


def test_a_domain_in_python_is_packed_whole_with_what_it_is_given(app: Path) -> None:
    code = Code(app, "orders_domain:DOMAIN", ["my_embedder", "orders_domain"])
    library = stage_library(code, ELSEWHERE, app / ".build") / "python"
    packed = files(library)
    assert {name for name in packed if not name.startswith("instep/")} == {
        "orders_domain/__init__.py",
        "orders_domain/cli/one.py",
        "orders_domain/local/one.py",
        "my_embedder.py",
    }
    rooms = {name.split("/")[1] for name in packed if name.startswith("instep/")}
    assert rooms >= {"lambda_", "chroma", "snapshot", "domain.py"}
    assert rooms & {"cli", "cdk", "local"} == set()
    assert "from orders_domain import DOMAIN" in code.written_handlers()["ingest"]


def test_a_mapping_becomes_a_package_of_its_own(app: Path) -> None:
    (app / "instep.toml").write_text("[collections.products]\n")
    code = Code(app, "instep.toml")
    first = stage_library(code, ELSEWHERE, app / ".build")
    packed = {name for name in files(first / "python") if not name.startswith("instep/")}
    assert packed == {"instep_domain/__init__.py", "instep_domain/instep.toml"}
    assert "from instep_domain import DOMAIN" in code.written_handlers()["apply_updates"]
    (app / "instep.toml").write_text("[collections.others]\n")
    assert stage_library(code, ELSEWHERE, app / ".build") != first


def test_on_the_local_cloud_each_function_starts_by_our_bootstrap(app: Path) -> None:
    code = Code(app, "orders_domain:DOMAIN")
    deployed = stage_functions(code, app / ".build", local=False)
    local = stage_functions(code, app / ".build", local=True)
    names = {*OF_THE_DOMAIN, *OF_THE_ENGINE}
    assert files(deployed) == {f"{name}/handler.py" for name in names}
    assert files(local) == files(deployed) | {f"{name}/bootstrap" for name in names}
    assert (local / "ingest" / "bootstrap").stat().st_mode & 0o111 == 0o111


@pytest.mark.parametrize(
    ("domain", "why"),
    [
        ("instep.toml", "is not there: `instep init DIR`"),
        ("orders_domain", "package:ATTRIBUTE"),
        ("orders_domain:", "package:ATTRIBUTE"),
        ("nowhere:DOMAIN", "the package nowhere is not there"),
    ],
)
def test_a_domain_that_is_not_there_is_named(app: Path, domain: str, why: str) -> None:
    with pytest.raises(ConfigurationMissing, match=why):
        Code(app, domain).sources()
