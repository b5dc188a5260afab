"""The benchmark of a deployed run, on a cloud of its own: states and functions have figures."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.cloud_app import CloudApp
from benchmarks.deployed import measure
from benchmarks.endpoint import Endpoint
from benchmarks.stage import Stage
from benchmarks.workload import Workload
from instep.local.target import Target
from tests.support.cloud import faulty_cloud
from tests.support.deployed import DeployedApp


@pytest.fixture
def fresh(tmp_path: Path, assembly: Path) -> Iterator[DeployedApp]:
    """The app where nobody has published: the benchmark's collection is its first version."""
    with faulty_cloud(tmp_path / "state") as (cloud, proxy):
        yield DeployedApp.deploy(Target.of(cloud), proxy, assembly)


def test_a_deployed_run_is_measured_state_by_state(fresh: DeployedApp, tmp_path: Path) -> None:
    app = fresh
    endpoint = Endpoint(app.target.environ["AWS_ENDPOINT_URL"])
    stage = Stage(endpoint, tmp_path, tmp_path / "cache")
    workload = Workload(1_000, width=8, updates=20)
    figures = measure(stage, CloudApp(app.target, app.deployment), workload, added=30).figures
    assert figures["embeddings"] == 1_000
    for run in ("labels_cold", "labels_warm", "new_words"):
        assert {f"{run}_{state}_ms" for state in ("ApplyUpdates", "UploadSnapshot")} <= set(figures)
        assert figures[f"{run}_bytes_up"] > 0
    assert figures["labels_warm_bytes_down"] < figures["labels_cold_bytes_down"]
    for function in ("ingest", "parse_batch", "apply_updates", "upload_snapshot", "settle_batch"):
        assert 20 < figures[f"peak_memory_mb_{function}"] < figures[f"memory_setting_mb_{function}"]
