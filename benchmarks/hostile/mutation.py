"""Valid inputs with something changed: values of another kind in JSON, words and runs in bytes."""

import copy
import random
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeVar

T = TypeVar("T")

ODD: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1.5, 10**30, 2**31, 2**63, 256 << 30, 4096),
    *(float("nan"), float("inf"), float("-inf"), 5e-324),
    *("", "x", "0", "\0", "../../etc", "\ud800", "0" * 64, "x" * 5000, "9" * 5000),
    *([], {}, [[]], [None], {"": 1}, {"a": {"b": []}}, [1, "x"]),
)
_DEPTH: Final = 3000  # lists in lists: more than Python's own stack takes
_MANY: Final = 1000
_WORDS: Final = (0, 1, 0x7F, 0xFF, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)


def json_mutated(dice: random.Random, value: Any) -> Any:
    """Return a copy with one to three places changed, added or taken away."""
    changed = copy.deepcopy(value)
    for _ in range(dice.choice((1, 1, 2, 3))):
        changed = _one_changed(dice, changed)
    return changed


def nested(dice: random.Random) -> bytes:
    """Return JSON that is little but deep."""
    opening, closing = dice.choice(((b"[", b"]"), (b'{"a":', b"}")))
    depth = dice.choice((_DEPTH, 100 * _DEPTH))
    return opening * depth + b"1" + dice.choice((closing * depth, b""))


def bytes_mutated(dice: random.Random, body: bytes, most: int = 20) -> bytes:
    """Return the bytes with up to `most` places overwritten, cut out, moved or filled in."""
    changed = bytearray(body)
    for _ in range(dice.choice((1, 1, 2, 3, most))):
        if not changed:
            break
        _BYTE_ACTS[dice.randrange(len(_BYTE_ACTS))](dice, changed)
    return bytes(changed)


def near(dice: random.Random, items: Sequence[T]) -> T:
    """Return one of the items, the first ones more often: headers come first."""
    return items[min(dice.randrange(len(items)), dice.randrange(len(items)))]


def _one_changed(dice: random.Random, value: Any) -> Any:
    spots = [spot for spot in _spots(value) if spot]
    *way, last = dice.choice(spots or [()]) or (None,)
    if last is None:
        return dice.choice(ODD)
    held = value
    for step in way:
        held = held[step]
    act = dice.random()
    if act < 0.1:
        del held[last]
    elif act < 0.2 and isinstance(held, dict):
        held[dice.choice(("", "x", "\ud800", "collection", "files"))] = held[last]
    elif act < 0.3 and isinstance(held, list):
        many = _MANY if len(spots) < _MANY else 2  # many of many of many fit no memory
        held[last:last] = [held[last]] * dice.choice((1, 2, many))
    else:
        held[last] = copy.deepcopy(dice.choice(ODD))
    return value


def _spots(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield way
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _spots(inner, (*way, key))


def _overwrite(dice: random.Random, body: bytearray) -> None:
    at, size = _place(dice, body), dice.choice((1, 2, 4, 8))
    word = dice.choice((*_WORDS, dice.getrandbits(64))) % (1 << (8 * size))
    body[at : at + size] = word.to_bytes(size, dice.choice(("little", "big")))


def _cut(dice: random.Random, body: bytearray) -> None:
    at = _place(dice, body)
    del body[at : at + dice.choice((1, 4, 50, 5000))]


def _fill(dice: random.Random, body: bytearray) -> None:
    at = _place(dice, body)
    body[at:at] = dice.choice((dice.randbytes(dice.randrange(1, 64)), bytes(4096)))


def _move(dice: random.Random, body: bytearray) -> None:
    at, other, size = _place(dice, body), _place(dice, body), dice.choice((4, 64, 4096))
    body[at : at + size] = body[other : other + size]


def _place(dice: random.Random, body: bytearray) -> int:
    return near(dice, range(len(body))) if body else 0


_BYTE_ACTS: Final = (_overwrite, _overwrite, _overwrite, _cut, _fill, _move)
