"""What `instep verify` says of an embedding as a whole, as a person reads it."""

from datetime import UTC, datetime

import pytest

from instep.cli.drift import Checked, Reading
from instep.cli.letters import Letters
from instep.cli.verify import Searched, show
from instep.domain import Difference


def test_what_is_missing_is_not_told_as_what_should_not_be_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = [
        Difference("shelf", "lost", None, None, None, missing=True),
        Difference("shelf", "ghost", None, None, None),
        Difference("shelf", "dear", "price[usd]", 2, 1),
    ]
    show(
        Reading(
            at=datetime(2026, 1, 1, tzinfo=UTC),
            versions={"shelf": "v"},
            compared={"shelf": 2},
            differences=found,
            states={},
            checked={"shelf": Checked()},
            unreadable={},
            unembedded={},
        ),
        Letters(),
        {"shelf": Searched(2, ["dear"])},
    )
    told = capsys.readouterr().out.splitlines()
    lost, ghost = (next(line for line in told if line.startswith(one)) for one in ("lost", "ghost"))
    assert "is missing" in lost
    assert "should not be there" in ghost
    assert "is missing 1, should not be there 1, price[usd] 1" in told
    assert any(line.startswith("dear") and "price[usd]" in line for line in told)
    assert "1 of 2, searched for, are not found, such as dear" in " ".join(told)
