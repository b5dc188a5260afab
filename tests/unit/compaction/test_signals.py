"""A message says that something changed; what it says of the change is never applied."""

from collections.abc import Callable
from typing import Any

import pytest

from instep.errors import ConfigurationMissing
from receipt_chroma.compaction import process_collection_updates
from receipt_dynamo_stream import FieldChange, StreamMessage
from tests.support.aws import ENTITIES
from tests.support.items import Paper
from tests.support.tables import Cloud
from tests.unit.compaction.conftest import Apply, carried, embed

PAPER = Paper()
WORD = PAPER.word_id(1, 1)


def label(name: str, event: str = "MODIFY", **changes: FieldChange) -> StreamMessage:
    ids: dict[str, Any] = {"line_id": 1, "word_id": 1, "label": name}
    made = PAPER.message("RECEIPT_WORD_LABEL", event, collections=("words",), **ids)
    return StreamMessage(**{**vars(made), "changes": changes})


@pytest.mark.domain("signal")
@pytest.mark.invariant(4)
def test_changes_that_the_table_does_not_confirm_are_not_applied(
    cloud: Cloud, words: Any, apply: Apply
) -> None:
    cloud.put(PAPER.word(1, 1), PAPER.label(1, 1, "TOTAL", "INVALID"))
    embed(words, [WORD])
    apply(label("TOTAL", validation_status=FieldChange("PENDING", "VALID")))
    assert carried(words, WORD)["label_status"] == "unvalidated"
    assert carried(words, WORD)["invalid_labels"] == ",TOTAL,"


@pytest.mark.domain("label-rename", "absent-is-removed")
@pytest.mark.parametrize("order", [list, reversed])
def test_a_renamed_label_is_its_new_name_alone(
    cloud: Cloud, words: Any, apply: Apply, order: Callable[[Any], Any]
) -> None:
    old = PAPER.label(1, 1, "TOTAL", "VALID")
    cloud.put(PAPER.word(1, 1), old)
    embed(words, [WORD])
    apply(label("TOTAL", "INSERT"))
    cloud.delete(old)
    cloud.put(PAPER.label(1, 1, "GRAND TOTAL", "VALID"))
    apply(*order([label("TOTAL", "REMOVE"), label("GRAND TOTAL", "INSERT")]))
    assert carried(words, WORD)["valid_labels_array"] == ["GRAND TOTAL"]


@pytest.mark.domain("wrong-key", "wrong-order", "all-labels")
@pytest.mark.parametrize("order", [list, reversed])
def test_one_labels_removal_drops_no_other_labels_change(
    cloud: Cloud, words: Any, apply: Apply, order: Callable[[Any], Any]
) -> None:
    cloud.put(
        PAPER.word(1, 1), PAPER.label(1, 1, "TAX", "VALID"), PAPER.label(1, 1, "DATE", "INVALID")
    )
    embed(words, [WORD], label_status="validated", valid_labels=",TOTAL,")
    apply(*order([label("TOTAL", "REMOVE"), label("TAX"), label("DATE", "INSERT")]))
    assert carried(words, WORD)["valid_labels"] == ",TAX,"
    assert carried(words, WORD)["invalid_labels"] == ",DATE,"


@pytest.mark.domain("wrong-logger")
def test_a_logger_needs_no_more_than_info_and_warning(cloud: Cloud, store: Any, words: Any) -> None:
    class Plain:
        def info(self, msg: str, *, extra: Any) -> None:
            """Log nothing."""

        warning = info

    cloud.put(PAPER.word(1, 1), PAPER.label(1, 1, "TAX", "VALID"))
    embed(words, [WORD])
    unreadable = PAPER.message("RECEIPT_WORD", "REMOVE", collections=("words",))
    result = process_collection_updates(
        [label("TAX"), unreadable],
        "words",
        store,
        Plain(),
        None,
        cloud.dynamodb,
        table_name=ENTITIES,
    )
    assert result.total_labels_updated == 1
    assert [failure.index for failure in result.failures] == [1]


@pytest.mark.domain("api-missing", "wrong-acknowledged")
def test_without_a_table_or_a_bucket_nothing_is_counted_as_done(cloud: Cloud, store: Any) -> None:
    log: Any = None
    with pytest.raises(ConfigurationMissing, match="no table to read"):
        process_collection_updates([label("TAX")], "words", store, log)
    with pytest.raises(ConfigurationMissing, match="no table to read"):
        process_collection_updates([label("TAX")], "words", store, log, None, cloud.dynamodb)
    with pytest.raises(ConfigurationMissing, match="no bucket to read deltas from"):
        process_collection_updates(
            [PAPER.run_message()], "words", store, log, None, cloud.dynamodb, table_name=ENTITIES
        )
