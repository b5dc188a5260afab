"""A person at the command line beside an app's traffic: whatever may be typed at any time, typed
again and again, and none of it may end by anything but yes or no. A rollback is followed by `sync`,
and by another in each turn until one came to its end.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import count
from time import monotonic

from benchmarks.beside import every
from benchmarks.live import LiveApp
from instep.app import app_folder
from instep.cli.output import Exit
from instep.snapshot.copy.store import SnapshotStore

_EVERY = 5.0  # seconds from one command's end to the next
_LAST_TURNS = 20  # more commands than a turn has, in which nothing disturbs them any more
_COLLECTION = "words"
_POISON = "no record"  # what `redrive` then finds in the DLQ
_ANSWERS = {Exit.DONE, Exit.NO, Exit.IN_DLQ}
_MAIN = "from instep.cli.start import main; main()"


class Operator:
    """Types one command after the other; `failed` are those that ended otherwise, with why.

    `happened`: when each was typed (monotonic seconds).
    """

    def __init__(self, app: LiveApp) -> None:
        self._app = app
        self._next = self._commands()
        self._answer = int(Exit.DONE)
        self._is_behind = False  # of the table, by a rollback
        self.happened: list[tuple[float, str]] = []
        self.failed: list[str] = []

    def at_work(self) -> AbstractContextManager[None]:
        """Type until the block ends."""
        return every(_EVERY, self.type_next, "operator")

    def type_next(self) -> None:
        """Type one command and wait for its end."""
        command = next(self._next)
        self.happened.append((monotonic(), " ".join(command)))
        done = subprocess.run(  # noqa: S603 - our own command line
            [sys.executable, "-c", _MAIN, *command],
            cwd=app_folder(),
            env=dict(self._app.target.environ),
            capture_output=True,
            text=True,
            check=False,
        )
        self._answer = done.returncode
        if done.returncode not in _ANSWERS:
            self.failed.append(f"{' '.join(command)}: {done.returncode}, {done.stderr.strip()}")

    def _commands(self) -> Iterator[Sequence[str]]:
        session = self._app.session
        store = SnapshotStore(session.objects, _COLLECTION)
        for number in count():
            name = f"kept-{number}"
            yield ["status"]
            yield ["tag", _COLLECTION, _newest(store), name]
            session.sqs.send_message(
                QueueUrl=session.deployment.inbox_queue_url, MessageBody=_POISON
            )
            yield ["verify"]
            yield ["redrive"]
            yield ["diff", _COLLECTION, name, _newest(store)]
            yield from self._there_and_back(name)
            yield ["run"]
            yield ["redrive", "--from-failures"]
            yield ["sweep"]
            yield ["tag", _COLLECTION, "--delete", name]
            yield ["history", _COLLECTION]

    def _there_and_back(self, version: str) -> Iterator[Sequence[str]]:
        if not self._is_behind:
            self._is_behind = True
            yield ["rollback", _COLLECTION, version]
        yield ["sync", _COLLECTION]
        self._is_behind = self._answer != Exit.DONE

    def finish(self) -> None:
        """Bring back what a rollback has taken, if no sync came to its end yet."""
        for _ in range(_LAST_TURNS):
            if not self._is_behind:
                return
            self.type_next()


def _newest(store: SnapshotStore) -> str:
    head = store.head()
    assert head is not None, "the app was seeded"  # noqa: S101 - a benchmark's own
    return head.version
