"""Whatever is sent or rejected, SQS takes it: to the byte, every letter, and its neighbours too."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instep.flow.encoding import Json, cut, encode, size_of
from instep.flow.envelope import RECORDS_PER_MESSAGE, Delivery, Rejection, unpack
from instep.flow.inbox import Inbox
from instep.flow.outgoing import CALL_BYTES, ENTRIES_PER_CALL, MESSAGE_BYTES, Outgoing, in_calls
from instep.flow.screening import screen
from receipt_domain import DOMAIN
from receipt_dynamo_stream import parse_record
from tests.support.items import Paper, record
from tests.support.queues import MEBIBYTE, StrictQueues, read, weigh

SURROGATE, NONCHARACTER = "\ud800", "\uffff"
HEALTHY = record(Paper().label(1, 1, "TOTAL", "VALID"))


def over(queues: Any) -> Inbox:
    return Inbox(queues, "inbox", "dlq")


def nested(levels: int) -> dict[str, Any]:
    value: Any = "core"
    for _ in range(levels):
        value = [value]
    return {"deep": value}


texts = st.text(
    alphabet=st.one_of(
        st.characters(),  # surrogates too
        st.sampled_from('"\\\x00\x1f\x7f\ufffe\uffff\u9818\U0001f600'),
    ),
    max_size=40,
)
stretched = st.builds(lambda text, times: text * times, texts, st.sampled_from([1, 1, 50, 20_000]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | stretched,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
records = st.one_of(
    st.dictionaries(texts, values, max_size=4),
    values,
    st.builds(lambda value: {"body": json.dumps(value)}, values),
    st.sampled_from(
        [nested(90), nested(5_000), {"x": [{}] * 200_000}, {"x": list(range(300_000))}]
    ),
)


@pytest.mark.invariant(1)
@settings(max_examples=settings().max_examples // 3)
@given(st.lists(records, min_size=1, max_size=6), texts, st.booleans())
def test_any_record_can_be_rejected_and_stays_readable(
    given_: list[Any], reason: str, whole: bool
) -> None:
    queues = StrictQueues(whole)
    rejections = [Rejection(one, reason, 3, "m-1", reason) for one in given_]
    assert over(queues).reject(rejections, reason) == len(given_)
    assert len(queues.held["dlq"]) == len(given_)
    assert max(queues.calls) <= MEBIBYTE
    for message in queues.held["dlq"]:
        ((_,), attributes) = read(message)
        assert attributes["reason"]
        assert attributes["attempts"] == "3"


@pytest.mark.invariant(1)
@settings(max_examples=settings().max_examples // 3)
@given(st.lists(records, min_size=1, max_size=6), st.booleans())
def test_any_record_can_be_sent_and_none_is_lost(given_: list[Any], whole: bool) -> None:
    queues = StrictQueues(whole)
    numbered = [{"n": at, "given": one} for at, one in enumerate(given_)]
    over(queues).send(numbered, collection="words", attempts=1, error="boom", delay=900)
    assert max(queues.calls) <= MEBIBYTE
    sent = [one for message in queues.held["inbox"] for one in read(message)[0]]
    dead = [one for message in queues.held["dlq"] for one in read(message)[0]]
    assert sorted(one["n"] for one in [*sent, *dead]) == list(range(len(given_)))
    for message in queues.held["dlq"]:
        assert read(message)[1]["reason"].startswith("SQS does not take it")


@settings(max_examples=settings().max_examples // 3)
@given(st.lists(st.tuples(stretched, texts), max_size=40))
def test_a_weight_is_what_sqs_counts_and_calls_are_as_full_as_they_may_be(
    given_: list[tuple[str, str]],
) -> None:
    messages = [
        Outgoing([encode({"text": text})], {"reason": "ü" + repr(reason), "attempts": 12})
        for text, reason in given_
    ]
    fitting = [one for one in messages if not one.is_too_large]
    for one in messages:
        assert one.weight == weigh(one.entry(0))
        assert one.is_too_large is (one.weight > MEBIBYTE)
    calls = list(in_calls(fitting))
    assert [one for call in calls for one in call] == fitting
    weights = [[one.weight for one in call] for call in calls]
    assert all(sum(call) <= CALL_BYTES and len(call) <= ENTRIES_PER_CALL for call in weights)
    for call, following in pairwise(weights):
        assert len(call) == ENTRIES_PER_CALL or sum(call) + following[0] > CALL_BYTES


@given(values)
def test_what_is_encoded_reads_back_as_it_was(value: Any) -> None:
    text = encode({"value": value})
    assert Outgoing([text], {}).entry(0)["MessageBody"] == f'{{"Records":[{text}]}}'
    assert json.dumps(json.loads(text)) == json.dumps({"value": value})


def test_text_travels_as_utf_8_and_only_what_sqs_refuses_is_escaped() -> None:
    text = encode({"a": f"領\U0001f600\x7f{SURROGATE}{NONCHARACTER}\x00\n"})
    assert text == '{"a":"領\U0001f600\x7f\\ud800\\uffff\\u0000\\n"}'


def test_a_message_of_exactly_a_mebibyte_is_sent_whole_and_one_byte_more_is_cut() -> None:
    empty = Outgoing([encode({"t": ""})], {"reason": "r", "attempts": 0}).weight
    for more, is_cut in ((0, False), (1, True)):
        queues = StrictQueues()
        text = "x" * (MESSAGE_BYTES - empty + more)
        over(queues).reject([Rejection({"t": text}, "r")], None)
        ((found,), _) = read(queues.held["dlq"][0])
        assert ("cut" in found) is is_cut
        assert is_cut or queues.calls == [MEBIBYTE]


def poisoned(text: str) -> dict[str, Any]:
    """A change of merchant whose place is of a wrong type, beside a text that nobody mirrors."""
    paper, wrong = Paper(), {"B": "AQ=="}
    old = {**paper.metadata(merchant_name="a", raw_text=text), "place_id": wrong}
    new = {**paper.metadata(merchant_name="b", raw_text=text), "place_id": wrong}
    return record(new, old)


@pytest.mark.domain("bad-record")
@pytest.mark.invariant(1)
@pytest.mark.parametrize("letter", ["x", "領", "é", "\U0001f600", '"', "\x00", "\\", SURROGATE])
def test_a_poison_record_of_any_text_is_in_the_dlq_with_its_keys_and_what_is_wrong(
    letter: str,
) -> None:
    bytes_a_letter = len(letter.encode("utf-8", "surrogatepass"))
    poison = poisoned(letter * (390_000 // bytes_a_letter))
    screened = screen([HEALTHY, poison, HEALTHY], DOMAIN)
    queues = StrictQueues()
    inbox = over(queues)
    assert inbox.reject(screened.poison, "ingest") == 1
    assert inbox.send(screened.kept) == 1
    ((found,), attributes) = read(queues.held["dlq"][0])
    assert "place_id" in attributes["reason"]
    assert found["dynamodb"]["Keys"] == poison["dynamodb"]["Keys"]
    assert found["dynamodb"]["NewImage"]["place_id"] == {"B": "AQ=="}
    assert found["dynamodb"]["NewImage"]["merchant_name"] == {"S": "b"}
    assert found["cut"]["bytes"] == size_of(encode(poison))
    assert len(queues.held["inbox"]) == 1


@pytest.mark.invariant(1)
@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"message": "領" * 300_000}, ensure_ascii=False),
        json.dumps({"message": '"' * 500_000}),
        json.dumps({"message": "\x01" * 170_000}),
        '"' * 1_000_000,
        "\t" * MEBIBYTE,
        "[" * 5_000,
        "\U0001f600" * (MEBIBYTE // 4),
    ],
    ids=["cjk", "quotes", "controls", "no json", "tabs", "brackets", "emoji"],
)
def test_a_foreign_body_of_any_text_is_in_the_dlq_with_its_two_ends(body: str) -> None:
    (found,) = unpack(Delivery("m", "h", body, {"own": "attribute"}, 0))
    queues = StrictQueues()
    over(queues).reject([Rejection(found, "unknown keys")], "run")
    ((dead,), _) = read(queues.held["dlq"][0])
    assert dead["messageId"] == "m"
    if "cut" in dead:
        assert dead["body"].startswith(body[:2000])
        assert dead["body"].endswith(body[-2000:])
        assert dead["cut"] == {"bytes": size_of(encode(found)), "sha256": dead["cut"]["sha256"]}
    else:
        assert dead["body"] == body


def test_a_large_signal_that_no_message_can_carry_lies_in_the_dlq_and_its_neighbours_go_on() -> (
    None
):
    queues = StrictQueues()
    large = {**HEALTHY, "eventID": "e" * MEBIBYTE}
    assert over(queues).send([HEALTHY, large, HEALTHY], attempts=2, error="boom") == 2
    ((dead,), attributes) = read(queues.held["dlq"][0])
    assert attributes["reason"] == "SQS does not take it (it is larger than a message): boom"
    assert attributes["attempts"] == "2"
    assert parse_record(dead)  # cut, it still says what changed


def test_a_cut_is_marked_with_what_it_was_and_keeps_the_first_members() -> None:
    many = {"first": 1, "list": list(range(500)), **{str(at): at for at in range(500)}}
    found = json.loads(cut({"dynamodb": {"Keys": {"PK": {"S": "p" * 2048}}}, "m": many}, 100_000))
    assert found["dynamodb"]["Keys"]["PK"]["S"] == "p" * 2048
    assert found["m"]["first"] == 1
    assert found["m"]["list"][-1] == "… 244 more"
    assert found["m"]["…"] == "246 more"
    assert set(found["cut"]) == {"bytes", "sha256"}


def test_a_record_that_is_no_object_is_cut_under_a_name() -> None:
    found = json.loads(cut(Json(json.dumps("x" * 9_000)), 10_000))
    assert found["record"] == "x" * 2048 + "…" + "x" * 2048


def test_packed_messages_hold_fifty() -> None:
    queues = StrictQueues()
    over(queues).send([{"n": at} for at in range(RECORDS_PER_MESSAGE + 1)])
    assert [len(read(one)[0]) for one in queues.held["inbox"]] == [50, 1]
