"""The code that takes and gives up the runner's role, paused before every call it makes to AWS.

As in `replay`, a paused function is the answers it has had: to take one step more it is executed
again over them. Here the calls are those of the inbox, of the one item and of the bus.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any, Final, NamedTuple, TypeAlias

from botocore.exceptions import ClientError

from instep.errors import StorageUnavailable
from instep.flow.draining import Drained
from instep.flow.envelope import Delivery
from instep.flow.inbox import Depth
from instep.flow.pace import Pace
from instep.flow.parking import BatchRef
from instep.flow.settlement import Resend, Settlement
from instep.lambda_.payloads import Next, ParseAnswer, Tally
from tests.support.marks import ROOT
from tests.support.one_item import Write, attributes_of

BEGINNING: Final = datetime(2026, 1, 1, tzinfo=UTC)
APPLIED, BACK = "applied", "handed back"
AGAIN, SOON, LATER = "sent again", "sent again for soon", "sent again for later"
DELAYS: Final = {AGAIN: 0, SOON: 45, LATER: 120}
"""Seconds; the last one longer than what a dead runner has taken stays hidden."""
MODULES: Final = {
    "runner": "src/instep/flow/runner.py",
    "starter": "src/instep/flow/starter.py",
    "looking": "src/instep/lambda_/looking.py",
    "acknowledging": "src/instep/lambda_/acknowledging.py",
}


class Ingest(NamedTuple):
    """Queue a message of its name; `by_hand`: without a word, and start an execution then."""

    name: str
    by_hand: bool = False


class Parse(NamedTuple):
    """ParseBatch of an execution that drains, or that was told of the end of another."""

    execution: str
    tally: Tally
    started: int
    ended: str = ""


class Settle(NamedTuple):
    """SettleBatch: what became of what is held. `drains`: it is the inbox's."""

    execution: str
    tally: Tally
    held: tuple[str, ...]
    fate: str
    drains: bool = True
    round_began: int = 0


Call: TypeAlias = Ingest | Parse | Settle


class Question(NamedTuple):
    """A call to AWS that a function waits to make."""

    verb: str
    what: Any = None
    delay: int = 0


class Told(NamedTuple):
    """An answer, when it came, and to what: a call, or a verb of the role's that is over."""

    answer: Any
    at: int
    verb: str


class Outcome(NamedTuple):
    """What a function returned; None of it when it raised for want of storage."""

    raised: bool = False
    next: Next = Next.END
    pause: int = 0
    tally: Tally = Tally()
    held: tuple[str, ...] = ()


class _Paused(BaseException):
    def __init__(self, question: Question) -> None:
        self.question = question


class Tape:
    """The answers a call has had. Its clock stands at the last of them: it may be paused long."""

    def __init__(self, began: int, told: tuple[Told, ...]) -> None:
        self.told, self._at, self._now = told, 0, began

    def ask(self, verb: str, what: Any = None, delay: int = 0) -> Any:
        if self._at == len(self.told):
            raise _Paused(Question(verb, what, delay))
        return self._next()

    def once(self, verb: str, make: Callable[[], Any]) -> Any:
        """Make something of several calls, and remember what came of it in their place."""
        if self._at < len(self.told) and self.told[self._at].verb == verb:
            return self._next()
        began = self._at
        answer = make()
        self.told = (*self.told[:began], Told(answer, self._now, verb), *self.told[self._at :])
        self._at = began + 1
        return answer

    def clock(self) -> datetime:
        return BEGINNING + timedelta(seconds=self._now)

    def _next(self) -> Any:
        told = self.told[self._at]
        self._at += 1
        self._now = told.at
        return told.answer


@dataclass(frozen=True)
class _Role:
    """The runner's table, each of whose verbs is over when it has answered: it keeps nothing."""

    table: Any
    tape: Tape

    def __getattr__(self, verb: str) -> Any:
        method = getattr(self.table, verb)
        return lambda *given, **named: self.tape.once(verb, lambda: method(*given, **named))


@dataclass(frozen=True)
class _Table:
    tape: Tape

    def update_item(self, **parameters: Any) -> Any:
        held, item = self.tape.ask("UpdateItem", Write.of(parameters))
        if held:
            return {"Attributes": attributes_of(item)}
        refused: Any = {
            "Error": {"Code": "ConditionalCheckFailedException", "Message": ""},
            "Item": attributes_of(item),
        }
        raise ClientError(refused, "UpdateItem")


@dataclass(frozen=True)
class _Bus:
    tape: Tape

    def put_events(self, Entries: Sequence[Any]) -> Any:  # noqa: N803
        if self.tape.ask("PutEvents"):
            return {"FailedEntryCount": 0}
        return {"FailedEntryCount": len(Entries), "Entries": [{"ErrorCode": "InternalFailure"}]}


