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
from instep.cdk.packages import Packages, build_packages
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
        config = config or Config.from_context(self.node.try_get_context)
        bus = events.EventBus.from_event_bus_name(self, "Bus", "default")
        storage = Storage(self, "Storage", config=config, domain=domain, table=table)
        queues = Queues(self, "Queues")
        if folders is None:
            named = str(self.node.try_get_context("domain"))
            folders = build_packages(config, Code(Path.cwd(), named, packages, handlers))
        platform = Platform(self, "Platform", config=config, packages=folders, domain=domain)
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
            function=functions.ingest,
            domain=domain,
        )
        workflow = Workflow(self, "Workflow", config=config, functions=functions)
        Triggers(
            self,
            "Triggers",
            machine=workflow.machine,
            bus=bus,
            every=Duration.minutes(config.schedule_minutes),
        )
        sweeping = Sweeping(self, "Sweeping", platform=platform, storage=storage)
        signals = Signals(
            stack=Stack.of(self).stack_name,
            collections=list(domain.collections),
            queues=queues,
            ingest=ingest,
            functions=functions,
            sweep=sweeping.function,
            runner=workflow.machine,
            round=workflow.round,
        )
        self.table, self.bucket, self.machine = storage.entities, storage.bucket, workflow.machine
        self._tell("DynamodbTableName", storage.entities.table_name, "The table that is mirrored")
        self._tell("ChromadbBucket", storage.bucket.bucket_name, "Snapshots of the collections")
        self._tell("StateMachineArn", workflow.machine.state_machine_arn, "Start it with {}")
        self._tell("InboxQueueUrl", queues.inbox.queue_url, "Changes that wait for a run")
        self._tell("DlqUrl", queues.dlq.queue_url, "Poison, each with its reason")
        self._tell("EventBusName", bus.event_bus_name, "Where Compaction Requested is heard")
        self._tell("LockTableName", storage.locks.table_name, "A collection's lease an item")
        self._tell("KeepVersions", str(config.keep_versions), "Versions that no sweep deletes")
        self._tell("KeepDays", str(config.keep_days), "Days that every head stays")
        self.watching = Watching(self, "Watching", config=config, signals=signals)

    def _tell(self, name: str, value: str, what: str) -> None:
        CfnOutput(self, name, value=value, description=what).override_logical_id(name)
