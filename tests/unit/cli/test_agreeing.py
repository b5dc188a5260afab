"""Nothing in an account is touched before a person has seen what changes, and agreed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer

from instep.cli import deploying, output
from tests.unit.cli.test_preflight import Account


class Cdk:
    """The CDK, which keeps what it was asked for; a first deployment, to an account that is new."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def synthesize(self, folder: Path, knobs: Mapping[str, str], _report: Any) -> Path:
        self.asked.append(f"synthesize {dict(knobs)}")
        folder.mkdir()
        function = {"Type": "AWS::Lambda::Function", "Properties": {"MemorySize": 1769}}
        text = json.dumps({"Resources": {"Fold": function}})
        (folder / "Shop.template.json").write_text(text)
        return folder

    def changes_of_rights(self, *_: Any) -> str:
        self.asked.append("diff")
        return "[+] allows sqs:SendMessage"

    def is_bootstrapped(self, _target: Any) -> bool:
        return False

    def bootstrap(self, *_: Any) -> None:
        self.asked.append("bootstrap")

    def deploy_assembly(self, _target: Any, _assembly: Path, stack: str, _report: Any) -> str:
        self.asked.append(f"deploy {stack}")
        return "deployed"


@pytest.fixture
def cdk(monkeypatch: pytest.MonkeyPatch) -> Cdk:
    made = Cdk()
    for name in [one for one in vars(Cdk) if not one.startswith("_")]:
        monkeypatch.setattr(deploying, name, getattr(made, name))
    return made


def deploy(*, yes: bool) -> object:
    target: Any = Account(1000, [])
    return deploying.deploy_to_account(target, ["name=Shop"], yes=yes)


def test_who_says_no_has_had_nothing_touched(
    cdk: Cdk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "_somebody_is_there", lambda: True)
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: False)
    with pytest.raises(typer.Exit):
        deploy(yes=False)
    assert cdk.asked == ["synthesize {'localCloud': 'false', 'name': 'Shop'}", "diff"]
    said = capsys.readouterr().err
    assert "[+] allows sqs:SendMessage" in said
    assert "CDKToolkit" in said


def test_who_agrees_has_the_account_made_ready_and_the_stack_deployed(cdk: Cdk) -> None:
    assert deploy(yes=True) == "deployed"
    assert cdk.asked[2:] == ["bootstrap", "deploy Shop"]
