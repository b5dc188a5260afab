"""Nothing is acknowledged before what replaces it is stored: here the DLQ takes nothing."""

import pytest

from tests.support.pipeline import FunctionFailed, Pipeline
from tests.support.receipts import Receipt

HOLLOW = Receipt("hollow")  # nothing lies at its runs' prefixes


@pytest.mark.invariant(1)
def test_parse_batch_keeps_poison_that_the_dlq_did_not_take(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLQ_URL", f"{pipeline.aws.dlq_url}-gone")
    pipeline.aws.sqs.send_message(QueueUrl=pipeline.aws.inbox_url, MessageBody='{"noise": 1}')
    with pytest.raises(FunctionFailed):
        pipeline.run()
    pipeline.aws.outlast_visibility()
    assert [one["record"]["Body"] for one in pipeline.visible()] == ['{"noise": 1}']


@pytest.mark.invariant(1)
def test_settle_batch_keeps_a_rejected_delta_that_the_dlq_did_not_take(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.ingest(pipeline.put(*HOLLOW.items(), HOLLOW.run()))
    monkeypatch.setenv("DLQ_URL", f"{pipeline.aws.dlq_url}-gone")
    with pytest.raises(FunctionFailed):
        pipeline.run()
    pipeline.aws.outlast_visibility()
    kept = [one["record"]["dynamodb"]["Keys"]["SK"] for one in pipeline.visible()]
    assert kept.count(HOLLOW.run()["SK"]) == 1
