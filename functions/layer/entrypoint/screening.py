"""Of a stream batch, what is worth queueing: relevant, trimmed; and what nobody can read.

The rules are docs/domain.md's relevance rules, as the parser holds them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from instep.envelope import Record, Rejection
from receipt_dynamo_stream import RecordRejected, is_relevant, trim


@dataclass
class Screened:
    """The records to queue, the poison with its reasons, and how many changed nothing."""

    kept: list[Record] = field(default_factory=list)
    poison: list[Rejection] = field(default_factory=list)
    skipped: int = 0


def screen(records: Iterable[Record]) -> Screened:
    """Sort stream records; none of them, however broken, takes the others with it."""
    screened = Screened()
    for record in records:
        try:
            if is_relevant(record):
                screened.kept.append(trim(record))
            else:
                screened.skipped += 1
        except RecordRejected as rejected:
            screened.poison.append(Rejection(record, str(rejected)))
    return screened
