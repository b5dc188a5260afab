"""`instep sync` on the deployed app, as a person runs it: a table that was there before, twice."""

from collections.abc import Mapping
from typing import Any

import pytest

from instep.cli.session import Session
from instep.cli.sync import Result, through
from tests.support.deployed import DeployedApp
from tests.support.receipts import Receipt

OLD = Receipt("there-before", words=12)


def synced(app: DeployedApp) -> Result:
    """Everything starts by itself, as it does for who runs the command."""
    session = Session(app.target, app.deployment)
    with app.triggers():
        result = through(session, ["lines", "words"], timeout=120.0, update=lambda _: None)
    app.drained()
    return result


def heads(app: DeployedApp) -> Mapping[str, Any]:
    return {name: app.head(name) for name in ("lines", "words")}


@pytest.mark.invariant(4)
def test_a_table_that_was_there_before_is_taken_in_and_then_nothing_is_written(
    app: DeployedApp,
) -> None:
    OLD.upload(app.target.client("s3"), app.deployment.chromadb_bucket)
    app.change(*OLD.items(), OLD.run(), OLD.label(1, "TOTAL", "VALID"))
    app.empty_queues()  # nobody was told
    assert app.run().outcome.succeeded  # nor is a start on its way that no rule would take here

    first = synced(app)

    assert first.in_step, first.missing
    assert first.followed is not None
    assert first.followed.seen >= len(OLD.items())
    assert first.written is not None
    assert first.written["words"].counts["vectors_merged"] >= OLD.words
    words = app.embeddings("words", OLD.prefix)
    assert len(words) == OLD.words
    assert words[OLD.word_id(1)]["valid_labels"] == ",TOTAL,"

    before = heads(app)
    second = synced(app)

    assert second.in_step, second.missing
    assert heads(app) == before
    assert second.written is not None
    assert {one.versions for one in second.written.values()} == {0}
