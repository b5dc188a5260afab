"""What a fold needs, by its manifest alone: above what was measured, and not far above."""

import re
from dataclasses import dataclass, replace
from typing import Any

import pytest

from instep.chroma.sqlite_rows import SQLITE
from instep.errors import FoldTooLarge
from instep.lambda_.handlers import upload_snapshot
from instep.snapshot.acts.fold_size import FoldSize, Room
from instep.snapshot.acts.folding import FoldDue
from instep.snapshot.acts.publish import Published
from instep.snapshot.format.manifest import Facts, FileEntry, Layer, Manifest
from tests.support.marks import ROOT
from tests.unit.snapshot.test_manifest import manifest

INDEX = "00000000-0000-4000-8000-000000000000/data_level0.bin"
MB = 1 << 20


def version(*, index: float, database: float, embeddings: int, waiting: int) -> Manifest:
    """A version whose files have these megabytes."""
    sizes = {SQLITE: database} | ({INDEX: index} if index else {})
    files = {
        name: FileEntry((Layer("v", int(size * MB), "digest", ()),)) for name, size in sizes.items()
    }
    facts = Facts(embeddings=embeddings, pending_vectors=waiting)
    return replace(manifest(), facts=facts, files=files)


# Measured: the process's peak while it persisted, in MB, chromadb's own 78 among them.
@pytest.mark.parametrize(
    ("made", "peak"),
    [
        ({"index": 7.2, "database": 18.7, "embeddings": 20_300, "waiting": 300}, 122),
        ({"index": 0, "database": 18.7, "embeddings": 20_000, "waiting": 20_000}, 168),
        ({"index": 22.3, "database": 56.4, "embeddings": 60_300, "waiting": 300}, 161),
        ({"index": 0, "database": 56.4, "embeddings": 60_000, "waiting": 60_000}, 261),
        ({"index": 460, "database": 40, "embeddings": 70_500, "waiting": 500}, 807),
        ({"index": 97, "database": 270, "embeddings": 200_300, "waiting": 300}, 473),
        ({"index": 241, "database": 690, "embeddings": 500_300, "waiting": 300}, 1_027),
    ],
)
def test_the_estimate_is_above_what_was_measured_and_not_far(
    made: dict[str, float], peak: int
) -> None:
    needed = FoldSize.of(version(**made)).memory_mb  # type: ignore[arg-type]
    assert peak < needed < 2 * peak + 240


def test_the_disk_holds_two_copies_and_what_sqlite_needs_to_vacuum() -> None:
    size = FoldSize.of(version(index=1000, database=100, embeddings=1000, waiting=0))
    assert size.disk_mb == 2 * (1000 + 100) + 100


def test_a_collection_without_a_vector_needs_the_program_alone() -> None:
    size = FoldSize.of(version(index=0, database=0.1, embeddings=0, waiting=0))
    assert size.memory_mb < 300


@pytest.mark.parametrize(("memory", "disk"), [(99, 200), (100, 199)])
def test_too_little_of_either_is_refused_by_name(memory: int, disk: int) -> None:
    Room(100, 200).check("words", FoldSize(100, 200))
    with pytest.raises(FoldTooLarge, match=r"about 100 MB of memory and 200 MB of disk.*foldMem"):
        Room(memory, disk).check("words", FoldSize(100, 200))


@dataclass
class Holding:
    """A store of one version."""

    version: Manifest
    collection: str = "words"

    def manifest(self, version: str) -> Manifest:  # noqa: ARG002 - there is one
        return self.version


@pytest.mark.parametrize(
    ("waiting", "memory", "due"),
    [
        (30_000, 10_240, FoldDue.AFTER),
        (30_000, 1_200, FoldDue.NOW),  # with as many again it would not fit
        (30_000, 1_100, FoldDue.NO),
    ],
)
def test_a_fold_is_not_put_off_until_it_would_be_too_large(
    waiting: int, memory: int, due: FoldDue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOLD_MEMORY_MB", str(memory))
    monkeypatch.setenv("FOLD_STORAGE_MB", "10240")
    made = version(index=250, database=500, embeddings=280_000, waiting=waiting)
    published = Published("v", 1.0, FoldDue.AFTER, None)
    store: Any = Holding(made)
    assert upload_snapshot.due(store, published) is due


def indexed(count: int, floats: int) -> FoldSize:
    """The size of so many embeddings with 300 waiting: an element has its vector, its links, its
    label and its id.
    """
    index = count * (4 * floats + 250) / MB
    database = count * 2_000 / MB
    return FoldSize.of(version(index=index, database=database, embeddings=count, waiting=300))


def rows() -> list[tuple[int, list[int]]]:
    """The documented table: a memory, and how many embeddings of each width it holds."""
    text = (ROOT / "docs" / "operating.md").read_text()
    found = re.findall(r"^\| (\d+)[^|]*((?:\| [\d,]+ )+)\|$", text, re.MULTILINE)
    return [
        (int(memory), [int(cell.replace(",", "")) for cell in cells.split("|")[1:]])
        for memory, cells in found
    ]


def test_the_documented_table_is_what_the_estimate_says() -> None:
    assert len(rows()) == 4
    for memory, counts in rows():
        for floats, count in zip((384, 768, 1536), counts, strict=True):
            assert indexed(count, floats).memory_mb <= memory, (memory, floats)
            assert indexed(int(count * 1.1), floats).memory_mb > memory, (memory, floats)


@pytest.mark.parametrize(("floats", "count"), [(384, 1_100_000), (768, 840_000), (1536, 570_000)])
def test_the_documented_disk_is_what_the_estimate_says(floats: int, count: int) -> None:
    assert indexed(count, floats).disk_mb <= 10_240 < indexed(int(count * 1.1), floats).disk_mb
