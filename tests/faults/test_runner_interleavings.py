"""The one runner (`instep.runner`) in every interleaving of ingests, executions and what befalls
them.

What must hold in every state is tests/support/runner_explore.py's: nobody takes the role from a
runner that lives, or drains without it, or gives it up while a message is queued; when all has
stopped the inbox is empty and nobody is the runner, and no message was visible for longer than a
minute, unless an execution died and nobody was told; then the next change or the schedule is enough.

`--hypothesis-profile=deep` explores what takes minutes, too.
"""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from entrypoint.telemetry import logger
from instep.runner import DEATHS
from tests.support.aws import LOCKS, services
from tests.support.one_item import OneItem
from tests.support.runner_code import AGAIN, BACK, LATER, SOON, sources
from tests.support.runner_scenarios import Scenario
from tests.support.runner_world import Doom
