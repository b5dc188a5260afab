"""`instep cost`: a bill that adds up, of the app one is in; nothing is asked of AWS."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from instep.cli.app import app
from tests.support.marks import ROOT


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["cost", *arguments])


def test_a_bill_adds_up_and_says_what_it_is_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    told = json.loads(run("--changes-per-s", "20", "--json").stdout)
    assert told["workload"]["changes"] == 20
    assert told["workload"]["collections"] == 2
    assert told["usd_month"] == pytest.approx(sum(one["usd"] for one in told["items"].values()))
    shown = run("--changes-per-s", "20").stdout
    assert f"{told['usd_month']:,.2f}" in shown
    assert "20 changes a second into 2 collections" in " ".join(shown.split())
    fewer = json.loads(run("--changes-per-s", "20", "--collections", "1", "--json").stdout)
    assert fewer["usd_month"] < told["usd_month"]


def test_the_pace_is_the_app_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cdk.json").write_text('{"context": {"roundSeconds": "30", "keepDays": 1}}')
    told = json.loads(run("--collections", "1", "--json").stdout)
    assert (told["workload"]["round_seconds"], told["workload"]["keep_days"]) == (30, 1)


def test_a_setting_of_no_form_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cdk.json").write_text('{"context": {"roundSeconds": "soon"}}')
    result = run("--collections", "1")
    assert result.exit_code == 3
    assert "roundSeconds is 'soon'" in " ".join(result.stderr.split())


def test_outside_of_an_app_it_says_where_to_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run()
    assert result.exit_code == 3
    assert "go to your app's folder" in result.stderr
