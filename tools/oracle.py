"""What every embedding should carry, read from docs/domain.md a second time and independently.

Plain, slow and obvious on purpose: it judges `instep verify` and the property tests, so it shares
no code with the pipeline. It says nothing about fields that only producers write.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

Value: TypeAlias = Any  # what Chroma takes: str, int, float, bool or a list of one of them
Fields: TypeAlias = dict[str, Value]

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
JUDGED = {"lines": MIRRORED, "words": MIRRORED + LABEL_FIELDS}

_NUMBER = r"(?:[0-9]{5}|[1-9][0-9]{5,})"
_RECEIPT = rf"RECEIPT#{_NUMBER}"
_LINE = rf"{_RECEIPT}#LINE#{_NUMBER}"
_WORD = rf"{_LINE}#WORD#{_NUMBER}"
_OLDEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Difference:
    """One thing an embedding carries and should not, or should and does not.

    `field` is None when the embedding itself should not be there: its LINE or WORD item is gone.
    """

    collection: str
    id: str
    field: str | None
    expected: Value
    carried: Value

    def __str__(self) -> str:
        """Say it as a person reads it."""
        if self.field is None:
            return f"{self.collection} {self.id}: no such item in the table"
        return (
            f"{self.collection} {self.id}: {self.field} is {self.carried!r}, "
            f"the table says {self.expected!r}"
        )


def expected(
    items: Iterable[Mapping[str, Any]], now: datetime | None = None
) -> dict[str, dict[str, Fields]]:
    """Map collection to embedding id to the judged fields that embedding must carry, and no other.

    `items` are the whole table's, in DynamoDB JSON; with `now`, those past their TimeToLive count
    as gone. Every LINE and WORD item counts, whether it has an embedding or not.
    """
    table = {(item["PK"]["S"], item["SK"]["S"]): item for item in items if _lives(item, now)}
    labels: dict[tuple[str, str], list[tuple[str, Mapping[str, Any]]]] = defaultdict(list)
    for (pk, sk), item in table.items():
        labelled = re.fullmatch(rf"({_WORD})#LABEL#(.+)", sk, re.DOTALL)
        if labelled is not None:
            labels[pk, labelled[1]].append((labelled[2].upper(), item))

    found: dict[str, dict[str, Fields]] = {"lines": {}, "words": {}}
    for pk, sk in table:
        if re.fullmatch(r"IMAGE#.+", pk, re.DOTALL) is None:
            continue
        if re.fullmatch(_LINE, sk):
            found["lines"][f"{pk}#{sk}"] = _mirrored(table, pk, sk)
        if re.fullmatch(_WORD, sk):
            found["words"][f"{pk}#{sk}"] = _mirrored(table, pk, sk) | _labels(labels[pk, sk])
    return found


def compare(
    wanted: Mapping[str, Mapping[str, Fields]],
    carried: Mapping[str, Mapping[str, Mapping[str, Value]]],
) -> list[Difference]:
    """List how the embeddings `carried` (collection to id to metadata) differ from `wanted`.

    Only collections in `carried` are judged. A LINE or WORD without an embedding is no drift.
    """
    differences = []
    for collection, embeddings in sorted(carried.items()):
        for id_, metadata in sorted(embeddings.items()):
            if id_ not in wanted[collection]:
                differences.append(Difference(collection, id_, None, None, None))
                continue
            must = wanted[collection][id_]
            has = _without_producers_none(metadata, must)
            differences.extend(
                Difference(collection, id_, field, must.get(field), has.get(field))
                for field in JUDGED[collection]
                if _plain(must.get(field)) != _plain(has.get(field))
            )
    return differences


def _mirrored(table: Mapping[tuple[str, str], Mapping[str, Any]], pk: str, sk: str) -> Fields:
    """Return the six merchant fields: PLACE's when there is one, whole, else METADATA's."""
    receipt = "#".join(sk.split("#")[:2])
    place = table.get((pk, f"{receipt}#PLACE"))
    item = place if place is not None else table.get((pk, f"{receipt}#METADATA"))
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


def _labels(labels: list[tuple[str, Mapping[str, Any]]]) -> Fields:
    """Return the label fields that all labels of one word give it together."""
    if not labels:
        return {}
    of_status: dict[str, list[tuple[datetime, str, Mapping[str, Any]]]] = defaultdict(list)
    for name, item in labels:
        status = _text(item, "validation_status") or "NONE"
        of_status[status].append((_instant(item), name, item))
    valid = sorted({name for _, name, _ in of_status["VALID"]})
    invalid = sorted({name for _, name, _ in of_status["INVALID"]} - set(valid))

    fields: Fields = {"label_status": "unvalidated"}
    if of_status["PENDING"]:
        fields["label_status"] = "auto_suggested"
        _, _, newest = max(of_status["PENDING"], key=lambda label: label[:2])
        fields["label_proposed_by"] = _text(newest, "label_proposed_by")
    if of_status["VALID"]:
        fields["label_status"] = "validated"
        _, _, newest = max(of_status["VALID"], key=lambda label: label[:2])
        fields["label_validated_at"] = _text(newest, "timestamp_added")
    fields["valid_labels"] = _joined(valid)
    fields["invalid_labels"] = _joined(invalid)
    fields["valid_labels_array"] = valid or None
    fields["invalid_labels_array"] = invalid or None
    return {field: value for field, value in fields.items() if value is not None}


def _lives(item: Mapping[str, Any], now: datetime | None) -> bool:
    """Say whether an item counts: DynamoDB deletes an expired one only days later."""
    expires = item.get("TimeToLive", {}).get("N")
    return now is None or expires is None or float(expires) > now.timestamp()


def _joined(names: list[str]) -> str:
    whole = [name for name in names if "," not in name]
    return f",{','.join(whole)}," if whole else ""


def _text(item: Mapping[str, Any], attribute: str) -> str | None:
    """Return a string attribute; NULL, absent and empty all mean no value."""
    return item.get(attribute, {}).get("S") or None


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
