"""Who takes part in an exploration of the one runner, and how much may go wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from instep.flow.pace import HIDDEN, Pace
from instep.flow.runner import LAPSE, START
from instep.lambda_.looking import LOOKS
from instep.lambda_.payloads import Tally
from tests.support.one_item import OneItem
from tests.support.runner_code import AGAIN, BACK, LATER, SOON, Functions, Ingest, Settle
from tests.support.runner_explore import Explorer, Seen
from tests.support.runner_faults import BY_HAND
from tests.support.runner_world import Doom, Event, Process, State

PACE: Final = Pace(30)
A_WHILE: Final = 600
"""Seconds after which a late change comes: whatever was held or hidden is no more."""


def _just_over(*spans: timedelta) -> int:
    return sum(int(span.total_seconds()) for span in spans) + 1


LAPSES: Final = (
    _just_over(START),
    _just_over(LAPSE, timedelta(seconds=PACE.seconds)),
    _just_over(LAPSE, timedelta(seconds=PACE.seconds), HIDDEN),
)


@dataclass(frozen=True)
class Scenario:
    """`ingests` and `late` name changes, now and in a while; `starts` executions that are on their
    way; `pasted` is the fate of pasted records. With `bulk` rounds leave a fold that waits. `most`
    is how many executions there may be.
    """

    ingests: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    by_hand: bool = False
    pasted: str | None = None
    fates: tuple[str, ...] = (BACK, AGAIN, LATER)
    faults: int = 0
    lies: int = 0
    others: int = 0
    doom: Doom | None = None
    looks: int = LOOKS
    bulk: bool = False
    most: int = 12

    def explore(self, sources: Mapping[str, str], item: OneItem) -> Seen:
        """Return what was seen; Wrong if a state is not as it should be."""
        functions = Functions(sources, PACE, self.looks, self.bulk)
        return Explorer(functions, item, LAPSES, self.fates, self.most).explore(self._first())

    def _first(self) -> State:
        processes = [Process(name, Ingest(name), 0) for name in self.ingests]
        processes += [Process(name, Ingest(name), 0, until=A_WHILE) for name in self.late]
        if self.by_hand:
            processes.append(Process(BY_HAND, Ingest(BY_HAND, by_hand=True), 0))
        if self.pasted:
            settles = Settle("pasted", Tally(), (), self.pasted, drains=False)
            processes.append(Process("pasted", settles, 0))
        return State(
            processes=tuple(sorted(processes, key=lambda one: one.name)),
            events=tuple(Event(name) for name in self.starts),
            faults=self.faults,
            lies=self.lies,
            fates=self.others,
            doom=self.doom,
        )


_A: Final = ("a",)
SCENARIOS: Final[Mapping[str, Scenario]] = {
    "plain": Scenario(ingests=("a", "b"), starts=("s",)),
    "delays": Scenario(ingests=_A, fates=(SOON, LATER), others=2, lies=1),
    "hand": Scenario(by_hand=True, faults=1, lies=1),
    "hands": Scenario(by_hand=True, starts=("s",)),
    "one": Scenario(ingests=_A, faults=1, lies=1),
    "looks": Scenario(ingests=_A, looks=1, faults=1),
    "bulk": Scenario(ingests=_A, faults=1, lies=1, others=1, bulk=True),
    "bulk+looks": Scenario(ingests=_A, looks=1, faults=1, bulk=True),
    "doom0": Scenario(ingests=_A, doom=Doom("", 0), late=("b",), most=11),
    "doom1": Scenario(ingests=_A, doom=Doom("claim", 0), late=("b",), most=11),
    "doom2": Scenario(ingests=_A, doom=Doom("claim", 1), fates=(BACK,), others=5, most=13),
    "pasted": Scenario(pasted=LATER, faults=1, lies=1),
    "pasted0": Scenario(pasted=AGAIN, faults=1, lies=1),
    "late": Scenario(ingests=_A, late=("b",), faults=1, lies=1),
    "fates": Scenario(ingests=_A, faults=1, lies=1, others=1),
    "two": Scenario(ingests=("a", "b"), faults=1),
    "start": Scenario(ingests=_A, starts=("s",), faults=1),
    "looks+start": Scenario(ingests=_A, starts=("s",), looks=1, faults=1),
}
"""Faults (a crash, a lost answer, a late or doubled event, a pause), lies of SQS and fates of a
round are each as many as may befall a history, in any place of it.
"""
