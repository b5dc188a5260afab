"""Drift that a letter of the DLQ explains: `verify` and `wait` say so, with a status of its own."""

import json
from time import monotonic
from typing import Any

import pytest

from instep.cli import letters
from instep.cli.letters import Letters
from instep.cli.session import Session
from instep.domain import Difference
from instep.flow.envelope import Rejection
from instep.flow.inbox import Inbox
from instep.local.target import Target
from receipt_demo.items import label, metadata, run
from tests.support.items import Item, Paper, stream_record
from tests.unit.cli.conftest import RECEIPT, WORD, Cli

PAPER, OTHER, TENTH = Paper("a"), Paper("b"), Paper("a", 10)
WORDS = {"of the word": PAPER.word_id(2, 3), "of another word": PAPER.word_id(2, 4)}
WHOSE = (PAPER.line_id(2).rpartition("#LINE#")[0],)


def differs(collection: str, id_: str, field: str | None = None) -> Difference:
    return Difference(collection, id_, field, "a", "b", part_of=WHOSE)


DIFFERENCES = {
    **{name: differs("words", id_, "label_status") for name, id_ in WORDS.items()},
    "the word's merchant": differs("words", PAPER.word_id(2, 3), "place_id"),
    "the word itself": differs("words", PAPER.word_id(2, 3)),
    "the line's merchant": differs("lines", PAPER.line_id(2), "place_id"),
    "the line itself": differs("lines", PAPER.line_id(2)),
}
ALL = set(DIFFERENCES)
OF_THE_WORD = {"of the word", "the word's merchant", "the word itself"}
DELTAS = {"lines": "lines/delta/r1", "words": "words/delta/r1"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty answer of moto's is true at once."""
    monkeypatch.setattr(letters, "PATIENCE", 0)


def letter(cli: Cli, made: Item, reason: str = "a reason", collection: str | None = None) -> None:
    """Put the record of an item into the DLQ."""
    record = stream_record("MODIFY", made["PK"]["S"], made["SK"]["S"], new=made)
    refused = Rejection(record, reason, collection=collection)
    Inbox(cli.made.sqs, cli.made.inbox_url, cli.made.dlq_url).reject([refused], "execution-1")


def read(cli: Cli) -> Letters:
    return Letters.read(Session(Target.aws(), cli.deployment))


def explained(cli: Cli) -> set[str]:
    found = read(cli)
    return {name for name, difference in DIFFERENCES.items() if found.why(difference)}


@pytest.mark.parametrize(
    ("made", "collection", "explains"),
    [
        (PAPER.receipt(), None, ALL),
        (PAPER.metadata(), None, {"the word's merchant", "the line's merchant"}),
        (PAPER.place(), "lines", {"the line's merchant"}),
        (PAPER.line(2), None, {"the line's merchant", "the line itself"}),
        (PAPER.word(2, 3), None, OF_THE_WORD),
        (PAPER.label(2, 3, "a#LABEL#b", "VALID"), None, {"of the word"}),
        (PAPER.run(), None, set()),
        (OTHER.receipt(), None, set()),
        (TENTH.metadata(), None, set()),
    ],
)
def test_a_letter_explains_what_its_record_touches_and_no_more(
    cli: Cli, made: Item, collection: str | None, explains: set[str]
) -> None:
    letter(cli, made, "a reason", collection)
    assert explained(cli) == explains
    assert {read(cli).why(DIFFERENCES[name]) for name in explains} <= {"a reason"}


def test_a_run_is_explained_by_its_own_letter(cli: Cli) -> None:
    made = PAPER.run("r#1")
    key = f"{made['PK']['S']}#{made['SK']['S']}"
    letter(cli, made, "no collection in it", "words")
    found = read(cli)
    assert found.why_run(key, "words") == "no collection in it"
    assert found.why_run(key, "lines") is None
    assert found.why_run(f"{key}1", "words") is None


@pytest.mark.parametrize(
    "body",
    [
        "no json",
        "[]",
        "[" * 5000,
        '{"Records": 7}',
        '{"Records": [7, {"dynamodb": {"Keys": 7}}, {"body": "x"}]}',
        '{"Records": [{"delta_key": "a/", "collection": "words"}]}',
    ],
)
def test_a_letter_that_nobody_can_read_explains_nothing(cli: Cli, body: str) -> None:
    cli.made.sqs.send_message(QueueUrl=cli.made.dlq_url, MessageBody=body)
    assert explained(cli) == set()


@pytest.mark.parametrize("number", ["many", "9" * 5000, "-1"])
def test_a_letter_with_attributes_of_somebody_else_is_read_all_the_same(
    cli: Cli, number: str
) -> None:
    attempts = {"DataType": "String", "StringValue": number}
    cli.made.sqs.send_message(
        QueueUrl=cli.made.dlq_url,
        MessageBody=json.dumps({"Records": [stream_record("REMOVE", "IMAGE#a", PAPER.sk)]}),
        MessageAttributes={"attempts": attempts},
    )
    assert explained(cli) == ALL


def test_a_letter_of_another_spelling_explains_too(cli: Cli) -> None:
    """The queue's own redrive moves messages as they were sent: many records, in any shape."""
    data = {"image_id": "a", "receipt_id": 1, "line_id": 2, "word_id": 3, "label": "x"}
    message = {"entity_type": "RECEIPT_WORD_LABEL", "event_name": "MODIFY", "entity_data": data}
    wrapped = [
        7,
        {"body": json.dumps(message)},
        stream_record("REMOVE", "IMAGE#a", "RECEIPT#00010"),
    ]
    body = json.dumps({"Records": wrapped})
    cli.made.sqs.send_message(QueueUrl=cli.made.dlq_url, MessageBody=body)
    assert explained(cli) == {"of the word"}
    assert "received too often" in str(read(cli).why(DIFFERENCES["of the word"]))


def test_a_dlq_with_more_letters_than_are_looked_at_says_so_and_keeps_them(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        letter(cli, PAPER.label(9, 9, f"L{number}", "VALID"))
    found = read(cli)
    assert (found.looked_at, found.whole, found.shortfall()) == (30, True, None)
    monkeypatch.setattr(letters, "AT_MOST", 20)
    found = read(cli)
    assert (found.looked_at, found.whole) == (20, False)
    assert "only 20 letters of the DLQ" in str(found.shortfall())
    assert len(cli.made.messages(cli.made.dlq_url)) == 30


def both(cli: Cli) -> dict[str, Any]:
    """Run `verify` and `wait`, which must agree; return their status and documents."""
    found = {}
    for command in (["verify"], ["wait", "--timeout", "0"]):
        result = cli.run(*command, "--json")
        found[command[0]] = json.loads(result.stdout)
        found.setdefault("status", result.exit_code)
        assert result.exit_code == found["status"], result.output
    return found


@pytest.mark.usefixtures("heads")
def test_what_waits_in_the_dlq_is_told_apart_from_what_is_lost(cli: Cli) -> None:
    other = next(word for word in RECEIPT.words if word.label and word is not WORD)
    labelled = label(RECEIPT, WORD, str(WORD.label), "VALID")
    cli.put(labelled)
    assert both(cli)["status"] == 1
    reason = "no [bold]such[/bold] status"
    letter(cli, labelled, reason)
    found = both(cli)
    assert found["status"] == 4
    for document in (found["verify"], found["wait"]):
        assert document["in_step"] is False
        assert {one["waits_in_dlq"] for one in document["differences"]} == {reason}
        assert document["dlq"] == {"looked_at": 1, "whole": True}
    for shown in (cli.run("verify").stdout, cli.run("wait", "--timeout", "0").stderr):
        assert f"waits in the DLQ: {reason}" in " ".join(shown.split())
    cli.put(label(RECEIPT, other, str(other.label), "VALID"))
    assert both(cli)["status"] == 1


@pytest.mark.usefixtures("heads")
def test_a_run_that_waits_in_the_dlq_is_told_apart(cli: Cli) -> None:
    pending = run(RECEIPT, "r1", DELTAS) | {"lines_state": {"S": "COMPLETED"}}
    cli.put(pending)
    letter(cli, pending, "no collection in it", "words")
    result = cli.run("wait", "--timeout", "0", "--json")
    (missing,) = json.loads(result.stdout)["runs"]
    assert result.exit_code == 4
    assert (missing["state"], missing["waits_in_dlq"]) == ("PENDING", "no collection in it")
    cli.put(run(RECEIPT, "r2", DELTAS))
    assert cli.run("wait", "--timeout", "0").exit_code == 1


@pytest.mark.usefixtures("heads")
def test_nobody_waits_for_what_waits_in_the_dlq(cli: Cli) -> None:
    cli.put(metadata(RECEIPT, "Renamed"))
    letter(cli, metadata(RECEIPT, "Renamed"))
    began = monotonic()
    assert cli.run("wait", "--timeout", "250").exit_code == 4
    assert monotonic() - began < 100
