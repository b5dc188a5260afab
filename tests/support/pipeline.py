"""The nine real handlers in this process, over moto, wired as the state machines wire them.

`Pipeline.invoke` is Lambda: a handler module executed as at a cold start, JSON in, JSON out, errors
by their class name. `Pipeline.run` walks the states in plain Python, small rounds and large ones
alike, without retries; tests/workflow/test_agreement.py holds that it makes the very calls of the
definitions.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from inspect import signature
from itertools import count
from pathlib import Path
from typing import Any

from instep.aws.objects import Objects
from instep.brief import DOCUMENT
from instep.cli.snapshots import carried_by
from instep.clock import utc_now
from instep.domain import Domain
from instep.errors import FormatUnknown, LeaseLost, LockBusy, SnapshotConflict
from instep.lambda_.payloads import Tally
from instep.snapshot.copy.reader import open_snapshot
from receipt_domain import DOMAIN
from tests.support.aws import BUCKET, ENTITIES, Context, Services
from tests.support.items import EPOCH, stream_record

FUNCTIONS = Path(__file__).parents[2] / "functions"
MAX_CONFLICTS = 3

Payload = dict[str, Any]
Handler = Callable[[Payload, Any], Payload]
Item = Mapping[str, Any]


@dataclass
class Run:
    """How an execution ended: its status, the cause if red, and the last state's payload."""

    execution: str
    succeeded: bool
    cause: str
    output: Payload
    outcomes: list[dict[str, str]] = field(default_factory=list)  # collection -> status, a round


NOT_NOW = {LockBusy.__name__, LeaseLost.__name__, FormatUnknown.__name__}


class FunctionFailed(Exception):
    """A call failed: what Step Functions sees of it is an error's name and a message."""

    def __init__(self, name: str, cause: str) -> None:
        super().__init__(f"{name}: {cause}")
        self.name, self.cause = name, cause


@dataclass
class Trouble:
    """Calls of a function that end in `error` (a name: the platform's own), for one collection
    or any. `after`: the function did its work, and its answer was lost. The first calls are
    `spared`.
    """

    function: str
    error: Exception | str
    collection: str | None
    times: int
    after: bool
    spared: int = 0

    def strikes(self, function: str, payload: Mapping[str, Any]) -> bool:
        """Say whether this call is struck, and count it."""
        concerned = self.collection in {None, payload.get("collection")}
        if function != self.function or not concerned or self.times == 0:
            return False
        self.spared -= 1
        if self.spared >= 0:
            return False
        self.times -= 1
        return True

    def failure(self) -> FunctionFailed:
        """Return what the caller sees."""
        if isinstance(self.error, str):
            return FunctionFailed(self.error, "the platform's own")
        return FunctionFailed(type(self.error).__name__, str(self.error))


