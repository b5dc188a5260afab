"""AcquireLock: instep/lambda_/handlers/acquire_lock.py."""

from instep.lambda_.handlers.acquire_lock import handler

handle = handler()
