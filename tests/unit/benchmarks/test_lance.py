"""Whether the peer takes part, and how to get it where it does not."""

import sys
from types import ModuleType

import pytest

from benchmarks.lance import missing


@pytest.mark.parametrize("name", ["lancedb", "pyarrow"])
def test_a_missing_lancedb_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    installed(monkeypatch, "lancedb", "pyarrow")
    assert missing() == ""
    monkeypatch.setitem(sys.modules, name, None)
    assert "-r requirements/bench.txt" in missing()


def installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    for name in names:
        module = ModuleType(name)
        module.__spec__ = sys.__spec__
        monkeypatch.setitem(sys.modules, name, module)
