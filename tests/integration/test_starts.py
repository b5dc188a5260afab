"""How a run begins: by an input of the console, or by the one stream batch that found it asleep."""

import json
from typing import Any

import pytest

from instep.errors import StorageUnavailable
from instep.flow.runner import Claim, RunnerTable
from tests.support.arrivals import RECEIPT, arrive, queued, starts
from tests.support.aws import BUCKET, LOCKS
from tests.support.pipeline import FunctionFailed, Pipeline


def wrapped(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"messageId": f"m{at}", "body": json.dumps({"Records": [record]}), "messageAttributes": {}}
        for at, record in enumerate(records)
    ]


def bodies(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"messageId": f"m{at}", "body": json.dumps(one)} for at, one in enumerate(records)]


@pytest.mark.domain("mixed-list")
@pytest.mark.invariant(4)
@pytest.mark.parametrize("shape", [list, wrapped, bodies])
def test_console_input_gives_the_snapshot_that_the_queue_gives(
    pipeline: Pipeline, shape: Any
) -> None:
    RECEIPT.upload(pipeline.aws.s3, BUCKET)
    changes = pipeline.put(*RECEIPT.items(), RECEIPT.metadata(merchant_name="shop"), RECEIPT.run())
    mixed = [*shape(changes[:-1]), changes[-1]]
    run = pipeline.run({"Records": mixed})
    assert run.succeeded, run.cause
    assert len(pipeline.embeddings("words")) == 4
    assert pipeline.embeddings("lines")[RECEIPT.line_id(1)]["merchant_name"] == "Shop"
    assert queued(pipeline) == (0, 0)


@pytest.mark.invariant(1)
def test_console_records_that_fail_are_kept_in_the_inbox_and_poison_in_the_dlq(
    pipeline: Pipeline,
) -> None:
    (record,) = pipeline.put(RECEIPT.label(1, "TOTAL", "VALID"))
    pipeline.fail("apply_updates", StorageUnavailable("S3 is down"))
    run = pipeline.run({"Records": [record, "poison", {"body": "no json"}]})
    assert not run.succeeded
    assert run.output["tally"]["rejected"] == 2
    pipeline.aws.outlast_visibility()
    (kept,) = pipeline.visible()
    assert kept["record"]["dynamodb"]["Keys"] == record["dynamodb"]["Keys"]
    assert (kept["collection"], kept["attempts"]) == ("words", "0")
    assert "S3 is down" in kept["error"]
    assert {str(one["record"]) for one in pipeline.rejected()} == {"poison", "{'body': 'no json'}"}


@pytest.mark.parametrize("content", ["drain", [], {"records": []}, {"Records": {}}, "x" * 200_000])
def test_input_of_no_accepted_shape_fails_in_parse_batch(pipeline: Pipeline, content: Any) -> None:
    with pytest.raises(FunctionFailed, match=r"InputRejected: (the input|`Records`)"):
        pipeline.run(content)


@pytest.mark.invariant(1)
def test_pasted_records_are_their_executions_own_and_the_inbox_is_left_to_who_drains_it(
    pipeline: Pipeline,
) -> None:
    arrive(pipeline)
    (record,) = pipeline.put(RECEIPT.label(2, "DATE", "VALID"))
    run = pipeline.run({"Records": [record]})
    assert run.outcomes == [{"words": "applied"}]
    assert run.output["tally"]["looks"] == 1
    assert queued(pipeline) == (1, 0)
    assert pipeline.run().outcomes == [{"lines": "applied", "words": "applied"}]
    assert pipeline.embeddings("words")[RECEIPT.word_id(2)]["valid_labels"] == ",DATE,"


def test_only_the_first_of_many_stream_batches_starts_an_execution(pipeline: Pipeline) -> None:
    started = starts(pipeline)
    changes = pipeline.put(*(RECEIPT.label(1, f"L{number}", "VALID") for number in range(3)))
    for change in changes:
        pipeline.ingest([change])
    assert started() == 1
    pipeline.run()
    pipeline.ingest(pipeline.put(RECEIPT.label(1, "L9", "VALID")))
    assert started() == 2


@pytest.mark.invariant(1)
def test_what_is_queued_during_a_run_is_its_next_round_and_starts_no_other(
    pipeline: Pipeline,
) -> None:
    arrive(pipeline)
    started = starts(pipeline)
    late = pipeline.put(RECEIPT.label(2, "DATE", "VALID"))
    upload = pipeline.handler("upload_snapshot")

    def upload_meanwhile(event: dict[str, Any], context: Any) -> dict[str, Any]:
        pipeline.ingest([late.pop()] if late else [])
        return upload(event, context)

    pipeline.handlers["upload_snapshot"] = upload_meanwhile
    run = pipeline.run()
    assert (len(run.outcomes), started()) == (2, 0)
    assert pipeline.embeddings("words")[RECEIPT.word_id(2)]["valid_labels"] == ",DATE,"


@pytest.mark.invariant(1)
def test_what_comes_as_a_run_looks_for_the_last_time_is_seen_or_starts_another(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(pipeline)
    started = starts(pipeline)
    late = pipeline.put(RECEIPT.label(1, "A", "VALID"), RECEIPT.label(2, "B", "VALID"))
    finish = RunnerTable.finish
    finished: list[bool] = []

    def finish_between_two_changes(table: RunnerTable, execution: str, claim: Claim) -> bool:
        if not finished:
            pipeline.ingest(late[:1])
        finished.append(finish(table, execution, claim))
        if finished[-1]:
            pipeline.ingest(late[1:])
        return finished[-1]

    with monkeypatch.context() as patch:
        patch.setattr(RunnerTable, "finish", finish_between_two_changes)
        assert len(pipeline.run().outcomes) == 2
        assert (finished, started()) == ([False, True], 1)
    assert len(pipeline.run().outcomes) == 1
    words = pipeline.embeddings("words")
    assert [words[RECEIPT.word_id(at)]["valid_labels"] for at in (1, 2)] == [",A,TOTAL,", ",B,"]


@pytest.mark.invariant(1)
def test_a_start_that_meets_a_live_runner_leaves_its_wish_and_ends_at_once(
    pipeline: Pipeline,
) -> None:
    arrive(pipeline)
    first = pipeline.parse("first")
    second = pipeline.run(execution="second")
    assert (second.succeeded, second.outcomes, second.output["tally"]["looks"]) == (True, [], 1)
    outcomes = [pipeline.collection("first", item) for item in first["collections"]]
    pipeline.ingest(pipeline.put(RECEIPT.label(2, "DATE", "VALID")))
    state = pipeline.settle("first", first, outcomes)
    assert state["next"] == "look"
    assert pipeline.parse("first", state=state)["next"] == "work"


def test_what_nothing_needs_is_neither_queued_nor_announced(pipeline: Pipeline) -> None:
    pipeline.put(*RECEIPT.items())
    changes = pipeline.put(*({**one, "seen": {"N": "2"}} for one in RECEIPT.items()))
    assert pipeline.ingest(changes) == {"queued": 0, "rejected": 0}
    assert pipeline.aws.dynamodb.scan(TableName=LOCKS)["Items"] == []
