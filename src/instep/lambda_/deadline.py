"""The time a call has left, as a value handed to what works in steps.

The rule is docs/domain.md, "What went wrong": a guard that started at cold start aborted warm
runs, so a deadline belongs to one call.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from instep.clock import Clock, utc_now

LONGEST: Final = timedelta(seconds=840)  # of Lambda's 900: a minute to hand over what was done
MARGIN: Final = timedelta(seconds=5)  # to answer and flush in peace


@dataclass(frozen=True)
class Deadline:
    """The instant by which a call wants to be done."""

    at: datetime

    @classmethod
    def of(cls, context: LambdaContext, clock: Clock = utc_now) -> "Deadline":
        """Return the function's own end less a margin, or LONGEST from now if that is earlier."""
        left = timedelta(milliseconds=context.get_remaining_time_in_millis()) - MARGIN
        return cls(clock() + min(LONGEST, left))

    def within(self, longest: timedelta, clock: Clock = utc_now) -> datetime:
        """Return the end of a step that may take `longest` from now, never past the deadline."""
        return min(self.at, clock() + longest)
