"""Archives from outside: what would lead out, point elsewhere or blow up is refused unwritten."""

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from instep.archive import ArchiveRejected, Limits, unpack

LIMITS = Limits(stored=1 << 20, unpacked=1 << 22, members=20)


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, "/etc/passwd"
    return info


def archive(*members: tarfile.TarInfo, packed: bool = True) -> io.BytesIO:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as made:
        for one in members:
            made.addfile(one, io.BytesIO(b"x" * one.size))
    return io.BytesIO(gzip.compress(body.getvalue()) if packed else body.getvalue())


def anything(_: PurePosixPath) -> bool:
    return True


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """A directory in one that nothing may be written into."""
    (tmp_path / "inside").mkdir()
    return tmp_path / "inside"


def written(inside: Path) -> set[str]:
    root = inside.parent
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "..", "a\\x", "./../x"])
def test_a_name_that_leads_out_is_refused(inside: Path, name: str) -> None:
    with pytest.raises(ArchiveRejected, match="leads out"):
        unpack(archive(member(name, size=3)), inside, LIMITS, anything)
    assert written(inside) == set()


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE],
)
def test_links_and_devices_are_refused(inside: Path, kind: bytes) -> None:
    with pytest.raises(ArchiveRejected, match="a link, a device or sparse"):
        unpack(archive(member("chroma.sqlite3", kind)), inside, LIMITS, anything)
    assert written(inside) == set()


def test_a_file_is_never_written_through_one_of_the_same_name(inside: Path) -> None:
    with pytest.raises(ArchiveRejected, match="unreadable"):
        unpack(archive(member("x", size=1), member("x", size=2)), inside, LIMITS, anything)


@pytest.mark.parametrize("packed", [True, False])
def test_more_bytes_or_members_than_allowed_are_refused(inside: Path, packed: bool) -> None:
    few = Limits(stored=1 << 20, unpacked=1 << 16, members=2)
    with pytest.raises(ArchiveRejected, match="unpacks to more than 65536"):
        unpack(archive(member("x", size=1 << 20), packed=packed), inside, few, anything)
    many = archive(*(member(f"x{at}") for at in range(3)), packed=packed)
    with pytest.raises(ArchiveRejected, match="more than 2 members"):
        unpack(many, inside, few, anything)


def test_a_bomb_is_told_by_its_ratio(inside: Path) -> None:
    bomb = archive(member("x", size=64 << 20))
    large = Limits(stored=1 << 30, unpacked=1 << 40, members=10)
    with pytest.raises(ArchiveRejected, match="unpacks to more"):
        unpack(bomb, inside, large, anything)


@pytest.mark.parametrize(
    "harm",
    [
        lambda body: body[: len(body) // 2],
        lambda _: b"",
        lambda _: b"not an archive at all" * 100,
        lambda body: body[:40] + b"\0\0\0\0" + body[44:],
    ],
)
def test_a_damaged_archive_is_refused(inside: Path, harm: Callable[[bytes], bytes]) -> None:
    whole = archive(*(member(f"x{at}", size=5000) for at in range(9))).getvalue()
    with pytest.raises(ArchiveRejected):
        unpack(io.BytesIO(harm(whole)), inside, LIMITS, anything)


@pytest.mark.parametrize("times", [0, 1, 2])
def test_only_what_is_wanted_is_written(inside: Path, times: int) -> None:
    body = archive(member("./a/x", size=3), member("./y", size=4), packed=False).getvalue()
    for _ in range(times):
        body = gzip.compress(body)
    unpack(io.BytesIO(body), inside, LIMITS, lambda path: path.name == "x")
    assert written(inside) == {"inside/a/x"}
    assert (inside / "a" / "x").read_bytes() == b"xxx"
