"""What every embedding should carry, read from docs/domain.md a second time and independently.

Plain, slow and obvious on purpose: it judges `instep verify` and the property tests, so it shares
no code with the pipeline. It says nothing about fields that only producers write.
"""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeAlias

from instep.domain import Difference

Value: TypeAlias = Any  # what Chroma takes: str, int, float, bool or a list of one of them
Fields: TypeAlias = dict[str, Value]
Readings: TypeAlias = list[Fields]  # each of them is right; none: it must not be there
Embeddings: TypeAlias = Mapping[str, Mapping[str, Mapping[str, Value]]]
Label: TypeAlias = tuple[str, Mapping[str, Any]]  # its name, and its item

MIRRORED = (
    "place_id",
    "merchant_name",
    "canonical_merchant_name",
    "merchant_category",
    "address",
    "phone_number",
)
LABEL_FIELDS = (
    "label_status",
    "valid_labels",
    "invalid_labels",
    "valid_labels_array",
    "invalid_labels_array",
    "label_proposed_by",
    "label_validated_at",
    "label_confidence",
)
READ = (
    "PK",
    "SK",
    "TimeToLive",
    "place_id",
    "merchant_name",
    "canonical_merchant_name",
    "merchant_category",
    "address",
    "formatted_address",
    "phone_number",
    "validation_status",
    "timestamp_added",
    "label_proposed_by",
    "lines_state",
    "words_state",
)
"""What is read here, and a run's states; geometry, letters and the rest stay in the table."""
LOOKED_UP_TOGETHER = {"lines": (MIRRORED,), "words": (MIRRORED, LABEL_FIELDS)}
"""The judged fields of a collection, in groups that the pipeline derives from one look each."""

_NUMBER = r"(?:[0-9]{5}|[1-9][0-9]{5,17})"
_RECEIPT = rf"RECEIPT#{_NUMBER}"
_LINE = rf"{_RECEIPT}#LINE#{_NUMBER}"
_WORD = rf"{_LINE}#WORD#{_NUMBER}"
_OLDEST = datetime.min.replace(tzinfo=UTC)


def expected(
    items: Iterable[Mapping[str, Any]], now: datetime | None = None
) -> dict[str, dict[str, Fields]]:
    """Map collection to embedding id to the judged fields that embedding must carry, and no other.

    `items` are the whole table's, in DynamoDB JSON; with `now`, those past their TimeToLive count
    as gone. Every LINE and WORD item of a receipt counts, whether it has an embedding or not.
    """
    table = _Table(items)
    at = -math.inf if now is None else now.timestamp()
    return {
        collection: {
            id_: table.fields(key, at) for id_, key in embeddings.items() if table.has(key, at)
        }
        for collection, embeddings in table.embeddings.items()
    }


def compare(wanted: Mapping[str, Mapping[str, Fields]], carried: Embeddings) -> list[Difference]:
    """List how the embeddings `carried` (collection to id to metadata) differ from `wanted`.

    Only collections in `carried` are judged. A LINE or WORD without an embedding is no drift.
    """

    def readings(collection: str, id_: str) -> Readings:
        return [wanted[collection][id_]] if id_ in wanted[collection] else []

    return _against(readings, carried)


def judge(
    items: Iterable[Mapping[str, Any]], carried: Embeddings, now: datetime
) -> list[Difference]:
    """List how `carried` differs from the table, to which a pending expiry is no difference.

    An item whose TimeToLive has passed stays in the table for up to days, and nothing is sent as
    it passes. Who looked before saw the item, who looked since did not, and both are in step. So
    each group of fields that is looked up together may be as of any moment up to `now`, and the
    embedding of an expired item may be there or not.
    """
    table, at = _Table(items), now.timestamp()
    return _against(lambda collection, id_: table.readings(collection, id_, at), carried)


class _Table:
    """The items of a table by what they are; a moment is in epoch seconds, -inf before any expiry.

    `embeddings` maps collection to id to key: everything that has the key of a LINE or WORD item.
    """

    def __init__(self, items: Iterable[Mapping[str, Any]]) -> None:
        self._items: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._labels: dict[tuple[str, str], list[Label]] = defaultdict(list)
        self.embeddings: dict[str, dict[str, tuple[str, str]]] = {"lines": {}, "words": {}}
        for item in items:
            pk, sk = item["PK"]["S"], item["SK"]["S"]
            if re.fullmatch(r"IMAGE#.+", pk, re.DOTALL) is None:
                continue
            self._items[pk, sk] = item
            if (labelled := re.fullmatch(rf"({_WORD})#LABEL#(.+)", sk, re.DOTALL)) is not None:
                self._labels[pk, labelled[1]].append((labelled[2].upper(), item))
            if re.fullmatch(_LINE, sk):
                self.embeddings["lines"][f"{pk}#{sk}"] = pk, sk
            if re.fullmatch(_WORD, sk):
                self.embeddings["words"][f"{pk}#{sk}"] = pk, sk

    def has(self, key: tuple[str, str], at: float) -> bool:
        """Say whether an embedding may be there at a moment: its own item, and its receipt's."""
        pk, sk = key
        return None not in (self._item(pk, sk, at), self._item(pk, _receipt(sk), at))

    def fields(self, key: tuple[str, str], at: float) -> Fields:
        """Return what an embedding must carry at a moment, if it is there."""
        pk, sk = key
        place = self._item(pk, f"{_receipt(sk)}#PLACE", at)
        metadata = self._item(pk, f"{_receipt(sk)}#METADATA", at)
        labels = [label for label in self._labels.get(key, []) if _expiry(label[1]) > at]
        return _mirrored(place, metadata) | _labels(labels)

    def readings(self, collection: str, id_: str, now: float) -> Readings:
        """Return what an embedding must carry as of every moment that tells, the latest first."""
        key = self.embeddings[collection].get(id_)
        if key is None or not self.has(key, -math.inf):
            return []
        pk, receipt = key[0], _receipt(key[1])
        merchants = [self._items.get((pk, f"{receipt}#{one}"), {}) for one in ("PLACE", "METADATA")]
        feeding = [*merchants, *(item for _, item in self._labels.get(key, []))]
        passed = sorted({ends for ends in map(_expiry, feeding) if ends <= now})
        return [self.fields(key, at) for at in [now, *reversed(passed), -math.inf]]

    def _item(self, pk: str, sk: str, at: float) -> Mapping[str, Any] | None:
        item = self._items.get((pk, sk))
        return item if item is not None and _expiry(item) > at else None


