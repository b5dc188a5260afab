"""`instep deploy`: bootstrap where needed and deploy, to the local cloud or to an account."""

from instep.cli.deploying import deploy_to_account, deploy_with_progress
from instep.cli.options import Aws, Context, Json, Yes
from instep.cli.output import answers, print_json, require_somebody
from instep.cli.session import find_target

EPILOG = "Example: [bold]instep deploy --aws -c scheduleMinutes=15[/]"


def deploy(
    *,
    aws: Aws = False,
    yes: Yes = False,
    context: Context = None,
    as_json: Json = False,
) -> None:
    """Deploy the app: to the running local cloud, or with `--aws` to the account shown.

    The account and region come from the usual AWS environment (AWS_PROFILE, AWS_REGION, ...). What
    the account may lack is said, and what changes in rights is shown, before anything is touched.
    """
    target = find_target(aws=aws)
    if aws and not yes:
        require_somebody()
    deployment = (
        deploy_to_account(target, context or (), yes=yes)
        if aws
        else deploy_with_progress(target, context or ())
    )
    if as_json:
        print_json(deployment.variables())
        return
    for name, value in deployment.variables().items():
        answers.print(f"{name}={value}", soft_wrap=True)
