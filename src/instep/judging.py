"""What embeddings carry, held against the whole table: a derived domain's part of `verify`.

A table of vectors is many times what a process may hold, so it is gone through a subject at a time:
a subject's items are read as it comes up and let go of again. What stays are the ids, and what was
found wrong of them.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from instep.aws.expiry import alive
from instep.brief import DOCUMENT, brief
from instep.deriving import OVER_AN_ITEM
from instep.difference import Carried, Wanted, difference
from instep.domain import Difference, Item
from instep.keys import KeySchema
from instep.source import Derived, Source
from instep.stamps import stamped

Metadata: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """All items of a table, its key, the attribute of an expiry, and the moment they are read at.

    `items` may lie on the disk: no more of them is held at once than a subject has.
    """

    items: Sequence[Item]
    schema: KeySchema
    time_to_live: str | None
    now: datetime


def judge(
    table: Table, source: Source, collection: str, carried: Mapping[str, Metadata]
) -> list[Difference]:
    """List how the embeddings of a collection differ from what their subjects say.

    An embedding that agrees with either reading of an expiry, passed or not, is in step.
    """
    judging = _Judging(collection, carried)
    for subject, items in _by_subject(table, source):
        there = alive(items, table.time_to_live, table.now)
        lasting = _due(source, subject, there)
        passing = lasting if len(there) == len(items) else _due(source, subject, items)
        judging.hear(subject, lasting, expired=False)
        judging.hear(subject, passing, expired=True)
    return judging.differences()


def _by_subject(table: Table, source: Source) -> Iterator[tuple[str, list[Item]]]:
    """Yield each subject with its items, in the order of their names."""
    where: dict[str, list[int]] = defaultdict(list)
    for at, item in enumerate(table.items):
        if (subject := source.subject(table.schema.of(item))) is not None:
            where[subject].append(at)
    for subject in sorted(where):
        yield subject, [table.items[at] for at in where[subject]]


def _due(source: Source, subject: str, items: Sequence[Item]) -> Mapping[str, Derived]:
    """Return what a subject's embeddings should carry; of one that cannot be derived, nothing."""
    if not items:
        return {}
    try:
        derived = source.derive(subject, items)
        return {id_: stamped(subject, one, source.embedder) for id_, one in derived.items()}
    except OVER_AN_ITEM:
        return {}  # set aside, with its letter in the DLQ


@dataclass
class _Judging:
    """What has been found so far of a collection, by id.

    An id that was heard of is its subject's from then on, in each reading apart: to one what has
    expired is gone, to the other it is still there.
    """

    collection: str
    carried: Mapping[str, Metadata]
    _heard: tuple[set[str], set[str]] = field(default_factory=lambda: (set(), set()))
    _agreed: set[str] = field(default_factory=set)
    _wrong: dict[str, list[Difference]] = field(default_factory=dict)
    _missing: dict[str, Difference] = field(default_factory=dict)

    def hear(self, subject: str, due: Mapping[str, Derived], *, expired: bool) -> None:
        """Take in what the next subject's embeddings should carry; `expired`: if what has expired
        is still there.
        """
        heard = self._heard[expired]
        for id_ in due.keys() - heard:
            heard.add(id_)
            if id_ in self._agreed:
                continue
            if id_ not in self.carried:
                has_vector = due[id_].vector is not None or due[id_].text is not None
                if has_vector and not expired:
                    self._missing[id_] = Difference(
                        self.collection, id_, None, None, None, missing=True, part_of=(subject,)
                    )
            elif found := self._compared(subject, id_, due[id_]):
                if not expired or id_ not in self._wrong:  # by the first reading, if that has it
                    self._wrong[id_] = found
            else:
                self._agreed.add(id_)

    def differences(self) -> list[Difference]:
        """Return all of them, once every subject was heard: those that are missing come first."""
        found = [self._missing[id_] for id_ in sorted(self._missing)]
        for id_ in sorted(self.carried.keys() - self._agreed):
            found += self._wrong.get(id_, [Difference(self.collection, id_, None, None, None)])
        return found

    def _compared(self, subject: str, id_: str, due: Derived) -> list[Difference]:
        metadata = self.carried[id_]
        document = brief(due.document) if due.document is not None else metadata.get(DOCUMENT)
        fields = {**due.fields, DOCUMENT: document}
        whole = {**dict.fromkeys(metadata), **fields}
        changes = difference({"": Carried(metadata)}, {"": Wanted(whole)})
        keys = sorted(changes.updates[""].metadata) if changes.updates else []
        return [
            Difference(
                self.collection, id_, key, fields.get(key), metadata.get(key), part_of=(subject,)
            )
            for key in keys
        ]
