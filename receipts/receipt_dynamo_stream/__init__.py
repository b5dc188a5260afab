"""Records of the table's stream and messages of the queue become typed messages; pure Python."""

from instep.domain import RecordRejected
from receipt_dynamo_stream.builder import build_messages_from_records, parse_record
from receipt_dynamo_stream.changes import get_chromadb_relevant_changes
from receipt_dynamo_stream.messages import ChromaDBCollection, FieldChange, StreamMessage
from receipt_dynamo_stream.stream import is_relevant, trim

__all__ = [
    "ChromaDBCollection",
    "FieldChange",
    "RecordRejected",
    "StreamMessage",
    "build_messages_from_records",
    "get_chromadb_relevant_changes",
    "is_relevant",
    "parse_record",
    "trim",
]
