"""Who is told what: every alarm to one topic, by mail if an address is given, and the dashboard.

On the local cloud, which computes no metrics and refuses alarms on expressions, all of this stands
in the template under a condition that is false: there it is read (instep/local/alarms.py).
"""

from aws_cdk import Aws, CfnCondition, CfnOutput, CfnResource, Fn, RemovalPolicy, Stack
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from instep.cdk.alarms import Alarm, alarms, full_name
from instep.cdk.config import Config
from instep.cdk.dashboard import Dashboard
from instep.cdk.signals import Signals

BUDGET_PERCENT = 80  # of what was spent; of what the month will come to, all


class Watching(Construct):
    """Alarms, the topic they speak to, a dashboard, and a budget if one is given."""

    def __init__(self, scope: Construct, id_: str, *, config: Config, signals: Signals) -> None:
        super().__init__(scope, id_)
        self.topic = self._topic(config)
        listed = alarms(signals, config)
        self.alarms = [self._alarm(each, signals.stack) for each in listed]
        self.judges = [
            made for made, each in zip(self.alarms, listed, strict=True) if each.judges_rollout
        ]
        self.dashboard = Dashboard(self, "Dashboard", signals=signals, alarms=self.alarms).dashboard
        if config.monthly_budget_usd is not None:
            self._budget(config.monthly_budget_usd)
        told = CfnOutput(
            self, "TopicArn", value=self.topic.topic_arn, description="What alarms speak to"
        )
        told.override_logical_id("AlarmTopicArn")
        if config.local_cloud:
            self._leave_out(told)

    def _topic(self, config: Config) -> sns.Topic:
        """Encrypted with a key of its own: AWS's own key lets no alarm publish."""
        key = kms.Key(
            self,
            "Key",
            description="What the alarms say, at rest",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.DESTROY,  # what it encrypts is gone in minutes
        )
        topic = sns.Topic(self, "Topic", master_key=key, enforce_ssl=True)
        tellers = [iam.ServicePrincipal("cloudwatch.amazonaws.com")]
        if config.monthly_budget_usd is not None:
            tellers.append(iam.ServicePrincipal("budgets.amazonaws.com"))
        ours = {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
        for teller in tellers:
            principal = teller.with_conditions(ours)
            topic.grant_publish(principal)
            key.grant(principal, "kms:Decrypt", "kms:GenerateDataKey*")
        if config.alarm_email is not None:
            topic.add_subscription(subscriptions.EmailSubscription(config.alarm_email))
        return topic

    def _alarm(self, alarm: Alarm, stack: str) -> cloudwatch.Alarm:
        """Told once when it begins and once when it is over."""
        made = cloudwatch.Alarm(
            self,
            alarm.name,
            alarm_name=full_name(stack, alarm.name),
            alarm_description=alarm.description,
            metric=alarm.metric,
            threshold=alarm.threshold,
            evaluation_periods=alarm.periods,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        teller = actions.SnsAction(self.topic)
        made.add_alarm_action(teller)
        made.add_ok_action(teller)
        return made

    def _budget(self, usd: int) -> None:
        """Of the whole account: a budget by tag is blind until the tag is activated by hand."""
        told = [
            budgets.CfnBudget.SubscriberProperty(
                subscription_type="SNS", address=self.topic.topic_arn
            )
        ]
        budget = budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_name=full_name(Stack.of(self).stack_name, "monthly-budget"),
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=usd, unit="USD"),
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        notification_type=kind,
                        comparison_operator="GREATER_THAN",
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=told,
                )
                for kind, percent in (("ACTUAL", BUDGET_PERCENT), ("FORECASTED", 100))
            ],
        )
        budget.node.add_dependency(self.topic)  # Budgets asks at once whether it may publish

    def _leave_out(self, told: CfnOutput) -> None:
        nowhere = Fn.condition_equals(Aws.ACCOUNT_ID, "an account of AWS")
        never = CfnCondition(self, "OnAws", expression=nowhere)
        told.condition = never
        for made in self.node.find_all():
            if isinstance(made, CfnResource):
                made.cfn_options.condition = never
