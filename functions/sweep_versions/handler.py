"""SweepVersions for receipts: instep/lambda_/handlers/sweep_versions.py."""

from instep.lambda_.handlers.sweep_versions import handler
from receipt_domain import DOMAIN

handle = handler(DOMAIN)
