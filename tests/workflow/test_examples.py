"""Each example on the local cloud, deployed from its own folder: its demo's story, and what of it
was embedded.
"""

import re
from typing import TYPE_CHECKING

import pytest

from instep.app import context_of
from instep.binding import imported
from instep.cli.session import Session
from instep.local.deploy import deploy
from instep.local.target import Target
from tests.support.deployed import DeployedApp
from tests.support.marks import ROOT

if TYPE_CHECKING:
    from instep.cli.demo import Tell


EMBEDDED = {"catalogue": [60, 0, 1, 0], "forum": [12, 0, 1, 1, 1, 0, 1, 0]}
"""Texts, change after change."""


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_story_of_an_example_ends_in_step(
    name: str,
    target: Target,
    deployed: DeployedApp,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert deployed  # bootstrapped
    folder = ROOT / "examples" / name
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)  # taken away again afterwards
    tell: Tell = imported(context_of(folder)["demo"], folder)
    assert tell(Session(target, deploy(target)))
    told = capsys.readouterr().out
    assert [int(texts) for texts in re.findall(r"texts embedded: (\d+)", told)] == EMBEDDED[name]
