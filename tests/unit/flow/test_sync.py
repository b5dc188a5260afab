"""A table gone through piece by piece: complete, from wherever it stopped, and never past its room.

Moto divides a table into segments and pages as DynamoDB does.
"""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instep.clock import utc_now
from instep.flow import sync
from instep.flow.inbox import Inbox
from instep.flow.recheck import Recheck, named_by
from instep.flow.sync import Segment, Step, Syncing, Then, segments
from receipt_domain import DOMAIN
from tests.support.aws import ENTITIES, Services
from tests.support.items import Item, Paper, item
from tests.support.tables import Cloud

WORDS = [Paper("i").word(1, word) for word in range(1, 31)]
OTHERS = [Paper("i").receipt(), *(Paper("i").line(line) for line in range(1, 4))]
NOBODYS = [item("IMAGE#i", f"RECEIPT#00001#SECTION#{at}", "SECTION") for at in range(20)]
FAR = timedelta(minutes=5)


@pytest.fixture
def table(aws: Services) -> Cloud:
    cloud = Cloud(aws)
    cloud.put(*WORDS, *OTHERS, *NOBODYS)
    return cloud


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages and pieces of a few items."""
    monkeypatch.setattr(sync, "PAGE", 4)
    monkeypatch.setattr(sync, "PIECE", 6)


def syncing(aws: Services, embeddings: int = 0) -> Syncing:
    inbox = Inbox(aws.sqs, aws.inbox_url, aws.dlq_url)
    return Syncing(DOMAIN, aws.dynamodb, ENTITIES, inbox, lambda _: embeddings)


def go_on(made: Syncing, at: Segment, collections: tuple[str, ...] = ("lines", "words")) -> Step:
    """One piece, its segment carried as JSON."""
    carried = Segment.from_payload(json.loads(json.dumps(at.to_payload())))
    return made.step(carried, collections, utc_now() + FAR)


def sent(aws: Services) -> list[tuple[str | None, Any]]:
    """Take what the inbox holds, as a runner does: each record with the collection it is for."""
    messages = aws.messages(aws.inbox_url)
    for message in messages:
        aws.sqs.delete_message(QueueUrl=aws.inbox_url, ReceiptHandle=message["ReceiptHandle"])
    return [
        (
            message.get("MessageAttributes", {}).get("collection", {}).get("StringValue"),
            record,
        )
        for message in messages
        for record in json.loads(message["Body"])["Records"]
    ]


def keys(records: list[tuple[str | None, Any]]) -> Counter[str]:
    return Counter(one["dynamodb"]["Keys"]["SK"]["S"] for _, one in records if "dynamodb" in one)


def all_keys(*items: Item) -> set[str]:
    return {one["SK"]["S"] for one in items}


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("of", [1, 3])
def test_every_item_of_interest_is_signalled_once(table: Cloud, of: int) -> None:
    made, ends = syncing(table.aws, embeddings=1), []
    records: list[tuple[str | None, Any]] = []
    for at in segments(of):
        step = Step(at, Then.PIECE)
        while step.then is not Then.DONE:
            step = go_on(made, step.segment)
            records += sent(table.aws)
        ends.append(step.segment)
    found = keys(records)
    assert set(found) == all_keys(*WORDS, *OTHERS)
    assert set(found.values()) == {1}
    assert sum(end.seen for end in ends) == len(WORDS) + len(OTHERS) + len(NOBODYS)
    rechecks = [Recheck.read(one) for _, one in records if "dynamodb" not in one]
    shares = [Recheck(name, at, of) for at in range(of) for name in ("lines", "words")]
    assert rechecks == shares


@pytest.mark.usefixtures("short")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=5)
@given(deaths=st.sets(st.integers(0, 12)))
def test_a_piece_may_die_and_be_repeated(table: Cloud, deaths: set[int]) -> None:
    """What it sent is there, its answer is lost: the workflow has the place it began at."""
    made, step, piece = syncing(table.aws, embeddings=400), Step(Segment(0, 1), Then.PIECE), 0
    records: list[tuple[str | None, Any]] = []
    while step.then is not Then.DONE:
        again = go_on(made, step.segment)
        assert again.segment.waits == 0
        records += sent(table.aws)
        step = step if piece in deaths else again
        piece += 1
    assert set(keys(records)) == all_keys(*WORDS, *OTHERS)
    rechecks = {str(Recheck.read(one)) for _, one in records if "dynamodb" not in one}
    assert rechecks == {str(Recheck(name, at, 8)) for name in ("lines", "words") for at in range(8)}


def test_nothing_is_sent_while_the_inbox_is_full(
    table: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "FULL", 2)
    made = syncing(table.aws)
    monkeypatch.setattr(sync, "TAKEN", 2)
    for _ in range(3):
        made.inbox.send([{"live": "change"}])
    pauses, step = [], Step(Segment(0, 1), Then.PIECE)
    for _ in range(20):
        step = go_on(made, step.segment)
        pauses.append(step.pause)
        assert (step.then, step.segment.seen) == (Then.WAIT, 0)
    assert pauses == sorted(pauses)
    assert pauses[-1] == 60
    assert len(table.aws.messages(table.aws.inbox_url)) == 3, "in flight now, and still there"
    assert go_on(made, step.segment).then is Then.WAIT
    table.aws.sqs.purge_queue(QueueUrl=table.aws.inbox_url)
    step = go_on(made, step.segment)
    assert (step.then, step.segment.waits) == (Then.DONE, 0)


@pytest.mark.usefixtures("short")
def test_one_collection_gets_what_feeds_it_alone(table: Cloud) -> None:
    made, step = syncing(table.aws, embeddings=1), Step(Segment(0, 1), Then.PIECE)
    records: list[tuple[str | None, Any]] = []
    while step.then is not Then.DONE:
        step = go_on(made, step.segment, ("words",))
        records += sent(table.aws)
    assert set(keys(records)) == all_keys(*WORDS, Paper("i").receipt())
    assert {to for to, one in records if "dynamodb" in one} == {"words"}
    assert [Recheck.read(one) for _, one in records if "dynamodb" not in one] == [
        Recheck("words", 0, 1)
    ]


@pytest.mark.usefixtures("short")
def test_a_piece_ends_with_its_time_also_where_nothing_matters(table: Cloud) -> None:
    table.delete(*WORDS, *OTHERS)
    made = syncing(table.aws)
    over = made.step(Segment(0, 1), ["lines", "words"], datetime.min.replace(tzinfo=UTC))
    assert (over.segment.seen, over.then) == (4, Then.PIECE)
    whole = go_on(made, over.segment)
    assert whole.segment.seen == len(NOBODYS)


def test_a_table_without_items_is_through_at_once(aws: Services) -> None:
    made = syncing(aws)
    step = go_on(made, Segment(1, 2))
    assert (step.then, step.segment.seen, sent(aws)) == (Then.DONE, 0, [])


def test_ids_are_sent_a_message_a_part(aws: Services) -> None:
    """So that the inbox's depth says how much work it holds."""
    made, step = syncing(aws, embeddings=6_000), Step(Segment(0, 1), Then.PIECE)
    while step.segment.parts is None:
        step = go_on(made, step.segment)
    step = go_on(made, step.segment)
    assert len(aws.messages(aws.inbox_url)) == 15
    assert (step.segment.part, step.then) == (15, Then.WAIT), "the inbox is full: no need to ask"


