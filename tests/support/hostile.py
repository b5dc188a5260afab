"""Deltas that nobody should merge, each written where a run's `words_delta_prefix` points.

They are what docs/domain.md expects from outside: traversal, links, devices, bombs, foreign
pickles, and what a broken producer leaves: other widths, NaN, another collection, half a file.
"""

import gzip
import io
import pickle
import sqlite3
import struct
import tarfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import chromadb
from chromadb.config import Settings

from receipt_demo.producer import pack, write_directory

DATABASE: Final = "chroma.sqlite3"
DETONATED: Final = "a pickle ran"
ENDLESS_KEY: Final = (  # a key of pairs of pairs of pairs: hashed, it never ends
    b"\x80\x04}\x94)\x94"
    + b"".join(b"h%ch%c\x86\x94" % (at, at) for at in range(1, 60))
    + b"h\0h\x3cK\1s."
)
Edit = Callable[[Path], object]


@dataclass(frozen=True)
class Place:
    """Where the delta goes: `prefix` without a slash at its end; `ids` are the words it brings."""

    s3: Any
    bucket: str
    prefix: str
    ids: Sequence[str]
    scratch: Path

    def put(self, body: bytes, name: str = "delta.tar.gz") -> None:
        """Store an object of the delta."""
        self.s3.put_object(Bucket=self.bucket, Key=f"{self.prefix}/{name}", Body=body)


@dataclass(frozen=True)
class Hostile:
    """A delta, how it comes about, and a word of the reason that it must be refused with."""

    name: str
    write: Callable[[Place], None]
    reason: str

    def __str__(self) -> str:
        return self.name


def directory(
    place: Place, *, width: int = 4, collection: str = "words", ids: Sequence[str] = ()
) -> Path:
    """Make a healthy Chroma directory of the place's words."""
    made = place.scratch / f"made-{place.prefix.replace('/', '-')}"
    wanted = ids or place.ids
    vectors = [[0.5] * width for _ in wanted]
    write_directory(
        made, collection, wanted, vectors, [{"x": 1}] * len(wanted), ["t"] * len(wanted)
    )
    return made


def _edited(edit: Edit) -> Callable[[Place], None]:
    def write(place: Place) -> None:
        made = directory(place)
        edit(made)
        place.put(pack(made))

    return write


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> Callable[[Place], None]:
    """An archive with one more member than it should have."""

    def write(place: Place) -> None:
        body = io.BytesIO()
        with tarfile.open(fileobj=body, mode="w:gz") as archive:
            archive.add(directory(place), arcname=".")
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, link
            archive.addfile(member)
        place.put(body.getvalue())

    return write


def _bomb(place: Place) -> None:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as archive:
        member = tarfile.TarInfo(f"./{DATABASE}")
        member.size = 32 << 20
        archive.addfile(member, io.BytesIO(bytes(member.size)))
    place.put(body.getvalue())


def _crowd(place: Place) -> None:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as archive:
        for number in range(1001):
            archive.addfile(tarfile.TarInfo(f"./{number}"))
    place.put(body.getvalue())


def _pickle(made: Path) -> None:
    """What Python's own unpickler would run, where the index of the collection is kept."""

    class Runs:
        def __reduce__(self) -> tuple[Any, ...]:
            return print, (DETONATED,)

    segment = _rows(made, "SELECT id FROM segments WHERE scope = 'VECTOR'")[0][0]
    (made / segment).mkdir(exist_ok=True)
    (made / segment / "index_metadata.pickle").write_bytes(pickle.dumps(Runs()))


def _not_a_number(made: Path) -> None:
    broken = struct.pack("<4f", 1.0, float("nan"), 2.0, 3.0)
    _execute(made, ("UPDATE embeddings_queue SET vector = ?", (broken,)))


def _sql(*statements: str) -> Callable[[Place], None]:
    """A delta whose database somebody has edited by hand."""
    return _edited(lambda made: _execute(made, *((one, ()) for one in statements)))


def _replayed(metadata: str) -> Callable[[Place], None]:
    """A delta whose log says of every record what this SQL makes."""
    return _sql(
        "UPDATE max_seq_id SET seq_id = 0",
        f"UPDATE embeddings_queue SET operation = 2, metadata = {metadata}",  # noqa: S608
    )


def _execute(made: Path, *statements: tuple[str, Sequence[Any]]) -> None:
    with closing(sqlite3.connect(made / DATABASE)) as database:
        for statement, values in statements:
            database.execute(statement, values)
        database.commit()


def _elsewhere_too(place: Place) -> None:
    """The collection of the place in two of chromadb's databases."""
    made = directory(place)
    client: Any = chromadb.PersistentClient(str(made), Settings(anonymized_telemetry=False))
    client._admin_client.create_database("other")
    client.set_database("other")
    client.create_collection("words", embedding_function=None)
    client.close()
    place.put(pack(made))


