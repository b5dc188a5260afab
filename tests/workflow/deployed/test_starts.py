"""Whatever starts the workflow, the snapshot comes out the same."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from instep.app import DEFAULT_STACK
from tests.support.cloud import eventually
from tests.support.deployed import DeployedApp
from tests.support.items import record
from tests.support.receipts import Receipt

Start = Callable[[DeployedApp, list[dict[str, Any]]], None]


def by_console_with_stream_records(app: DeployedApp, records: list[dict[str, Any]]) -> None:
    assert app.run({"Records": records}).outcome.succeeded


def by_console_with_sqs_records(app: DeployedApp, records: list[dict[str, Any]]) -> None:
    wrapped = [
        {
            "messageId": f"message-{number}",
            "receiptHandle": "none",
            "body": json.dumps({"Records": [one]}),
            "attributes": {"ApproximateReceiveCount": "1"},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "awsRegion": "us-east-1",
        }
        for number, one in enumerate(records)
    ]
    assert app.run({"Records": wrapped}).outcome.succeeded


def by_schedule(app: DeployedApp, records: list[dict[str, Any]]) -> None:
    app.send(*records)
    app.schedule(enabled=True, expression="rate(1 minute)")
    try:
        app.drained()
    finally:
        app.schedule(enabled=False, expression="rate(5 minutes)")


def by_event(app: DeployedApp, records: list[dict[str, Any]]) -> None:
    app.send(*records)
    with app.triggers():
        detail = json.dumps({"stack": DEFAULT_STACK})
        entry = {"Source": "instep", "DetailType": "Compaction Requested", "Detail": detail}
        sent = app.target.client("events").put_events(Entries=[entry])
        assert sent["FailedEntryCount"] == 0
        app.drained()


def by_ingest(app: DeployedApp, records: list[dict[str, Any]]) -> None:  # noqa: ARG001
    """The table's own stream brings the records: the write alone starts a run."""
    with app.triggers():
        receipt = Receipt("ingest")
        app.put(*changes(receipt))
        eventually(lambda: arrived(app, receipt) == EXPECTED, "all of it arrives", timeout=60)
        app.drained()


STARTS: dict[str, Start] = {
    "console": by_console_with_stream_records,
    "console-sqs": by_console_with_sqs_records,
    "schedule": by_schedule,
    "event": by_event,
    "ingest": by_ingest,
}


EXPECTED: dict[str, dict[str, dict[str, Any]]] = {
    "words": {
        "WORD#00001": {
            "merchant_name": "Corner Shop",
            "place_id": "place-1",
            "label_status": "validated",
            "valid_labels": ",TOTAL,",
        },
        "WORD#00002": {
            "merchant_name": "Corner Shop",
            "place_id": "place-1",
            "label_status": "auto_suggested",
            "label_proposed_by": "test",
        },
    },
    "lines": {"LINE#00001": {"merchant_name": "Corner Shop", "place_id": "place-1"}},
}


def changes(receipt: Receipt) -> list[dict[str, Any]]:
    return [
        receipt.metadata(merchant_name="corner SHOP", place_id="place-1"),
        receipt.label(1, "TOTAL", "VALID"),
        receipt.label(2, "DATE", "PENDING"),
    ]


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS.keys())
def test_every_start_ends_in_the_same_snapshot(start: Start, app: DeployedApp) -> None:
    image = next(name for name, known in STARTS.items() if known is start)
    receipt = Receipt(image)
    app.seed(receipt)
    if start is not by_ingest:
        app.change(*changes(receipt))
        app.empty_queues()  # the same changes arrive by the start under test alone

    start(app, [record(item) for item in changes(receipt)])

    assert arrived(app, receipt) == EXPECTED


def arrived(app: DeployedApp, receipt: Receipt) -> dict[str, dict[str, dict[str, Any]]]:
    """What the changes left on the embeddings, by the end of their ids."""
    shown = {"merchant_name", "place_id", "label_status", "valid_labels", "label_proposed_by"}
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for collection in ("words", "lines"):
        found[collection] = {}
        for id_, metadata in sorted(app.embeddings(collection, receipt.prefix).items()):
            carried = {key: metadata[key] for key in sorted(shown & set(metadata)) if metadata[key]}
            if collection == "lines" or "label_status" in carried:
                name = "#".join(id_.split("#")[-2:])
                found[collection][name] = carried
    return found
