"""What was set aside goes back into the inbox, as new: sent, announced, and only then deleted.

In that order, a piece at a time, so that whoever is killed between two calls has lost nothing: what
was sent twice is applied twice, which changes nothing, and what was sent without a start to drain
it is still where it was, to be sent and announced by the next redrive. Where things were set aside
is a `Source`: the DLQ (`dead_letters`), or the bucket of batches that ingest did not get through
(`failed_batches`).
"""

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from instep.flow.envelope import Rejection
from instep.flow.inbox import Inbox
from instep.flow.outgoing import Outgoing
from instep.flow.starter import Starter

CALLER: Final = "redrive"
"""One name for all: who was killed before announcing a start has the same to announce again."""

Progress: TypeAlias = Callable[[int, int], None]
"""Called with parcels looked at and, about, parcels in all."""


@dataclass(frozen=True)
class Parcel:
    """What one letter or one object holds, and why it was set aside.

    `name` is what its source deletes it by. `poison` goes to the DLQ. `problem`: why it cannot be
    sent again; then it stays where it is. `collection` None: it is for all that its records feed.
    """

    name: str
    reason: str
    collection: str | None = None
    messages: Sequence[Outgoing] = ()
    poison: Sequence[Rejection] = ()
    problem: str | None = None

    @property
    def records(self) -> int:
        """How many records go back to the inbox."""
        return sum(len(message.records) for message in self.messages)


class Source(Protocol):
    """Where parcels lie. Every verb raises StorageUnavailable when AWS does not answer."""

    def about(self) -> int:
        """Say how many there are, about."""

    def pieces(self) -> Generator[Sequence[Parcel], None, None]:
        """Yield all that lies there now, each once; what comes meanwhile is left for another."""

    def delete(self, parcels: Sequence[Parcel]) -> None:
        """Delete what was sent."""

    def keep(self, parcels: Sequence[Parcel]) -> None:
        """Leave parcels as they were found."""


@dataclass(frozen=True)
class Wanted:
    """Which parcels: whose reason holds this text, whatever the case; for this collection alone."""

    reason: str | None = None
    collection: str | None = None

    def takes(self, parcel: Parcel) -> bool:
        """Say whether a parcel is meant."""
        return (self.reason is None or self.reason.casefold() in parcel.reason.casefold()) and (
            self.collection is None or self.collection == parcel.collection
        )


@dataclass
class Redriven:
    """By reason, how many parcels were sent (or would be); how many were left, and why some were.

    `records` went to the inbox, `rejected` to the DLQ: nobody can read them.
    """

    sent: Counter[str] = field(default_factory=Counter)
    records: int = 0
    rejected: int = 0
    left: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, meant: Sequence[Parcel], of: int) -> None:
        """Count what was meant of so many parcels."""
        self.left += of - len(meant)
        for parcel in meant:
            if parcel.problem is not None:
                self.problems.append(parcel.problem)
                continue
            self.sent[parcel.reason] += 1
            self.records += parcel.records
            self.rejected += len(parcel.poison)


def redrive(
    source: Source,
    inbox: Inbox,
    starter: Starter,
    wanted: Wanted,
    *,
    dry_run: bool = False,
    progress: Progress = lambda _done, _total: None,
) -> Redriven:
    """Send what is wanted again, with no attempts on it; a dry run only says what that would be.

    StorageUnavailable: some of it was sent; another redrive goes on.
    """
    redriven, total, seen = Redriven(), source.about(), 0
    with closing(source.pieces()) as pieces:
        for piece in pieces:
            meant = [parcel for parcel in piece if wanted.takes(parcel)]
            good = [] if dry_run else [parcel for parcel in meant if parcel.problem is None]
            _send(good, inbox, starter)
            source.delete(good)
            gone = {parcel.name for parcel in good}
            source.keep([parcel for parcel in piece if parcel.name not in gone])
            redriven.add(meant, len(piece))
            seen += len(piece)
            progress(seen, max(total, seen))
    return redriven


def _send(parcels: Sequence[Parcel], inbox: Inbox, starter: Starter) -> None:
    """Have all of it in the inbox and the DLQ, and somebody who drains it."""
    inbox.reject((one for parcel in parcels for one in parcel.poison), execution=CALLER)
    sent = inbox.send_all([message for parcel in parcels for message in parcel.messages])
    if sent:
        starter.announce(sent, CALLER)