def _file_below_the_database(place: Place) -> None:
    place.put((directory(place) / DATABASE).read_bytes(), DATABASE)
    place.put(b"x", f"{DATABASE}/header.bin")


def _endless_name(place: Place) -> None:
    place.put((directory(place) / DATABASE).read_bytes(), DATABASE)
    place.put(b"x", f"{'n' * 300}/header.bin")


def _labels(program: bytes) -> Callable[[Path], None]:
    """A pickle, where the index of the collection is kept."""

    def edit(made: Path) -> None:
        segment = _rows(made, "SELECT id FROM segments WHERE scope = 'VECTOR'")[0][0]
        (made / segment).mkdir(exist_ok=True)
        (made / segment / "index_metadata.pickle").write_bytes(program)

    return edit


def _shared_pages(made: Path) -> None:
    """A table whose pages all lead to one another: rows without an end, in a few pages."""
    many = "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
    _execute(
        made,
        (f"{many} INSERT INTO max_seq_id SELECT 'segment' || i, 1 FROM n", ()),  # noqa: S608
        ("UPDATE embeddings_queue SET metadata = replace(hex(zeroblob(20000)), '0', ' ')", ()),
    )
    ((root,),) = _rows(made, "SELECT rootpage FROM sqlite_master WHERE name = 'max_seq_id'")
    pages = bytearray((made / DATABASE).read_bytes())
    start = (root - 1) * 4096
    assert pages[start] == 5, "the table has one page only"
    for cell in range(int.from_bytes(pages[start + 3 : start + 5], "big")):
        at = int.from_bytes(pages[start + 12 + 2 * cell : start + 14 + 2 * cell], "big")
        pages[start + at : start + at + 4] = pages[start + 8 : start + 12]
    (made / DATABASE).write_bytes(pages)


def _long_header(place: Place) -> None:
    """An archive that says a million things of a file before it comes."""
    said = b"13 k%06d=v\n" % 0 * 100_000
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, len(said)
    body = header.tobuf() + said + bytes(-len(said) % 512) + tarfile.TarInfo("y").tobuf()
    place.put(gzip.compress(body))


def _endless_member(place: Place) -> None:
    """An archive whose one member ends in a million years; tarfile alone would look for its end."""
    member = tarfile.TarInfo("x")
    member.size = 1 << 60
    place.put(gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024)))


def _rows(made: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(made / DATABASE)) as database:
        return database.execute(query).fetchall()


def _upwards(place: Place) -> None:
    place.put((directory(place) / DATABASE).read_bytes(), DATABASE)
    place.put(b"evil", "../../evil")


def _other_ids(*ids: str) -> Callable[[Place], None]:
    return lambda place: place.put(pack(directory(place, ids=ids)))


