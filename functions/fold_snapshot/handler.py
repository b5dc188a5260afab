"""FoldSnapshot for receipts: instep/lambda_/handlers/fold_snapshot.py."""

from instep.lambda_.handlers.fold_snapshot import handler
from receipt_domain import DOMAIN

handle = handler(DOMAIN)
