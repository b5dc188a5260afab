"""The schedule that starts the workflow whatever happens."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.live import LiveApp

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_UNIT = {"minute": 60, "hour": 3_600, "day": 86_400}


class NoSchedule(Exception):
    """The deployment has no schedule for its state machine, or one of a kind unknown here."""


@dataclass(frozen=True)
class Schedule:
    """A schedule as the service describes it."""

    client: Any
    described: Mapping[str, Any]

    @property
    def seconds(self) -> float:
        """Seconds between two starts."""
        return interval(self.described["ScheduleExpression"])

    def switch(self, *, enabled: bool) -> None:
        """Let it start the workflow, or not."""
        kept = ("Name", "GroupName", "Target", "FlexibleTimeWindow", "ScheduleExpression")
        self.client.update_schedule(
            **{name: self.described[name] for name in kept},
            State="ENABLED" if enabled else "DISABLED",
        )


def backstop(app: LiveApp) -> Schedule:
    """Return the schedule whose target is the app's state machine; NoSchedule."""
    client = app.target.client("scheduler")
    for listed in client.list_schedules()["Schedules"]:
        found = client.get_schedule(Name=listed["Name"], GroupName=listed["GroupName"])
        if found["Target"]["Arn"] == app.session.deployment.state_machine_arn:
            return Schedule(client, found)
    raise NoSchedule("no schedule starts the deployed state machine")


def interval(expression: str) -> float:
    """Return the seconds of a rate expression; NoSchedule for any other kind."""
    found = _RATE.fullmatch(expression)
    if found is None:
        raise NoSchedule(f"{expression} is no rate")
    return float(found[1]) * _UNIT[found[2]]
