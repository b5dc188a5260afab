"""FoldSnapshot: instep/lambda_/handlers/fold_snapshot.py."""

from instep.lambda_.handlers.fold_snapshot import handler

handle = handler()
