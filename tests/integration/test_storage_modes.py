"""Storage modes through the handler that reads packs: what a deployment's environment chooses."""

import io
import json
from pathlib import Path

import pytest

from instep.errors import ConfigurationMissing
from instep.lambda_.telemetry import logger
from tests.support.arrivals import RECEIPT, arrive, assert_green
from tests.support.pipeline import Pipeline

FALLBACK = "Shared cache unusable, packs come from S3"


def run_on_a_new_machine(pipeline: Pipeline, patch: pytest.MonkeyPatch, root: Path) -> None:
    """Change a label and run, applied by a cold function without a warm copy."""
    patch.setenv("CHROMA_ROOT", str(root))
    pipeline.restart("apply_updates")
    pipeline.ingest(pipeline.put(RECEIPT.label(2, "DATE", "VALID")))
    assert_green(pipeline.run())
    assert pipeline.embeddings("words")[RECEIPT.word_id(2)]["valid_labels"] == ",DATE,"


def test_a_cold_function_lives_on_the_mount(
    pipeline: Pipeline,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mount = tmp_path / "mount"
    mount.mkdir()
    monkeypatch.setenv("CHROMADB_STORAGE_MODE", "auto")
    monkeypatch.setenv("CHROMA_CACHE_ROOT", str(mount))
    arrive(pipeline)
    assert_green(pipeline.run())
    capsys.readouterr()
    run_on_a_new_machine(pipeline, monkeypatch, tmp_path / "other")
    hits = [
        json.loads(line)["CompactionCacheHit"][0]
        for line in capsys.readouterr().out.splitlines()
        if "CompactionCacheHit" in line
    ]
    assert sum(map(float, hits)) >= 1


def test_efs_that_is_not_there_is_s3_with_a_metric_and_a_line(
    pipeline: Pipeline,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", lines)
    monkeypatch.setenv("CHROMADB_STORAGE_MODE", "efs")
    monkeypatch.setenv("CHROMA_CACHE_ROOT", str(tmp_path / "missing"))
    arrive(pipeline)
    assert_green(pipeline.run())
    run_on_a_new_machine(pipeline, monkeypatch, tmp_path / "other")
    told = [json.loads(line) for line in lines.getvalue().splitlines() if FALLBACK in line]
    assert {line["storage_mode"] for line in told} == {"efs"}
    counted = [
        json.loads(line)
        for line in capsys.readouterr().out.splitlines()
        if "CompactionCacheFallback" in line
    ]
    assert len(told) == len(counted) == 2  # one a cold start
    assert {
        metric["Unit"]
        for line in counted
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    } == {"Count"}


def test_a_mode_there_is_not_is_named(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMADB_STORAGE_MODE", "nfs")
    with pytest.raises(ConfigurationMissing, match="one of s3, efs, auto"):
        pipeline.restart("apply_updates")
