"""Which app a command works for, and which stack it means."""

from pathlib import Path

import pytest

from instep.app import app_folder, build_folder, context_of, stack_name, state_folder
from instep.errors import ConfigurationMissing


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "cdk.json").write_text('{"context": {"name": "Shop"}}')
    (tmp_path / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "down")
    return tmp_path


def test_it_is_the_nearest_one_from_here_up(shop: Path) -> None:
    assert app_folder() == shop
    assert stack_name() == "Shop"
    assert state_folder() == shop / ".instep" / "cloud"
    inner = shop / "deep" / "cdk.json"
    inner.write_text("{}")
    assert app_folder() == inner.parent
    assert stack_name() == "Instep"


def test_an_app_shares_what_the_app_around_it_built(shop: Path) -> None:
    inner = shop / "deep"
    assert build_folder(inner) == shop / ".build"
    (inner / "cdk.json").write_text("{}")
    assert build_folder(inner) == build_folder(shop) == shop / ".build"


def test_outside_of_an_app_only_what_needs_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert stack_name() == "Instep"
    with pytest.raises(ConfigurationMissing, match="instep init"):
        app_folder()


@pytest.mark.parametrize("text", ["", "[]", '{"context": 5}', "\xff", '{"context": [1]}'])
def test_a_cdk_json_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "cdk.json").write_text(text, encoding="latin-1")
    with pytest.raises(ConfigurationMissing, match=r"cdk\.json"):
        context_of(tmp_path)
