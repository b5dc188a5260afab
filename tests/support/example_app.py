"""An app of examples/ as its user meets it: items as people write them, a reader, what it embeds.

The functions run over moto, bound to the domain that the example's cdk.json names.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from instep.aws.objects import Objects
from instep.binding import load_domain
from instep.cli.filling import in_dynamodb_json, read_items
from instep.clock import utc_now
from instep.domain import Difference
from instep.embedding.local import Local, unit_vectors
from instep.snapshot.copy.reader import open_snapshot
from tests.support.aws import BUCKET, ENTITIES, services
from tests.support.marks import ROOT
from tests.support.pipeline import Pipeline

EXAMPLES = ROOT / "examples"

Item = Mapping[str, Any]


@dataclass
class ExampleApp:
    """One example over the services of one test; `asked` are the texts embedded since `forget`."""

    pipeline: Pipeline
    folder: Path
    asked: list[str] = field(default_factory=list)

    @property
    def items(self) -> list[dict[str, Any]]:
        """What the example's demo begins with."""
        return read_items(self.folder / "items.json")

    def change(self, put: Sequence[Item] = (), remove: Sequence[Item] = ()) -> list[str]:
        """Edit the table and let it arrive; return the texts that were embedded for that."""
        self.asked.clear()
        written = self.pipeline.put(*map(in_dynamodb_json, put))
        deleted = self.pipeline.remove(*map(in_dynamodb_json, remove))
        self.pipeline.ingest([*written, *deleted])
        run = self.pipeline.run()
        assert run.succeeded, run.cause
        return list(self.asked)

    def search(
        self, collection: str, text: str, where: Mapping[str, Any] | None = None, count: int = 5
    ) -> list[str]:
        """Return the ids of the nearest embeddings, as a reader of the head finds them."""
        asked = unit_vectors([text])
        with open_snapshot(Objects(self.pipeline.aws.s3, BUCKET), collection) as snapshot:
            found = snapshot.collection.query(
                query_embeddings=asked, where=dict(where) if where else None, n_results=count
            )
        ids: list[str] = found["ids"][0]
        return ids

    def differences(self) -> list[Difference]:
        """Return what the example's own judgement finds between table and heads."""
        found = self.pipeline.aws.dynamodb.scan(TableName=ENTITIES)["Items"]
        domain = self.pipeline.domain
        carried = {name: self.pipeline.carried(name) for name in domain.collections}
        return list(domain.judge(found, carried, utc_now()))


@contextmanager
def example_app(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ExampleApp]:
    """Bring up the example of this name."""
    with services(monkeypatch) as aws:
        monkeypatch.setenv("CHROMA_ROOT", str(tmp_path / "chroma"))
        app = ExampleApp(Pipeline(aws, load_domain(EXAMPLES / name)), EXAMPLES / name)
        embed = Local.embed

        def counted(self: Local, texts: Sequence[str]) -> Any:
            app.asked += texts
            return embed(self, texts)

        monkeypatch.setattr(Local, "embed", counted)
        yield app
