"""The time a call has left, as a value handed to what works in steps.

The rule is docs/domain.md, "What went wrong": a guard that started at cold start aborted warm
runs, so a deadline belongs to one call. 840 seconds leave a function of 15 minutes one to stage.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from instep.clock import Clock, utc_now

LONGEST: Final = timedelta(seconds=840)
MARGIN: Final = timedelta(seconds=5)  # to answer, flush and be frozen in peace


@dataclass(frozen=True)
class Deadline:
    """The instant by which a call wants to be done."""

    at: datetime

    @classmethod
    def of(
        cls, context: LambdaContext, longest: timedelta = LONGEST, clock: Clock = utc_now
    ) -> "Deadline":
        """Return the earlier of `longest` from now and the function's own end, less a margin."""
        left = timedelta(milliseconds=context.get_remaining_time_in_millis()) - MARGIN
        return cls(clock() + min(longest, left))

    def left(self, clock: Clock = utc_now) -> timedelta:
        """Return the time left, never negative."""
        return max(self.at - clock(), timedelta())
