"""Items of a table on the local disk: in memory a number of DynamoDB's JSON is 300 bytes, and an
item that brings its vector as a list of them half a megabyte.
"""

import marshal
from array import array
from collections.abc import Iterable, Iterator, Sequence
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from instep.domain import Item


class SpooledItems(Sequence["Item"]):
    """What was appended, in its order, read back each time it is asked for; gone when it is closed.

    OSError when the disk fails. The file has no name, so what it holds is this process's own, and
    Python's own format will do: it is the quickest, and knows bytes.
    """

    def __init__(self) -> None:
        self._file = TemporaryFile(prefix="instep-items-")  # noqa: SIM115 - closed by `__exit__`
        self._ends = array("Q", [0])

    def __enter__(self) -> "Self":
        """Return this, to be closed behind the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        """Let go of the disk."""
        self._file.close()

    def extend(self, items: Iterable["Item"]) -> None:
        """Append items, as boto3's client gives them."""
        self._file.seek(self._ends[-1])
        for item in items:
            plain: Any = item
            self._ends.append(self._ends[-1] + self._file.write(marshal.dumps(plain)))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> "Item": ...

    @overload
    def __getitem__(self, index: slice) -> Sequence["Item"]: ...

    def __getitem__(self, index: int | slice) -> "Item | Sequence[Item]":
        """Read one, or a list of some."""
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        at = range(len(self))[index]
        self._file.seek(self._ends[at])
        written = self._file.read(self._ends[at + 1] - self._ends[at])
        item: Item = marshal.loads(written)  # noqa: S302 - a nameless file of this process's own
        return item

    def __iter__(self) -> Iterator["Item"]:
        """Read them one after the other."""
        return map(self.__getitem__, range(len(self)))
