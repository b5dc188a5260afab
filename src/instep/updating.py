"""ApplyUpdates of a derived domain: what was touched is read, derived and written as a difference.

The rule is design.md's Convergence. Subjects go in slices, so that memory follows a slice and not
what was touched; a subject that cannot be derived, or an embedding that cannot be written, is set
aside with its reason, and its embeddings stay as they are.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from instep.aws.expiry import alive
from instep.aws.table import TableReader
from instep.batched import batched
from instep.chroma import collection as store
from instep.chroma.carriable import Refusal
from instep.deriving import OVER_AN_ITEM
from instep.difference import Carried, Wanted, difference
from instep.domain import Item, Outcome, SignalFailure, Work
from instep.embedding.parked import Parked
from instep.embedding.texts import Progress, embed_texts
from instep.errors import MessageRejected
from instep.stamps import SUBJECT, VECTOR, stamped

if TYPE_CHECKING:
    import chromadb

    from instep.difference import Vector
    from instep.keys import KeySchema
    from instep.source import Derived, Source

MOST: Final = 500  # subjects read, derived and written at once: an item may weigh 400 KB
_LOG: Final = 20_000  # records that each write of chromadb's reads again, before it is reopened
_NOTED: Final = {  # as `instep history` shows it
    "CompactionEmbeddingsAdded": "added",
    "CompactionEmbeddingsUpdated": "updated",
    "CompactionEmbeddingsDeleted": "deleted",
    "CompactionTextsEmbedded": "embedded",
}


def update(source: "Source", schema: "KeySchema", time_to_live: str | None, work: Work) -> Outcome:
    """Bring what the signals of `work` touched in step with the table of these keys."""
    updating = _Updating(source, schema, time_to_live, work)
    indexes = updating.touched()
    for subjects in batched(sorted(indexes.keys() | updating.rechecked()), MOST):
        updating.apply(subjects)
    return updating.outcome(indexes)


@dataclass
class _Set:
    """What a slice should come to: by id whose it is and what it should carry."""

    owner: dict[str, str] = field(default_factory=dict)
    derived: "dict[str, Derived]" = field(default_factory=dict)


class _Updating:
    def __init__(
        self, source: "Source", schema: "KeySchema", time_to_live: str | None, work: Work
    ) -> None:
        self._source, self._time_to_live, self._work = source, time_to_live, work
        self._table = TableReader(work.dynamodb, work.table, schema)
        self._collection: chromadb.Collection = store.get_collection(work.client, work.collection)
        self._parked = Parked(work.objects, f"{work.parked}.{work.collection}.embedded/")
        self._slowest = timedelta(0)
        self._written = 0
        self._signalled: Collection[str] = ()
        self._refused: dict[str, str] = {}
        self._waiting: set[str] = set()
        self._counts: dict[str, int] = defaultdict(int)

    def touched(self) -> dict[str, list[int]]:
        """Return the signals, by index, that touched each subject."""
        indexes: dict[str, list[int]] = defaultdict(list)
        for index, content in enumerate(self._work.signals):
            subject = self._source.subject(self._table.schema.of(content["dynamodb"]["Keys"]))
            if subject is not None:
                indexes[subject].append(index)
        self._signalled = indexes.keys()
        return indexes

    def rechecked(self) -> set[str]:
        """Return the subjects of what is to be looked up anyhow; what has none is nobody's."""
        subjects: set[str] = set()
        for ids in batched(self._work.recheck, MOST):
            carried = store.read(self._collection, ids=ids)
            nobodys = [id_ for id_, have in carried.items() if SUBJECT not in have.metadata]
            if nobodys:
                self._write(carried, dict.fromkeys(nobodys))
            marks = (have.metadata.get(SUBJECT) for have in carried.values())
            subjects |= {str(one) for one in marks if one is not None}
        return subjects

    def apply(self, subjects: Sequence[str]) -> None:
        """Bring the embeddings of some subjects in step."""
        carried = store.read(self._collection, where={SUBJECT: {"$in": list(subjects)}})
        wanted = self._derive(subjects)
        carried |= self._others(wanted, carried)
        should: dict[str, Wanted | None] = {
            id_: None
            for id_, have in carried.items()
            if id_ not in wanted.owner and str(have.metadata.get(SUBJECT)) not in self._refused
        }
        texts: dict[str, str] = {}
        for id_, one in wanted.derived.items():
            have = carried.get(id_)
            is_new = have is None or have.metadata.get(VECTOR) != one.fields[VECTOR]
            if is_new and one.text is not None and one.vector is None:
                texts[id_] = one.text
            elif is_new or have is not None:
                should[id_] = _wanted(one, have, one.vector if is_new else None)
        for id_, vector in self._embedded(texts, wanted.owner).items():
            should[id_] = _wanted(wanted.derived[id_], carried.get(id_), vector)
        refused = self._write(carried, should)
        for id_, refusal in refused.items():
            self._refuse(wanted.owner.get(id_, ""), f"{id_}: {refusal.reason}")

    def outcome(self, indexes: Mapping[str, Sequence[int]]) -> Outcome:
        """Return which signals failed, and log and count what was done."""
        failures: dict[int, SignalFailure] = {}
        for subject in sorted(self._waiting):
            for index in indexes.get(subject, ()):
                failures[index] = SignalFailure(
                    index, "NotEmbeddedInTime", subject, final=False, waits=True
                )
        for subject, reason in sorted(self._refused.items()):
            extra = {"subject": subject, "reason": reason}
            self._work.log.warning("Subject set aside", extra=extra)
            for index in indexes.get(subject, ()):
                name = MessageRejected.__name__
                failures[index] = SignalFailure(index, name, reason, final=True)
        counts = dict(self._counts)
        for name, value in counts.items():
            if value:
                self._work.metrics.count(name, value)
        self._work.metrics.count("CompactionCollectionUpdatesProcessed", len(self._work.signals))
        done: dict[str, float] = {
            **counts,
            "refused": len(self._refused),
            "waiting": len(self._waiting),
            "read_requests": self._table.requests,
            "read_units": self._table.units,
        }
        self._work.log.info("Difference written", extra=done)
        note = {_NOTED[name]: value for name, value in counts.items()}
        return Outcome([failures[index] for index in sorted(failures)], note)

    def _derive(self, subjects: Iterable[str]) -> _Set:
        """Derive subjects; of two with one id the first by name has it, and the other is refused"""
        now, wanted = self._work.clock(), _Set()
        for subject, items in sorted(self._read(list(subjects)).items()):
            lasting = alive(items, self._time_to_live, now)
            try:
                derived = self._source.derive(subject, lasting) if lasting else {}
                whole = {
                    id_: stamped(subject, one, self._source.embedder)
                    for id_, one in derived.items()
                }
            except OVER_AN_ITEM as error:
                self._refuse(subject, f"cannot be derived: {error}")
                continue
            for id_, one in whole.items():
                if id_ in wanted.owner:
                    self._refuse(subject, _conflict(id_, wanted.owner[id_]))
                else:
                    wanted.owner[id_], wanted.derived[id_] = subject, one
        return wanted

    def _read(self, subjects: Sequence[str]) -> Mapping[str, Sequence[Item]]:
        """Read items. A subject that only an embedding names may be none: it is set aside then."""
        try:
            return self._source.read(subjects, self._table)
        except OVER_AN_ITEM:
            signalled = [one for one in subjects if one in self._signalled]
            found = dict(self._source.read(signalled, self._table))
        for subject in set(subjects).difference(signalled):
            try:
                found.update(self._source.read([subject], self._table))
            except OVER_AN_ITEM as error:
                self._refuse(subject, f"an embedding names it, and it is none: {error!r:.300}")
        return found

    def _others(self, wanted: _Set, mine: Mapping[str, Carried]) -> dict[str, Carried]:
        """Return what is wanted and carried under another subject; it keeps it if it comes first"""
        found = store.read(self._collection, ids=wanted.owner.keys() - mine.keys())
        whose = {id_: str(have.metadata.get(SUBJECT, "")) for id_, have in found.items()}
        rivals = {id_: one for id_, one in whose.items() if one and one < wanted.owner[id_]}
        if rivals:
            theirs = self._derive(set(rivals.values()))
            for id_, rival in rivals.items():
                if theirs.owner.get(id_) == rival:
                    self._refuse(wanted.owner.pop(id_), _conflict(id_, rival))
                    del wanted.derived[id_]
                    del found[id_]
        return found

    def _embedded(self, texts: Mapping[str, str], owner: Mapping[str, str]) -> "dict[str, Vector]":
        embedder = self._source.embedder
        if not texts or embedder is None:
            return {}
        work = self._work

        def each(progress: Progress) -> None:
            ms = round(progress.took.total_seconds() * 1000)
            extra = {"done": progress.done, "of": progress.of, "ms": ms}
            work.log.info("Texts embedded", extra=extra)

        came = embed_texts(
            texts, embedder, self._parked, work.until, work.clock, each, slowest=self._slowest
        )
        self._slowest = came.slowest
        self._counts["CompactionTextsEmbedded"] += came.asked
        for id_, refusal in came.refused.items():
            self._refuse(owner[id_], f"{id_}: {refusal.reason}")
        self._waiting |= {owner[id_] for id_ in came.waiting}
        return dict(came.vectors)

    def _write(
        self, carried: Mapping[str, Carried], should: Mapping[str, Wanted | None]
    ) -> Mapping[str, Refusal]:
        if self._written >= _LOG:
            self._collection = store.get_collection(self._work.renewed(), self._work.collection)
            self._written = 0
        changes = difference(carried, should)
        written = store.apply(self._collection, changes)
        done = written.changes
        self._written += len(done)
        new = len(done.adds.keys() - carried.keys())  # the others are written anew, vector and all
        self._counts["CompactionEmbeddingsAdded"] += new
        self._counts["CompactionEmbeddingsUpdated"] += len(done.adds) - new + len(done.updates)
        self._counts["CompactionEmbeddingsDeleted"] += len(done.deletes)
        return written.refused

    def _refuse(self, subject: str, reason: str) -> None:
        self._refused.setdefault(subject, reason)


def _wanted(derived: "Derived", have: Carried | None, vector: "Vector | None") -> Wanted:
    """Return all that an embedding should carry: a key that its source names no more goes."""
    others = dict.fromkeys(have.metadata) if have is not None else {}
    return Wanted({**others, **derived.fields}, derived.document, vector)


def _conflict(id_: str, other: str) -> str:
    return f"the id {id_!r:.200} is that of {other:.300} too, which comes first and keeps it"
