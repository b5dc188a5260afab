"""A delta of every release a producer may have, read as that release itself read it."""

import json
import tarfile
from pathlib import Path

import pytest

from receipt_chroma.compaction.foreign import read_records

HERE = Path(__file__).parent / "releases"
RELEASES = sorted(path.name.removesuffix(".json") for path in HERE.glob("*.json"))
COLLECTIONS = ("pending", "persisted", "cosine", "legacy", "empty")


@pytest.mark.domain("delta-releases")
@pytest.mark.parametrize("collection", COLLECTIONS)
@pytest.mark.parametrize("release", RELEASES)
def test_each_record_is_what_its_own_chromadb_reads(
    tmp_path: Path, release: str, collection: str
) -> None:
    """`releases/write.py` wrote both, the delta and what is right."""
    truth = json.loads((HERE / f"{release}.json").read_text())[collection]
    with tarfile.open(HERE / f"{release}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    found = read_records(tmp_path, collection)
    assert found.broken == {}
    assert found.keys() == truth.keys()
    for id_, (vector, metadata, document) in truth.items():
        record = found[id_]
        assert (record.metadata, record.document) == (metadata or {}, document), id_
        # Of a cosine space a release answers direction times length, which may round.
        told = pytest.approx(vector) if collection in {"cosine", "legacy"} else vector
        assert record.embedding.tolist() == told, id_
