"""`instep destroy`: take the stack down, after saying what goes with it and what stays."""

from typing import Annotated

import typer

from instep.cli.destroying import DATA, Plan, Resource, plan_of
from instep.cli.destroying import destroy as take_down
from instep.cli.options import DEFAULT_STACK, Aws, Stack
from instep.cli.output import Refused, answers, remarks
from instep.cli.session import find_target

EPILOG = "Example: [bold]instep destroy --dry-run[/]"


def destroy(
    *,
    aws: Aws = False,
    stack: Stack = DEFAULT_STACK,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for the name.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go and what would stay.")
    ] = False,
) -> None:
    """Delete the deployed stack. Tables, buckets and queues stay, unless it was deployed with
    retainData=false: then all they hold goes too.

    Says first what goes and what stays, and asks for the stack's name. It may be repeated, also
    after a deployment or a deletion that failed half way.
    """
    target = find_target(aws=aws)
    plan = plan_of(target, stack)
    show(plan)
    if dry_run:
        return
    if not yes:
        _ask(stack)
    with remarks.status(f"taking {stack} down") as line:
        take_down(target, plan, line.update)
    answers.print(f"[green]destroyed[/] {stack}", highlight=False)
    if plan.staying:
        answers.print("What stays is yours to delete:")
        for one in plan.staying:
            answers.print(f"  {removal_of(one)}", markup=False, soft_wrap=True)


def show(plan: Plan) -> None:
    """Print what goes with the stack and what stays."""
    made_anew = ", ".join(f"{n} {kind.rpartition(':')[2]}" for kind, n in plan.others.items())
    answers.print(f"goes:  {made_anew}: a deployment makes them anew", soft_wrap=True)
    for one in plan.lost:
        answers.print(
            f"[red]goes[/]:  {DATA[one.kind]} {one.name}, [red]with all it holds[/]", soft_wrap=True
        )
    for one in plan.staying:
        kind = DATA.get(one.kind, one.kind)
        answers.print(f"[green]stays[/]: {kind} {one.name}", soft_wrap=True)
    answers.print("stays: CDKToolkit, which every CDK app of this account and region uses")


def removal_of(resource: Resource) -> str:
    """Return the command that deletes what stayed, for who is sure."""
    match resource.kind:
        case "AWS::S3::Bucket":
            return (
                f"aws s3api delete-bucket --bucket {resource.name}  (empty it first, versions too)"
            )
        case "AWS::DynamoDB::Table":
            return f"aws dynamodb delete-table --table-name {resource.name}"
        case "AWS::SQS::Queue":
            return f"aws sqs delete-queue --queue-url {resource.name}"
    return f"{resource.kind} {resource.name}"


def _ask(stack: str) -> None:
    if not remarks.is_terminal:
        raise Refused("nobody is there to type the stack's name: give --yes to destroy it")
    if typer.prompt(f"Type {stack} to destroy it", err=True) != stack:
        raise Refused("that is not its name: nothing was touched")
