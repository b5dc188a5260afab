"""ParseBatch for receipts: instep/lambda_/handlers/parse_batch.py."""

from instep.lambda_.handlers.parse_batch import handler
from receipt_domain import DOMAIN

handle = handler(DOMAIN)
