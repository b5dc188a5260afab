"""What a person watching sees of a run: log messages, metrics and annotations of the contract."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from instep.aws.objects import Objects
from instep.clock import utc_now
from instep.errors import LeaseLost, StorageUnavailable
from instep.lambda_.telemetry import logger, tracer
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.format.head import Head
from tests.support.arrivals import RECEIPT, arrive
from tests.support.aws import BUCKET
from tests.support.items import item
from tests.support.marks import ROOT
from tests.support.pipeline import Pipeline

CONTRACT = (ROOT / "docs" / "domain.md").read_text()
OURS = [ROOT / "src" / "instep", *(ROOT / "receipts").glob("receipt_*")]
BOUNDED = {"service", "stack", "collection"}


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Where the logger's lines go."""
    stream = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    return stream


def said(lines: io.StringIO) -> list[str]:
    return [json.loads(line)["message"] for line in lines.getvalue().splitlines()]


def emf_lines(captured: str) -> Iterator[dict[str, Any]]:
    """Every EMF line, held to the contract."""
    for line in captured.splitlines():
        emf = json.loads(line)
        (described,) = emf["_aws"]["CloudWatchMetrics"]
        assert described["Namespace"] == "EmbeddingWorkflow"
        assert {name for names in described["Dimensions"] for name in names} <= BOUNDED
        assert {metric["Unit"] for metric in described["Metrics"]} == {"Count"}
        yield emf


