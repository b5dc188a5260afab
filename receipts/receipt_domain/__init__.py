"""Receipts as Instep's first domain: what hangs on the port, its oracle, its demo."""
