"""What a call on the wire is billed as."""

import json

import pytest

from benchmarks.wire_usage import CountingProxy, Use, billed_as, total
from instep.local.wire import AwsCall


def call(service: str, operation: str, body: object = None, function: str = "f") -> AwsCall:
    encoded = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    return AwsCall(service, operation, "/", encoded, function, None)


def consumed(units: object) -> bytes:
    return json.dumps({"ConsumedCapacity": units}).encode()


@pytest.mark.parametrize(
    ("operation", "item"),
    [
        ("PutObject", "s3_put"),
        ("ListObjectsV2", "s3_put"),
        ("GetObject", "s3_get"),
        ("HeadObject", "s3_get"),
    ],
)
def test_s3_has_two_classes_of_requests(operation: str, item: str) -> None:
    assert billed_as(call("s3", operation), b"") == (item, 1)


def test_a_delete_is_free() -> None:
    assert billed_as(call("s3", "DeleteObject"), b"") is None
    assert billed_as(call("s3", "DeleteObjects"), b"") is None


def test_dynamodb_says_what_it_consumed_and_a_refused_condition_is_one_unit() -> None:
    query = call("dynamodb", "Query", {"TableName": "t"})
    assert billed_as(query, consumed({"CapacityUnits": 2.5})) == ("dynamodb_read", 2.5)
    batch = call("dynamodb", "BatchGetItem", {"RequestItems": {"t": {}}})
    tables = [{"CapacityUnits": 3.0}, {"CapacityUnits": 1.0}]
    assert billed_as(batch, consumed(tables)) == ("dynamodb_read", 4.0)
    refused = b'{"__type": "ConditionalCheckFailedException"}'
    assert billed_as(call("dynamodb", "UpdateItem"), refused) == ("dynamodb_write", 1.0)


def test_queue_and_bus_are_billed_by_64_kb() -> None:
    assert billed_as(call("sqs", "SendMessage", b"x" * 70_000), b"{}") == ("sqs", 2)
    assert billed_as(call("sqs", "ReceiveMessage"), b"x" * 140_000) == ("sqs", 3)
    entries = {"Entries": [{"Detail": "a"}, {"Detail": "b" * 70_000}]}
    assert billed_as(call("events", "PutEvents", entries), b"{}") == ("events", 3)


def test_the_proxy_asks_dynamodb_what_a_call_consumed_and_leaves_all_others_as_they_are() -> None:
    proxy = CountingProxy()
    with proxy:
        asked = json.loads(proxy.passed_on(call("dynamodb", "Query", {"TableName": "t"})))
        assert asked == {"TableName": "t", "ReturnConsumedCapacity": "TOTAL"}
        put = call("s3", "PutObject", b"\x00pack")
        assert proxy.passed_on(put) == b"\x00pack"


def test_the_proxy_notes_who_used_what_of_which_table() -> None:
    proxy = CountingProxy()
    with proxy:
        batch = call("dynamodb", "BatchGetItem", {"RequestItems": {"entities": {}}}, "apply")
        proxy.answered(batch, consumed([{"CapacityUnits": 7.0}]))
        proxy.answered(call("s3", "DeleteObject"), b"")
    (use,) = proxy.uses
    assert (use.function, use.item, use.amount, use.table) == (
        "apply",
        "dynamodb_read",
        7.0,
        "entities",
    )
    assert proxy.used(use.at, use.at + 1) == [use]
    assert proxy.used(use.at - 1, use.at) == []


def test_uses_are_summed_by_item_each_by_its_share() -> None:
    uses = [Use(0, "ingest", "sqs", 4), Use(0, "parse", "sqs", 1), Use(0, "parse", "s3_put", 2)]
    shares = {"ingest": 0.5}
    assert total(uses, lambda use: shares.get(use.function, 1.0)) == {"sqs": 3.0, "s3_put": 2.0}
