"""ApplyUpdates for receipts: instep/lambda_/handlers/apply_updates.py."""

from instep.lambda_.handlers.apply_updates import handler
from receipt_domain import DOMAIN

handle = handler(DOMAIN)
