"""Files as pages: the digest moves with the change and is that of the whole file."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.snapshot.format.pages import (
    PAGE,
    Digest,
    PageFile,
    changed,
    file_digest,
    page_count,
    page_length,
    read_pages,
    write_pages,
)
from tests.support.file_operations import files_bounded

PAGES = st.dictionaries(st.integers(1, 40), st.binary(min_size=1, max_size=8), max_size=12)


@given(before=PAGES, change=PAGES)
def test_a_digest_moved_by_the_change_is_the_digest_of_the_whole(
    before: dict[int, bytes], change: dict[int, bytes]
) -> None:
    moved, whole = Digest(), Digest()
    for number, page in before.items():
        moved.add(number, page)
    moved = Digest(moved.hex())
    replaced = Digest()
    for number, page in change.items():
        moved.add(number, page)
        if number in before:
            replaced.add(number, before[number])
    moved.subtract(Digest.from_bytes(replaced.to_bytes()))
    for number, page in {**before, **change}.items():
        whole.add(number, page)
    assert moved.hex() == whole.hex()


def test_the_same_page_at_two_places_is_two_things() -> None:
    here, there = Digest(), Digest()
    here.add(1, b"a")
    there.add(2, b"a")
    assert here.hex() != there.hex()


def test_a_file_that_ends_inside_a_page(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * (PAGE + 10))
    assert [(number, len(page)) for number, page in read_pages(path)] == [(1, PAGE), (2, 10)]
    assert page_count(PAGE + 10) == 2
    assert [page_length(number, PAGE + 10) for number in (1, 2, 3)] == [PAGE, 10, 0]
    with PageFile(path) as file:
        assert [len(file.read(number)) for number in (1, 2, 3)] == [PAGE, 10, 0]


def test_changed_pages_of_a_file_that_grew(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"a" * PAGE + b"b" * PAGE + b"c")
    new.write_bytes(b"a" * PAGE + b"B" * PAGE + b"cd" + b"e" * PAGE)
    found = changed(old, new)
    assert sorted(found) == [2, 3, 4]
    whole = Digest()
    for number, page in read_pages(old):
        whole.add(number, found.get(number, page))
    whole.add(4, found[4])
    assert whole.hex() == file_digest(new)


def test_a_disk_with_room_for_a_part_of_the_pages_is_heard_of(tmp_path: Path) -> None:
    """What is written in one call may be written in part, and that is no error to the kernel."""
    file = tmp_path / "file"
    file.write_bytes(b"a" * 3 * PAGE)
    with files_bounded(2 * PAGE), pytest.raises(OSError, match="File too large"):
        write_pages(file, {2: b"b" * PAGE, 3: b"c" * PAGE}, 3 * PAGE)
