"""chromadb's index on the disk: what its header says is so, and unused room holds nothing."""

import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
from chromadb.errors import InternalError

from instep.chroma.collection import (
    close_client,
    create_collection,
    open_client,
    opened,
    persist_after,
    read_vectors,
)
from instep.chroma.hnsw.layout import ELEMENTS, HEADER, read_layout
from instep.chroma.hnsw.remains import forget
from instep.chroma.hnsw.stub import lay_stub
from instep.chroma.persisting import persist
from instep.chroma.sqlite_rows import OUT_OF_REACH
from instep.errors import SnapshotUnsupported
from tests.support.snapshots import NAME, WIDTH, adds, assert_searched, names, seen_in, vector

COUNT = 50


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    """The index of a collection of COUNT vectors, persisted."""
    client = open_client(tmp_path)
    adds(names(COUNT))(create_collection(client, NAME))
    close_client(client)
    return persisted(tmp_path)


def persisted(directory: Path) -> Path:
    """Persist the index of a directory, and say where it lies."""
    persist(directory, NAME)
    (header,) = directory.glob(f"*/{HEADER}")
    return header.parent


def test_the_header_says_how_an_index_lies(segment: Path) -> None:
    layout = read_layout(segment)
    assert layout.count == COUNT
    assert layout.label_at - layout.vector_at == 4 * WIDTH
    size = (segment / ELEMENTS).stat().st_size
    assert layout.count * layout.width <= size <= layout.room * layout.width


def test_unused_room_holds_nothing_of_the_memory_it_was_written_from(segment: Path) -> None:
    layout = read_layout(segment)
    unused = (segment / ELEMENTS).read_bytes()[layout.count * layout.width :]
    assert unused
    assert not any(unused)
    assert not any((segment / "length.bin").read_bytes()[4 * layout.count :])


def test_an_index_goes_on_in_room_that_was_blanked(segment: Path) -> None:
    with opened(segment.parent, NAME) as collection:
        adds(names(20, COUNT))(collection)
        assert_searched(collection, names(COUNT + 20))
    assert {id_: list(one.vector) for id_, one in seen_in(segment.parent).items()} == {
        id_: vector(id_) for id_ in names(COUNT + 20)
    }


def test_another_layout_is_refused_and_left_alone(segment: Path) -> None:
    with (segment / ELEMENTS).open("ab") as file:
        file.write(b"more")
    before = (segment / ELEMENTS).read_bytes()
    with pytest.raises(SnapshotUnsupported, match="its header says"):
        forget(segment)
    (segment / HEADER).write_bytes(b"short")
    with pytest.raises(SnapshotUnsupported, match="no header of an index"):
        forget(segment)
    assert (segment / ELEMENTS).read_bytes() == before


@pytest.mark.parametrize("space", ["l2", "ip", "cosine"])
def test_persisting_writes_no_vector_twice(tmp_path: Path, space: str) -> None:
    """What proves that they arrived knows every space: cosine keeps a direction and a length."""
    client = open_client(tmp_path)
    settings: Any = {"hnsw": {"space": space, "sync_threshold": OUT_OF_REACH}}
    made = client.create_collection(NAME, configuration=settings, embedding_function=None)
    adds(names(COUNT))(made)
    close_client(client)
    before = seen_in(tmp_path)
    assert read_layout(persisted(tmp_path)).count == COUNT
    assert seen_in(tmp_path) == before


def test_a_deleted_vector_is_in_no_file_and_every_other_is_found(tmp_path: Path) -> None:
    """Not even where an element deleted before was given it: whoever lends it may go in turn."""
    kept = {
        id_: [1.5 * at, 0.25 * at * at, *[1.0] * (WIDTH - 2)] for at, id_ in enumerate(names(60))
    }
    client = open_client(tmp_path)
    create_collection(client, NAME).add(list(kept), embeddings=list(kept.values()))  # type: ignore[arg-type]
    close_client(client)
    segment = persisted(tmp_path)
    for gone in (names(20, 10), names(15, 30), names(24)[::2], names(60)):
        with opened(tmp_path, NAME) as collection:
            collection.delete(gone)
        persist(tmp_path, NAME)
        living = {id_: kept[id_] for id_ in kept if id_ not in gone}
        elements = (segment / ELEMENTS).read_bytes()
        for id_, held in kept.items():
            assert (struct.pack(f"<{WIDTH}f", *held) in elements) is (id_ in living)
        with opened(tmp_path, NAME) as collection:
            assert read_vectors(collection, kept).keys() == living.keys()
            assert_searched(collection, living)
        kept = living


def test_a_client_builds_on_the_stub_it_is_given(segment: Path) -> None:
    """It has the stub's links an element, which are few, and none of the elements there were."""
    real = read_layout(segment)
    shutil.rmtree(segment)
    lay_stub(segment, WIDTH)
    stub = read_layout(segment)
    with opened(segment.parent, NAME) as collection:
        persist_after(collection, 1)
    with opened(segment.parent, NAME) as collection:
        adds(names(20, COUNT))(collection)
    built = read_layout(segment)
    assert (built.count, built.width) == (20, stub.width)
    assert built.width < real.width


def test_a_stub_of_another_layout_is_noticed(segment: Path) -> None:
    """chromadb would refuse a stub that is none, instead of building an index of its own."""
    shutil.rmtree(segment)
    lay_stub(segment, WIDTH)
    (segment / HEADER).write_bytes(b"short")
    with opened(segment.parent, NAME) as collection, pytest.raises(InternalError):
        adds(names(1, COUNT))(collection)
