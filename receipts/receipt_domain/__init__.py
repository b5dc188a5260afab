"""Receipts as Instep's first domain: what hangs on the port, its oracle, its demo."""

from receipt_domain.domain import DOMAIN

__all__ = ["DOMAIN"]