def measured(captured: str) -> dict[str, float]:
    """Sum the metrics that are counts."""
    sums: dict[str, float] = {}
    for emf in emf_lines(captured):
        for metric in emf["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
            if "collection" not in emf:
                sums[metric["Name"]] = sums.get(metric["Name"], 0) + sum(emf[metric["Name"]])
    return sums


def gauged(captured: str, kind: str = "SnapshotLag") -> dict[str, dict[str, float]]:
    """The metrics of this kind of each collection; of several values the last."""
    found: dict[str, dict[str, float]] = {}
    for emf in emf_lines(captured):
        for metric in emf["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
            if "collection" in emf and metric["Name"].startswith(kind):
                of_collection = found.setdefault(emf["collection"], {})
                of_collection[metric["Name"]] = emf[metric["Name"]][-1]
    return found


def test_a_line_says_which_execution_it_is_of_and_nothing_that_its_group_says(
    pipeline: Pipeline, lines: io.StringIO
) -> None:
    arrive(pipeline)
    pipeline.run(execution="run-7")
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    calls = [line for line in found if line["message"] == "Call ended"]
    assert {line.get("correlation_id") for line in calls} == {"run-7", None}, "None is ingest's"
    for line in found:
        assert not {"function_arn", "function_memory_size"} & line.keys()


@pytest.mark.domain("log-messages")
def test_a_run_tells_its_story_in_the_contracts_words(
    pipeline: Pipeline, lines: io.StringIO
) -> None:
    arrive(pipeline)
    pipeline.aws.sqs.send_message(QueueUrl=pipeline.aws.inbox_url, MessageBody="noise")
    pipeline.run()
    story = ["Processing collection", "Snapshot downloaded", "Updates applied", "Snapshot uploaded"]
    told = said(lines)
    assert [message for message in told if message in story] == [*story, *story]
    assert "Failed to parse SQS message" in told


@pytest.mark.domain("log-messages", "wrong-answer", "wrong-acknowledged")
def test_what_fails_is_told_in_the_contracts_words_and_goes_up(
    pipeline: Pipeline, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(pipeline)

    def down(*_: Any, **__: Any) -> Any:
        raise StorageUnavailable("S3 is down")

    def lost(*_: Any, **__: Any) -> Any:
        raise LeaseLost("words", "run", "another holds it")

    with monkeypatch.context() as patch:
        patch.setattr("instep.snapshot.copy.store.SnapshotStore.head", down)
        assert not pipeline.run().succeeded
    assert {"Snapshot download failed", "Collection processing failed"} <= set(said(lines))
    pipeline.aws.outlast_visibility()
    with monkeypatch.context() as patch:
        patch.setattr("instep.flow.lease.LeaseTable.confirm", lost)
        assert pipeline.run().outcomes[0] == {"lines": "deferred", "words": "deferred"}
    assert {"Failed to acquire lock for snapshot upload", "Snapshot upload failed"} <= set(
        said(lines)
    )


@pytest.mark.domain("emf", "metric-names")
def test_a_run_is_measured_in_the_contracts_names(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    arrive(pipeline)
    pipeline.run()
    found = measured(capsys.readouterr().out)
    vary = ("Duration", "Time", "Behind", "Memory", "Bytes")
    assert {name: found[name] for name in found if not any(part in name for part in vary)} == {
        "StreamRecordsReceived": 9,
        "StreamRecordsProcessed": 9,
        "StreamRecordsSkipped": 0,
        "MessagesGenerated": 9,
        "MessagesQueued": 1,
        "SQSMessagesFailed": 0,
        "CompactionRecordsReceived": 9,
        "CompactionStreamMessage": 10,
        "CompactionCollectionUpdatesProcessed": 7,  # the six arrivals are one a collection
        "CompactionDeltaMergeError": 0,
        "CompactionDeltaMergeCount": 2,
        "CompactionDeltasMergedCount": 5,
        "CompactionVersionsPublished": 2,
        "CompactionLambdaSuccess": 12,  # the last finds the inbox empty
    }
    assert {"CompactionLockDuration", "CompactionLockWaitTime", "ProcessingDurationMs"} <= set(
        found
    )
    assert found["CompactionBytesPublished"] > 0


@pytest.mark.domain("emf", "our-metric-names")
def test_the_lag_of_a_round_is_measured_by_collection_and_is_what_head_says(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    records = arrive(pipeline)
    pipeline.run()
    found = gauged(capsys.readouterr().out)
    assert set(found) == {"lines", "words"}
    heads = {name: head_of(pipeline, name) for name in found}
    for name, head in heads.items():
        assert head.lag is not None
        assert found[name] == {
            "SnapshotLagP50Ms": head.lag.p50_ms,
            "SnapshotLagP95Ms": head.lag.p95_ms,
            "SnapshotLagMaxMs": head.lag.max_ms,
        }
        made = [each["dynamodb"]["ApproximateCreationDateTime"] for each in records]
        assert head.freshness.watermark is not None
        assert head.freshness.watermark.timestamp() in made
    # Again, and nothing differs: what it would have brought was visible before.
    pipeline.ingest(records)
    run = pipeline.run()
    assert run.outcomes == [{"lines": "applied", "words": "applied"}]
    assert gauged(capsys.readouterr().out) == {}
    assert {name: head_of(pipeline, name) for name in found} == heads


@pytest.mark.domain("our-metric-names")
def test_a_look_tells_how_old_the_oldest_change_is_that_is_still_to_be_applied(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And tells it again, older, when the work on it failed."""
    records = [dict(record) for record in arrive(pipeline)]
    pipeline.aws.sqs.purge_queue(QueueUrl=pipeline.aws.inbox_url)
    made = utc_now().timestamp() - 600
    for record in records:
        record["dynamodb"] = {**record["dynamodb"], "ApproximateCreationDateTime": made}
    pipeline.ingest(records)

    def down(*_: Any, **__: Any) -> Any:
        raise StorageUnavailable("S3 is down")

    with monkeypatch.context() as patch:
        patch.setattr("instep.snapshot.copy.store.SnapshotStore.head", down)
        assert not pipeline.run().succeeded
    first = capsys.readouterr().out
    told = gauged(first, "HeadBehind")
    assert set(told) == {"lines", "words"}
    assert all(600 <= each["HeadBehindSeconds"] < 660 for each in told.values())
    pipeline.aws.outlast_visibility()
    pipeline.run()
    again = capsys.readouterr().out
    assert all(
        each["HeadBehindSeconds"] >= told[name]["HeadBehindSeconds"]
        for name, each in gauged(again, "HeadBehind").items()
    )
    assert measured(again)["HeadBehindSeconds"] >= 600
    assert measured(again)["CompactionVersionsPublished"] == 2
    pipeline.run()
    assert "HeadBehindSeconds" not in measured(capsys.readouterr().out), "nothing waits any more"


def head_of(pipeline: Pipeline, collection: str) -> Head:
    head = SnapshotStore(Objects(pipeline.aws.s3, BUCKET), collection).head()
    assert head is not None
    return head


@pytest.mark.domain("ignored-and-counted", "bad-record")
def test_what_shares_the_partition_is_ignored_and_counted_by_the_queue_and_by_the_console(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    word = RECEIPT.items()[-1]
    pk, sk = word["PK"]["S"], word["SK"]["S"]
    others = [
        item(pk, f"{sk}#LETTER#00001", "RECEIPT_LETTER"),
        item(pk, "RECEIPT#00001#SECTION#HEADER", "RECEIPT_SECTION"),
        item(pk, "RECEIPT#00001#SUMMARY", "RECEIPT_SUMMARY"),
        item(pk, "RECEIPT#00001#ROW#00001", "RECEIPT_ROW"),
        item(pk, "RECEIPT#00001#LINE_ITEM#00001", "RECEIPT_LINE_ITEM"),
        item(pk, "RECEIPT#00001#SPATIAL_ANALYSIS", "RECEIPT_SPATIAL_ANALYSIS"),
        item(pk, "LINE#00001", "LINE"),
        item("PLACE#1", "RECEIPT#00001", "RECEIPT"),
    ]
    records = pipeline.put(*others)
    assert pipeline.ingest(records) == {"queued": 0, "rejected": 0}
    assert measured(capsys.readouterr().out)["StreamRecordsSkipped"] == len(others)
    run = pipeline.run({"Records": records})
    assert (run.succeeded, run.outcomes) == (True, [])
    assert measured(capsys.readouterr().out)["StreamRecordsSkipped"] == len(others)
    assert pipeline.rejected() == []


@pytest.mark.domain("signal")
def test_the_changes_of_a_message_are_logged_for_who_asks(
    pipeline: Pipeline, lines: io.StringIO
) -> None:
    old, new = RECEIPT.metadata(merchant_name="old"), RECEIPT.metadata(merchant_name="new")
    pipeline.put(old)
    records = pipeline.put(new)
    logger.setLevel("DEBUG")
    try:
        pipeline.run({"Records": records})
    finally:
        logger.setLevel("INFO")
    told = [json.loads(line) for line in lines.getvalue().splitlines()]
    (signal,) = [line for line in told if line["message"] == "signal"]
    assert signal["changes"] == {"merchant_name": {"old": "old", "new": "new"}}


@pytest.mark.domain("x-ray")
def test_each_function_annotates_its_trace(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[tuple[str, str]] = []
    monkeypatch.setattr(tracer, "put_annotation", lambda key, value: noted.append((key, value)))
    arrive(pipeline)
    pipeline.run()
    assert {value for key, value in noted if key == "function"} == {
        "ingest",
        "parse_batch",
        "acquire_lock",
        "apply_updates",
        "upload_snapshot",
        "release_lock",
        "settle_batch",
    }
    assert {key for key, _ in noted} == {"function", "module"}


def sources() -> Iterator[Path]:
    return (path for folder in OURS for path in folder.rglob("*.py"))


@pytest.mark.domain("metric-names", "our-metric-names")
def test_every_metric_of_the_contract_is_counted_and_no_other() -> None:
    rows = re.findall(r'<a id="(?:our-)?metric-names"></a>(.*?)\n- ', CONTRACT, re.DOTALL)
    names = r"\b(?:Compaction|Stream|Messages|SQS|Processing|Snapshot|Head|Peak)\w+"
    promised = {name for row in rows for name in re.findall(names, row)}
    text = "\n".join(path.read_text() for path in sources())
    assert {name for name in promised if f'"{name}"' not in text} == set()
    counted = re.findall(
        r'(?:count|gauge)\(\s*"(\w+)"|failing_as\(\s*"[^"]*",\s*"(\w+)"|timed\("(\w+)"', text
    )
    assert {name for found in counted for name in found if name} - promised == set()


@pytest.mark.domain("log-messages")
def test_every_log_message_of_the_contract_is_one_of_ours() -> None:
    (row,) = re.findall(r'<a id="log-messages"></a>.*?: (.*?)\.\n', CONTRACT, re.DOTALL)
    text = "\n".join(path.read_text() for path in sources())
    messages = [" ".join(message.split()) for message in row.split(",")]
    assert len(messages) >= 9
    assert [message for message in messages if f'"{message}"' not in text] == []
