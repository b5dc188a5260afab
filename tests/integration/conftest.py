"""The handlers over moto, a warm folder of their own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.aws import services
from tests.support.pipeline import Pipeline


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Pipeline]:
    with services(monkeypatch) as aws:
        monkeypatch.setenv("CHROMA_ROOT", str(tmp_path / "chroma"))
        yield Pipeline(aws)
