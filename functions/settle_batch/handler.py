"""SettleBatch for receipts: instep/lambda_/handlers/settle_batch.py."""

from instep.lambda_.handlers.settle_batch import handler
from receipt_domain import DOMAIN

handle = handler(DOMAIN)
