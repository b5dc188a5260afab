"""The customer's own KMS keys: what each of them encrypts, and what its users may do with it.

Who may read an object, a message or an item needs the key as well, and a key that is used through
the service needs nothing else: a role's rights on the resource say which rights on the key follow.
"""

from collections.abc import Sequence
from typing import Final

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from instep.cdk.config import Config

_DECRYPT: Final = ["kms:Decrypt"]
_ENCRYPT: Final = ["kms:GenerateDataKey", "kms:Decrypt"]  # the second for an upload in parts
_FOLLOWS: Final = {
    "s3:GetObject": _DECRYPT,
    "s3:PutObject": _ENCRYPT,
    "sqs:ReceiveMessage": _DECRYPT,
    "sqs:SendMessage": _ENCRYPT,
    "dynamodb:BatchGetItem": _DECRYPT,
    "dynamodb:DeleteItem": _DECRYPT,
    "dynamodb:GetItem": _DECRYPT,
    "dynamodb:GetRecords": _DECRYPT,
    "dynamodb:PutItem": _DECRYPT,
    "dynamodb:Query": _DECRYPT,
    "dynamodb:Scan": _DECRYPT,
    "dynamodb:UpdateItem": _DECRYPT,  # who writes unwraps the table's own key, and makes no new one
}


class Keys(Construct):
    """`data` encrypts buckets and queues, `table` the table that is mirrored; None: AWS's own."""

    def __init__(self, scope: Construct, id_: str, *, config: Config) -> None:
        super().__init__(scope, id_)
        self.data = self._key("Data", config.encryption_key_arn)
        self.table = self._key("Table", config.entity_table_key_arn)
        self._covered: list[tuple[str, kms.IKey]] = []

    def cover(self, arn: str, key: kms.IKey | None) -> None:
        """Say that `key` encrypts what has this ARN, or one that begins with it."""
        if key is not None:
            self._covered.append((arn, key))

    def rights(self, actions: Sequence[str], resources: Sequence[str]) -> list[iam.PolicyStatement]:
        """Return what must be allowed beside these actions on these resources."""
        wanted = sorted({right for action in actions for right in _FOLLOWS.get(action, ())})
        used = {
            key.key_arn
            for resource in resources
            for arn, key in self._covered
            if resource == arn or resource.startswith(f"{arn}/")
        }
        if not wanted or not used:
            return []
        return [iam.PolicyStatement(actions=wanted, resources=sorted(used))]

    def _key(self, id_: str, arn: str | None) -> kms.IKey | None:
        return kms.Key.from_key_arn(self, id_, arn) if arn else None
