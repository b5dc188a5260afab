"""The one runner (`instep.flow.runner`) in every interleaving of ingests, executions and what
befalls them.

What must hold in every state is tests/support/runner_explore.py's: nobody takes the role from a
runner that lives, or drains without it, or gives it up while a message is queued; when all has
stopped the inbox is empty and nobody is the runner, and no message was visible for longer than a
minute, unless an execution died and nobody was told: then the next change or the schedule is
enough.
"""

from collections.abc import Iterator

import pytest

from instep.lambda_.telemetry import logger
from tests.invariants.runner_removals import REMOVALS, Removal
from tests.support.aws import LOCKS, services
from tests.support.one_item import OneItem
from tests.support.runner_code import sources
from tests.support.runner_explore import Wrong
from tests.support.runner_scenarios import SCENARIOS


@pytest.fixture(scope="module")
def item() -> Iterator[OneItem]:
    """The item, its conditions judged by moto."""
    level = logger.log_level
    logger.setLevel("ERROR")
    with pytest.MonkeyPatch.context() as patch, services(patch) as aws:
        yield OneItem(aws.dynamodb, LOCKS)
    logger.setLevel(level)


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_queued_is_left_behind_and_nobody_drains_beside_a_runner(
    name: str, item: OneItem
) -> None:
    seen = SCENARIOS[name].explore(sources(), item)
    print(f"{name}: {seen.states:,} states")
    assert seen.states > 40, "an exploration that sees nothing proves nothing"


@pytest.mark.parametrize("removal", REMOVALS, ids=str)
def test_without_a_piece_of_the_protocol_a_state_is_as_it_must_not_be(
    removal: Removal, item: OneItem
) -> None:
    with pytest.raises(Wrong):
        SCENARIOS[removal.scenario].explore(removal.taken_from(sources()), item)
