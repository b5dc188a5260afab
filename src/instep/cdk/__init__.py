"""The constructs of a deployment; `Instep` is all of them, for a stack of anybody's."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from instep.cdk.node import prefer_our_node

if TYPE_CHECKING:
    from instep.cdk.construct import Instep

__all__ = ["Instep"]

prefer_our_node()  # here, because jsii starts a Node as soon as aws_cdk is imported


def __getattr__(name: str) -> Any:
    """Load the construct, and with it aws_cdk, only for those who ask for it."""
    if name == "Instep":
        return import_module("instep.cdk.construct").Instep
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
