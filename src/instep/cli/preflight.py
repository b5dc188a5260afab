"""What would go wrong with a deployment, found out before it begins: each with a sentence that says
what to do. What must not be is Refused; what may be is a remark.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from instep.cli.output import Refused
from instep.local.target import Target

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef
    from mypy_boto3_lambda import LambdaClient

VIEW_TYPE: Final = "NEW_AND_OLD_IMAGES"
READERS: Final = 2  # a shard of a stream takes at once, DynamoDB's developer guide says
_CONCURRENCY: Final = 50  # calls at once: two collections, their folds, shards of the stream
_OLD_MEMORY: Final = 3008  # MB, all that a new account may get for a function


def check_table(target: Target, context: Mapping[str, Any]) -> None:
    """Refuse an existing table whose stream is off, another, or without both images; and one that
    a customer's key encrypts which the context does not name. Without an existing table: nothing.
    """
    name = context.get("entityTableName")
    if not name:
        return
    table = _described(target, str(name))
    _check_stream(str(name), table, context.get("entityTableStreamArn"))
    _check_key(target, str(name), table, context.get("entityTableKeyArn"))


def remark_on_stream(target: Target, name: str) -> str | None:
    """Say what a deployed table's stream does not show; None where it shows both images."""
    view = _view_of(_described(target, name))
    if view == VIEW_TYPE:
        return None
    return (
        f"the stream of {name} shows {view or 'nothing'}, not {VIEW_TYPE}: what changes after this "
        f"is not followed. `instep deploy` says how that is put right"
    )


def remarks_on(target: Target, context: Mapping[str, Any], assembly: Path) -> Iterator[str]:
    """Yield what an account's limits and others' readers may come to, as sentences."""
    client: LambdaClient = target.client("lambda")
    limit = client.get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    if limit < _CONCURRENCY:
        yield (
            f"this account runs {limit} functions at once, in all; Instep alone may want "
            f"{_CONCURRENCY}: ask for more under Service Quotas, Lambda, Concurrent executions"
        )
    stack, stream = str(context["name"]), context.get("entityTableStreamArn")
    others = _readers(client, str(stream), but=f"{stack}-") if stream else []
    if len(others) >= READERS:
        yield (
            f"{', '.join(others)} read this stream already: a third reader throttles all of them. "
            f"Let one of them read another way, such as Kinesis Data Streams for DynamoDB"
        )
    large = {name: size for name, size in _memory(assembly, stack).items() if size > _OLD_MEMORY}
    if large:
        asked = ", ".join(f"{name} {size:,} MB" for name, size in large.items())
        yield (
            f"{asked}: no API tells whether this account may have more than {_OLD_MEMORY:,} MB for "
            f"a function. If the deployment fails with 'MemorySize', it may not: ask AWS Support"
        )


def _described(target: Target, name: str) -> "TableDescriptionTypeDef":
    from botocore.exceptions import ClientError  # boto3, which not every command needs

    dynamodb: DynamoDBClient = target.client("dynamodb")
    try:
        return dynamodb.describe_table(TableName=name)["Table"]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ResourceNotFoundException":
            raise
        region = dynamodb.meta.region_name
        raise Refused(
            f"there is no table {name} in {region}: a stream is read in the table's own region and "
            f"account; name both with entityTableName and AWS_REGION"
        ) from error


def _view_of(table: "TableDescriptionTypeDef") -> str | None:
    said = table.get("StreamSpecification", {})
    return said.get("StreamViewType") if said.get("StreamEnabled") else None


def _check_stream(name: str, table: "TableDescriptionTypeDef", given: Any) -> None:
    view = _view_of(table)
    switch = (
        f"aws dynamodb update-table --table-name {name} --stream-specification "
        f"StreamEnabled=true,StreamViewType={VIEW_TYPE}"
    )
    if view is None:
        raise Refused(f"the table {name} has no stream: `{switch}`, and give the ARN it answers")
    if view != VIEW_TYPE:
        raise Refused(
            f"the stream of {name} shows {view}, and a change is judged by {VIEW_TYPE}. A stream "
            f"cannot be changed: switch it off with `aws dynamodb update-table --table-name {name} "
            f"--stream-specification StreamEnabled=false` (whoever reads it reads no more), then "
            f"`{switch}`, and give the new ARN"
        )
    if given != table.get("LatestStreamArn"):
        raise Refused(
            f"{given} is not the stream of {name}: give "
            f"-c entityTableStreamArn={table.get('LatestStreamArn')}"
        )


def _check_key(target: Target, name: str, table: "TableDescriptionTypeDef", given: Any) -> None:
    used = table.get("SSEDescription", {}).get("KMSMasterKeyArn")
    if not used or used == given:
        return
    kms: Any = target.client("kms")
    if kms.describe_key(KeyId=used)["KeyMetadata"].get("KeyManager") == "CUSTOMER":
        raise Refused(
            f"the table {name} is encrypted by a key of yours, which our functions must be allowed "
            f"to use: give -c entityTableKeyArn={used}"
        )


def _readers(client: "LambdaClient", stream: str, but: str) -> list[str]:
    """Return the functions that read a stream, less those whose names begin so."""
    pages = client.get_paginator("list_event_source_mappings").paginate(EventSourceArn=stream)
    arns = [one["FunctionArn"] for page in pages for one in page["EventSourceMappings"]]
    names = [arn.partition(":function:")[2] for arn in arns]
    return sorted(name for name in names if not name.startswith(but))


def _memory(assembly: Path, stack: str) -> dict[str, int]:
    """Return the MB that the synthesized functions ask for, by logical id."""
    template = json.loads((assembly / f"{stack}.template.json").read_text())
    return {
        name: resource["Properties"].get("MemorySize", 128)
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Function"
    }
