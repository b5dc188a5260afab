"""What a delta may hold follows from its stored size, to the value."""

import pytest

from instep.chroma.foreign.allowance import Allowance
from instep.errors import DeltaRejected


@pytest.mark.parametrize(
    ("stored", "values"),
    [
        (0, 50_000),
        (25_000, 50_000),
        (25_655, 51_310),
        (2_000_000, 4_000_000),
        (2_000_001, 4_000_000),
        (10**12, 4_000_000),
    ],
)
def test_it_may_hold_so_many_values_and_not_one_more(stored: int, values: int) -> None:
    allowance = Allowance(stored)
    allowance.take(values - 1)
    allowance.take(1)
    with pytest.raises(DeltaRejected, match=f"it holds more than the {values} values that a delta"):
        allowance.take(1)
