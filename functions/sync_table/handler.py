"""SyncTable for receipts: instep/lambda_/handlers/sync_table.py."""

from instep.lambda_.handlers.sync_table import handler
from receipt_domain import DOMAIN

handle = handler(DOMAIN)