@dataclass(frozen=True)
class _Inbox:
    """Messages are their names. Without one nothing is called, as in the inbox."""

    tape: Tape

    def send(self, names: Iterable[str], delay: int = 0) -> None:
        self._each("send", names, delay)

    def drain(self, *_: Any) -> Drained:
        names = self.tape.ask("drain")
        return Drained([Delivery(name, name, "", {}, 0) for name in names], is_cut=False)

    def depth(self) -> Depth:
        return Depth(*self.tape.ask("depth"))

    def delete(self, names: Iterable[str]) -> None:
        self._each("delete", names)

    def hand_back(self, names: Iterable[str], seconds: int) -> None:
        self._each("hand_back", names, seconds)

    def _each(self, verb: str, names: Iterable[str], delay: int = 0) -> None:
        if found := tuple(names):
            self.tape.ask(verb, found, delay)


class _Leases:
    def release_all(self, _: str) -> list[str]:
        return []


@dataclass
class Functions:
    """The functions, of these modules' sources; `looks` is how often an execution may look. With
    `bulk` each round leaves a fold that waits.
    """

    sources: Mapping[str, str]
    pace: Pace
    looks: int
    bulk: bool
    _known: dict[Any, tuple[Question | Outcome, tuple[Told, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        modules = {name: _loaded(name, source) for name, source in self.sources.items()}
        modules["looking"].LOOKS = self.looks  # type: ignore[attr-defined]
        self._runner, self._starter = modules["runner"], modules["starter"]
        self._looking, self._acknowledging = modules["looking"], modules["acknowledging"]

    def next(
        self, call: Call, began: int, told: tuple[Told, ...]
    ) -> tuple[Question | Outcome, tuple[Told, ...]]:
        """Return what it asks for next, or what it has come to; and what it has to remember."""
        key = (call, began, told)
        if key not in self._known:
            tape = Tape(began, told)
            self._known[key] = self._run(call, tape), tape.told
        return self._known[key]

    def _run(self, call: Call, tape: Tape) -> Question | Outcome:
        pause = timedelta(seconds=self.pace.seconds)
        table = self._runner.RunnerTable(_Table(tape), "locks", pause, tape.clock)
        runner = _Role(table, tape)
        starter = self._starter.Starter(runner, _Bus(tape), "bus", "Instep")
        try:
            match call:
                case Ingest():
                    return _ingest(call, tape, starter)
                case Parse():
                    return self._parse(call, tape, runner, starter)
                case Settle():
                    return self._settle(call, tape, runner, starter)
        except _Paused as paused:
            return paused.question
        except StorageUnavailable:
            return Outcome(raised=True)

    def _parse(self, call: Parse, tape: Tape, runner: Any, starter: Any) -> Outcome:
        """What functions/parse_batch does."""
        tally = replace(call.tally, looks=call.tally.looks + 1)
        started, now = BEGINNING + timedelta(seconds=call.started), tape.clock()
        answer = ParseAnswer(call.execution, started, tally, Next.END, now)
        inbox, leases = _Inbox(tape), _Leases()
        lookout = self._looking.Lookout(
            inbox, leases, runner, starter, self.pace, ["words"], tape.clock
        )
        if call.ended:
            answer = lookout.follow(answer, call.ended)
        else:
            answer = lookout.look(answer, now, _take)
        held = answer.deliveries.key.split() if answer.deliveries else ()
        then = answer.then if answer.next is Next.FOLD else answer.next
        return Outcome(False, then, answer.pause, answer.tally, tuple(held))

    def _settle(self, call: Settle, tape: Tape, runner: Any, starter: Any) -> Outcome:
        """What functions/settle_batch does."""
        runner.renew(call.execution)
        settlement, inbox = Settlement(), _Inbox(tape)
        back = settlement.hand_back[0] if call.fate == BACK else settlement.acknowledge
        back.extend(call.held)
        if call.fate in DELAYS:
            delay = DELAYS[call.fate]
            settlement.resend[Resend("words", 1, None, delay)] = []
            inbox.send([f"{name}+" for name in call.held or ("pasted",)], delay)
        caller = f"{call.execution}/{call.tally.looks}"
        self._acknowledging.acknowledge(inbox, starter, settlement, caller)
        left = {"words": call.tally.looks} if self.bulk else {}
        tally = replace(call.tally, rounds=call.tally.rounds + 1, unfolded=left)
        pause = self.pace.pause(BEGINNING + timedelta(seconds=call.round_began), tape.clock())
        return Outcome(False, Next.LOOK if call.drains else Next.END, pause, tally)


def _ingest(call: Ingest, tape: Tape, starter: Any) -> Outcome:
    """What functions/ingest does, or a person."""
    _Inbox(tape).send([call.name])
    if call.by_hand:
        tape.ask("start")
    else:
        starter.announce(1, call.name)
    return Outcome()


def _take(answer: ParseAnswer, deliveries: Sequence[Delivery], _: int) -> ParseAnswer:
    names = " ".join(delivery.handle for delivery in deliveries)
    return replace(answer, next=Next.WORK, deliveries=BatchRef(names, 0, 0, len(deliveries)))


def sources() -> dict[str, str]:
    """Return the modules as they are."""
    return {name: (ROOT / path).read_text() for name, path in MODULES.items()}


def _loaded(name: str, source: str) -> ModuleType:
    """Make a module of its own, so that what a test changes in it stays there."""
    path = MODULES[name]
    module = ModuleType(path.removeprefix("src/").removesuffix(".py").replace("/", "."))
    exec(compile(source, path, "exec"), module.__dict__)  # noqa: S102 - our own
    return module
