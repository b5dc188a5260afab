"""What the stream brings and ingest does not get through is told, and nothing of it is lost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from instep.app import DEFAULT_STACK
from instep.aws.objects import Objects
from instep.cli.redrive import starter_of
from instep.cli.session import Session
from instep.cli.standing import inbox_of
from instep.flow.failed_batches import FailedBatches
from instep.flow.redriving import Wanted, redrive
from instep.local.faults import calls
from instep.local.wire import AwsCall
from receipt_domain import DOMAIN
from tests.support.cloud import eventually
from tests.support.deployed import DeployedApp
from tests.support.receipts import Receipt
from tests.support.trouble import REFUSED
from tests.support.watch import Watch

RECEIPT = Receipt("stream-alarms", words=5)
GIVEN_UP = (2, 3, 4)


@pytest.fixture(scope="module", autouse=True)
def seeded(deployed: DeployedApp) -> None:
    deployed.drained()
    deployed.seed(RECEIPT)


def test_records_that_ingest_does_not_get_through_are_told_until_it_does(
    app: DeployedApp, watch: Watch
) -> None:
    with app.proxy.failing(queueing(app), REFUSED, times=None) as rule:
        app.put(RECEIPT.label(1, "TOTAL", "INVALID"))
        eventually(lambda: rule.hits >= 2, "it is tried again")
        assert "stream-behind" not in watch.speaking()
        watch.passes(6)
        told = watch.each_minute(5)
        assert ["stream-behind" in one for one in told] == [False] * 4 + [True] * 2
    eventually(lambda: app.waiting() != (0, 0), "they come when it can be done")
    assert app.run().outcome.succeeded
    watch.passes(6)
    assert watch.speaking() == set()


def queueing(app: DeployedApp) -> Callable[[AwsCall], bool]:
    return calls("SendMessageBatch", function=app.outside_of_states("ingest"))


def test_records_that_lambda_gives_up_are_told_and_come_in_again_by_redrive(
    app: DeployedApp, watch: Watch
) -> None:
    """Batch by batch, however many: here each change is one of its own."""
    failures = Objects(app.target.client("s3"), app.deployment.failures_bucket)
    with of_age(app, seconds=1), app.proxy.failing(queueing(app), REFUSED, times=None):
        for count, word in enumerate(GIVEN_UP):
            app.put(RECEIPT.label(word, "TOTAL", "INVALID"))
            eventually(partial(holds_more_than, failures, count), "it is given up")
        assert "records-given-up" in watch.speaking()
    session = Session(app.target, app.deployment)
    source = FailedBatches(failures, DOMAIN)
    done = redrive(source, inbox_of(session), starter_of(session, DEFAULT_STACK), Wanted())
    assert done.sent.total() == len(GIVEN_UP), done
    assert app.run().outcome.succeeded
    assert list(failures.list("")) == []
    words = app.embeddings("words", RECEIPT.prefix)
    for word in GIVEN_UP:
        assert words[RECEIPT.word_id(word)]["invalid_labels"] == ",TOTAL,"
    app.change(RECEIPT.label(5, "TOTAL", "VALID"))  # and what comes next is got through
    assert app.run().outcome.succeeded
    watch.passes(6)
    assert watch.speaking() == set()


def holds_more_than(bucket: Objects, count: int) -> bool:
    return len(list(bucket.list(""))) > count


@contextmanager
def of_age(app: DeployedApp, seconds: int) -> Iterator[None]:
    """Have Lambda give up records of the stream after so long, for its twelve hours."""
    client = app.target.client("lambda")
    (mapping,) = (
        one
        for one in client.list_event_source_mappings()["EventSourceMappings"]
        if f"function:{DEFAULT_STACK}-" in one["FunctionArn"]
    )
    usual = mapping["MaximumRecordAgeInSeconds"]
    client.update_event_source_mapping(UUID=mapping["UUID"], MaximumRecordAgeInSeconds=seconds)
    try:
        yield
    finally:
        client.update_event_source_mapping(UUID=mapping["UUID"], MaximumRecordAgeInSeconds=usual)
