"""Every benchmark runs whole on a narrow collection: the keys it promises, and honest ones.

Timings are not asserted here: a thousand words of eight floats say nothing about them.
"""

import math
import sys
from functools import partial
from pathlib import Path

import pytest

from benchmarks import (
    delta_merge,
    drain_limit,
    growth,
    label_updates,
    pages,
    reader,
    reader_sync,
    scale,
    versions,
)
from benchmarks.report import Report
from benchmarks.shard import Shard
from benchmarks.source import source_directory
from benchmarks.stage import Stage
from benchmarks.workload import Workload
from instep.cdk.dependencies import tree_size

NARROW = partial(Workload, width=8, updates=20)


def keys_at(size: str, report: Report) -> set[str]:
    """The keys that have a target, for a collection of another size."""
    return {key.replace("20k", size) for key in report.targets if "80k" not in key}


def require_numbers(report: Report) -> None:
    for key, value in report.figures.items():
        assert math.isfinite(value), key
        assert "exponent" in key or value >= 0, key


def test_label_updates_without_the_peer(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lancedb", None)
    report = label_updates.run(stage, sizes=(1_000,), rounds=2, shape=NARROW)
    figures = report.figures
    require_numbers(report)
    assert {key for key in keys_at("1k", report) if "lancedb" not in key} <= figures.keys()
    assert not [key for key in figures if "lancedb" in key]
    assert "-r requirements/bench.txt" in report.left_out
    whole = tree_size(source_directory(NARROW(1_000), stage.cache))
    for spread in ("scattered", "clustered"):
        assert figures[f"predecessor_{spread}_1k_bytes_up"] >= whole
        assert 0 < figures[f"warm_{spread}_1k_bytes_up"] < whole
        warm, cold = (figures[f"{side}_{spread}_1k_bytes_down"] for side in ("warm", "cold"))
        assert warm < cold < whole


def test_delta_merge(stage: Stage) -> None:
    report = delta_merge.run(stage, size=1_000, added=(20, 40), rounds=1, shape=NARROW)
    require_numbers(report)
    named = {key.replace("2000", "40").replace("200", "20") for key in report.targets}
    assert named <= report.figures.keys()


def test_reader(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lancedb", None)
    figures = reader.run(stage, sizes=(1_000,), rounds=1, queries=20, shape=NARROW).figures
    assert all(math.isfinite(value) for value in figures.values())
    assert {"overhead_percent_1k", "open_warm_1k_ms", "refresh_1k_sync_ms"} <= figures.keys()
    assert figures["snapshot_recall_1k"] == figures["plain_recall_1k"] > 0.8
    assert figures["open_warm_1k_bytes_down"] < figures["open_cold_1k_bytes_down"] / 2
    assert not [key for key in figures if "lancedb" in key]


def test_reader_sync(stage: Stage) -> None:
    report = reader_sync.run(stage, size=1_000, behind=3, rounds=1, shape=NARROW)
    require_numbers(report)
    assert report.targets.keys() <= report.figures.keys()
    assert {"bytes_ratio_3", "speedup_3"} <= report.figures.keys()
    assert report.figures["behind_3_bytes_down"] > report.figures["behind_1_bytes_down"]


def test_pages(stage: Stage) -> None:
    report = pages.run(stage, sizes=(1_000,), rounds=1, shape=NARROW)
    require_numbers(report)
    assert keys_at("1k", report) <= report.figures.keys()
    assert 20 < report.figures["pages_1k"] < report.figures["database_bytes_1k"] / 4096


def test_growth(stage: Stage) -> None:
    report = growth.run(stage, sizes=(1_000, 2_000), rounds=3, shape=NARROW)
    require_numbers(report)
    assert report.targets.keys() <= report.figures.keys()
    assert report.figures["peak_memory_mb_1k"] > 20
    assert report.figures["predecessor_bytes_exponent"] > 0.5  # its cost follows the collection


def test_scale(stage: Stage) -> None:
    report = scale.run(stage, sizes=(600,), shards=(), shape=NARROW)
    require_numbers(report)
    assert all(value > 20 for key, value in report.figures.items() if key.endswith("memory_mb"))
    assert report.figures["600_s3_mb"] > 0


def test_versions(stage: Stage) -> None:
    report = versions.run(stage, rounds=4, size=200, shape=NARROW)
    require_numbers(report)
    assert report.targets.keys() <= report.figures.keys()
    assert report.figures["versions"] == 5


@pytest.mark.parametrize("of", [1, 4, 16])
def test_every_word_is_in_one_shard(of: int, tmp_path: Path) -> None:
    words = NARROW(1_000).words(0, 1_000)
    shards = [Shard("http://127.0.0.1:1", tmp_path, "", NARROW(1_000), at, of) for at in range(of)]
    held = [shard.mine(words).ids for shard in shards]
    assert sorted(id_ for ids in held for id_ in ids) == sorted(words.ids)
    assert max(map(len, held)) < 2 * 1_000 / of, "none carries much more than its share"


def test_drain_limit(stage: Stage) -> None:
    report = drain_limit.run(stage, size=200)
    require_numbers(report)
    assert report.targets.keys() <= report.figures.keys()
    assert (report.figures["records"], report.figures["parked_objects"]) == (200, 1)
    for key in report.targets:
        assert 20 < report.figures[key] < 200
