"""What a call leaves behind: lines with the execution's name, and one line of metrics."""

import io
import json
from typing import Any

import pytest

from instep.errors import StorageUnavailable
from instep.lambda_.telemetry import Payload, failing_as, logger, metrics, observed
from tests.support.aws import Context


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Where the logger's lines go."""
    stream = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    return stream


def read(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@observed("acquire_lock")
def works(_event: Payload, _context: Any) -> Payload:
    for _ in range(1000):
        metrics.count("CompactionStreamMessage")
    metrics.count("CompactionStreamMessage", 5)
    logger.info("Processing collection", extra={"messages": 3})
    return {"done": True}


@observed("acquire_lock")
def fails(_event: Payload, _context: Any) -> Payload:
    with failing_as("Collection processing failed", "CompactionCollectionProcessingError"):
        raise StorageUnavailable("S3 is down")


EVENT = {"execution": "run-7", "collection": "words", "attempt": 2, "batch": {"key": "k"}}


def test_every_line_carries_the_execution_and_where_it_is(lines: io.StringIO) -> None:
    assert works(EVENT, Context("acquire_lock")) == {"done": True}
    line, ended = read(lines.getvalue())
    assert (line["message"], line["messages"]) == ("Processing collection", 3)
    assert ended["message"] == "Call ended"
    assert ended["ms"] >= 0
    assert ended["peak_memory_mb"] > 1
    for one in (line, ended):
        assert one["correlation_id"] == "run-7"
        assert (one["collection"], one["attempt"]) == ("words", 2)


@pytest.mark.domain("emf")
def test_counts_are_one_line_a_call_of_the_data_contracts_namespace(
    capsys: pytest.CaptureFixture[str],
) -> None:
    works(EVENT, Context("acquire_lock"))
    (metric,) = read(capsys.readouterr().out)
    described = metric["_aws"]["CloudWatchMetrics"][0]
    assert described["Namespace"] == "EmbeddingWorkflow"
    assert {name for names in described["Dimensions"] for name in names} <= {"service", "stack"}
    assert {one["Unit"] for one in described["Metrics"]} == {"Count"}
    assert metric["CompactionStreamMessage"] == [1005.0]
    assert metric["CompactionLambdaSuccess"] == [1.0]
    assert metric["CompactionLambdaExecutionTime"][0] >= 0
    assert 0 < metric["PeakMemoryPercent"][0] < 100  # of the 1,769 MB that the context says


@pytest.mark.domain("emf")
def test_a_gauge_has_its_collection_for_a_dimension_and_its_last_value(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A percentile cannot be added up, and two collections must not be mixed."""
    for collection, value in (("words", 7), ("lines", 2), ("words", 9)):
        metrics.gauge("SnapshotLagMaxMs", value, collection)
    works(EVENT, Context("acquire_lock"))
    counts, *gauges = read(capsys.readouterr().out)
    assert "SnapshotLagMaxMs" not in counts
    assert "collection" not in counts
    assert {one["collection"]: one["SnapshotLagMaxMs"] for one in gauges} == {
        "words": [9.0],
        "lines": [2.0],
    }
    for one in gauges:
        described = one["_aws"]["CloudWatchMetrics"][0]
        assert described["Namespace"] == "EmbeddingWorkflow"
        (names,) = described["Dimensions"]
        assert set(names) - {"service"} == {"stack", "collection"}
        assert described["Metrics"] == [{"Name": "SnapshotLagMaxMs", "Unit": "Count"}]
    works(EVENT, Context("acquire_lock"))
    assert len(read(capsys.readouterr().out)) == 1


@pytest.mark.domain("wrong-answer")
def test_a_failure_is_logged_counted_and_goes_up(
    lines: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(StorageUnavailable):
        fails(EVENT, Context("acquire_lock"))
    line, ended = read(lines.getvalue())
    assert ended["message"] == "Call ended"
    assert (line["message"], line["error"]) == (
        "Collection processing failed",
        "StorageUnavailable",
    )
    (metric,) = read(capsys.readouterr().out)
    assert metric["CompactionCollectionProcessingError"] == [1.0]
    assert metric["CompactionLambdaError"] == [1.0]
    assert "CompactionLambdaSuccess" not in metric


def test_nothing_of_one_call_is_left_for_the_next(
    lines: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    works(EVENT, Context("acquire_lock"))
    capsys.readouterr()
    lines.truncate(0)
    lines.seek(0)
    works({"execution": "run-8"}, Context("acquire_lock"))
    logged = read(lines.getvalue())
    assert {line["correlation_id"] for line in logged} == {"run-8"}
    assert not any("collection" in line for line in logged)
    (metric,) = read(capsys.readouterr().out)
    assert metric["CompactionStreamMessage"] == [1005.0]
