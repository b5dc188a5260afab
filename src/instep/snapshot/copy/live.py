"""A reader's database under an open client: it becomes the next version's in place, page by page.

chromadb writes a row at every open; that is undone before anybody reads, so the file stays what was
published. SQLite forgets what it has read when the change counter in page 1 moves (its file format,
"File change counter"), so page 1 counts on here, and the copy's state keeps the published header.
"""

from dataclasses import replace
from typing import Final

from instep.chroma import sqlite_rows
from instep.chroma.sqlite_rows import SQLITE
from instep.snapshot.copy.copy_state import HEADER, Held, State
from instep.snapshot.copy.warm import Ready, WarmCopy
from instep.snapshot.format.manifest import Manifest
from instep.snapshot.format.pages import PageFile, Pages

_COUNTER: Final = 24  # the change counter, 4 bytes
_COUNTED: Final = 92  # the change counter for which the rest of the header holds, 4 bytes


class Live:
    """The database of a copy; made when the copy is at its version and no client has it open."""

    def __init__(self, copy: WarmCopy) -> None:
        copy.shape(wal=False)
        self._copy = copy
        self._state = copy.state()
        with PageFile(copy.main) as file:
            self._before = {n: file.read(n) for n in (1, sqlite_rows.page_of_opens(copy.main))}

    def settle(self) -> None:
        """Undo what the open wrote: a client has it open now, and nobody has read yet."""
        self._write(self._state, self._before)

    def takes(self, ready: Ready, before: Manifest) -> bool:
        """Say whether the client that read `before` can stay, as it does when no vector came or
        went: it keeps the index in memory and never looks for others' vectors again.
        """
        now, plan = ready.manifest, ready.plans.get(SQLITE)
        return (
            now.files.keys() == before.files.keys()
            and ready.plans.keys() <= {SQLITE}
            and now.facts.pending_vectors == before.facts.pending_vectors
            and (plan is None or plan.start is not None)
        )

    def advance(self, ready: Ready) -> None:
        """Make the file the version's under the client; no call of it may be running."""
        entry = ready.manifest.files[SQLITE]
        files = {**ready.kept, SQLITE: Held(entry.size, entry.digest, ())}
        pages = {n: page for content in ready.contents for n, page in content.pages.items()}
        self._write(State(ready.manifest.version, files), pages)

    def _write(self, state: State, pages: Pages) -> None:
        with PageFile(self._copy.main) as file:
            now = file.read(1)
        first = pages[1] if 1 in pages else self._copy.published(1, now)
        counter = int.from_bytes(now[_COUNTER : _COUNTER + 4], "big") + 1
        self._copy.rewrite(
            replace(state, header=first[:HEADER].hex()), {**pages, 1: _counted(first, counter)}
        )


def _counted(first: bytes, counter: int) -> bytes:
    page, count = bytearray(first), (counter % (1 << 32)).to_bytes(4, "big")
    page[_COUNTER : _COUNTER + 4] = page[_COUNTED : _COUNTED + 4] = count
    return bytes(page)
