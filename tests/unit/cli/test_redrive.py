"""`instep redrive`: what it sends and says, what it leaves, and its exit status."""

import json

from instep.flow.envelope import Rejection
from instep.flow.inbox import Inbox
from receipt_demo.items import items_of
from tests.support.aws import FAILURES
from tests.support.items import failed_batch, stream_record
from tests.unit.cli.conftest import RECEIPT, Cli


def letters(cli: Cli, *reasons: str) -> None:
    item = next(items_of(RECEIPT))
    record = stream_record("MODIFY", item["PK"]["S"], item["SK"]["S"], new=item)
    inbox = Inbox(cli.made.sqs, cli.made.inbox_url, cli.made.dlq_url)
    inbox.reject([Rejection(record, reason, 5) for reason in reasons], "execution-1")


def test_a_dry_run_says_what_would_be_sent_and_the_next_one_sends_it(cli: Cli) -> None:
    letters(cli, "no vector", "no vector", "unreadable")
    said = cli.run("redrive", "--dry-run", "--reason", "no vector")
    assert said.exit_code == 0, said.output
    assert "would send 2 letters again, 2 records; left 1" in said.stdout
    assert cli.made.messages(cli.made.inbox_url) == []
    done = cli.json("redrive", "--reason", "no vector")
    assert (done["sent"], done["records"], done["left"]) == ({"no vector": 2}, 2, 1)
    assert len(cli.made.messages(cli.made.inbox_url)) == 2
    assert cli.json("redrive", "--dry-run")["sent"] == {"unreadable": 1}


def test_an_object_that_cannot_be_sent_is_named_with_exit_status_1(cli: Cli) -> None:
    item = next(items_of(RECEIPT))
    record = stream_record("INSERT", item["PK"]["S"], item["SK"]["S"], new=item)
    for name, body in (("good", failed_batch([record])), ("bad", b"no JSON")):
        cli.made.s3.put_object(Bucket=FAILURES, Key=f"aws/lambda/m/s/{name}", Body=body)
    result = cli.run("redrive", "--from-failures")
    assert result.exit_code == 1, result.output
    assert "sent 1 batch again" in result.stdout
    assert f"s3://{FAILURES}/aws/lambda/m/s/bad" in result.stderr
    (message,) = cli.made.messages(cli.made.inbox_url)
    assert json.loads(message["Body"])["Records"][0]["dynamodb"]["Keys"] == {
        "PK": item["PK"],
        "SK": item["SK"],
    }


def test_a_batch_is_for_all_it_feeds_and_a_collection_must_be_one(cli: Cli) -> None:
    assert cli.run("redrive", "--from-failures", "--collection", "words").exit_code == 2
    assert cli.run("redrive", "--collection", "nobody's").exit_code == 2
