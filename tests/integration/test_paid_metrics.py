"""Every metric that a busy hour prints is one that `instep cost` reckons with, and no other."""

import pytest

from benchmarks.per_call import printed
from instep.costs.metric_names import BUSY, BY_COLLECTION, EVERY_CALL
from tests.support.arrivals import RECEIPT, arrive
from tests.support.pipeline import Pipeline


def test_what_changes_print_is_what_a_month_is_reckoned_to_pay_for(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    arrive(pipeline)
    pipeline.run()
    capsys.readouterr()
    other = RECEIPT.metadata(merchant_name="grocery", place_id="place-1")
    pipeline.ingest(pipeline.put(RECEIPT.label(1, "DATE", "VALID"), other))
    pipeline.run()
    told = set(printed(capsys.readouterr().out.splitlines()))
    of_functions = set().union(*(BUSY[of] for of in BUSY if of != "fold_snapshot"))
    assert {name for name, _, of in told if not of} == of_functions | EVERY_CALL
    assert {(name, of) for name, _, of in told if of} == {
        (name, of) for name in BY_COLLECTION for of in ("lines", "words")
    }
