"""The metrics that are paid for: every name that exists, by when it is printed."""

import re

from instep.costs.metric_names import BUSY, BY_COLLECTION, EVERY_CALL, OTHERWISE, busy
from instep.updating import _NOTED
from tests.support.marks import ROOT

CONTRACT = (ROOT / "docs" / "domain.md").read_text()


def test_no_name_is_missing_and_none_is_of_the_past() -> None:
    """The contract's names, which tests/integration/test_observed.py holds to what is counted, and
    those of the domains without code.
    """
    rows = re.findall(r'<a id="(?:our-)?metric-names"></a>(.*?)\n- ', CONTRACT, re.DOTALL)
    names = r"\b(?:Compaction|Stream|Messages|SQS|Processing|Snapshot|Head|Peak)\w+"
    promised = {name for row in rows for name in re.findall(names, row)}
    listed = EVERY_CALL | BY_COLLECTION | OTHERWISE | set().union(*BUSY.values())
    assert listed == promised | _NOTED.keys()


def test_a_name_is_either_of_a_busy_hour_or_not() -> None:
    assert (set().union(*BUSY.values()) | EVERY_CALL | BY_COLLECTION) & OTHERWISE == set()


def test_a_collection_more_brings_its_own_names_alone() -> None:
    assert busy(3) - busy(2) == len(BY_COLLECTION)
    assert busy(0) == sum(len(names) for names in BUSY.values()) + len(BUSY) * len(EVERY_CALL)
