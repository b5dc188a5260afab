"""One runner: of all executions exactly one drains the inbox, and none ends while work is left.

One item of the lock table says all of it (docs/design.md, "One runner"; docs/adr/0012):

- `queued` only grows. Who has put messages into the inbox adds to it *after* they are in, and
  learns from the same write whether somebody drains. If nobody does, one conditional write of
  `runner` to a *start* decides who announces it; a start that no execution took within `START` is
  void. It is named by its caller, so that one who died before announcing does it when tried again.
- `runner` and `until`: the execution that drains. It claims before every round and learns `queued`
  from that write, *before* it drains; heartbeats move `until` while its functions work. A start
  that meets a live runner adds its wish to `queued` and ends at once. Who takes the role from a
  start or a dead runner must find `until` as it was: a sign of life, or another taker, moves it.
- It gives the role up only by a write conditional on being the runner still and on `queued` being
  what it learnt before a drain that found nothing. That fails when anything came in between: then
  it looks again.
- `due`: until when messages may be hidden (a dead runner's, deferred and delayed ones). A runner
  that finds nothing before then waits and looks again, so nothing comes back to an empty house.
- A runner that died is followed when `until` has passed, or at once by who is told of its end.
  `deaths` counts followers in a row that no round came of: after `DEATHS` nobody is announced any
  more, and the next change or the schedule tries again. `ended` is the last one that was told of:
  a function of it that is still at work becomes the runner no more.

Every write may have been made before its answer was lost and it was sent again, so what counts is
the item as it is then, not whether the condition held.

Safety needs none of this: two drains at a time do the same work twice, under the lease.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from instep.aws.aws_errors import storage
from instep.aws.epoch import epoch, instant
from instep.clock import Clock, utc_now
from instep.errors import StorageUnavailable
from instep.flow.lock_item import KEY
from instep.flow.pace import HIDDEN

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LAPSE: Final = timedelta(seconds=45)
"""For how long a runner lives without a sign of life, the pause between two rounds apart."""
START: Final = timedelta(seconds=30)
"""For how long an announced start is waited for."""
DEATHS: Final = 3

_STARTING: Final = "start:"  # no execution can be named so
_TRIES: Final = 10


@dataclass(frozen=True)
class RunnerState:
    """The item as it is. `runner` None: nobody drains; `until` and `due` in UTC."""

    queued: int = 0
    runner: str | None = None
    until: datetime | None = None
    due: datetime | None = None
    deaths: int = 0
    ended: str | None = None

    @property
    def is_starting(self) -> bool:
        """Whether a start was announced that no execution has taken yet."""
        return self.runner is not None and self.runner.startswith(_STARTING)

    def is_live(self, now: datetime) -> bool:
        """Say whether somebody drains, or is about to."""
        return self.runner is not None and self.until is not None and now <= self.until

    def hides_until(self, now: datetime) -> datetime | None:
        """Return when all that the runner took is visible again, should it be dead; None if it
        took nothing. It may have gone on for as long as it was live.
        """
        if self.runner is None or self.until is None or self.is_starting:
            return None
        return min(self.until, now) + HIDDEN


@dataclass(frozen=True)
class Claim:
    """The right to drain. `queued` is what `finish` must present; before `due` nothing is final.

    `deaths`: so many runners in a row have died before this one.
    """

    queued: int
    due: datetime | None
    deaths: int


class RunnerTable:
    """The one item. Every verb raises StorageUnavailable when DynamoDB does not answer.

    `pause` is the time between two rounds, in which a runner need give no sign of life.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        pause: timedelta = timedelta(0),
        clock: Clock = utc_now,
    ) -> None:
        self._client, self._table, self._clock = client, table, clock
        self._lapse = LAPSE + pause

    def queue(self, messages: int, caller: str, hidden: timedelta = timedelta(0)) -> str | None:
        """Say that so many messages are in the inbox, some of them `hidden` for a while.

        Returns the start that the caller must announce, None when somebody drains or is about to.
        The same `caller` has the same start to announce again, should it have failed to.
        """
        start = f"{_STARTING}{caller}"
        if hidden:
            self._put_off(self._clock() + hidden)
        found = self._add(messages)
        for _ in range(_TRIES):
            now = self._clock()
            if found.is_live(now):  # it will learn `queued` from after ours
                return start if found.runner == start else None
            found = self._replace(found, start, now, START)
        raise StorageUnavailable("appoint a start: still contended; queue the batch again")

    def claim(self, execution: str, *, went_well: bool = False) -> Claim | None:
        """Become or stay the runner; None while another one lives, which has the wish now.

        `went_well`: a round of this execution came to its end, so what died before it was luck.
        """
        until = {":me": {"S": execution}, ":until": epoch(self._clock() + self._lapse)}
        stay = "SET #until = :until" + (" REMOVE deaths" if went_well else "")
        found, wished = self._update(stay, "runner = :me", until), False
        for _ in range(_TRIES):
            now = self._clock()
            if found.runner == execution:
                return Claim(found.queued, found.due, found.deaths)
            if found.ended == execution:
                return None
            if not found.is_live(now) or found.is_starting:
                found = self._replace(found, execution, now, self._lapse)
            elif wished:
                return None
            else:
                found, wished = self._add(1), True
        raise StorageUnavailable("claim the runner: still contended; the workflow tries again")

    def renew(self, execution: str) -> None:
        """Give a sign of life; nothing happens when another is the runner."""
        until = {":me": {"S": execution}, ":until": epoch(self._clock() + self._lapse)}
        self._update("SET #until = :until", "runner = :me", until)

    def finish(self, execution: str, claim: Claim) -> bool:
        """Give the role up after a drain that found nothing; False: look again, something came.

        Messages that are hidden until `due` are the caller's to have waited for, or to leave.
        """
        found = self._update(
            "REMOVE runner, #until, deaths",
            "runner = :me AND queued = :queued",
            {":me": {"S": execution}, ":queued": {"N": str(claim.queued)}},
        )
        return found.runner != execution

    def hand_over(self, execution: str) -> str | None:
        """Let another execution go on: return the start to announce, None when not the runner."""
        start = f"{_STARTING}{execution}"
        found = self._update(
            "SET runner = :start, #until = :until",
            "runner = :me",
            {
                ":me": {"S": execution},
                ":start": {"S": start},
                ":until": epoch(self._clock() + START),
            },
        )
        return start if found.runner == start else None

    def follow(self, ended: str) -> str | None:
        """Answer the end of an execution: return the start to announce, if it left the role behind.

        So it is, too, when it ended before it could take the start that was announced.
        """
        start = f"{_STARTING}after {ended}"
        found = self._update("SET ended = :ended", None, {":ended": {"S": ended}})
        for _ in range(_TRIES):
            if found.runner == start:
                return start
            if found.runner != ended and not found.is_starting:
                return None
            if found.deaths >= DEATHS:
                return None
            found = self._replace(found, start, self._clock(), START, found.deaths + 1)
        raise StorageUnavailable("follow an execution: still contended; the workflow tries again")

    def read(self) -> RunnerState:
        """Return the item (strongly consistent)."""
        with storage("read the runner"):
            answer = self._client.get_item(
                TableName=self._table, Key={"collection": {"S": KEY}}, ConsistentRead=True
            )
        return _state(answer.get("Item", {}))

    def _add(self, messages: int) -> RunnerState:
        """Add to `queued`; return the item as it is then."""
        return self._update("ADD queued :messages", None, {":messages": {"N": str(messages)}})

    def _put_off(self, due: datetime) -> None:
        """Have `due` no earlier than this."""
        later = "attribute_not_exists(due) OR due < :due"
        self._update("SET due = :due", later, {":due": epoch(due)})

    def _replace(
        self,
        found: RunnerState,
        runner: str,
        now: datetime,
        lives: timedelta,
        deaths: int | None = None,
    ) -> RunnerState:
        """Put a runner in the place of who was `found` if that one gave no sign of life since, and
        if the new one has not ended; return the item as it is then.
        """
        hides = found.hides_until(now)
        if hides is not None:
            self._put_off(hides)
        values: dict[str, Any] = {":new": {"S": runner}, ":until": epoch(now + lives)}
        assign = "SET runner = :new, #until = :until"
        if deaths is not None:
            assign += ", deaths = :deaths"
            values[":deaths"] = {"N": str(deaths)}
        assign += " ADD queued :none"  # so that there is a number to be conditional on
        values[":none"] = {"N": "0"}
        same = "attribute_not_exists(runner)"
        if found.runner is not None and found.until is not None:
            same = "runner = :found AND #until = :seen"
            values |= {":found": {"S": found.runner}, ":seen": epoch(found.until)}
        return self._update(assign, f"{same} AND NOT ended = :new", values)

    def _update(self, update: str, condition: str | None, values: Mapping[str, Any]) -> RunnerState:
        """Write if the condition holds; return the item as it is now, in either case."""
        options: Any = {}
        if condition is not None:
            options["ConditionExpression"] = condition
            options["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        if "#until" in f"{update} {condition}":
            options["ExpressionAttributeNames"] = {"#until": "until"}  # a word of DynamoDB's own
        try:
            with storage("write the runner"):
                answer = self._client.update_item(
                    TableName=self._table,
                    Key={"collection": {"S": KEY}},
                    UpdateExpression=update,
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_NEW",
                    **options,
                )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            refused: Mapping[str, Any] = error.response
            return _state(refused.get("Item", {}))
        return _state(answer["Attributes"])


def _state(item: Mapping[str, Any]) -> RunnerState:
    return RunnerState(
        queued=int(item["queued"]["N"]) if "queued" in item else 0,
        runner=item["runner"]["S"] if "runner" in item else None,
        until=instant(item.get("until")),
        due=instant(item.get("due")),
        deaths=int(item["deaths"]["N"]) if "deaths" in item else 0,
        ended=item["ended"]["S"] if "ended" in item else None,
    )
