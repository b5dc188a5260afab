"""Pages <-> packs: what goes in comes out, costs what changed, and damage is told."""

from base64 import b64decode
from hashlib import sha256, shake_128

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.snapshot.format.pack import PACK_PAGES, PackDamaged, decode, encode, no_parent
from instep.snapshot.format.pages import PAGE, Digest

SIZE = 100 * PAGE
VERSION = "20260102T030405.000006Z-0123abcd"
PARENT = {number: shake_128(bytes([number])).digest(PAGE) for number in range(1, 101)}


def parent(number: int) -> bytes:
    return PARENT.get(number, b"")


def edited(page: bytes, edits: list[tuple[int, bytes]]) -> bytes:
    buffer = bytearray(page)
    for at, new in edits:
        buffer[at : at + len(new)] = new
    return bytes(buffer[:PAGE])


EDITS = st.lists(st.tuples(st.integers(0, PAGE - 1), st.binary(max_size=40)), max_size=4)


@given(st.dictionaries(st.integers(1, 100), EDITS, min_size=1, max_size=80))
def test_what_is_encoded_against_the_parent_comes_out(edits: dict[int, object]) -> None:
    pages = {number: edited(PARENT[number], made) for number, made in edits.items()}  # type: ignore[arg-type]
    sent, received = Digest(), Digest()
    pack = encode(pages, parent, sent, VERSION)
    assert dict(decode(pack.body, pack.hash, SIZE, parent, received)) == pages
    assert sent.hex() == received.hex()


def test_a_pack_written_long_ago_is_read_as_ever() -> None:
    """The encoder may change with zstd; what lies in S3 may not come to mean something else."""
    pages = {
        1: edited(PARENT[1], [(100, b"validated")]),
        40: b"new page ".ljust(PAGE, b"."),
        101: b"short",
    }
    body = b64decode(
        "SU5TVEVQSzF6QJd6LoEtBgMAAAAgAAAAFQAAAHwGrhFk7k8NdJuSyDfBpGq90LMe05cijwMBXzCUtqCtKLUv/SAM"
        "YQAAAQAAACcAAAA9AAAA+dQfPVdYUy6cXbG/G6IqwYe+oE9aUc3sMQAAACi1L/1gBR89AQDAdmFsaWRhdGVkbmV3"
        "IHBhZ2UgLnNob3J0AwDzx/kI8sC/MADSCgQ="
    )
    name = "ac5437b5ee8173f8a9a0b53d887c54f4b19e6dc706be63bb1a70c9d9344011b5"
    digest = Digest()
    assert dict(decode(body, name, SIZE + 5, parent, digest)) == pages
    assert digest.hex() == "bf2e07c04032c1115aac25d96e535c97c1e8f1e1dc063ca7d949ec9cb7bb506f"


def test_a_change_costs_what_changed_in_it_though_the_pages_do_not_compress() -> None:
    pages = {number: edited(page, [(100, b"validated")]) for number, page in PARENT.items()}
    assert len(encode(pages, no_parent, Digest(), VERSION).body) > 100 * PAGE
    assert len(encode(pages, parent, Digest(), VERSION).body) < 100 * 60


def test_the_last_page_of_a_file_may_be_short() -> None:
    pack = encode({1: b"x" * PAGE, 2: b"short"}, no_parent, Digest(), VERSION)
    got = [page for _, page in decode(pack.body, pack.hash, PAGE + 5, no_parent, Digest())]
    assert got == [b"x" * PAGE, b"short"]


@pytest.mark.parametrize("pages", [{}, dict.fromkeys(range(1, PACK_PAGES + 2), b"x")])
def test_a_pack_holds_between_one_page_and_its_limit(pages: dict[int, bytes]) -> None:
    with pytest.raises(ValueError, match="a pack holds"):
        encode(pages, no_parent, Digest(), VERSION)


@given(st.data())
def test_no_flipped_bit_is_believed_even_under_a_right_name(data: st.DataObject) -> None:
    pages = {number: edited(PARENT[number], [(9, b"edit")]) for number in (1, 2, 40, 99)}
    body = bytearray(encode(pages, parent, Digest(), VERSION).body)
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= 1 << data.draw(st.integers(0, 7))
    renamed = sha256(body).hexdigest()
    try:
        got = dict(decode(bytes(body), renamed, SIZE, parent, Digest()))
    except PackDamaged:
        return
    assert got == pages, "a bit that means nothing may flip, a page may not"


@pytest.mark.parametrize("cut", [0, 5, 19, 40, -1])
def test_a_cut_off_pack_is_told(cut: int) -> None:
    body = encode({1: b"a" * PAGE}, no_parent, Digest(), VERSION).body[:cut]
    with pytest.raises(PackDamaged):
        list(decode(body, sha256(body).hexdigest(), SIZE, no_parent, Digest()))


@pytest.mark.invariant(2)
def test_bytes_of_another_name_are_not_looked_at() -> None:
    pack = encode({1: b"a" * PAGE}, no_parent, Digest(), VERSION)
    with pytest.raises(PackDamaged, match="its name"):
        list(decode(pack.body, "0" * 64, SIZE, no_parent, Digest()))


def test_no_two_versions_write_a_pack_of_one_name() -> None:
    one, other = (
        encode({1: b"a" * PAGE}, no_parent, Digest(), version) for version in (VERSION, "another")
    )
    assert one.hash != other.hash
    assert len(one.body) == len(other.body)


def test_against_another_parent_nothing_comes_out() -> None:
    pack = encode({5: edited(PARENT[5], [(0, b"new")])}, parent, Digest(), VERSION)
    with pytest.raises(PackDamaged):
        list(decode(pack.body, pack.hash, SIZE, lambda number: parent(number + 1), Digest()))
