"""What was set aside comes in again by itself: redrive sends it, and its event starts a run."""

from instep.aws.objects import Objects
from instep.cli.redrive import starter_of
from instep.cli.session import Session
from instep.cli.standing import inbox_of
from instep.flow.dead_letters import DeadLetters
from instep.flow.envelope import Rejection
from instep.flow.failed_batches import FailedBatches
from instep.flow.redriving import Source, Wanted, redrive
from receipt_domain import DOMAIN
from tests.support.deployed import DeployedApp
from tests.support.items import failed_batch, record
from tests.support.receipts import Receipt


def test_letters_and_failed_batches_come_in_by_themselves(app: DeployedApp) -> None:
    receipt, deployment = Receipt("redrive"), app.deployment
    app.seed(receipt)
    session = Session(app.target, deployment)
    metadata, label = (
        receipt.metadata(merchant_name="corner pantry"),
        receipt.label(1, "TOTAL", "VALID"),
    )
    app.change(metadata, label)
    app.empty_queues()  # neither change will come any more
    assert app.run().outcome.succeeded  # nor is the start outstanding that ingest announced
    inbox_of(session).reject([Rejection(record(metadata), "a reason", 5)], "execution-1")
    failures = Objects(app.target.client("s3"), deployment.failures_bucket)
    failures.put("aws/lambda/mapping/shard/batch", failed_batch([record(label)]))

    sources: list[Source] = [
        DeadLetters(session.sqs, deployment.dlq_url),
        FailedBatches(failures, DOMAIN),
    ]
    with app.triggers():
        for source in sources:
            done = redrive(source, inbox_of(session), starter_of(session, "Instep"), Wanted())
            assert done.sent.total() == 1, done
        app.drained()
    words = app.embeddings("words", receipt.prefix)
    assert {one["merchant_name"] for one in words.values()} == {"Corner Pantry"}
    assert words[receipt.word_id(1)]["label_status"]
    assert app.rejected() == []
    assert list(failures.list("")) == []
