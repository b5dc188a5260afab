"""A delta of every release a producer may have, read as that release itself read it."""

import json
import tarfile
from pathlib import Path

import pytest

from instep.errors import DeltaRejected
from receipt_chroma.compaction import foreign
from receipt_chroma.compaction.foreign import read_records

HERE = Path(__file__).parent / "releases"
RELEASES = sorted(path.name.removesuffix(".json") for path in HERE.glob("*.json"))
STORED = 10_000  # bytes, about
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
    found = read_records(tmp_path, collection, STORED)
    assert found.broken == {}
    assert found.keys() == truth.keys()
    for id_, (vector, metadata, document) in truth.items():
        record = found[id_]
        assert (record.metadata, record.document) == (metadata or {}, document), id_
        # Of a cosine space a release answers direction times length, which may round.
        told = pytest.approx(vector) if collection in {"cosine", "legacy"} else vector
        assert record.embedding.tolist() == told, id_


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
        read_records(tmp_path, "persisted", STORED)
