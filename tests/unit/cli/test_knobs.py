"""`-c KEY=VALUE`: a key that means nothing, or a value that no deployment takes, starts nothing."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from instep.cdk.config import Config, ConfigRejected
from instep.cli.app import app
from instep.local.launcher import LocalCloud

NOTHING: dict[str, object] = {}


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An app with a key of its own, where no cloud may start."""
    write(tmp_path, {"name": "Shop", "myOwnKey": 1})
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(LocalCloud, "start", classmethod(_not_to_be_called))
    return tmp_path


def _not_to_be_called(*_: object) -> None:
    raise AssertionError("a cloud was started")


def write(folder: Path, context: dict[str, object]) -> None:
    (folder / "cdk.json").write_text(json.dumps({"context": context}))


@pytest.mark.parametrize("command", ["up", "deploy"])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("keepVersion=3", "no key 'keepVersion': did you mean keepVersions?"),
        ("KEEPDAYS=3", "no key 'KEEPDAYS': did you mean keepDays?"),
        ("xyz=red", "no key 'xyz': there are alarmEmail, architecture,"),
        ("keepVersions", "-c takes KEY=VALUE, not 'keepVersions'"),
        ("keepVersions=many", "keepVersions is 'many': give a whole number of at least 1"),
        ("storageMode=disk", "choose one of s3, efs, auto"),
        ("entityTableName=Receipts", "needs both entityTableName and entityTableStreamArn"),
    ],
)
def test_what_is_no_knob_or_no_value_of_it_is_wrong_usage(
    command: str, given: str, said: str
) -> None:
    result = CliRunner().invoke(app, [command, "-c", given], env={"TERMINAL_WIDTH": "200"})
    assert result.exit_code == 2, result.output
    assert said in result.stderr


@pytest.mark.parametrize("given", ["myOwnKey=2", "@aws-cdk/core:newStyle=true", "keepDays=9"])
def test_a_key_of_the_apps_own_or_of_the_cdk_is_let_through(
    given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalCloud, "running", classmethod(lambda *_: None))
    result = CliRunner().invoke(app, ["deploy", "-c", given])
    assert result.exit_code == 3
    assert "no local cloud runs here" in result.stderr


@pytest.mark.parametrize(
    ("context", "said"),
    [({"keepDay": 3}, "did you mean keepDays?"), ({"keepDays": "many"}, "keepDays is 'many'")],
)
def test_a_fault_of_cdk_json_is_a_sentence_too(
    context: dict[str, object], said: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found by whoever deploys, before anything of the CDK is started."""
    write(folder, context)
    there = LocalCloud("http://127.0.0.1:1", 1, "1", str(folder))
    monkeypatch.setattr(LocalCloud, "running", classmethod(lambda *_: there))
    result = CliRunner().invoke(app, ["up"])
    assert result.exit_code == 3
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_synthesis_refuses_a_misspelt_knob_and_leaves_others_keys_alone() -> None:
    others = [
        "tableOfContents",
        "@aws-cdk/core:keepVersion",
        "vpc-provider:account=1",
        "environment",
    ]
    Config.from_context(NOTHING.get, [*Config.keys(), *others])
    for key, meant in [("keepVersion", "keepVersions"), ("retaindata", "retainData")]:
        with pytest.raises(ConfigRejected, match=f"'{key}': did you mean {meant}"):
            Config.from_context(NOTHING.get, [key])
