"""A whole small receipt as its producer writes it: items, deltas in the bucket, and a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from receipt_demo.producer import files_in, write_directory
from tests.support.items import Attribute, Item, Paper

WIDTH = 8  # floats an embedding; production's 1,536 only make it slower


@dataclass(frozen=True)
class Receipt:
    """One receipt of `words` words, four on a line; ids are made of image and number."""

    image_id: str
    words: int = 4
    receipt_id: int = 1
    run_id: str = "run-1"

    @property
    def paper(self) -> Paper:
        """The builder of its single items."""
        return Paper(self.image_id, self.receipt_id)

    @property
    def prefix(self) -> str:
        """How the id of each embedding of the receipt begins."""
        return f"IMAGE#{self.image_id}#{self.paper.sk}#"

    def word_id(self, word: int) -> str:
        """Return the embedding id of a word (from 1)."""
        return self.paper.word_id(_line(word), word)

    def line_id(self, word: int) -> str:
        """Return the embedding id of the line that a word is on."""
        return self.paper.line_id(_line(word))

    def items(self) -> list[Item]:
        """Return the RECEIPT, RECEIPT_LINE and RECEIPT_WORD items."""
        numbers = range(1, self.words + 1)
        lines = dict.fromkeys(map(_line, numbers))
        return [
            self.paper.receipt(),
            *(self.paper.line(line, text="line") for line in lines),
            *(self.paper.word(_line(word), word, text=f"word {word}") for word in numbers),
        ]

    def metadata(self, **attributes: Attribute) -> Item:
        """Return the RECEIPT_METADATA item with these attributes."""
        return self.paper.metadata(**attributes)

    def label(self, word: int, name: str, status: str, at: str = "2026-01-01T00:00:00Z") -> Item:
        """Return a RECEIPT_WORD_LABEL item."""
        line = _line(word)
        return self.paper.label(line, word, name, status, at, by="test", reasoning="because")

    def run(self) -> Item:
        """Return the COMPACTION_RUN item that names the deltas of `upload`."""
        prefixes = {
            f"{collection}_delta_prefix": self._delta(collection)
            for collection in ("lines", "words")
        }
        return self.paper.run(self.run_id, **prefixes)

    def upload(self, s3: Any, bucket: str) -> None:
        """Write both deltas as loose objects."""
        for collection in ("lines", "words"):
            for name, body in _files(self, collection).items():
                s3.put_object(Bucket=bucket, Key=f"{self._delta(collection)}/{name}", Body=body)

    def carried(self, collection: str) -> dict[str, dict[str, Any]]:
        """Return by id the metadata that the producer gives the embeddings of a collection."""
        own = {"image_id": self.image_id, "receipt_id": self.receipt_id}
        numbers = range(1, self.words + 1)
        if collection == "lines":
            return {self.line_id(word): {**own, "line_id": _line(word)} for word in numbers}
        return {
            self.word_id(word): {**own, "line_id": _line(word), "word_id": word} for word in numbers
        }

    def _delta(self, collection: str) -> str:
        return f"{collection}/delta/{self.image_id}-{self.run_id}"


@lru_cache(maxsize=64)
def _files(receipt: Receipt, collection: str) -> Mapping[str, bytes]:
    """Return a delta's files by name: made once, for hundreds of tests upload the same."""
    carried = receipt.carried(collection)
    vectors = [
        [float((at + 1) * (number + 3) % 17) for number in range(WIDTH)]
        for at in range(len(carried))
    ]
    texts = [f"text of {id_}" for id_ in carried]
    with TemporaryDirectory(prefix="delta-") as name:
        made = Path(name)
        write_directory(made, collection, list(carried), vectors, list(carried.values()), texts)
        return files_in(made)


def _line(word: int) -> int:
    return (word + 3) // 4
