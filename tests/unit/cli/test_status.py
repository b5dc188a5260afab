"""`status`: what it counts, what it says of the DLQ, and that looking changes nothing."""

from dataclasses import replace
from datetime import timedelta
from io import StringIO

import boto3
import pytest
from rich.console import Console

from instep.cli.dead_letters import DeadLetter
from instep.cli.output import Exit
from instep.cli.status import dead_letters
from instep.clock import utc_now
from instep.flow.envelope import Rejection
from instep.flow.inbox import Inbox
from instep.local.executions import follow
from tests.support.aws import BUCKET, LOCKS
from tests.unit.cli.conftest import Cli
from tests.unit.cli.test_trouble import QUIET

LABEL_KEYS = {"PK": {"S": "IMAGE#i"}, "SK": {"S": "RECEIPT#00001#LINE#00001#WORD#00001#LABEL#A"}}


def test_before_the_first_version(cli: Cli) -> None:
    found = cli.json("status")
    assert [each["collection"] for each in found["collections"]] == ["lines", "words"]
    assert found["collections"][0]["version"] is None
    assert found["inbox"] == {"visible": 0, "in_flight": 0, "delayed": 0}
    assert found["dlq"] == 0
    shown = cli.run("status").stdout
    assert "none yet" in shown
    assert "free" in shown


def test_a_version_with_its_embeddings_and_its_lease(cli: Cli) -> None:
    version = cli.publish("words", {"a": {"text": "milk"}, "b": {"text": "bread"}})
    cli.made.dynamodb.update_item(
        TableName="locks",
        Key={"collection": {"S": "words"}},
        UpdateExpression="SET #o = :o, expires_at = :e",
        ExpressionAttributeNames={"#o": "owner"},
        ExpressionAttributeValues={":o": {"S": "execution-7"}, ":e": {"N": "4102444800"}},
    )
    words = cli.json("status")["collections"][1]
    assert words["version"] == version
    assert words["embeddings"] == 2
    assert words["leased_by"] == "execution-7"
    assert words["bytes"] > 0


def test_how_fresh_each_head_is(cli: Cli) -> None:
    made = [utc_now() - timedelta(minutes=minutes) for minutes in (3, 5, 5)]
    cli.publish("words", {"a": {"text": "milk"}}, made=made)
    cli.publish("lines", {"a": {"text": "milk"}})
    lines, words = cli.json("status")["collections"]
    assert (lines["watermark"], lines["lag"]) == (None, None)
    assert words["watermark"] == made[0].isoformat()
    lag = words["lag"]
    assert lag["changes"] == 3
    assert 300_000 <= lag["p50_ms"] <= lag["p95_ms"] <= lag["max_ms"]
    shown = " ".join(cli.run("status").stdout.split())
    assert "words: newest change applied is 3 min old; lag of the last 3 changes: p50 5" in shown
    assert "lines: no change of the table's stream applied yet" in shown


def test_who_drains_and_until_when(cli: Cli) -> None:
    nobody = cli.json("status")["runner"]
    assert (nobody["runner"], nobody["until"], nobody["queued"]) == (None, None, 0)
    assert "runner: nobody drains; 0 messages queued so far" in cli.run("status").stdout
    cli.made.dynamodb.put_item(
        TableName=LOCKS,
        Item={
            "collection": {"S": "#runner"},
            "runner": {"S": "execution-7"},
            "until": {"N": "4102444800"},
            "queued": {"N": "1234"},
            "due": {"N": "4102444800"},
        },
    )
    assert cli.json("status")["runner"] == {
        "runner": "execution-7",
        "until": "2100-01-01T00:00:00+00:00",
        "queued": 1234,
        "due": "2100-01-01T00:00:00+00:00",
        "deaths": 0,
        "ended": None,
    }
    shown = cli.run("status").stdout
    assert "runner: execution-7 for" in shown
    assert "1,234 messages queued so far" in shown


