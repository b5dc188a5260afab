"""UploadSnapshot: instep/lambda_/handlers/upload_snapshot.py."""

from instep.lambda_.handlers.upload_snapshot import handler

handle = handler()
