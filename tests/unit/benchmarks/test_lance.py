"""Without the peer the answer is how to get it, not a traceback."""

import sys

import pytest

from benchmarks.lance import Lance, LanceNotInstalled
from benchmarks.traffic import Uncounted


def test_a_missing_lancedb_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(LanceNotInstalled, match=r"-r requirements/bench\.txt"):
        Lance("http://127.0.0.1:1", "bucket", Uncounted(), indexed=False)
