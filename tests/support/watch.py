"""Who watches the deployed app's alarms.

The alarms are those of the deployed template; their metrics are what the functions printed and the
services tell. The watcher's clock is put forward instead of waiting: what happened in these minutes
is then as long ago as an alarm looks back.
"""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from instep.app import DEFAULT_STACK
from instep.clock import utc_now
from instep.local.alarms import AlarmStates, read_alarms
from instep.local.cloud_metrics import CloudMetrics
from tests.support.deployed import DeployedApp


class Watch:
    """The alarms of a deployment, since now."""

    def __init__(self, app: DeployedApp, template: Path) -> None:
        cloudformation = app.target.client("cloudformation")
        listed = cloudformation.describe_stack_resources(StackName=DEFAULT_STACK)
        physical = {
            each["LogicalResourceId"]: each["PhysicalResourceId"]
            for each in listed["StackResources"]
        }
        self._ahead = timedelta(0)
        source = CloudMetrics(app.target, DEFAULT_STACK, self.now, since=utc_now().timestamp())
        declared = read_alarms(json.loads(template.read_text()), physical)
        self._states = AlarmStates(declared, source, clock=self.now)

    def now(self) -> datetime:
        return utc_now() + self._ahead

    def of(self, name: str, share: float) -> None:
        """Hold this alarm to a share of its threshold."""
        declared = self._states.alarms
        lower = replace(declared[name], threshold=share * declared[name].threshold)
        self._states = replace(self._states, alarms={**declared, name: lower})

    def passes(self, minutes: float) -> None:
        self._ahead += timedelta(minutes=minutes)

    def is_at(self, instant: float) -> None:
        self._ahead = timedelta(seconds=instant - utc_now().timestamp())

    def speaking(self) -> set[str]:
        """Name the alarms that speak now."""
        return self._states.speaking()

    def each_minute(self, minutes: int) -> list[set[str]]:
        """Name them now, and a minute later, and so on."""
        told = [self.speaking()]
        for _ in range(minutes):
            self.passes(1)
            told.append(self.speaking())
        return told
