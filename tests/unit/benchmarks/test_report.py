"""JSON for a script is one flat object; the table says which figure should be what."""

import json
from io import StringIO

from rich.console import Console

from benchmarks.report import Report, at_least, at_most

REPORT = Report(
    "toy",
    "1,000 words",
    {"speedup": 3.5, "share": 0.5, "toy_ms": 1234.5, "toy_bytes": 20},
    {"speedup": at_least(4), "share": at_most(0.5), "speedup_80k": at_least(1)},
)


def test_json_is_flat_and_holds_numbers_only() -> None:
    assert json.loads(REPORT.to_json()) == REPORT.figures


def test_the_table_states_workload_targets_and_what_was_missed() -> None:
    console = Console(record=True, width=100, file=StringIO())
    REPORT.print_to(console)

    lines = console.export_text().splitlines()
    speedup = next(line for line in lines if "speedup" in line)
    share = next(line for line in lines if "share" in line)
    assert "at least 4" in speedup
    assert "no" in speedup.split()
    assert "at most 0.5" in share
    assert "met" in share.split()
    assert any("1,000 words" in line for line in lines)
    assert not any("speedup_80k" in line for line in lines)
