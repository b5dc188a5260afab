"""One input tried: what came of it, and what it took."""

import random
import traceback
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from time import process_time
from typing import Final

from benchmarks.hostile.boundary import Boundary

READ: Final = "read"
SECONDS: Final = 5.0  # of the processor, which a busy machine does not make more
_SHOWN: Final = 160


@dataclass(frozen=True)
class Outcome:
    """What one input came to: the name of its error, or READ; `fault` says where a leak arose."""

    boundary: str
    index: int
    end: str
    seconds: float
    fault: str = ""

    @property
    def bad(self) -> bool:
        """Say whether it is a fault of ours."""
        return bool(self.fault) or self.seconds > SECONDS

    def __str__(self) -> str:
        """Return it as a line to find it again by."""
        return f"{self.boundary} {self.index}: {self.end} in {self.seconds:.2f} s {self.fault}"


@dataclass
class Tally:
    """What many inputs of one boundary came to. `largest` is in MB, above where the process was."""

    boundary: str
    ends: Counter[str] = field(default_factory=Counter)
    slowest: Outcome | None = None
    largest: float = 0.0
    largest_at: int = -1
    bad: list[Outcome] = field(default_factory=list)

    def note(self, outcome: Outcome) -> None:
        """Count an outcome."""
        self.ends[outcome.end] += 1
        if self.slowest is None or outcome.seconds > self.slowest.seconds:
            self.slowest = outcome
        if outcome.bad:
            self.bad.append(outcome)

    def note_memory(self, megabytes: float, index: int) -> None:
        """Note how large the process has become, and over which input."""
        if megabytes > self.largest:
            self.largest, self.largest_at = megabytes, index


def merged(boundary: str, tallies: Iterable[Tally]) -> Tally:
    """Return the tallies of one boundary as one."""
    whole = Tally(boundary)
    for tally in tallies:
        whole.ends += tally.ends
        whole.bad += tally.bad
        whole.note_memory(tally.largest, tally.largest_at)
        slow = tally.slowest
        if slow and (whole.slowest is None or slow.seconds > whole.slowest.seconds):
            whole.slowest = slow
    return whole


def try_one(boundary: Boundary, seed: int, index: int) -> Outcome:
    """Make the input of that number and read it."""
    began = process_time()
    try:
        sample = boundary.mutated(dice_of(boundary.name, seed, index))
    except Exception as error:  # noqa: BLE001 - a fault of the bench's, named like any other
        return _outcome(boundary, index, "not made", began, _where(error))
    began = process_time()
    try:
        boundary.read(sample)
    except boundary.declared as error:
        return _outcome(boundary, index, type(error).__name__, began)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        return _outcome(boundary, index, type(error).__name__, began, _where(error))
    return _outcome(boundary, index, READ, began)


def dice_of(name: str, seed: int, index: int) -> random.Random:
    """Return the dice of one input."""
    return random.Random(f"{seed}:{name}:{index}")  # noqa: S311 - no secret


def worst(tallies: Sequence[Tally], most: int = 20) -> list[str]:
    """Return lines on what is bad, then on the slowest and the largest."""
    bad = [str(outcome) for tally in tallies for outcome in tally.bad][:most]
    slowest = max((tally.slowest for tally in tallies if tally.slowest), key=lambda o: o.seconds)
    largest = max(tallies, key=lambda tally: tally.largest)
    size = f"{largest.boundary} {largest.largest_at}: {largest.largest:.0f} MB"
    return [*bad, f"slowest: {slowest}", f"largest: {size}"]


def _outcome(boundary: Boundary, index: int, end: str, began: float, fault: str = "") -> Outcome:
    return Outcome(boundary.name, index, end, process_time() - began, fault)


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    last = next((f for f in reversed(frames) if "site-packages" not in f.filename), frames[-1])
    place = f"{last.filename.rsplit('/', 2)[-2]}/{last.filename.rsplit('/', 1)[-1]}:{last.lineno}"
    return f"at {place}: {error!r:.{_SHOWN}}"
