"""Find what makes a bulk call raise: halves, and halves of those, until one item is left.

For what nobody foresaw: what is known of a store is judged before anything is written
(`instep.chroma.carriable`). Bounded, because a store that refuses item after item is itself the
trouble.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

MOST: Final = 16  # items set aside of one call before its error goes up

T = TypeVar("T")


def write_all_but_bad(
    items: Sequence[T],
    write: Callable[[Sequence[T]], None],
    errors: tuple[type[Exception], ...],
    check: Callable[[], object],
) -> list[tuple[T, str]]:
    """Write all items but those that make `write` raise one of `errors`; return these, with why.

    Items may be written more than once. `check` raises when the store is of no more use behind an
    error; the error itself goes up when more than MOST items raise one.
    """
    bad: list[tuple[T, str]] = []
    waiting = [items]
    while waiting:
        part = waiting.pop()
        try:
            write(part)
        except errors as error:
            check()
            if len(part) > 1:
                half = len(part) // 2
                waiting += [part[half:], part[:half]]
                continue
            bad.append((part[0], f"{error!r:.500}"))
            if len(bad) > MOST:
                raise
    return bad
