"""Every error the engine raises: one class per reaction of the workflow, matched there by name.

The Lambda runtime reports the bare class name, so a name is unique over all packages and renaming
one is a breaking change. Each message says what to do.
"""

from datetime import datetime


class CompactionError(Exception):
    """Base of every named error; never raised itself."""


class InputRejected(CompactionError):
    """The execution's input has no accepted shape. Never retried: the cause shows the shapes."""


class MessageRejected(CompactionError):
    """One poison message. Caught per message: it goes to the DLQ with this reason."""


class DeltaRejected(CompactionError):
    """One hostile or broken embedding delta. Caught per run: FAILED with this reason."""


class LockBusy(CompactionError):
    """Another execution holds the lease. The workflow waits with jitter, then defers."""

    def __init__(self, collection: str, owner: str, expires_at: datetime) -> None:
        super().__init__(
            f"{collection}: leased by {owner} until {expires_at:%FT%TZ}; its next round takes "
            f"these messages, so do nothing, or see `instep status`"
        )
        self.collection, self.owner, self.expires_at = collection, owner, expires_at


class LeaseLost(CompactionError):
    """The lease expired, was taken over or its token was overtaken. Never retried: deferred."""

    def __init__(self, collection: str, owner: str, found: str) -> None:
        super().__init__(
            f"{collection}: {owner} no longer holds the lease ({found}); nothing was published and "
            f"the messages go back. If this repeats, raise LOCK_DURATION_MINUTES"
        )
        self.collection, self.owner, self.found = collection, owner, found


class FoldTooLarge(CompactionError):
    """A fold needs more than its function has. Never retried: it waits for another deployment."""

    def __init__(
        self, collection: str, memory: int, has_memory: int, disk: int, has_disk: int
    ) -> None:
        super().__init__(
            f"{collection}: a fold needs about {memory:,} MB of memory and {disk:,} MB of disk, "
            f"and its function has {has_memory:,} and {has_disk:,}; nothing is lost, but readers "
            f"replay what is not folded: deploy with a larger foldMemory or foldStorage "
            f'(docs/operating.md, "Size")'
        )
        self.collection = collection


class FormatUnknown(CompactionError):
    """Something that a newer release wrote. Deferred: the release that knows it takes it."""

    def __init__(self, what: str, found: int, known: int) -> None:
        super().__init__(
            f"{what} is of format {found}, and this release knows {known} and older ones; nothing "
            f"is lost and it comes back: if no deploy is under way, deploy the newer release again"
        )
        self.what, self.found, self.known = what, found, known


class SnapshotConflict(CompactionError):
    """HEAD moved and does not name our version. The workflow applies again on the new head."""

    def __init__(self, collection: str, expected: str | None, found: str | None) -> None:
        super().__init__(
            f"{collection}: expected HEAD at {expected}, found {found}; the workflow applies the "
            f"batch again on the new head"
        )
        self.collection, self.expected, self.found = collection, expected, found


class SnapshotCorrupt(CompactionError):
    """Bytes that a live manifest names are missing or wrong in S3 itself. Never retried."""

    def __init__(self, collection: str, what: str, cure: str | None = None) -> None:
        cure = cure or (
            f"find the last good version with `instep history {collection}` and go back to it with "
            f"`instep rollback {collection} VERSION`"
        )
        super().__init__(f"{collection}: {what}; {cure}")
        self.collection, self.what = collection, what


class SnapshotUnsupported(CompactionError):
    """A format, schema or collection setting this release cannot handle safely. Never retried."""


class ChromaPanicked(CompactionError):
    """chromadb's native half failed where it cannot say why. Never retried: it would again."""

    def __init__(self, said: str) -> None:
        super().__init__(
            f"chromadb panicked: {said}; what it read or was given is nothing it can work with: if "
            f"`instep verify` finds the snapshot damaged, `instep rollback` leads back to a good "
            f"version"
        )
        self.said = said


class VersionRejected(CompactionError):
    """A version asked for by name cannot be used so. Whoever asked chooses another."""

    def __init__(self, collection: str, version: str, why: str) -> None:
        super().__init__(
            f"{collection} {version}: {why}; choose a version from `instep history {collection}`"
        )
        self.collection, self.version, self.why = collection, version, why


class ImportRejected(CompactionError):
    """A foreign snapshot is hostile, broken or of no known form; nothing was published."""


class StorageUnavailable(CompactionError):
    """S3, DynamoDB or SQS throttled, failed or timed out beyond botocore's retries; or this
    machine's disk failed. Retried.
    """


class EmbedderUnavailable(CompactionError):
    """A service that makes vectors throttled, failed or did not answer. Retried."""


class EmbedderBroken(CompactionError):
    """An embedder works for no text at all, or answers in no shape of the port. Never retried."""


class EmbedderMissing(CompactionError):
    """A name of an embedder leads to none: misspelt, or not installed. The message shows how."""


class ConfigurationMissing(CompactionError):
    """A function or caller lacks something it needs (a table, a bucket). Never counted as zero."""


class MappingRejected(CompactionError):
    """An instep.toml that cannot be followed. Never retried: whoever wrote it mends the line."""

    def __init__(self, file: str, line: int, key: str, why: str) -> None:
        super().__init__(": ".join(filter(None, (f"{file}, line {line}", key, why))))
        self.file, self.line, self.key, self.why = file, line, key, why


class LocationRejected(CompactionError):
    """A reader was given what is no place where a snapshot lies. Whoever asked names another."""

    def __init__(self, location: object, why: str) -> None:
        super().__init__(
            f"{str(location)!r} {why}; a location is BUCKET, s3://BUCKET, s3://BUCKET/PREFIX, or "
            f"the path of a directory that `instep pull` wrote"
        )
        self.location, self.why = location, why


class SnapshotReadOnly(CompactionError):
    """A write was tried on a snapshot, and nothing was written. Never retried."""

    def __init__(self, act: str) -> None:
        super().__init__(
            f"{act} is refused: a snapshot is read only, for truth lies in the DynamoDB table. "
            f"Change the item there and the workflow brings it; for a copy of your own to write "
            f"to, `instep pull COLLECTION DIRECTORY` and open that with plain chromadb"
        )
        self.act = act


class EmbeddingFunctionMissing(CompactionError):
    """A text was asked for, and nothing says how to make a vector of it. Never retried."""

    def __init__(self, collection: str) -> None:
        super().__init__(
            f"{collection}: nothing says which model made its vectors: give that one to "
            f"open_snapshot(..., embedding_function=...), or ask by query_embeddings"
        )
        self.collection = collection
