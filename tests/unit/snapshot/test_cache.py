"""The shared cache: right bytes or none, whoever else reads, writes, evicts or dies beside it."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from instep.snapshot.copy.cache import UNUSED, PackCache
from instep.snapshot.format.manifest import PackRef
from instep.snapshot.format.pack import EncodedPack, encode, no_parent
from instep.snapshot.format.pages import PAGE, Digest
from tests.support.metrics import Counts


@dataclass
class Time:
    """A clock that a test moves."""

    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def passes(self, time: timedelta) -> None:
        self.now += time


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def cache(tmp_path: Path, counts: Counts, time: Time) -> PackCache:
    return PackCache(tmp_path, counts, clock=time)


def pack(number: int) -> EncodedPack:
    return encode({1: number.to_bytes(8, "little") * (PAGE // 8)}, no_parent, Digest(), "version")


def ref(of: EncodedPack) -> PackRef:
    return PackRef(of.hash, len(of.body), of.pages)


PACK, OTHER = pack(1), pack(2)


def test_what_is_kept_is_given_back(cache: PackCache, counts: Counts) -> None:
    assert cache.get(ref(PACK)) is None
    cache.put(PACK.hash, PACK.body)
    assert cache.get(ref(PACK)) == PACK.body
    assert cache.get(ref(OTHER)) is None
    assert counts == {"CompactionCacheMiss": 2, "CompactionCacheHit": 1}


def test_bytes_that_are_not_the_packs_are_never_kept(cache: PackCache, tmp_path: Path) -> None:
    cache.put(PACK.hash, OTHER.body)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: bytes([body[0] ^ 1]) + body[1:],
        lambda body: body[:-1] + bytes([body[-1] ^ 128]),
        lambda body: body[:-1],
        lambda body: body[: len(body) // 2] + bytes(len(body) - len(body) // 2),
        lambda _: b"",
        lambda body: body + b"\0",
        lambda body: body * 1000,
        lambda _: OTHER.body,
    ],
    ids=["flipped", "flipped-end", "cut", "half", "empty", "longer", "oversized", "swapped"],
)
def test_a_damaged_entry_is_dropped_and_put_right(
    cache: PackCache, counts: Counts, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    cache.put(PACK.hash, PACK.body)
    (tmp_path / PACK.hash).write_bytes(damage(PACK.body))
    assert cache.get(ref(PACK)) is None
    assert not (tmp_path / PACK.hash).exists()
    assert counts["CompactionCacheDropped"] == 1
    cache.put(PACK.hash, PACK.body)
    assert cache.get(ref(PACK)) == PACK.body


def test_what_a_dead_writer_left_is_no_entry_and_goes(
    cache: PackCache, time: Time, tmp_path: Path
) -> None:
    left = tmp_path / f".{PACK.hash}.0badc0de"
    left.write_bytes(PACK.body[:100])
    os.utime(left, (time().timestamp(), time().timestamp()))
    assert cache.get(ref(PACK)) is None
    cache.put(PACK.hash, PACK.body)
    assert left.exists()  # its writer may be at it still
    time.passes(timedelta(hours=2))
    PackCache(tmp_path, Counts(), clock=time).put(OTHER.hash, OTHER.body)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([PACK.hash, OTHER.hash])


def test_the_size_is_bounded_and_the_oldest_in_use_go_first(tmp_path: Path, time: Time) -> None:
    packs = [pack(number) for number in range(200)]
    limit = 40 * len(packs[0].body)
    cache = PackCache(tmp_path, Counts(), limit=limit, clock=time)
    largest = 0
    for one in packs:
        time.passes(timedelta(hours=2))
        cache.get(ref(packs[0]))  # a base: the oldest, and used by everybody
        cache.put(one.hash, one.body)
        largest = max(largest, sum(path.stat().st_size for path in tmp_path.iterdir()))
    assert limit * 3 / 4 < largest <= limit * 17 / 16 + len(packs[0].body)
    held = {number for number, one in enumerate(packs) if cache.get(ref(one)) is not None}
    assert held == {0, *range(min(held - {0}), 200)}


def test_what_nobody_used_for_long_goes_though_there_is_room(
    cache: PackCache, time: Time, tmp_path: Path
) -> None:
    cache.put(PACK.hash, PACK.body)
    time.passes(UNUSED + timedelta(seconds=1))
    PackCache(tmp_path, Counts(), clock=time).put(OTHER.hash, OTHER.body)
    assert [path.name for path in tmp_path.iterdir()] == [OTHER.hash]


@pytest.mark.parametrize("name", ["file", "x" * 300])
def test_a_file_system_that_went_away_is_counted_and_done_without(
    tmp_path: Path, counts: Counts, name: str
) -> None:
    (tmp_path / "file").touch()
    cache = PackCache(tmp_path / name, counts)  # answers with errors other than 'missing'
    cache.put(PACK.hash, PACK.body)
    assert cache.get(ref(PACK)) is None
    assert counts == {"CompactionCacheUnavailable": 2}


def test_an_eviction_goes_on_past_what_is_no_entry(tmp_path: Path, time: Time) -> None:
    """A folder among the packs, the oldest of all, once ended every eviction: nothing was bound."""
    packs = [pack(number) for number in range(60)]
    limit = 10 * len(packs[0].body)
    theirs = [tmp_path / name for name in ("aaa", "f" * 64, f".{'e' * 64}.0badc0de", "b" * 63)]
    for folder in theirs[:3]:
        folder.mkdir()
    theirs[3].write_bytes(bytes(2 * limit))
    (tmp_path / "c").symlink_to(theirs[3])
    for path in theirs:
        os.utime(path, (1, 1))
    cache = PackCache(tmp_path, Counts(), limit=limit, clock=time)
    for one in packs:
        time.passes(timedelta(hours=1))
        cache.put(one.hash, one.body)
    ours = [tmp_path / one.hash for one in packs if (tmp_path / one.hash).exists()]
    assert limit / 2 < sum(path.stat().st_size for path in ours) <= limit * 17 / 16
    assert all(path.exists() for path in theirs), "what no cache put there is not its to remove"
    assert cache.get(ref(packs[-1])) == packs[-1].body


@pytest.mark.parametrize(
    "make",
    [os.mkfifo, Path.mkdir, lambda path: path.symlink_to(__file__)],
    ids=["pipe", "folder", "link"],
)
def test_what_is_no_file_is_no_entry_and_keeps_nobody_waiting(
    cache: PackCache, counts: Counts, tmp_path: Path, make: Callable[[Path], object]
) -> None:
    make(tmp_path / PACK.hash)
    assert cache.get(ref(PACK)) is None
    cache.put(PACK.hash, PACK.body)
    assert cache.get(ref(PACK)) is None
    assert counts == {"CompactionCacheUnavailable": 2}


RIVAL = """
import sys
from pathlib import Path
from random import Random
from instep.metrics import NoMetrics
from instep.snapshot.copy.cache import PackCache
from tests.unit.snapshot.test_cache import pack, ref

directory, seed = Path(sys.argv[1]), int(sys.argv[2])
random, packs = Random(seed), [pack(number) for number in range(12)]
cache = PackCache(directory, NoMetrics(), limit=6 * len(packs[0].body))
hits = 0
for _ in range(1500):
    one, act = random.choice(packs), random.random()
    if act < 0.5:
        body = cache.get(ref(one))
        assert body in (None, one.body)
        hits += body is not None
    elif act < 0.97:
        cache.put(one.hash, one.body)
    else:  # a machine that died, or a disk that lies
        (directory / one.hash).write_bytes(one.body[: random.randrange(len(one.body))])
assert hits > 50, hits
"""


def test_processes_that_share_a_directory_get_right_bytes_or_none(tmp_path: Path) -> None:
    rivals = [
        subprocess.Popen(  # noqa: S603 - this Python, our own text
            [sys.executable, "-c", RIVAL, str(tmp_path), str(seed)],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for seed in range(2)
    ]
    said = [(rival.communicate()[1], rival.returncode) for rival in rivals]
    assert said == [("", 0)] * 2
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