IDS_CARRIED = st.sets(st.text(min_size=1), max_size=60)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(ids=IDS_CARRIED, carried=st.lists(st.integers(1, 400), min_size=1, max_size=4))
def test_whatever_each_segment_finds_carried_every_id_is_sent_once(
    aws: Services, ids: set[str], carried: list[int]
) -> None:
    """They come to the ids at different times, and the collection grows meanwhile."""
    rechecks = []
    for at, embeddings in zip(segments(len(carried)), carried, strict=True):
        made, step = syncing(aws, embeddings), Step(at, Then.PIECE)
        while step.then is not Then.DONE:
            step = go_on(made, step.segment, ("words",))
            rechecks += [Recheck.read(one) for _, one in sent(aws)]
    assert sorted(named_by(filter(None, rechecks), ids)) == sorted(ids)
    assert len({str(one) for one in rechecks}) == len(rechecks)


def test_what_carried_nothing_when_it_began_holds_nothing_that_the_table_does_not_know(
    table: Cloud,
) -> None:
    """A new store: what it carries by the end was looked up since."""
    now = {"lines": 3, "words": 0}
    inbox = Inbox(table.aws.sqs, table.aws.inbox_url, table.aws.dlq_url)
    made = Syncing(DOMAIN, table.aws.dynamodb, ENTITIES, inbox, lambda name: now[name])
    step = Step(Segment(0, 1), Then.PIECE)
    while step.then is not Then.DONE:
        step = go_on(made, step.segment)
        now["words"] = 30
    rechecks = [Recheck.read(one) for _, one in sent(table.aws) if "dynamodb" not in one]
    assert rechecks == [Recheck("lines", 0, 1)]


@pytest.mark.usefixtures("short")
def test_behind_a_whole_piece_others_have_their_turn(table: Cloud) -> None:
    """To go on at once would cost states for nothing: the inbox is about full."""
    step = go_on(syncing(table.aws), Segment(0, 1))
    assert (step.then, step.pause, step.segment.waits) == (Then.WAIT, sync.DELAYS[0], 0)


def test_beside_live_changes_of_ten_seconds_there_is_room(
    table: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change a message, as ingest sends them at a steady rate."""
    monkeypatch.setattr(sync, "FULL", 10)
    inbox = Inbox(table.aws.sqs, table.aws.inbox_url, table.aws.dlq_url)
    for _ in range(20):
        inbox.send([{"live": "change"}])
    often, seldom = (
        Syncing(DOMAIN, table.aws.dynamodb, ENTITIES, inbox, lambda _: 0, pace=pace)
        for pace in (2, 10)
    )
    waits = go_on(often, Segment(0, 1))
    assert (waits.then, waits.pause, waits.segment.seen) == (Then.WAIT, sync.DELAYS[0], 0)
    assert go_on(seldom, Segment(0, 1)).segment.seen == len(WORDS) + len(OTHERS) + len(NOBODYS)
    for _ in range(40):
        inbox.send([{"live": "change"}])
    full = go_on(seldom, Segment(0, 1))
    assert (full.then, full.pause) == (Then.WAIT, 5), "a round begins within ten"
