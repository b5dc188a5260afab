"""What a log does to a collection's two segments: chromadb's own rules, record by record.

An add of an id that a segment has is ignored, and so is an update of one that it lacks; metadata
is merged by updates and upserts alike, and only None takes a key away. Each segment is asked for
itself: what one of them persisted says nothing of the other. Tests let chromadb itself judge.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np

from instep.errors import DeltaRejected
from instep.json_text import NotJson, read_object

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from instep.difference import Value

    Fields: TypeAlias = dict[str, Value]

_ADD: Final = 0
_UPDATE: Final = 1
_UPSERT: Final = 2
_DELETE: Final = 3
_OPERATIONS: Final = frozenset({_ADD, _UPDATE, _UPSERT, _DELETE})
_FLOAT32: Final = "FLOAT32"


class LogRecord(NamedTuple):
    """One row of the table `embeddings_queue`; `vector` and `metadata` may be absent."""

    seq_id: int
    operation: int
    id: str
    vector: bytes | None
    encoding: str | None
    metadata: str | None


@dataclass
class Segments:
    """What the metadata segment and the vector segment hold, and why records of them cannot count.

    `fields` has the document under Chroma's own key. A vector of the log is bytes until it is
    asked for, since only the last one counts.
    """

    fields: dict[str, "Fields"]
    vectors: "dict[str, NDArray[np.float32] | LogRecord]"
    broken: dict[str, str] = field(default_factory=dict)

    def replay_fields(self, record: LogRecord) -> int:
        """Let a record of the log change the metadata segment; return how many values that took."""
        if not self._counts(record, self.fields):
            return 0
        if record.operation == _DELETE:
            self.fields.pop(record.id, None)
            self.broken.pop(record.id, None)
            return 0
        known = self.fields.setdefault(record.id, {})
        try:
            changes = read_object("{}" if record.metadata is None else record.metadata)
        except NotJson as error:
            self.broken[record.id] = f"its metadata is no JSON object: {error}"
            return 0
        known.update(changes)
        for key in [key for key, value in known.items() if value is None]:
            del known[key]
        return sum(len(value) if isinstance(value, list) else 1 for value in changes.values())

    def replay_vector(self, record: LogRecord) -> None:
        """Let a record of the log change the vector segment."""
        if not self._counts(record, self.vectors):
            return
        if record.operation == _DELETE:
            self.vectors.pop(record.id, None)
        elif record.vector is not None:
            self.vectors[record.id] = record

    def vector(self, id_: str) -> "NDArray[np.float32] | str":
        """Return an id's vector, finite and with at least one number, or what is wrong with it."""
        found = self.vectors.get(id_)
        if found is None:
            return "it has no vector"
        vector = _decoded(found) if isinstance(found, LogRecord) else found
        if vector is None:
            return f"its vector is no {_FLOAT32}"
        if not len(vector):
            return "its vector has no numbers"
        return vector if np.isfinite(vector).all() else "its vector has NaN or infinite numbers"

    def _counts(self, record: LogRecord, held: Mapping[str, Any]) -> bool:
        if record.operation not in _OPERATIONS:
            raise DeltaRejected(
                f"record {record.id!r:.200}: operation {record.operation!r:.40} is none of chromadb"
            )
        return record.operation != (_ADD if record.id in held else _UPDATE)


def _decoded(record: LogRecord) -> "NDArray[np.float32] | None":
    vector = record.vector
    if record.encoding != _FLOAT32 or not isinstance(vector, bytes) or len(vector) % 4:
        return None
    return np.frombuffer(vector, dtype="<f4")
