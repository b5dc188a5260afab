"""ReleaseLock: instep/lambda_/handlers/release_lock.py."""

from instep.lambda_.handlers.release_lock import handler

handle = handler()
