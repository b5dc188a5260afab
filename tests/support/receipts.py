"""A small receipt as its producer writes it: items in the table, deltas in the bucket, a run.

Shapes and names are docs/domain.md's; nothing here comes from the code under test.
"""

import random
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import chromadb

WIDTH = 8  # floats an embedding; production's 1,536 only make it slower

Item = dict[str, Any]


@dataclass(frozen=True)
class Receipt:
    """One receipt of `words` words, four on a line; ids are made of image and number."""

    image_id: str
    words: int = 4
    receipt_id: int = 1
    run_id: str = "run-1"
    _random: random.Random = field(default_factory=lambda: random.Random(7), repr=False)  # noqa: S311

    @property
    def prefix(self) -> str:
        """How the id of each embedding of the receipt begins."""
        return f"IMAGE#{self.image_id}#RECEIPT#{self.receipt_id:05d}#"

    def word_id(self, word: int) -> str:
        """Return the embedding id of a word (from 1)."""
        return f"{self.line_id(word)}#WORD#{word:05d}"

    def line_id(self, word: int) -> str:
        """Return the embedding id of the line that a word is on."""
        return f"{self.prefix}LINE#{self._line(word):05d}"

    def items(self) -> list[Item]:
        """Return the RECEIPT, RECEIPT_LINE and RECEIPT_WORD items."""
        numbers = range(1, self.words + 1)
        lines = {self._line(number): self.line_id(number) for number in numbers}
        return [
            self._item("RECEIPT", self.prefix.rstrip("#")),
            *(self._item("RECEIPT_LINE", id_, text="line") for id_ in lines.values()),
            *(self._item("RECEIPT_WORD", self.word_id(n), text=f"word {n}") for n in numbers),
        ]

    def metadata(self, **fields: str) -> Item:
        """Return the RECEIPT_METADATA item with these attributes."""
        return self._item("RECEIPT_METADATA", f"{self.prefix}METADATA", **fields)

    def label(self, word: int, name: str, status: str, at: str = "2026-01-01T00:00:00Z") -> Item:
        """Return a RECEIPT_WORD_LABEL item."""
        return self._item(
            "RECEIPT_WORD_LABEL",
            f"{self.word_id(word)}#LABEL#{name}",
            validation_status=status,
            label_proposed_by="test",
            reasoning="because",
            timestamp_added=at,
        )

    def run(self) -> Item:
        """Return the COMPACTION_RUN item that names the deltas of `upload`."""
        return self._item(
            "COMPACTION_RUN",
            f"{self.prefix}COMPACTION_RUN#{self.run_id}",
            run_id=self.run_id,
            lines_delta_prefix=self._delta("lines"),
            words_delta_prefix=self._delta("words"),
            lines_state="PENDING",
            words_state="PENDING",
        )

    def upload(self, s3: Any, bucket: str) -> None:
        """Write both deltas as loose objects."""
        numbers = range(1, self.words + 1)
        lines = {self.line_id(n): {"line_id": self._line(n)} for n in numbers}
        words = {self.word_id(n): {"line_id": self._line(n), "word_id": n} for n in numbers}
        for collection, carried in (("lines", lines), ("words", words)):
            self._upload(s3, bucket, collection, carried)

    def _upload(
        self, s3: Any, bucket: str, collection: str, carried: Mapping[str, Mapping[str, int]]
    ) -> None:
        with tempfile.TemporaryDirectory() as folder:
            client: Any = chromadb.PersistentClient(folder)
            own = {"image_id": self.image_id, "receipt_id": self.receipt_id}
            client.create_collection(collection).add(
                ids=list(carried),
                embeddings=[[self._random.random() for _ in range(WIDTH)] for _ in carried],
                metadatas=[{**own, **fields} for fields in carried.values()],
                documents=[f"text of {id_}" for id_ in carried],
            )
            client.close()
            for path in sorted(Path(folder).rglob("*")):
                if path.is_file():
                    key = f"{self._delta(collection)}/{path.relative_to(folder)}"
                    s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())

    def _delta(self, collection: str) -> str:
        return f"{collection}/delta/{self.image_id}-{self.run_id}"

    def _line(self, word: int) -> int:
        return (word + 3) // 4

    def _item(self, entity: str, id_: str, **fields: str) -> Item:
        image, rest = f"IMAGE#{self.image_id}", id_.removeprefix(f"IMAGE#{self.image_id}#")
        strings = {"PK": image, "SK": rest, "TYPE": entity, **fields}
        return {name: {"S": value} for name, value in strings.items()}


def record(
    new: Item | None = None, old: Item | None = None, *, sequence: str = "1"
) -> dict[str, Any]:
    """Return the stream record of a change from `old` to `new` (None: not there)."""
    assert new or old
    whole = new or old or {}
    change: dict[str, Any] = {
        "Keys": {"PK": whole["PK"], "SK": whole["SK"]},
        "SequenceNumber": sequence,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
        "ApproximateCreationDateTime": 1767225600,
    }
    if new is not None:
        change["NewImage"] = new
    if old is not None:
        change["OldImage"] = old
    return {
        "eventID": f"event-{sequence}",
        "eventName": "REMOVE" if new is None else "INSERT" if old is None else "MODIFY",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": change,
    }
