"""`instep cost`: what a month of a workload costs, item by item."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Final

import typer

from instep.app import APP_FILE, app_folder, context_of
from instep.binding import load_domain
from instep.cdk.config import Config, ConfigRejected
from instep.cli.options import Json
from instep.cli.output import Refused, answers, plain_table, print_json
from instep.costs.estimate import Workload, month
from instep.costs.prices import AS_OF, bill
from instep.wording import number_text

EPILOG = "Example: [bold]instep cost --changes-per-s 20 --collections 1[/]"
_NAMES: Final = {
    "transitions": "Step Functions, states entered",
    "express_requests": "Step Functions Express, starts",
    "express_gb_s": "Step Functions Express, GB-seconds",
    "lambda_requests": "Lambda, calls",
    "lambda_gb_s": "Lambda, GB-seconds",
    "s3_put": "S3, PUT and LIST",
    "s3_get": "S3, GET",
    "s3_gb": "S3, GB stored",
    "dynamodb_write": "DynamoDB, write units",
    "dynamodb_read": "DynamoDB, read units",
    "sqs": "SQS, requests",
    "events": "EventBridge, events",
    "schedules": "EventBridge Scheduler, starts",
    "log_gb": "CloudWatch Logs, GB",
    "metrics": "CloudWatch, custom metrics",
    "traces": "X-Ray, traces recorded",
}


def cost(
    *,
    changes: Annotated[
        float, typer.Option("--changes-per-s", min=0, help="Changes a second, steadily.")
    ] = 1.0,
    collections: Annotated[
        int | None,
        typer.Option(min=1, help="Collections that each change feeds; left out: the app's."),
    ] = None,
    embeddings: Annotated[
        int,
        typer.Option(min=1, help="Embeddings in each collection: what a fold writes follows them."),
    ] = Workload.embeddings,
    stored_gb: Annotated[
        float, typer.Option("--stored-gb", min=0, help="GB that the snapshots take in S3.")
    ] = 0.0,
    as_json: Json = False,
) -> None:
    """Say what a month costs, from what was counted of each call, and AWS's list prices.

    Distance of rounds, schedule, probe and history are the app's (cdk.json). Not in it: trouble,
    the table itself, what makes vectors and the folds that follow new ones, alarms and dashboard,
    and data that leaves the region. Nothing is asked of AWS.
    """
    config = _configured()
    load = Workload(
        changes,
        len(load_domain().collections) if collections is None else collections,
        round_seconds=config.round_seconds,
        schedule_minutes=config.schedule_minutes,
        probe_minutes=config.probe_minutes,
        keep_days=config.keep_days,
        embeddings=embeddings,
        stored_gb=stored_gb,
    )
    used = month(load)
    costs = bill(used)
    if as_json:
        items = {item: {"amount": used[item], "usd": costs[item]} for item in used}
        total = sum(costs.values())
        print_json(
            {"workload": asdict(load), "prices_of": AS_OF, "items": items, "usd_month": total}
        )
    else:
        show(load, used, costs)


def _configured() -> Config:
    try:
        return Config.from_context(context_of(app_folder()).get)
    except ConfigRejected as error:
        raise Refused(f"{APP_FILE}: {error}") from error


def show(load: Workload, used: Mapping[str, float], costs: Mapping[str, float]) -> None:
    """Print the bill, the dearest first."""
    numbers = ("amount", "dollars")
    table = plain_table("a month", *numbers, right=numbers, whole=["a month"])
    for item, usd in sorted(costs.items(), key=lambda one: -one[1]):
        table.add_row(_NAMES[item], f"{used[item]:,.0f}", f"{usd:,.2f}")
    table.add_row("[bold]in all[/]", "", f"[bold]{sum(costs.values()):,.2f}[/]")
    answers.print(table)
    changes = number_text(load.changes, "change")
    answers.print(
        f"{changes} a second into {number_text(load.collections, 'collection')} of "
        f"{load.embeddings:,} embeddings, rounds {load.round_seconds} s apart; us-east-1, arm64, "
        f"list prices of {AS_OF} without free tiers"
    )
