"""Every hostile delta in one run, beside ten healthy: each is its own run's FAILED, and no more."""

from pathlib import Path

import pytest

from tests.support.arrivals import run_item
from tests.support.aws import BUCKET
from tests.support.hostile import HOSTILE, Place
from tests.support.pipeline import Pipeline
from tests.support.receipts import Receipt

HEALTHY = Receipt("healthy")


@pytest.mark.invariant(1)
@pytest.mark.domain("delta-hostile", "run-failed", "wrong-states", "delta-expired")
def test_each_fails_its_own_run_and_the_rest_goes_on(pipeline: Pipeline, tmp_path: Path) -> None:
    HEALTHY.upload(pipeline.aws.s3, BUCKET)
    pipeline.ingest(pipeline.put(*HEALTHY.items(), HEALTHY.run()))
    assert pipeline.run().succeeded
    receipts = {one: Receipt(one.name, words=1, run_id=one.name) for one in HOSTILE}
    healthy = [Receipt(f"good-{at}", words=1, run_id=f"good-{at}") for at in range(10)]
    changes = []
    for good in healthy:
        good.upload(pipeline.aws.s3, BUCKET)
        changes += pipeline.put(*good.items(), good.run())
    for one, receipt in receipts.items():
        prefix = f"words/delta/{one.name}"
        place = Place(pipeline.aws.s3, BUCKET, prefix, [receipt.word_id(1)], tmp_path)
        one.write(place)
        item = receipt.paper.run(one.name, lines_delta_prefix=None, words_delta_prefix=prefix)
        changes += pipeline.put(*receipt.items(), item)
    pipeline.ingest(changes)

    run = pipeline.run()

    assert run.succeeded, run.cause
    assert run.output["tally"]["rejected"] == len(HOSTILE)
    receipts_left = {id_[: id_.index("LINE#")] for id_ in pipeline.embeddings("words")}
    assert receipts_left == {HEALTHY.prefix, *(good.prefix for good in healthy)}
    assert {run_item(pipeline, good)["words_state"] for good in healthy} == {"COMPLETED"}
    reasons = {one["record"]["dynamodb"]["Keys"]["SK"]["S"]: one for one in pipeline.rejected()}
    for one, receipt in receipts.items():
        written = run_item(pipeline, receipt)
        assert written["words_state"] == "FAILED", one
        assert any(word in written["words_error"] for word in one.reason.split("|")), written[
            "words_error"
        ]
        assert "words_finished_at" in written
        assert reasons[written["SK"]]["reason"]
