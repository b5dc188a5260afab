"""A line of a function as Powertools writes it, read back; Lambda's own lines are none of ours."""

import json
from datetime import UTC, datetime

import pytest

from benchmarks.function_logs import Line

ENDED = {
    "level": "INFO",
    "message": "Call ended",
    "timestamp": "2026-11-25 22:28:22,843+0000",
    "service": "acquire_lock",
    "function_request_id": "387e522d",
    "correlation_id": "e131030e",
    "ms": 9,
    "peak_memory_mb": 52.6,
}


def test_a_line_says_when_of_which_call_and_execution() -> None:
    line = Line.read("acquire_lock", json.dumps(ENDED))
    assert line is not None
    assert datetime.fromtimestamp(line.at, UTC) == datetime(
        2026, 11, 25, 22, 28, 22, 843_000, tzinfo=UTC
    )
    assert (line.function, line.message) == ("acquire_lock", "Call ended")
    assert (line.execution, line.request) == ("e131030e", "387e522d")
    assert (line.fields["ms"], line.fields["peak_memory_mb"]) == (9, 52.6)


def test_a_call_outside_of_an_execution_has_none() -> None:
    line = Line.read("ingest", json.dumps(ENDED | {"correlation_id": None}))
    assert line is not None
    assert line.execution == ""


@pytest.mark.parametrize(
    "text", ["START RequestId: 387e522d Version: $LATEST", '{"_aws": {"Timestamp": 1}}', ""]
)
def test_what_others_wrote_is_passed_over(text: str) -> None:
    assert Line.read("ingest", text) is None
