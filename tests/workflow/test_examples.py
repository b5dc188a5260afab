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
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("name", "embedded"),
    [("catalogue", [60, 0, 1, 0]), ("forum", [12, 0, 1, 1, 1, 0, 1, 0])],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_story_of_an_example_ends_in_step(
    name: str,
    embedded: list[int],
    target: Target,
    deployed: DeployedApp,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert deployed  # bootstrapped
    folder = ROOT / "examples" / name
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    tell: Callable[[Session], bool] = imported(context_of(folder)["demo"], folder)
    assert tell(Session(target, deploy(target)))
    told = capsys.readouterr().out
    assert [int(texts) for texts in re.findall(r"texts embedded: (\d+)", told)] == embedded
