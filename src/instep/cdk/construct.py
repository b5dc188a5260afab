"""All of a deployment as one construct, for a stack of anybody's: which part stands on which, and
what a person needs to know of the result.
"""

from collections.abc import Sequence
from pathlib import Path

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from constructs import Construct

from instep.cdk.code import Code
from instep.cdk.config import Config
from instep.cdk.function import Platform
from instep.cdk.functions import Functions
from instep.cdk.ingest import Queues, StreamIngest
from instep.cdk.keys import Keys
from instep.cdk.operators import Operators
from instep.cdk.packages import Packages, build_packages
from instep.cdk.probe import Probe
from instep.cdk.readers import Readers
from instep.cdk.rollout import Rollout
from instep.cdk.shared_cache import SharedCache
from instep.cdk.signals import Signals
from instep.cdk.storage import Storage
from instep.cdk.sweeping import Sweeping
from instep.cdk.triggers import Triggers
from instep.cdk.watching import Watching
from instep.cdk.workflow import Workflow
from instep.domain import Domain


class Instep(Construct):
    """Wires the constructs, defines nothing. One a stack: the command line finds its outputs by
    their names.

    `domain`: what `instep.binding.load_domain()` returns; functions are bound to it by the name it
    has in cdk.json. `packages`, `handlers`: more of the app's code, as code.py describes it.
    `table`: one of the stack's own, whose stream shows new and old images; else the configuration
    names one, or one is made. `config`: read from the context where it is left out. `folders`: code
    that is packed already.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        domain: Domain,
        packages: Sequence[str] = (),
        handlers: Path | None = None,
        table: dynamodb.ITable | None = None,
        config: Config | None = None,
        folders: Packages | None = None,
    ) -> None:
        super().__init__(scope, id_)
        config = config or Config.from_context(
            self.node.try_get_context, self.node.get_all_context()
        )
        bus = events.EventBus.from_event_bus_name(self, "Bus", "default")
        keys = Keys(self, "Keys", config=config)
        storage = Storage(self, "Storage", config=config, domain=domain, keys=keys, table=table)
        queues = Queues(self, "Queues", config=config, keys=keys)
        if folders is None:
            named = str(self.node.try_get_context("domain"))
            folders = build_packages(config, Code(Path.cwd(), named, packages, handlers))
        platform = Platform(
            self, "Platform", config=config, packages=folders, domain=domain, keys=keys
        )
        functions = Functions(
            self,
            "Functions",
            platform=platform,
            storage=storage,
            queues=queues,
            bus=bus,
            cache=SharedCache(self, "SharedCache") if config.file_system else None,
        )
        ingest = StreamIngest(
            self,
            "Ingest",
            config=config,
            table=storage.entities,
            function=functions.ingest.live,
            domain=domain,
            keys=keys,
        )
        workflow = Workflow(self, "Workflow", config=config, functions=functions)
        sweeping = Sweeping(self, "Sweeping", platform=platform, storage=storage)
        signals = Signals(
            stack=Stack.of(self).stack_name,
            collections=list(domain.collections),
            queues=queues,
            ingest=ingest,
            functions=functions,
            sweep=sweeping.function,
            runner=workflow.machine,
            round=workflow.round.machine,
        )
        self.watching = Watching(self, "Watching", config=config, signals=signals)
        rollout = Rollout(
            self,
            "Rollout",
            config=config,
            machine=workflow.machine,
            version=workflow.pinned,
            judges=self.watching.judges,
        )
        rollout.before(functions.ingest)
        if config.probe_minutes:
            probe = Probe(
                self,
                "Probe",
                machine=workflow.machine,
                version=workflow.pinned,
                minutes=config.probe_minutes,
            )
            rollout.after(probe.schedule)
        triggers = Triggers(
            self,
            "Triggers",
            machine=workflow.machine,
            bus=bus,
            every=Duration.minutes(config.schedule_minutes),
        )
        rollout.start_by_alias(triggers)
        readers = Readers(self, "Readers", storage=storage, keys=keys)
        operators = Operators(
            self,
            "Operators",
            config=config,
            domain=domain,
            keys=keys,
            storage=storage,
            queues=queues,
            failures=ingest.failures,
            bus=bus,
            machine=workflow.machine,
        )
        self.table, self.bucket, self.machine = storage.entities, storage.bucket, workflow.machine
        self._tell("DynamodbTableName", storage.entities.table_name, "The table that is mirrored")
        self._tell("ChromadbBucket", storage.bucket.bucket_name, "Snapshots of the collections")
        self._tell("StateMachineArn", rollout.arn, "Start it with {}")
        self._tell("InboxQueueUrl", queues.inbox.queue_url, "Changes that wait for a run")
        self._tell("DlqUrl", queues.dlq.queue_url, "Poison, each with its reason")
        self._tell("FailuresBucket", ingest.failures.bucket_name, "Records ingest could not pass")
        self._tell("ReaderPolicyArn", readers.policy.managed_policy_arn, "Attach it to readers")
        self._tell(
            "OperatorPolicyArn", operators.policy.managed_policy_arn, "Attach it to operators"
        )
        self._tell("EventBusName", bus.event_bus_name, "Where Compaction Requested is heard")
        self._tell("LockTableName", storage.locks.table_name, "A collection's lease an item")
        self._tell("KeepVersions", str(config.keep_versions), "Versions that no sweep deletes")
        self._tell("KeepDays", str(config.keep_days), "Days that every head stays")

    def _tell(self, name: str, value: str, what: str) -> None:
        CfnOutput(self, name, value=value, description=what).override_logical_id(name)
