"""A delta of every release a producer may have, read as that release itself read it."""

import json
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import chromadb
import pytest

from instep.chroma.foreign import records as foreign
from instep.chroma.foreign.records import read_records
from instep.chroma.foreign.releases import KNOWN
from instep.errors import DeltaRejected

HERE = Path(__file__).parent / "releases"
RELEASES = sorted(path.name.removesuffix(".json") for path in HERE.glob("*.json"))
COLLECTIONS = ("pending", "persisted", "cosine", "legacy", "empty")


def unpack(release: str, directory: Path) -> None:
    with tarfile.open(HERE / f"{release}.tar.gz") as archive:
        archive.extractall(directory, filter="data")


@pytest.mark.domain("delta-releases")
@pytest.mark.parametrize("collection", COLLECTIONS)
@pytest.mark.parametrize("release", RELEASES)
def test_each_record_is_what_its_own_chromadb_reads(
    tmp_path: Path, release: str, collection: str
) -> None:
    """`releases/write.py` wrote both, the delta and what is right."""
    truth = json.loads((HERE / f"{release}.json").read_text())[collection]
    unpack(release, tmp_path)
    found = read_records(tmp_path, collection)
    assert found.broken == {}
    assert found.keys() == truth.keys()
    for id_, (vector, metadata, document) in truth.items():
        record = found[id_]
        assert (record.metadata, record.document) == (metadata or {}, document), id_
        # Of a cosine space a release answers direction times length, which may round.
        told = pytest.approx(vector) if collection in {"cosine", "legacy"} else vector
        assert record.embedding.tolist() == told, id_


@pytest.mark.domain("delta-releases")
def test_every_step_of_chromadbs_migrations_leaves_a_schema_that_is_known() -> None:
    """A producer may have upgraded, and so run some of them later than others."""
    oldest = {"sysdb": 4, "metadb": 3, "embeddings_queue": 1}
    steps = [
        (folder, int(path.name[:5]), path.read_text())
        for folder in oldest
        for path in sorted((Path(chromadb.__file__).parent / "migrations" / folder).glob("*.sql"))
    ]
    with closing(sqlite3.connect(":memory:")) as db:
        for folder, number, statements in sorted(steps, key=lambda one: one[1] > oldest[one[0]]):
            db.executescript(statements)
            if number > oldest[folder]:
                made = db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
                assert {" ".join(sql.split()) for (sql,) in made} <= KNOWN


@pytest.mark.domain("delta-hostile")
@pytest.mark.parametrize(
    ("bound", "reason"), [("_LARGEST_LABELS", "has more than 3 bytes"), ("_MOST_RECORDS", "3 rec")]
)
def test_more_than_a_delta_can_have_is_not_even_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, reason: str
) -> None:
    unpack("1.5.9", tmp_path)
    monkeypatch.setattr(foreign, bound, 3)
    with pytest.raises(DeltaRejected, match=reason):
        read_records(tmp_path, "persisted")
