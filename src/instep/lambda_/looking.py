"""Look into the inbox as the one runner, and answer the end of one that died: the protocol of
`instep.flow.runner`, step by step.

A look that finds nothing writes nothing to S3 (docs/design.md, "Flow").
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from instep.clock import Clock, utc_now
from instep.errors import StorageUnavailable
from instep.flow.envelope import Delivery
from instep.flow.inbox import Inbox
from instep.flow.lease import LeaseTable
from instep.flow.pace import STUCK_DELAYS, Pace
from instep.flow.runner import Claim, RunnerTable
from instep.flow.starter import Starter
from instep.lambda_.bulks import under_way
from instep.lambda_.payloads import Next, ParseAnswer
from instep.lambda_.telemetry import logger

MESSAGES: Final = 2000  # of 50 records at most; of them a round takes what it has room for
LOOKS: Final = 50  # then another execution goes on: a history holds 25,000 events
LONGEST: Final = timedelta(hours=1)

Parse: TypeAlias = Callable[[ParseAnswer, Sequence[Delivery], int], ParseAnswer]
"""What to do with deliveries: the answer so far, they, and how many runners died before this."""


@dataclass(frozen=True)
class Lookout:
    """What a look needs."""

    inbox: Inbox
    leases: LeaseTable
    runner: RunnerTable
    starter: Starter
    pace: Pace
    collections: Sequence[str]
    clock: Clock = utc_now

    def look(self, answer: ParseAnswer, until: datetime, parse: Parse) -> ParseAnswer:
        """Drain as the runner, and parse what is there; `until` bounds the drain.

        Ends at once when another one lives, or when this execution's time is over.
        """
        claim = self.runner.claim(answer.execution, went_well=answer.tally.rounds > 0)
        if claim is None:
            logger.info("another execution drains")
            return answer
        if answer.tally.looks > LOOKS or answer.began - answer.started > LONGEST:
            if answer.tally.unfolded:
                return _folding(answer, {})
            self._put(self.runner.hand_over(answer.execution))
            return answer
        drained = self.inbox.drain(MESSAGES, until)
        if not drained.deliveries:
            return self._nothing_found(answer, claim)
        try:
            answer = replace(answer, more=drained.is_cut)
            return parse(answer, drained.deliveries, claim.deaths)
        except StorageUnavailable:
            self.inbox.hand_back((delivery.handle for delivery in drained.deliveries), seconds=0)
            raise

    def follow(self, answer: ParseAnswer, ended: str) -> ParseAnswer:
        """Free what an execution held that ended red, and let another drain on if that one did.

        Which folds that one had put off is forgotten: of all the collections FoldSnapshot finds it.
        """
        freed = self.leases.release_all(ended)
        start = self.runner.follow(ended)
        self._put(start)
        logger.info("followed", extra={"ended": ended, "leases": freed, "start": start})
        if start is None:
            return answer
        return replace(answer, next=Next.FOLD, folds=self.collections, then=Next.END)

    def _nothing_found(self, answer: ParseAnswer, claim: Claim) -> ParseAnswer:
        """Give the role up, or wait for what is hidden: an empty answer alone proves nothing.

        What is unfolded is folded first; while something may still come, where no bulk goes on.
        """
        now, left = self.clock(), self.inbox.depth()
        hidden = left.in_flight or left.delayed or (claim.due is not None and now < claim.due)
        patient = answer.tally.stuck < len(STUCK_DELAYS)
        more = bool(left.visible or (hidden and patient))
        going_on = under_way(answer.tally) if more else {}
        if going_on.keys() != answer.tally.unfolded.keys():
            return _folding(answer, going_on)
        if more:
            return replace(answer, next=Next.LOOK, pause=self.pace.wait_for(claim.due, now))
        if self.runner.finish(answer.execution, claim):
            return answer
        return replace(answer, next=Next.LOOK)

    def _put(self, start: str | None) -> None:
        if start is not None:
            self.starter.put(start)


def _folding(answer: ParseAnswer, left: Mapping[str, int]) -> ParseAnswer:
    """Return that what is unfolded is folded, but what is `left`, and then looked again."""
    folds = sorted(answer.tally.unfolded.keys() - left)
    return replace(answer, tally=replace(answer.tally, unfolded=left), next=Next.FOLD, folds=folds)
