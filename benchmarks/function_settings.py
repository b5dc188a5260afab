"""A deployed function with other settings for a while."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from instep.local.target import Target


@contextmanager
def reconfigured(
    target: Target, function: str, variables: Mapping[str, str], **settings: Any
) -> Iterator[None]:
    """Give the function of this deployed name more variables, and settings by the names that
    Lambda's API has for them, inside the block.
    """
    client: Any = target.client("lambda")
    usual = client.get_function_configuration(FunctionName=function)
    given = usual["Environment"]["Variables"]
    client.update_function_configuration(
        FunctionName=function, Environment={"Variables": given | dict(variables)}, **settings
    )
    try:
        yield
    finally:
        client.update_function_configuration(
            FunctionName=function,
            Environment={"Variables": given},
            **{name: usual[name] for name in settings},
        )
