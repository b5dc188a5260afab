"""Rounds of drained work, from what ParseBatch and SettleBatch log; which of them ran side by side.

By log lines and not by histories: a state machine of type Express keeps no history to ask for.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf

from benchmarks.function_logs import FunctionLogs, Line

PARSED, SETTLED, ENDED = "batch parsed", "batch settled", "Call ended"


@dataclass(frozen=True)
class Round:
    """An execution's round, from the call that drained to the end of what settled it (epoch s)."""

    execution: str
    began: float
    ended: float


def read_rounds(logs: FunctionLogs, since: float = 0.0) -> list[Round]:
    """Return the rounds begun since then."""
    lines = [
        line
        for name in ("parse_batch", "settle_batch")
        for message in (PARSED, SETTLED, ENDED)
        for line in logs.lines(name, message, since)
    ]
    return rounds_of(lines)


def rounds_of(lines: Iterable[Line]) -> list[Round]:
    """Return the rounds that had work, by their beginning.

    One that nothing settled (its execution died) ends with its execution's last line.
    """
    by_execution: dict[str, list[Line]] = defaultdict(list)
    for line in sorted(lines, key=lambda line: line.at):
        by_execution[line.execution].append(line)
    rounds = [one for own in by_execution.values() for one in _of_one(own)]
    return sorted(rounds, key=lambda one: one.began)


def beside_another(rounds: Sequence[Round]) -> int:
    """Count the rounds begun while another execution was in one."""
    return sum(
        any(
            other.execution != one.execution
            and (other.began, other.execution) < (one.began, one.execution)
            and one.began < other.ended
            for other in rounds
        )
        for one in rounds
    )


def _of_one(lines: Sequence[Line]) -> Iterable[Round]:
    took = {line.request: line.fields["ms"] / 1000 for line in lines if line.message == ENDED}
    ended = {line.request: line.at for line in lines if line.message == ENDED}
    parsed = [line for line in lines if line.message == PARSED and line.fields.get("entries")]
    settled = [ended.get(line.request, line.at) for line in lines if line.message == SETTLED]
    limits = [line.at for line in parsed[1:]] + [inf]
    for line, limit in zip(parsed, limits, strict=False):
        began = ended[line.request] - took[line.request] if line.request in ended else line.at
        ends = [at for at in settled if line.at <= at < limit]
        yield Round(line.execution, began, min(ends, default=min(limit, lines[-1].at)))
