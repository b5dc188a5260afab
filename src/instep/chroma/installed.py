"""Which chromadb is installed, and what may be done with it: asked before any of it is imported.

A writer leans on insides and stays at one release. A reader makes do with any release whose own
migrations make the same schema and whose calls were seen to answer alike:
`python -m benchmarks.reader_releases` tries each in an environment of its own and writes
tests/unit/snapshot/reader_releases.json, which a test holds READERS against.
"""

from importlib.metadata import version
from typing import Final

from instep.errors import SnapshotUnsupported

WRITER: Final = "1.5.9"
READERS: Final = frozenset({"1.5.2", "1.5.4", "1.5.5", "1.5.6", "1.5.7", "1.5.8", WRITER})


def require_writer() -> None:
    """Raise SnapshotUnsupported unless the chromadb here may write a snapshot."""
    found = version("chromadb")
    if found != WRITER:
        raise SnapshotUnsupported(
            f"chromadb {found} is installed, this release writes with {WRITER} alone: "
            f"pip install 'chromadb=={WRITER}', or raise it together with the contract tests"
        )


def require_reader() -> None:
    """Raise SnapshotUnsupported unless the chromadb here may read a snapshot."""
    found = version("chromadb")
    if found not in READERS:
        raise SnapshotUnsupported(
            f"chromadb {found} is installed, and this release reads snapshots with "
            f"{', '.join(sorted(READERS))}: pip install 'chromadb=={WRITER}'"
        )
