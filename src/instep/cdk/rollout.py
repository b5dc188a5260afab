"""How a deploy comes into use: as a version, for a share of the starts at first, and back by alarm.

A machine's version names the version of everything it calls, the round and the functions: so a run
in flight finishes on the code it began with, and the alias is the only thing that a deploy moves,
or moves back (docs/adr/0020). Versions stay when their deploy is over, for runs that still use
them; they go with the machine. The local cloud has no such versions: there all is the newest.
"""

from collections.abc import Sequence

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct, IConstruct, IDependable

from instep.cdk.config import Config
from instep.cdk.function import KEPT, LIVE, WorkflowFunction

TYPES = {"canary": "CANARY", "linear": "LINEAR", "all-at-once": "ALL_AT_ONCE"}


def version_of(machine: sfn.StateMachine, config: Config) -> str:
    """Return the ARN of what this deploy brings of a machine, published as a version of it.

    The revision changes with the machine, and a version is made anew with the revision.
    """
    if config.local_cloud:
        return machine.state_machine_arn
    resource = machine.node.default_child
    assert isinstance(resource, sfn.CfnStateMachine)  # noqa: S101 - every L2 machine is made of one
    version = sfn.CfnStateMachineVersion(
        machine,
        "Version",
        state_machine_arn=machine.state_machine_arn,
        state_machine_revision_id=resource.attr_state_machine_revision_id,
    )
    version.apply_removal_policy(KEPT)
    return version.attr_arn


class Rollout(Construct):
    """The alias of the runner, and the order in which all else follows it.

    `version`: what `version_of` returned. `judges`: one of them in ALARM while the share grows, and
    CloudFormation takes all of the deploy back. They are known by name, and a name that no alarm
    has counts as OK.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: Config,
        machine: sfn.StateMachine,
        version: str,
        judges: Sequence[cloudwatch.Alarm],
    ) -> None:
        super().__init__(scope, id_)
        self._machine = machine
        self._alias: sfn.CfnStateMachineAlias | None = None
        self.arn = machine.state_machine_arn
        if not config.local_cloud:
            self._alias = sfn.CfnStateMachineAlias(
                self,
                "Live",
                name=LIVE,
                description="Whatever starts the runner starts this.",
                deployment_preference=_preference(config, version, judges),
            )
            self.arn = self._alias.attr_arn

    def start_by_alias(self, starters: IConstruct) -> None:
        """Let every rule and schedule among `starters` that starts the machine start the alias.

        Their roles stay as they are: to start an alias is authorized by the machine's own ARN.
        """
        for starter in starters.node.find_all() if self._alias else ():
            if isinstance(starter, events.CfnRule):
                starter.add_property_override("Targets.0.Arn", self.arn)
            elif isinstance(starter, scheduler.CfnSchedule):
                starter.add_property_override("Target.Arn", self.arn)

    def before(self, function: WorkflowFunction) -> None:
        """Let a function follow that writes what the runner reads: whoever reads comes first."""
        if self._alias:
            function.live.node.add_dependency(self._alias)

    def after(self, resource: IDependable) -> None:
        """Let the alias wait for what the judgement of a deploy needs."""
        if self._alias:
            self._alias.node.add_dependency(resource)


def _preference(
    config: Config, version: str, judges: Sequence[cloudwatch.Alarm]
) -> sfn.CfnStateMachineAlias.DeploymentPreferenceProperty:
    """At once there is no share, no interval, and so nothing that an alarm could stop."""
    gradual = config.rollout != "all-at-once"
    return sfn.CfnStateMachineAlias.DeploymentPreferenceProperty(
        state_machine_version_arn=version,
        type=TYPES[config.rollout],
        percentage=config.rollout_percent if gradual else None,
        interval=config.rollout_minutes if gradual else None,
        alarms=[judge.alarm_name for judge in judges],
    )
