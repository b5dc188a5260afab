"""ParseBatch and SettleBatch may die at any AWS call, before it is sent or after it was applied:
nothing is lost, and the next run goes on. So it is where a round takes one message of several.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest

from instep.errors import StorageUnavailable
from instep.lambda_ import intake
from tests.support.aws import ENTITIES, services
from tests.support.deaths import Moment, ProcessDied, dying
from tests.support.items import record
from tests.support.pipeline import Payload, Pipeline
from tests.support.receipts import Receipt

RECEIPT, HOLLOW = Receipt("image-1"), Receipt("image-2")
POISON = "no json"


@contextmanager
def fresh(folder: Path) -> Iterator[Pipeline]:
    """A pipeline with a receipt, a run without its delta, poison and an idle record queued."""
    with pytest.MonkeyPatch.context() as patch, services(patch) as aws:
        patch.setenv("CHROMA_ROOT", str(folder))
        pipeline = Pipeline(aws)
        RECEIPT.upload(aws.s3, "snapshots")
        pipeline.put(*RECEIPT.items(), *HOLLOW.items())
        queue = [
            {"Records": pipeline.put(RECEIPT.metadata(merchant_name="shop"), RECEIPT.run())},
            {"Records": pipeline.put(HOLLOW.run())},
            {"Records": [record(RECEIPT.items()[0])]},
        ]
        for body in [*map(json.dumps, queue), POISON]:
            aws.sqs.send_message(QueueUrl=aws.inbox_url, MessageBody=body)
        yield pipeline


def parse(pipeline: Pipeline) -> Callable[[], Payload]:
    """ParseBatch is the function that dies."""
    pipeline.handler("parse_batch")
    return lambda: pipeline.parse("dies")


def settle(pipeline: Pipeline) -> Callable[[], Payload]:
    """SettleBatch is: lines were applied, words failed, the hollow delta was rejected."""
    state = pipeline.parse("dies")
    pipeline.fail("upload_snapshot", StorageUnavailable("S3 is down"), collection="words")
    outcomes = [pipeline.collection("dies", item) for item in state["collections"]]
    pipeline.handler("settle_batch")
    return lambda: pipeline.settle("dies", state, outcomes)


def states(pipeline: Pipeline, receipt: Receipt) -> set[str]:
    item = receipt.run()
    found = pipeline.aws.dynamodb.get_item(
        TableName=ENTITIES, Key={"PK": item["PK"], "SK": item["SK"]}
    )["Item"]
    return {found["lines_state"]["S"], found["words_state"]["S"]}


def nothing_is_lost(pipeline: Pipeline) -> None:
    """Run until the inbox is empty: what was good has arrived, what was not lies in the DLQ."""
    for _ in range(3):
        pipeline.aws.outlast_visibility()
        pipeline.run()
    words = pipeline.embeddings("words")
    assert set(words) == {RECEIPT.word_id(word) for word in range(1, 5)}
    assert {one["merchant_name"] for one in words.values()} == {"Shop"}
    assert set(pipeline.embeddings("lines")) == {RECEIPT.line_id(1)}
    assert states(pipeline, RECEIPT) == {"COMPLETED"}
    assert states(pipeline, HOLLOW) == {"FAILED"}
    rejected = pipeline.rejected()
    assert all(one["reason"] for one in rejected)
    assert POISON in [one["record"].get("body") for one in rejected]
    assert {one.get("collection") for one in rejected} == {None, "lines", "words"}
    pipeline.aws.outlast_visibility()
    assert pipeline.visible() == []


@pytest.mark.timeout(600)
@pytest.mark.invariant(1)
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    ("prepare", "work", "operations"),
    [
        (parse, intake.WORK_PER_ROUND, {"SendMessageBatch", "DeleteMessageBatch"}),
        (parse, 1, {"PutObject", "ChangeMessageVisibilityBatch"}),
        (settle, intake.WORK_PER_ROUND, {"SendMessageBatch", "DeleteMessageBatch"}),
    ],
    ids=["parse", "parse-one-of-several", "settle"],
)
def test_death_at_any_call_loses_nothing(
    prepare: Callable[[Pipeline], Callable[[], Payload]],
    work: int,
    operations: set[str],
    moment: Moment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(intake, "WORK_PER_ROUND", work)
    died_at: list[str] = []
    for at in count():
        with fresh(tmp_path / str(at)) as pipeline:
            step = prepare(pipeline)
            with dying(at, moment) as process, suppress(ProcessDied):
                step()
            nothing_is_lost(pipeline)
        if not process.dead:
            break
        died_at.append(process.calls[-1])
    assert len(died_at) >= 6, died_at
    assert operations <= set(died_at)
