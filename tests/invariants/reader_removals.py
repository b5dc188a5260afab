"""What keeps a reader at one whole version, and the exploration that notices when it is gone.

Each removal is a lock or a check of the reader's source, what stands in its place when it is taken
out, and the acts (tests/support/reader_runs.py) in some order of which a state is then wrong.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Removal:
    """`piece` (once in the module) becomes `without`, which goes wrong when these `acts` meet."""

    module: str
    piece: str
    without: str
    acts: tuple[str, ...]
    kept: bool = True

    def __str__(self) -> str:
        return f"{self.module}-{self.piece.strip().replace(chr(10), ' ')[:60]}"

    def taken_from(self, sources: dict[str, str]) -> dict[str, str]:
        """Return the sources without the piece."""
        times = sources[self.module].count(self.piece)
        assert times == 1, f"{self.module} has {self.piece!r} {times} times: name what it is now"
        return {**sources, self.module: sources[self.module].replace(self.piece, self.without)}


_REFRESHES = ("refresh", "again", "publish")

REMOVALS: Final = (
    Removal(  # a refresh waits for another
        "turn",
        "with self._lock:\n            self.check()",
        "if True:\n            self.check()",
        _REFRESHES,
    ),
    Removal(  # a close waits for a refresh
        "turn",
        "with self._lock:\n            yield",
        "if True:\n            yield",
        ("refresh", "close"),
    ),
    Removal(  # a refresh that waited finds that it is over
        "turn",
        "with self._lock:\n            self.check()",
        "with self._lock:\n            pass",
        ("refresh", "close"),
        kept=False,
    ),
    Removal(  # a close ends it
        "turn", "self.end()\n        with", "pass\n        with", ("refresh", "close"), kept=False
    ),
    Removal(  # no call runs while a version is put in place
        "reader",
        "with self._gate.alone():\n                self._put_in_place",
        "if True:\n                self._put_in_place",
        ("refresh", "query"),
    ),
    Removal(  # its name changes with it
        "reader",
        "                self._reached(ready.manifest",
        "            self._reached(ready.manifest",
        ("refresh", "query"),
    ),
    Removal(  # no call runs while the client is closed
        "reader",
        "with self._gate.alone():\n            self._gate.stop()",
        "if True:\n            self._gate.stop()",
        ("query", "close"),
    ),
    Removal(  # a call waits at the gate
        "gate",
        "self._change.wait_for(lambda: not self._shut)\n            self._calls += 1",
        "self._calls += 1",
        ("refresh", "query"),
    ),
    Removal(  # and the gate for calls
        "gate", "self._change.wait_for(lambda: self._calls == 0)", "pass", ("refresh", "query")
    ),
    Removal(  # two snapshots never share a copy
        "claim",
        "fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "pass",
        ("refresh", "second"),
    ),
)