HOSTILE: Final = (
    Hostile("traversal", _member("./../../evil"), "leads out of"),
    Hostile("absolute", _member("/tmp/evil"), "leads out of"),  # noqa: S108
    Hostile("traversal-loose", _upwards, "leads out of"),
    Hostile("symbolic-link", _member("./link", tarfile.SYMTYPE, "/etc/passwd"), "is a link"),
    Hostile("hard-link", _member("./link", tarfile.LNKTYPE, "/etc/passwd"), "is a link"),
    Hostile("device", _member("./null", tarfile.CHRTYPE), "a device"),
    Hostile("pipe", _member("./pipe", tarfile.FIFOTYPE), "a device"),
    Hostile("bomb", _bomb, "more than"),
    Hostile("crowd", _crowd, "more than 1000 members"),
    Hostile("pickle", _edited(_pickle), "only plain data is read"),
    Hostile("endless-key", _edited(_labels(ENDLESS_KEY)), "only plain data is read"),
    Hostile("wide-memo", _edited(_labels(b"\x80\x04}r\xff\xff\xff\x3f.")), "memo 1073741823"),
    Hostile("long-header", _long_header, "a header of"),
    Hostile("endless-member", _endless_member, "unpacks to more than"),
    Hostile("shared-pages", _edited(_shared_pages), "is damaged"),
    Hostile(
        "crowd-of-values",
        _replayed("'{\"a\":[' || replace(hex(zeroblob(30000)), '0', '1,') || '1]}'"),
        "values that a delta of its size may hold",  # which differs by a few bytes each time
    ),
    Hostile("deep-metadata", _replayed("replace(hex(zeroblob(2000)), '0', '[')"), "too deeply"),
    Hostile("nested-map", _replayed("""'{"a":{"b":1}}'"""), "is a dict"),
    Hostile("mixed-list", _replayed("""'{"a":[1,"x"]}'"""), "is no list of strings"),
    Hostile("half-a-letter", _replayed("""'{"a":"\\ud800"}'"""), "cannot be written in UTF-8"),
    Hostile("no-number", _replayed("""'{"a":NaN}'"""), "no finite number"),
    Hostile("listed-document", _replayed("""'{"chroma:document":[1]}'"""), "document is no text"),
    Hostile(
        "segment-of-256-bytes",  # and of 64 letters: no file system has such a name
        _sql(
            "UPDATE segments SET id = replace(hex(zeroblob(32)), '0', char(120120))"
            " WHERE scope = 'VECTOR'"
        ),
        "no vector",
    ),
    Hostile(
        "view",
        _sql(
            "ALTER TABLE embedding_metadata RENAME TO moved",
            "CREATE VIEW embedding_metadata AS SELECT * FROM moved",
        ),
        "is not as any chromadb",
    ),
    Hostile(
        "computed-column",  # each read would make 300 MB of it
        _sql("ALTER TABLE embeddings_queue ADD COLUMN huge AS(printf('%*d',300000000,1))"),
        "is not as any chromadb",
    ),
    Hostile(
        "endless-comparison",
        _sql(
            "UPDATE collections SET id = replace(hex(zeroblob(24500)), '0', '/') || 'b'",
            "UPDATE segments SET collection = (SELECT id FROM collections)",
            "UPDATE embeddings_queue SET topic = replace(hex(zeroblob(1000000)), '0', '/')",
        ),
        "has no vector",
    ),
    Hostile("odd-mark", _sql("UPDATE max_seq_id SET seq_id = 'abc'"), "no number of a log record"),
    Hostile("no-mark", _sql("UPDATE max_seq_id SET seq_id = NULL"), "no number of a log record"),
    Hostile(
        "odd-number",
        _sql("UPDATE embedding_metadata SET int_value = 'abc' WHERE int_value IS NOT NULL"),
        "no int of a field",
    ),
    Hostile(
        "odd-text",
        _sql("UPDATE embedding_metadata SET string_value = x'00' WHERE string_value IS NOT NULL"),
        "stands where a text belongs",
    ),
    Hostile(
        "other-columns",
        _sql("DROP TABLE embeddings_queue", "CREATE TABLE embeddings_queue (seq_id, id, topic)"),
        "is not as any chromadb",
    ),
    Hostile("odd-act", _sql("UPDATE embeddings_queue SET operation = 9"), "none of chromadb"),
    Hostile(
        "odd-segment", _sql("UPDATE segments SET id = '..' WHERE scope = 'VECTOR'"), "no vector"
    ),
    Hostile(
        "from-the-future",
        _sql("UPDATE migrations SET version = 99 WHERE version = 2 AND dir = 'embeddings_queue'"),
        "newer than 1.5",
    ),
    Hostile(
        "from-the-past",
        _sql("DELETE FROM migrations WHERE dir = 'sysdb' AND version > 3"),
        "older than 0.4.24",
    ),
    Hostile("two-databases", _elsewhere_too, "default_tenant/default_database, default_tenant/o"),
    Hostile("file-below-the-database", _file_below_the_database, "unreadable"),
    Hostile("endless-name", _endless_name, "unreadable"),
    Hostile("no-archive", lambda place: place.put(b"no archive at all"), "unreadable"),
    Hostile("cut-off", lambda place: place.put(pack(directory(place))[:-900]), "unreadable"),
    Hostile("no-database", _edited(lambda made: (made / DATABASE).unlink()), "no chroma.sqlite3"),
    Hostile(
        "no-sqlite",
        _edited(lambda made: (made / DATABASE).write_bytes(b"x" * 9000)),
        "unreadable",
    ),
    Hostile(
        "unfinished",
        _edited(lambda made: (made / f"{DATABASE}-wal").write_bytes(b"x")),
        "did not close it",
    ),
    Hostile("no-vectors", _sql("DELETE FROM embeddings_queue"), "has no vector"),
    Hostile("not-a-number", _edited(_not_a_number), "NaN"),
    Hostile("other-width", lambda place: place.put(pack(directory(place, width=5))), "5 numbers"),
    Hostile(
        "other-collection",
        lambda place: place.put(pack(directory(place, collection="lines"))),
        "no collection 'words'",
    ),
    Hostile("other-grammar", _other_ids("no id of ours"), "is no id of words"),
    Hostile("a-line", _other_ids("IMAGE#i#RECEIPT#00001#LINE#00001"), "is no id of words"),
    Hostile("expired", lambda _: None, "deltas expire after 7 days"),
    Hostile(
        "gzip-of-nothing",
        lambda place: place.put(gzip.compress(b"")),
        "no chroma.sqlite3|unreadable",
    ),
)
