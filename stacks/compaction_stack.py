"""This repository's stack: Instep, and receipts as its domain."""

from pathlib import Path

from aws_cdk import Stack
from constructs import Construct

from instep.cdk.config import Config
from instep.cdk.construct import Instep
from instep.cdk.packages import Packages
from instep.domain import Domain

HANDLERS = Path(__file__).resolve().parents[1] / "functions"


class CompactionStack(Stack):
    """`Default` is a name that CDK leaves out of what it derives from names."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: Config,
        domain: Domain,
        folders: Packages | None = None,
    ) -> None:
        super().__init__(
            scope,
            id_,
            description="Keeps ChromaDB collections on S3 in step with a table.",
            termination_protection=config.retain_data,
        )
        Instep(
            self,
            "Default",
            domain=domain,
            packages=["receipt_chroma", "receipt_dynamo_stream"],
            handlers=HANDLERS,
            config=config,
            folders=folders,
        )
