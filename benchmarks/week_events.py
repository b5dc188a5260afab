"""What happens in a week that nobody wishes for: each a block inside which it is so."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.function_settings import reconfigured
from benchmarks.items import label
from benchmarks.live import LiveApp
from benchmarks.papers import Papers
from benchmarks.troubles import steal
from instep.app import DEFAULT_STACK
from instep.cli.redrive import starter_of
from instep.cli.standing import inbox_of
from instep.cli.sync import through
from instep.flow.dead_letters import DeadLetters
from instep.flow.envelope import Rejection
from instep.flow.redriving import Wanted, redrive
from instep.local.fault_proxy import FaultProxy
from instep.local.faults import Refuse
from instep.snapshot.acts.rollback import rollback
from instep.snapshot.copy.inventory import version_files
from instep.snapshot.copy.store import SnapshotStore

POISON = 20  # messages that nobody can read
MISTAKEN = 20  # letters that only needed somebody to put something right
NEW_RECEIPTS = 4  # of a hundred words each: more than a fold waits for
_WORDS = "words"
_READS = {"BatchGetItem", "Query"}
_SYNC_SECONDS = 600.0  # a busy machine's: what did not end would end the week


@dataclass(frozen=True)
class Week:
    """Where it happens."""

    app: LiveApp
    proxy: FaultProxy
    papers: Papers


Happening = Callable[[Week], AbstractContextManager[None]]


@dataclass(frozen=True)
class Event:
    """Begins on a `day` (0 is Monday's first second), and lasts so many seconds.

    `told_by`: alarms of which one should speak; none where the workflow heals it unseen.
    `taken_back`: it ends as soon as one did, as a rollout does.
    """

    name: str
    day: float
    lasts: float
    happening: Happening
    told_by: frozenset[str] = frozenset()
    taken_back: bool = False


def bad_build(function: str) -> Happening:
    """A build of a function that cannot even be loaded."""
    return _configured([function], Handler="handler.absent")


def small_fold() -> Happening:
    """A fold that its function is too small for, while new words make one due."""

    @contextmanager
    def happen(week: Week) -> Iterator[None]:
        functions = ["upload_snapshot", "fold_snapshot"]
        with _configured(functions, variables={"FOLD_MEMORY_MB": "64"})(week):
            new = Papers(NEW_RECEIPTS, seed=7)
            week.app.write(new.items())
            week.app.write(new.upload(week.app.session.objects, [_WORDS], receipts=1))
            yield

    return happen


def full_cache() -> Happening:
    """A shared cache that takes nothing: a file where its folder should be."""
    lost = {"CHROMADB_STORAGE_MODE": "auto", "CHROMA_CACHE_ROOT": "/dev/full"}
    return _configured(["apply_updates"], variables=lost)


@contextmanager
def throttled_table(week: Week) -> Iterator[None]:
    """The table refuses every read of ApplyUpdates."""
    victim = week.app.logs.functions["apply_updates"]["FunctionName"]
    refusal = Refuse(400, "ThrottlingException")
    with week.proxy.failing(
        lambda call: call.function == victim and call.operation in _READS, refusal, None
    ):
        yield


@contextmanager
def stolen_lease(week: Week) -> Iterator[None]:
    """A stranger has the words' lease for half a minute."""
    steal(week.app, _WORDS, 30.0)
    yield


@contextmanager
def poisoned_producer(week: Week) -> Iterator[None]:
    """Somebody sends what nobody can read; and letters that are none of poison's lie there too."""
    session = week.app.session
    for number in range(POISON):
        session.sqs.send_message(
            QueueUrl=session.deployment.inbox_queue_url, MessageBody=f"poison {number}"
        )
    letters = [
        Rejection(_signal(label(word, f"mistaken-{at}")), "the producer's mistake")
        for at, word in enumerate(week.papers.ids[1 : MISTAKEN + 1])
    ]
    inbox_of(session).reject(letters, execution="a-producer")
    yield


@contextmanager
def rolled_back(week: Week) -> Iterator[None]:
    """An operator goes back to an old version, and has what the table has said since come again."""
    store = SnapshotStore(week.app.session.objects, _WORDS)
    files = sorted(version_files(store), key=lambda one: one.version)
    rollback(store, files[len(files) // 2].version, "week")
    yield
    through(week.app.session, [_WORDS], _SYNC_SECONDS, lambda _: None)


@contextmanager
def redriven(week: Week) -> Iterator[None]:
    """What lies in the DLQ is sent once more; what is poison still goes, this time for good."""
    session = week.app.session
    dlq = session.deployment.dlq_url
    source = DeadLetters(session.sqs, dlq)
    redrive(source, inbox_of(session), starter_of(session, DEFAULT_STACK), Wanted("mistake"))
    session.sqs.purge_queue(QueueUrl=dlq)
    yield


def _configured(
    functions: list[str], *, variables: Mapping[str, str] | None = None, **settings: str
) -> Happening:
    """Give functions other settings inside the block."""

    @contextmanager
    def happen(week: Week) -> Iterator[None]:
        with ExitStack() as until_then:
            for one in functions:
                name = week.app.logs.functions[one]["FunctionName"]
                until_then.enter_context(
                    reconfigured(week.app.target, name, variables or {}, **settings)
                )
            yield

    return happen


def _signal(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item as the stream would tell of it."""
    keys = {key: item[key] for key in ("PK", "SK")}
    told = {"Keys": keys, "NewImage": item, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    return {"eventName": "INSERT", "eventSource": "aws:dynamodb", "dynamodb": told}


BAD = frozenset({"function-errors", "executions-failed", "records-given-up"})
EVENTS = (
    Event("bad_build_of_apply_updates", 0.2, 60, bad_build("apply_updates"), BAD, taken_back=True),
    Event("poisoned_producer", 1.3, 20, poisoned_producer, frozenset({"dlq-holds-messages"})),
    Event("stolen_lease", 1.7, 35, stolen_lease),
    Event("throttled_table", 2.3, 40, throttled_table, BAD, taken_back=True),
    Event("bad_build_of_ingest", 3.3, 45, bad_build("ingest"), BAD, taken_back=True),
    Event("full_cache", 4.1, 15, full_cache()),
    Event("small_fold", 4.4, 40, small_fold(), frozenset({"fold-too-large"}), taken_back=True),
    Event("bad_build_of_settle_batch", 5.1, 45, bad_build("settle_batch"), BAD, taken_back=True),
    Event("rollback", 5.9, 5, rolled_back),
    Event("redrive", 6.4, 20, redriven),
)
