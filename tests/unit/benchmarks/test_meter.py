"""What is read off the local cloud and put into AWS's terms."""

import json

import pytest

from benchmarks.meter import made_by_aws
from benchmarks.per_call import printed


def test_a_stream_s_batches_are_filled_second_by_second() -> None:
    """Ten calls in one second are four on AWS, one a shard; one in the next is one."""
    assert made_by_aws([100 + at / 10 for at in range(10)], 1) == pytest.approx(0.4)
    assert made_by_aws([*[100.5] * 10, 101.5], 1) == pytest.approx(5 / 11)
    assert made_by_aws([100.5] * 10, 0) == 1
    assert made_by_aws([], 1) == 1


def test_a_metric_is_told_apart_by_function_and_collection() -> None:
    def line(collection: dict[str, str], *names: str) -> str:
        described = {"Namespace": "EmbeddingWorkflow", "Metrics": [{"Name": one} for one in names]}
        return json.dumps(
            {"_aws": {"CloudWatchMetrics": [described]}, "service": "parse_batch", **collection}
        )

    lines = [line({}, "A", "B"), "START", line({}, "A"), line({"collection": "words"}, "A")]
    assert set(printed(lines)) == {
        ("A", "parse_batch", ""),
        ("B", "parse_batch", ""),
        ("A", "parse_batch", "words"),
    }