def _against(readings: Callable[[str, str], Readings], carried: Embeddings) -> list[Difference]:
    return [
        difference
        for collection, embeddings in sorted(carried.items())
        for id_, metadata in sorted(embeddings.items())
        for difference in _differences(collection, id_, readings(collection, id_), metadata)
    ]


def _differences(
    collection: str, id_: str, readings: Readings, metadata: Mapping[str, Value]
) -> list[Difference]:
    """List how one embedding differs from the first of its readings, unless it agrees with one."""
    say = partial(Difference, collection, id_, part_of=(id_.rpartition("#LINE#")[0],))
    if not readings:
        return [say(None, None, None)]
    differences: list[Difference] = []
    for group in LOOKED_UP_TOGETHER[collection]:
        found = []
        for must in readings:
            has = _without_producers_none(metadata, must)
            found.append(
                [
                    say(field, must.get(field), has.get(field))
                    for field in group
                    if _plain(must.get(field)) != _plain(has.get(field))
                ]
            )
        if all(found):
            differences += found[0]
    return differences


def _receipt(sk: str) -> str:
    return "#".join(sk.split("#")[:2])


def _mirrored(place: Mapping[str, Any] | None, metadata: Mapping[str, Any] | None) -> Fields:
    """Return the six merchant fields: PLACE's when there is one, whole, else METADATA's."""
    item = place if place is not None else metadata
    if item is None:
        return {}
    canonical = None if place is not None else _text(item, "canonical_merchant_name")
    address = _text(item, "formatted_address" if place is not None else "address")
    name = (canonical or _text(item, "merchant_name") or "").strip().title()
    fields = {
        "place_id": _text(item, "place_id"),
        "merchant_name": name or None,
        "canonical_merchant_name": canonical,
        "merchant_category": _text(item, "merchant_category"),
        "address": address,
        "phone_number": _text(item, "phone_number"),
    }
    return {field: value for field, value in fields.items() if value is not None}


def _labels(labels: Sequence[Label]) -> Fields:
    """Return the label fields that all labels of one word give it together."""
    if not labels:
        return {}
    of_status: dict[str, list[Label]] = defaultdict(list)
    for name, item in labels:
        of_status[_text(item, "validation_status") or "NONE"].append((name, item))
    valid = sorted({name for name, _ in of_status["VALID"]})
    invalid = sorted({name for name, _ in of_status["INVALID"]} - set(valid))

    fields: Fields = {"label_status": "unvalidated"}
    if of_status["PENDING"]:
        fields["label_status"] = "auto_suggested"
        _, newest = max(of_status["PENDING"], key=_age)
        fields["label_proposed_by"] = _text(newest, "label_proposed_by")
    if of_status["VALID"]:
        fields["label_status"] = "validated"
        _, newest = max(of_status["VALID"], key=_age)
        fields["label_validated_at"] = _text(newest, "timestamp_added")
    fields["valid_labels"] = _joined(valid)
    fields["invalid_labels"] = _joined(invalid)
    fields["valid_labels_array"] = valid or None
    fields["invalid_labels_array"] = invalid or None
    return {field: value for field, value in fields.items() if value is not None}


def _age(label: Label) -> tuple[datetime, str, str]:
    """Return what orders labels: the instant, then the name, then the key as it is written."""
    name, item = label
    return _instant(item), name, item["SK"]["S"]


def _expiry(item: Mapping[str, Any]) -> float:
    """Return when an item ceases to count, though DynamoDB deletes it only days later.

    What is no number is no expiry, as DynamoDB has it.
    """
    return float(item.get("TimeToLive", {}).get("N", math.inf))


def _joined(names: list[str]) -> str:
    whole = [name for name in names if "," not in name]
    return f",{','.join(whole)}," if whole else ""


def _text(item: Mapping[str, Any], attribute: str) -> str | None:
    """Return a string, or a number as it is written.

    NULL, absent and empty mean no value. So does any other type: the parser refuses its record.
    """
    value = item.get(attribute, {})
    return value.get("S") or value.get("N") or None


def _instant(item: Mapping[str, Any]) -> datetime:
    """Return when a label was added; naive means UTC, and none or nonsense is oldest."""
    try:
        at = datetime.fromisoformat(_text(item, "timestamp_added") or "")
    except ValueError:
        return _OLDEST
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _without_producers_none(metadata: Mapping[str, Value], must: Fields) -> Mapping[str, Value]:
    """Leave out a producer's `unvalidated` with empty strings where the word has no label."""
    none = {"label_status": "unvalidated", "valid_labels": "", "invalid_labels": ""}
    if "label_status" in must or any(metadata.get(key, said) != said for key, said in none.items()):
        return metadata
    return {field: value for field, value in metadata.items() if field not in none}


def _plain(value: Value) -> Value:
    """Return a list without its order: Chroma's lists are sets to their readers."""
    return sorted(value) if isinstance(value, (list, tuple)) else value
