"""`instep init`: a folder that was empty, or nothing."""

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from instep.cli.app import app
from instep.cli.init import WRITTEN, stack_name_of


def test_it_writes_an_app_named_after_its_folder(tmp_path: Path) -> None:
    shop = tmp_path / "my-shop"
    assert CliRunner().invoke(app, ["init", str(shop)]).exit_code == 0
    found = {str(path.relative_to(shop)) for path in shop.rglob("*") if path.is_file()}
    assert found == set(WRITTEN.values())
    assert json.loads((shop / "cdk.json").read_text())["context"]["name"] == "MyShop"
    assert tomllib.loads((shop / "instep.toml").read_text())["collections"].keys() == {"products"}
    for path in shop.rglob("*.py"):
        compile(path.read_text(), path.name, "exec")
    assert "@" not in (shop / "README.md").read_text()


def test_an_empty_folder_is_as_good_as_none(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["init", str(tmp_path)]).exit_code == 0
    assert (tmp_path / "app.py").is_file()


@pytest.mark.parametrize("taken", ["folder", "file"])
def test_what_is_there_already_is_left_alone(tmp_path: Path, taken: str) -> None:
    place = tmp_path / "shop"
    mine = place / "mine.txt" if taken == "folder" else place
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    refused = CliRunner().invoke(app, ["init", str(place)])
    assert refused.exit_code == 3
    assert "is not an empty folder" in refused.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]


@pytest.mark.parametrize(
    ("folder", "name"),
    [("shop", "Shop"), ("my_shop.v2", "MyShopV2"), ("2026", "Instep2026"), ("läden", "LDen")],
)
def test_a_stack_has_a_name_that_cloudformation_takes(folder: str, name: str) -> None:
    assert stack_name_of(Path(folder)) == name
