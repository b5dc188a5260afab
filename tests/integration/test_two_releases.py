"""Two releases at work on one inbox: what the newer one wrote waits for it, and nothing is lost."""

from typing import Any

import pytest

from instep.errors import FormatUnknown
from instep.flow import formats, outgoing
from instep.flow.parking import BatchRef
from tests.support.arrivals import RECEIPT, arrive, assert_green, queued
from tests.support.items import record
from tests.support.pipeline import Pipeline

LABELED = RECEIPT.word_id(2)


def label(pipeline: Pipeline) -> Any:
    """Change the table, and return what its stream says."""
    item = RECEIPT.label(2, "TOTAL", "VALID")
    pipeline.put(item)
    return record(item)


def send(pipeline: Pipeline, *records: Any, **attributes: str) -> None:
    """Queue records, with these attributes over those that this release gives a message."""
    for message in outgoing.outgoing(records):
        entry = message.entry(0)
        given = {name: {"DataType": "Number", "StringValue": v} for name, v in attributes.items()}
        pipeline.aws.sqs.send_message(
            QueueUrl=pipeline.aws.inbox_url,
            MessageBody=entry["MessageBody"],
            MessageAttributes={**entry["MessageAttributes"], **given},
        )


def labels(pipeline: Pipeline) -> Any:
    return pipeline.embeddings("words")[LABELED].get("valid_labels")


@pytest.fixture
def filled(pipeline: Pipeline) -> Pipeline:
    arrive(pipeline)
    assert_green(pipeline.run())
    assert labels(pipeline) != ",TOTAL,"
    return pipeline


@pytest.mark.invariant(1)
def test_the_old_release_lets_a_newer_message_be_and_goes_on_with_the_rest(
    filled: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(filled, label(filled), format="2")
    send(filled, {"not": "a record"})
    send(filled, record(RECEIPT.label(3, "DATE", "VALID")))
    filled.put(RECEIPT.label(3, "DATE", "VALID"))
    run = filled.run()
    assert_green(run)
    assert run.output["tally"]["deferred"] > 0
    assert filled.embeddings("words")[RECEIPT.word_id(3)]["valid_labels"] == ",DATE,"
    assert len(filled.rejected()) == 1, "poison is poison still"
    assert labels(filled) != ",TOTAL,"
    assert sum(queued(filled)) == 1, "the newer message is where it was"
    filled.aws.pass_time(60)
    monkeypatch.setattr("instep.flow.envelope.MESSAGE", 2)
    assert_green(filled.run())
    assert labels(filled) == ",TOTAL,"
    assert queued(filled) == (0, 0)


@pytest.mark.parametrize("value", [None, "", "1", "-2", "1.5", "9" * 20, "²"])
def test_what_bears_no_sensible_number_is_of_the_first_format(value: str | None) -> None:
    assert formats.format_of(value) == 1


def test_the_new_release_takes_what_the_old_one_queued(
    filled: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(filled, label(filled))
    monkeypatch.setattr("instep.flow.envelope.MESSAGE", 2)
    assert_green(filled.run())
    assert labels(filled) == ",TOTAL,"
    assert queued(filled) == (0, 0)


def test_what_this_release_queues_bears_its_format() -> None:
    (message,) = outgoing.outgoing([{"a": 1}])
    assert message.attributes["format"] == formats.MESSAGE


def test_what_is_parked_is_read_by_who_knows_its_format(monkeypatch: pytest.MonkeyPatch) -> None:
    reference = BatchRef("batches/run/0/a.jsonl.gz", 0, 10, 1)
    old = {key: value for key, value in reference.to_payload().items() if key != "format"}
    assert BatchRef.from_payload(old) == reference
    monkeypatch.setattr(formats, "PARKED", 2)
    newer = reference.to_payload()
    assert BatchRef.from_payload(newer) == BatchRef.from_payload(old) == reference
    monkeypatch.undo()
    with pytest.raises(FormatUnknown, match="deploy the newer release"):
        BatchRef.from_payload(newer)


@pytest.mark.invariant(1)
def test_a_newer_batch_defers_its_collection_and_its_messages_come_back(filled: Pipeline) -> None:
    """What no release does to a run of another; should it happen, nothing is lost by it."""
    send(filled, label(filled))
    state = filled.parse("run-newer")
    (item,) = state["collections"]
    newer = {**item, "batch": {**item["batch"], "format": 2}}
    outcome = filled.collection("run-newer", newer)
    assert outcome["outcome"]["status"] == "deferred"
    filled.settle("run-newer", state, [{**outcome, "batch": item["batch"]}])
    filled.aws.pass_time(60)
    assert_green(filled.run())
    assert labels(filled) == ",TOTAL,"
