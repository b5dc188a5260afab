"""Ingest for receipts: instep/lambda_/handlers/ingest.py."""

from instep.lambda_.handlers.ingest import handler
from receipt_domain import DOMAIN

handle = handler(DOMAIN)