@dataclass
class Pipeline:
    """Handlers over the services of one test."""

    aws: Services
    domain: Domain = DOMAIN
    handlers: dict[str, Handler] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)
    largest: int = 0  # bytes of the largest payload any state was given or returned
    calls: list[tuple[str, str | None]] = field(default_factory=list)  # function, collection
    _numbers: Any = field(default_factory=count)

    # -- Lambda

    def handler(self, name: str) -> Handler:
        """Return a function's handler, loading its module at the first call."""
        if name not in self.handlers:
            self.restart(name)
        return self.handlers[name]

    def restart(self, name: str) -> None:
        """Load the module anew, as a cold start does; its clients are made again.

        Of another domain than ours, what its functions would be bound to.
        """
        if self.domain is not DOMAIN:
            make = import_module(f"instep.lambda_.handlers.{name}").handler
            self.handlers[name] = make(*([self.domain] if signature(make).parameters else []))
            return
        path = FUNCTIONS / name / "handler.py"
        spec = spec_from_file_location(f"{name}_handler", path)
        assert spec is not None
        module = module_from_spec(spec)
        exec(compile(path.read_text(), path, "exec"), module.__dict__)  # noqa: S102 - our own file
        self.handlers[name] = module.__dict__["handle"]

    def invoke(self, name: str, payload: Payload) -> Payload:
        """Call a function; its exception becomes FunctionFailed, its death does not."""
        text = json.dumps(payload)
        self.calls.append((name, payload.get("collection")))
        struck = next((one for one in self.troubles if one.strikes(name, payload)), None)
        if struck is not None and not struck.after:
            raise struck.failure()
        try:
            answer = json.dumps(self.handler(name)(json.loads(text), Context(name)))
        except Exception as error:
            raise FunctionFailed(type(error).__name__, str(error)) from error
        if struck is not None:
            raise struck.failure()
        self.largest = max(self.largest, len(text), len(answer))
        returned: Payload = json.loads(answer)
        return returned

    def fail(
        self,
        function: str,
        error: Exception | str,
        *,
        collection: str | None = None,
        times: int = 1,
        after: bool = False,
    ) -> None:
        """Let the next `times` calls of a function fail."""
        self.troubles.append(Trouble(function, error, collection, times, after))

    # -- the table and its stream

    def put(self, *items: Item) -> list[Payload]:
        """Write items into the table; return the stream records of that."""
        return [self._change(item["PK"], item["SK"], item) for item in items]

    def remove(self, *items: Item) -> list[Payload]:
        """Delete items from the table; return the stream records of that."""
        return [self._change(item["PK"], item["SK"], None) for item in items]

    def _change(self, pk: Item, sk: Item, new: Item | None) -> Payload:
        keys = {"PK": pk, "SK": sk}
        if new is None:
            answer = self.aws.dynamodb.delete_item(
                TableName=ENTITIES, Key=keys, ReturnValues="ALL_OLD"
            )
        else:
            answer = self.aws.dynamodb.put_item(
                TableName=ENTITIES, Item=new, ReturnValues="ALL_OLD"
            )
        old, number = answer.get("Attributes"), next(self._numbers)
        return stream_record(
            "REMOVE" if new is None else "MODIFY" if old else "INSERT",
            pk["S"],
            sk["S"],
            old=old,
            new=new,
            sequence=str(number),
            created=EPOCH + number,
        )

    def ingest(self, records: Sequence[Payload]) -> Payload:
        """Hand stream records to the ingest function, as the event source mapping does."""
        return self.invoke("ingest", {"Records": list(records)})

    # -- the state machines

    def run(self, content: Any = None, execution: str | None = None) -> Run:
        """Run one execution to its end; `content` is its input, by default {} (drain)."""
        name = execution or f"run-{next(self._numbers)}"
        run = Run(name, succeeded=True, cause="", output={})
        state = self.parse(name, content)
        while state["next"] != "end":
            match state["next"]:
                case "look":
                    self.aws.pass_time(state["pause"])
                    state = self.parse(name, state=state)
                case "work" | "large":
                    outcomes = [self.collection(name, item) for item in state["collections"]]
                    run.outcomes.append(
                        {one["collection"]: one["outcome"]["status"] for one in outcomes}
                    )
                    state = self.settle(name, state, outcomes)
                case "fold":
                    for item in state["folds"]:
                        self.fold(name, item)
                    state = {**state, "next": state["then"]}
                case "sync":
                    for segment in state["sync"]["segments"]:
                        self.segment(name, state["sync"]["collections"], segment)
                    state = {**state, "next": "end"}
        run.succeeded = not state["tally"]["failures"]
        run.cause, run.output = state["tally"]["cause"], state
        return run

    def parse(self, execution: str, content: Any = None, state: Payload | None = None) -> Payload:
        """ParseBatch: the first look, with the execution's input, or one after `state`."""
        before = state or {"started": utc_now().isoformat(), "tally": Tally().to_payload()}
        carried = {name: before[name] for name in ("started", "tally")}
        given = {} if content is None else content
        return self.invoke("parse_batch", {"execution": execution, "input": given, **carried})

    def collection(self, execution: str, item: Payload) -> Payload:
        """One item of EachCollection, from AcquireLock to ReleaseLock, with its catches."""
        item = {**item, "execution": execution, "lease": {}, "staged": {"attempt": 0}}
        mine = {"collection": item["collection"], "execution": execution}
        request = {**mine, "request": item["batch"]["key"]}
        try:
            item["lease"] = self._lock(request)
            status = self._apply_and_upload(item, mine)
        except FunctionFailed as failed:
            deferred = failed.name in NOT_NOW
            status = "deferred" if deferred else "failed"
            item["error"] = {"Error": failed.name, "Cause": failed.cause}
        item["outcome"] = {"status": status}
        self._release(request, item["lease"])
        return item

    def _lock(self, request: Payload) -> Payload:
        return self.invoke("acquire_lock", {**request, "waiting_since": utc_now().isoformat()})

    def _release(self, request: Payload, lease: Payload) -> None:
        with suppress(FunctionFailed):  # it expires
            self.invoke("release_lock", {**request, "lease": lease})

    def _apply_and_upload(self, item: Payload, mine: Payload) -> str:
        while True:
            attempt = item["staged"]["attempt"]
            lease = {"lease": item["lease"]}
            apply = {**mine, **lease, "batch": item["batch"], "attempt": attempt}
            item["staged"] = self.invoke("apply_updates", apply)
            if not item["staged"]["changed"]:
                return "applied"
            try:
                upload = {**mine, **lease, "staged": item["staged"]}
                item["published"] = self.invoke("upload_snapshot", upload)
            except FunctionFailed as failed:
                if failed.name != SnapshotConflict.__name__:
                    raise
                item["conflict"] = {"Error": failed.name, "Cause": failed.cause}
                if item["staged"]["attempt"] >= MAX_CONFLICTS:
                    return "deferred"
            else:
                return "applied"

    def settle(self, execution: str, state: Payload, outcomes: Sequence[Payload]) -> Payload:
        """SettleBatch."""
        names = ("tally", "started", "began", "drains", "more", "deliveries")
        carried = {name: state[name] for name in names}
        return self.invoke(
            "settle_batch", {"execution": execution, **carried, "outcomes": list(outcomes)}
        )

    def fold(self, execution: str, item: Payload) -> None:
        """One item of EachFold: nothing of it fails the run."""
        mine = {"collection": item["collection"], "execution": execution}
        request, lease = {**mine, "request": item["request"]}, {}
        with suppress(FunctionFailed):
            lease = self._lock(request)
            self.invoke("fold_snapshot", {**mine, "lease": lease})
        self._release(request, lease)

    def segment(self, execution: str, collections: list[str], segment: Payload) -> Payload:
        """One item of EachSegment; while it waits for room, the runner that it announced drains."""
        item = {"execution": execution, "collections": collections, "segment": segment}
        while (item := self.invoke("sync_table", item))["then"] != "done":
            if item["then"] == "wait":
                self.run()
        return item

    # -- what came of it

    def embeddings(self, collection: str) -> dict[str, dict[str, Any]]:
        """Return id -> metadata of the head snapshot, as a reader sees it; {} without a head."""
        return {
            id_: {name: value for name, value in fields.items() if name != DOCUMENT}
            for id_, fields in self.carried(collection).items()
        }

    def carried(self, collection: str) -> dict[str, Mapping[str, Any]]:
        """Return what the head's embeddings carry, as a domain judges it; {} without a head."""
        objects = Objects(self.aws.s3, BUCKET)
        if objects.find(f"{collection}/HEAD") is None:
            return {}
        with open_snapshot(objects, collection) as snapshot:
            return carried_by(snapshot.collection)

    def visible(self) -> list[Payload]:
        """Return (and take, unsettled) the records of every visible message of the inbox."""
        return self._taken(self.aws.inbox_url)

    def rejected(self) -> list[Payload]:
        """Return (and take) the records in the DLQ with their attributes."""
        return self._taken(self.aws.dlq_url)

    def _taken(self, url: str) -> list[Payload]:
        return [
            {"record": record, **_attributes(message)}
            for message in self.aws.messages(url)
            for record in json.loads(message["Body"]).get("Records", [message])
        ]


def _attributes(message: Mapping[str, Any]) -> dict[str, str]:
    found = message.get("MessageAttributes", {})
    return {name: value["StringValue"] for name, value in found.items()}
