"""The policies of a synthesized template, judged as IAM does, by the local cloud's own evaluator.

A resource's ARN is written `arn:` and its logical id without the hash: `arn:StorageLocks`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

_IAM: Any = import_module("ministack.core.iam_evaluator")
_PSEUDO = {"AWS::Partition": "aws", "AWS::Region": "us-east-1", "AWS::AccountId": "123456789012"}


@dataclass(frozen=True)
class Call:
    """An action on a resource, with what IAM is told besides."""

    action: str
    resource: str
    told: Mapping[str, Any] = field(default_factory=dict)


def locks(action: str, key: str) -> Call:
    """Return an action of DynamoDB on one item of the lock table."""
    return Call(f"dynamodb:{action}", "arn:StorageLocks", {"dynamodb:leadingkeys": [key]})


def allows(template: Mapping[str, Any], role: str, call: Call) -> bool:
    """Return whether who has this role, or managed policy, may do it; AssertionError: no such."""
    documents = list(_documents(template, role))
    assert documents, role
    context = _IAM.EvalContext(
        principal_arn=f"arn:aws:sts::123456789012:assumed-role/{role}/test",
        principal_type="AssumedRole",
        principal_account="123456789012",
        action=call.action,
        resource_arn=call.resource,
        region="us-east-1",
        source_ip="127.0.0.1",
        secure_transport=True,
        service_context=dict(call.told),
    )
    parsed = [_IAM.parse_policy_document(_resolved(document)) for document in documents]
    return bool(_IAM.evaluate(context, parsed).decision == "Allow")


def _documents(template: Mapping[str, Any], role: str) -> Iterator[Any]:
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::IAM::Policy":
                if any(_plain(one["Ref"]) == role for one in properties["Roles"]):
                    yield properties["PolicyDocument"]
            case "AWS::IAM::Role" if _plain(name) == role:
                yield from (one["PolicyDocument"] for one in properties.get("Policies", []))
            case "AWS::IAM::ManagedPolicy" if _plain(name) == role:
                yield properties["PolicyDocument"]


def _resolved(value: Any) -> Any:
    match value:
        case {"Ref": str(name)}:
            return _PSEUDO.get(name) or f"arn:{_plain(name)}"
        case {"Fn::GetAtt": [name, "Arn"]}:
            return f"arn:{_plain(name)}"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"arn:{_plain(name)}/{attribute}"
        case {"Fn::Join": [glue, parts]}:
            return glue.join(map(_resolved, parts))
        case dict():
            return {key: _resolved(one) for key, one in value.items()}
        case list():
            return [_resolved(one) for one in value]
    return value


def _plain(name: str) -> str:
    return re.sub(r"[0-9A-F]{8}$", "", name)
