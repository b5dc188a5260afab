"""Each example on the local cloud, deployed from its own folder: its demo's story, and what of it
was embedded.
"""

import re
from typing import TYPE_CHECKING

import pytest

from instep.app import context_of
from instep.binding import imported
from instep.cli.session import Session
from instep.cli.smoke import through
from instep.cli.smoking import lookalike
from instep.cli.snapshots import opened
from instep.clock import utc_now
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
    session = Session(target, deploy(target))
    assert tell(session)
    told = capsys.readouterr().out
    assert [int(texts) for texts in re.findall(r"texts embedded: (\d+)", told)] == EMBEDDED[name]
    if name == "catalogue":
        a_smoke_test_leaves_nothing(session)


def a_smoke_test_leaves_nothing(session: Session) -> None:
    table = session.deployment.dynamodb_table_name
    items = session.dynamodb.scan(TableName=table)["Items"]
    with opened(session, "products") as before:
        ids = set(before.collection.get(include=[])["ids"])
    (copy, *_) = [
        one for item in items if (one := lookalike(session.domain, item, "1f", utc_now()))
    ]
    done = through(session, copy, 60.0)
    assert done.came is not None
    assert done.went is not None
    assert {*map(str, session.dynamodb.scan(TableName=table)["Items"])} == {*map(str, items)}
    with opened(session, "products") as after:
        assert after.version == done.versions["products"] != before.version
        assert set(after.collection.get(include=[])["ids"]) == ids