def test_dead_letters_are_shown_with_their_reason_and_stay(cli: Cli) -> None:
    inbox = Inbox(cli.made.sqs, cli.made.inbox_url, cli.made.dlq_url)
    record = {"eventName": "MODIFY", "dynamodb": {"Keys": LABEL_KEYS}}
    inbox.reject([Rejection(record, "no [bold]ids[/bold] in it", attempts=5)], "execution-1")
    for _ in range(2):
        (letter,) = cli.json("status")["dead_letters"]
        assert letter["reason"] == "no [bold]ids[/bold] in it"
        assert letter["what"].startswith("IMAGE#i#RECEIPT#00001#LINE#00001")
        assert letter["attempts"] == 5
    shown = cli.run("status").stdout
    assert "DLQ: 1" in shown
    assert "no [bold]ids[/bold] in it" in shown
    assert len(cli.made.messages(cli.made.dlq_url)) == 1


def test_a_dead_letter_that_was_cut_is_named_by_its_key_and_hostile_ones_by_their_beginning(
    cli: Cli,
) -> None:
    inbox = Inbox(cli.made.sqs, cli.made.inbox_url, cli.made.dlq_url)
    record = {"dynamodb": {"Keys": LABEL_KEYS, "NewImage": {"text": {"S": "\x00" * 390_000}}}}
    inbox.reject([Rejection(record, "first"), Rejection({"body": "x" * 2_000_000}, "second")], "r")
    for body in ("[" * 5_000, '{"Records": [7]}', '{"Records": 7}'):
        cli.made.sqs.send_message(
            QueueUrl=cli.made.dlq_url,
            MessageBody=body,
            MessageAttributes={"attempts": {"DataType": "String", "StringValue": "9" * 5_000}},
        )
    letters = {each["reason"]: each["what"] for each in cli.json("status")["dead_letters"]}
    assert letters["first"].startswith("IMAGE#i#RECEIPT#00001#LINE#00001")
    assert letters["second"].startswith("xxx")
    assert len(letters) == 3


def test_a_message_that_is_no_record_is_named_by_its_text(cli: Cli) -> None:
    cli.made.sqs.send_message(QueueUrl=cli.made.dlq_url, MessageBody="x" * 500)
    (letter,) = cli.json("status")["dead_letters"]
    assert len(letter["what"]) == 400
    assert "received too often" in letter["reason"]


def test_the_last_executions_with_why_they_failed(cli: Cli) -> None:
    client = boto3.client("stepfunctions")
    for name, given in (("fine", "{}"), ("broken", '{"Records": 7}')):
        machine = cli.deployment.state_machine_arn
        started = client.start_execution(stateMachineArn=machine, name=name, input=given)
        follow(client, started["executionArn"], timeout=30)
    found = {each["name"]: each for each in cli.json("status")["executions"]}
    assert found["fine"]["status"] == "SUCCEEDED"
    assert found["broken"]["error"] == "InputRejected"
    assert "these are no records" in " ".join(cli.run("status").stdout.split())


@pytest.mark.parametrize(
    ("body", "why"), [(b"no head", "is damaged"), (None, "is missing")], ids=["damaged", "lost"]
)
def test_a_head_that_cannot_be_read_hides_nothing_else(
    cli: Cli, body: bytes | None, why: str
) -> None:
    version = cli.publish("lines", {"a": {"text": "milk"}})
    for text in ("milk", "bread"):
        cli.publish("words", {"a": {"text": text}})
    if body is None:
        cli.made.s3.delete_object(Bucket=BUCKET, Key="words/HEAD")
    else:
        cli.made.s3.put_object(Bucket=BUCKET, Key="words/HEAD", Body=body)
    found = cli.json("status")
    lines, words = found["collections"]
    assert (lines["version"], lines["unreadable"]) == (version, None)
    assert words["version"] is None
    assert f"words/HEAD {why}" in words["unreadable"]
    assert [each["what"] for each in found["troubles"]] == ["the head of words cannot be read"]
    shown = cli.run("status")
    assert shown.exit_code == Exit.NO
    for told in (version, "cannot be read", "runner: nobody drains", "DLQ: 0"):
        assert told in shown.stdout


@pytest.mark.parametrize("width", [80, 160])
def test_what_is_no_record_is_cut_where_the_terminal_ends(width: int) -> None:
    note = "a letter that somebody put there by mistake; " * 5
    letter = DeadLetter("1", note, "no record", 0, None, None)
    terminal = Console(width=width, file=StringIO())
    terminal.print(dead_letters(replace(QUIET, dlq=1, dead_letters=[letter])))
    assert isinstance(terminal.file, StringIO)
    _, _, told = terminal.file.getvalue().splitlines()
    assert (told[:6], told[-1], len(told)) == ("    a ", "…", width)
