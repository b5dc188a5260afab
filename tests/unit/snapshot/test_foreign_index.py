"""The files of an index that anybody may have written: read as numbers, or refused by a sentence.

A pickle that holds nothing but plain data can still cost more than any machine has.
"""

import pickle
import resource
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instep.chroma.hnsw.labels import IndexBroken
from instep.chroma.hnsw.layout import ELEMENTS, FORMAT, HEADER, LABELS, LENGTHS, VERSION, Layout
from instep.chroma.hnsw.vectors import read_vectors

WIDTH = 3
VECTORS = np.arange(12, dtype=np.float32).reshape(4, WIDTH)
LAYOUT = Layout(4, 4, 4 + 4 * WIDTH + 8, 4 + 4 * WIDTH, 4)
IDS = {f"w{label}": label for label in range(4)}
FILES = (HEADER, ELEMENTS, LENGTHS, LABELS)


def write(segment: Path, layout: Layout = LAYOUT, labels: bytes | None = None) -> Path:
    segment.mkdir(exist_ok=True)
    header = FORMAT.pack(VERSION, 0, *astuple(layout), 0, 0, 16, 32, 16, 0.36, 100)
    (segment / HEADER).write_bytes(header)
    rows = [bytes(4) + VECTORS[n].tobytes() + struct.pack("<Q", n) for n in range(4)]
    (segment / ELEMENTS).write_bytes(b"".join(rows))
    (segment / LENGTHS).write_bytes(np.ones(4, np.float32).tobytes())
    (segment / LABELS).write_bytes(labels or pickle.dumps({"id_to_label": IDS}, protocol=4))
    return segment


@contextmanager
def little_memory(extra: int) -> Iterator[None]:
    """Fail what takes so many bytes more, instead of letting the machine find out."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + extra, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_vectors_come_by_their_ids(tmp_path: Path) -> None:
    found = read_vectors(write(tmp_path / "index"))
    assert {id_: vector.tolist() for id_, vector in found.items()} == {
        id_: VECTORS[label].tolist() for id_, label in IDS.items()
    }


def memo_of_a_billion() -> bytes:
    return b"\x80\x04}r\xff\xff\xff\x3f."


def key_that_is_hashed_for_ever() -> bytes:
    doubled = b"".join(b"h%ch%c\x86\x94" % (at, at) for at in range(1, 60))
    return b"\x80\x04}\x94)\x94" + doubled + b"h\0h\x3cK\1s."


def a_million_maps() -> bytes:
    return b"\x80\x04" + b"}" * 1_000_000 + b"."


def a_huge_number() -> bytes:
    return b"\x80\x04}\x8a\xff" + b"\x7f" * 255 + b"K\1s."


def a_list() -> bytes:
    return pickle.dumps({"id_to_label": [1]}, protocol=4)


def two_objects() -> bytes:
    named = b"\x8c\x04json\x8c\x04load\x93"
    return b"\x80\x04" + named + named + b"."


@pytest.mark.parametrize(
    "labels",
    [
        memo_of_a_billion,
        key_that_is_hashed_for_ever,
        a_million_maps,
        a_huge_number,
        a_list,
        two_objects,
    ],
)
def test_a_pickle_of_plain_data_costs_what_it_weighs(tmp_path: Path, labels: object) -> None:
    assert callable(labels)
    segment = write(tmp_path / "index", labels=labels())
    with little_memory(64 << 20), pytest.raises(IndexBroken):
        read_vectors(segment)


@pytest.mark.parametrize(
    "layout",
    [
        replace(LAYOUT, count=5),
        replace(LAYOUT, room=1 << 63, count=1 << 62),
        replace(LAYOUT, count=0, width=1 << 63, label_at=(1 << 63) - 8),
        replace(LAYOUT, vector_at=5),
        replace(LAYOUT, label_at=LAYOUT.label_at - 4),
    ],
)
def test_a_header_that_promises_what_is_not_there_is_refused(
    tmp_path: Path, layout: Layout
) -> None:
    with pytest.raises(IndexBroken):
        read_vectors(write(tmp_path / "index", layout))


def test_two_elements_of_one_label_are_refused(tmp_path: Path) -> None:
    segment = write(tmp_path / "index")
    body = bytearray((segment / ELEMENTS).read_bytes())
    body[LAYOUT.label_at : LAYOUT.width] = struct.pack("<Q", 3)
    (segment / ELEMENTS).write_bytes(body)
    with pytest.raises(IndexBroken, match="two elements of one label"):
        read_vectors(segment)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(FILES),
    at=st.integers(0, 10_000),
    new=st.binary(max_size=9),
    gone=st.integers(0, 9),
    cosine=st.booleans(),
)
def test_whatever_the_bytes_they_are_vectors_or_a_sentence(
    tmp_path: Path, name: str, at: int, new: bytes, gone: int, cosine: bool
) -> None:
    segment = write(tmp_path / "index")
    body = (segment / name).read_bytes()
    at %= len(body)
    (segment / name).write_bytes(body[:at] + new + body[at + gone :])
    try:
        found = read_vectors(segment, cosine=cosine)
    except IndexBroken:
        return
    assert all(vector.dtype == np.float32 for vector in found.values())
