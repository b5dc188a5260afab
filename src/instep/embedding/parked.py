"""What an embedder answered, kept in S3 until it is published: a second try does not pay again.

One object a call, named by its content: a line of JSON, a digest and what became of it each (the
width of its vector, or why it has none), and the vectors in a row, as bare little-endian float32.
Read like everything foreign: within bounds, checked whole, and an object with anything wrong in it
is passed over, for its texts can be embedded again.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import numpy as np

from instep.aws.objects import Fetched, Listed, ObjectTooLarge
from instep.chroma.carriable import Refusal, as_vector
from instep.json_text import read_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

Answer: TypeAlias = "NDArray[np.float32] | Refusal"

LARGEST: Final = 64 << 20  # bytes of an object: 96 vectors of 1,024 floats are 0.4 MB
MOST: Final = 256 << 20  # bytes of all that is read, and so held in memory: 65,000 such vectors

_SIDE_BY_SIDE: Final = 8
_FLOAT32: Final = np.dtype("<f4")


class Place(Protocol):
    """What is asked of the object store (`instep.aws.objects.Objects`)."""

    def put(self, key: str, body: bytes) -> None:
        """Write an object."""

    def find(self, key: str, limit: int | None = None) -> Fetched | None:
        """Return an object, or None; ObjectTooLarge beyond `limit` bytes."""

    def list(self, prefix: str) -> Iterator[Listed]:
        """Yield what lies under a prefix."""


class Parked:
    """The answers parked under one prefix, which is that of one piece of work."""

    def __init__(self, place: Place, prefix: str) -> None:
        self._place = place
        self._folder = f"{prefix.rstrip('/')}/"
        self._before: Mapping[str, Answer] | None = None

    def find(self, digests: Collection[str]) -> dict[str, Answer]:
        """Return what an earlier try got for some of these; the first call reads it all, once."""
        if digests and self._before is None:
            self._before = self._read_all()
        before = self._before or {}
        return {digest: before[digest] for digest in digests if digest in before}

    def put(self, answers: Mapping[str, Answer]) -> None:
        """Park the answers of a call, by digest."""
        body = written(answers)
        self._place.put(f"{self._folder}{_name(body)}", body)

    def _read_all(self) -> dict[str, Answer]:
        answers: dict[str, Answer] = {}
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            for found in pool.map(self._read, _within_bounds(self._place.list(self._folder))):
                answers |= found
        return answers

    def _read(self, key: str) -> dict[str, Answer]:
        try:
            fetched = self._place.find(key, LARGEST)
            if fetched is None or key != f"{self._folder}{_name(fetched.body)}":
                return {}
            return read(fetched.body)
        except (ObjectTooLarge, NotParked):
            return {}


class NotParked(ValueError):
    """Bytes that `written` never wrote."""


def written(answers: Mapping[str, Answer]) -> bytes:
    """Return answers as bytes."""
    entries: list[tuple[str, int | str]] = []
    vectors = []
    for digest, answer in answers.items():
        if isinstance(answer, Refusal):
            entries.append((digest, answer.reason))
        else:
            entries.append((digest, answer.size))
            vectors.append(np.asarray(answer, _FLOAT32).tobytes())
    return b"".join([json.dumps(entries).encode(), b"\n", *vectors])


def read(body: bytes) -> dict[str, Answer]:
    """Return what `written` was given; NotParked for anything else. Vectors cannot be written."""
    line, _, numbers = body.partition(b"\n")
    try:
        entries = read_json(line.decode())
        floats = np.frombuffer(numbers, _FLOAT32)
        answers: dict[str, Answer] = {}
        start = 0
        for digest, what in _pairs(entries):
            if isinstance(what, str):
                answers[digest] = Refusal(what)
                continue
            answers[digest] = as_vector(floats[start : start + what], what)
            start += what
    except ValueError as error:
        raise NotParked(str(error)) from error
    if start != floats.size:
        raise NotParked(f"{floats.size} numbers, {start} announced")
    return answers


def _pairs(entries: Any) -> Iterator[tuple[str, int | str]]:
    if not isinstance(entries, list):
        raise NotParked("it announces nothing")
    for entry in entries:
        match entry:
            case [str(digest), str(reason)]:
                yield digest, reason
            case [str(digest), int(width)] if width > 0:
                yield digest, width
            case _:
                raise NotParked(f"it announces {entry!r:.80}")


def _within_bounds(listed: Iterable[Listed]) -> list[str]:
    """Return the keys to read; what is too much for the memory is left, and embedded again."""
    keys, total = [], 0
    for one in listed:
        if one.size <= LARGEST and total + one.size <= MOST:
            keys.append(one.key)
            total += one.size
    return keys


def _name(body: bytes) -> str:
    return f"{hashlib.sha256(body).hexdigest()[:16]}.vectors"
