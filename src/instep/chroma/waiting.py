"""What the vector index waits for, out of sight of a client that never searches.

With each write chromadb reads its log anew from the last record that the index has on, vectors and
all: with 12,000 of 256 floats waiting an edit of five labels took 0.29 s, and 0.01 where none
waited. So while a writer works its copy says that the index has them all; and that chromadb is to
keep its log, which it otherwise rids of what the index has.

It leans on where chromadb says both: the vector segment's row in `max_seq_id`, and the flag
`automatically_purge` in `embeddings_queue_config`. A log that lost a vector all the same is noticed
by `show`, and nothing is published of it.
"""

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from instep.chroma.sqlite_rows import DELETE, WAITS, writing
from instep.errors import SnapshotUnsupported

_FLAG: Final = "automatically_purge"
_KIND: Final = {"_type": "EmbeddingsQueueConfigurationInternal"}


@dataclass(frozen=True)
class Hidden:
    """What the copy said before: the last record that its index has, None for no row, and how the
    log is configured; and that so many wait up to the record `last`.
    """

    segment: str
    indexed: int | None
    configuration: str | None
    last: int
    records: int


def hide(main: Path) -> Hidden:
    """Have a copy say that its index has all there is; return what `show` needs.

    There is no client on it, and the index that one will find is the stub.
    """
    with writing(main) as database:
        ((segment, indexed),) = database.execute(
            "SELECT s.id, m.seq_id FROM segments s LEFT JOIN max_seq_id m ON m.segment_id = s.id"
            " WHERE s.scope = 'VECTOR'"
        ).fetchall()
        row = database.execute("SELECT config_json_str FROM embeddings_queue_config").fetchone()
        (last,) = database.execute("SELECT max(seq_id) FROM embeddings_queue").fetchone()
        hidden = Hidden(segment, indexed, row and row[0], last or 0, _waiting(database, last or 0))
        if last is not None:
            _say(database, segment, last)
        said = json.loads(row[0]) if row else _KIND
        _configure(database, json.dumps({**said, _FLAG: False}))
    return hidden


def show(main: Path, hidden: Hidden) -> None:
    """Have it say again what it said; SnapshotUnsupported if the log has lost a vector."""
    with writing(main) as database:
        _say(database, hidden.segment, hidden.indexed)
        _configure(database, hidden.configuration)
        lost = hidden.records - _waiting(database, hidden.last)
        if lost:
            raise SnapshotUnsupported(
                f"chromadb dropped {lost} of the vectors that the index of {main} waits for, "
                f"though it was told to keep them; nothing of this is published: install the "
                f"chromadb that this release pins"
            )


def _waiting(database: sqlite3.Connection, last: int) -> int:
    (found,) = database.execute(
        f"SELECT count(*) FROM embeddings_queue WHERE {WAITS} AND seq_id <= ?",  # noqa: S608
        (DELETE, last),
    ).fetchone()
    return int(found)


def _say(database: sqlite3.Connection, segment: str, indexed: int | None) -> None:
    if indexed is None:
        database.execute("DELETE FROM max_seq_id WHERE segment_id = ?", (segment,))
    else:
        database.execute("REPLACE INTO max_seq_id VALUES (?, ?)", (segment, indexed))


def _configure(database: sqlite3.Connection, configuration: str | None) -> None:
    database.execute("DELETE FROM embeddings_queue_config")
    if configuration is not None:
        database.execute("INSERT INTO embeddings_queue_config VALUES (1, ?)", (configuration,))
