"""What a call that was killed left on its machine's disk, the next call there removes."""

from pathlib import Path

import pytest

from tests.support.arrivals import RECEIPT, arrive, assert_green
from tests.support.pipeline import Pipeline
from tests.support.processes import killed_in_scratch


def test_a_call_that_unpacks_nothing_removes_what_a_killed_one_unpacked(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    arrive(pipeline)
    assert_green(pipeline.run())
    left = killed_in_scratch(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    pipeline.ingest(pipeline.put(RECEIPT.label(2, "DATE", "VALID")))
    assert_green(pipeline.run())
    assert not left.exists()
