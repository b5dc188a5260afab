"""Whatever a producer does to a delta's collection, we read of it what chromadb itself reads."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import chromadb
import pytest
from chromadb.config import Settings
from hypothesis import given
from hypothesis import strategies as st

from instep.chroma.foreign.records import read_records

IDS = ("a", "b", "c")
INCLUDE = ["embeddings", "metadatas", "documents"]
values = st.one_of(
    st.integers(-2, 2), st.sampled_from([0.5, 2.0, True, False, "x", "y"]), st.just(["p", "q"])
)
fields = st.dictionaries(st.sampled_from("klm"), values, min_size=1)
changes = st.dictionaries(st.sampled_from("klm"), st.none() | values, min_size=1)
vectors = st.tuples(st.integers(-3, 3), st.integers(-3, 3)).map(lambda v: [v[0] + 0.5, v[1]])
documents = st.sampled_from(["milk", "bread", ""])


@dataclass(frozen=True)
class Act:
    """One call on the collection for one id; `reads`: the producer then looks at it."""

    verb: str
    id: str
    given: dict[str, Any]
    reads: bool


def _acts(verb: str, metadata: st.SearchStrategy[Any], *, embeds: bool) -> st.SearchStrategy[Act]:
    optional = {"metadatas": metadata, "documents": documents}
    whole = st.fixed_dictionaries({"embeddings": vectors}, optional=optional)
    alone = st.fixed_dictionaries({"metadatas": metadata})
    given = whole if embeds else whole | alone
    return st.builds(Act, st.just(verb), st.sampled_from(IDS), given, st.booleans())


acts = st.lists(
    st.one_of(
        _acts("add", fields, embeds=True),
        _acts("update", changes, embeds=False),
        _acts("upsert", changes, embeds=True),
        st.builds(Act, st.just("delete"), st.sampled_from(IDS), st.just({}), st.booleans()),
    ),
    min_size=1,
    max_size=14,
)


@pytest.mark.domain("delta-replayed")
@given(made=acts, threshold=st.sampled_from([2, 3, 5, 1000]))
def test_a_delta_is_read_as_chromadb_reads_it(made: Sequence[Act], threshold: int) -> None:
    with TemporaryDirectory() as name:
        written, read = Path(name, "written"), Path(name, "read")
        _produce(written, made, threshold)
        shutil.copytree(written, read)
        assert _ours(written) == _chromas(read)


def _produce(directory: Path, made: Sequence[Act], threshold: int) -> None:
    client = _client(directory)
    hnsw = {"sync_threshold": threshold, "batch_size": 2}
    words = client.create_collection("words", configuration={"hnsw": hnsw}, embedding_function=None)
    for act in made:
        getattr(words, act.verb)([act.id], **{key: [value] for key, value in act.given.items()})
        if act.reads:
            words.get()
    client.close()


def _client(directory: Path) -> Any:
    return chromadb.PersistentClient(str(directory), settings=Settings(anonymized_telemetry=False))


def _chromas(directory: Path) -> dict[str, Any]:
    client = _client(directory)
    got = client.get_collection("words", embedding_function=None).get(include=INCLUDE)
    client.close()
    rows = zip(got["ids"], *(got[key] for key in INCLUDE), strict=True)
    return {id_: (vector.tolist(), meta or {}, document) for id_, vector, meta, document in rows}


def _ours(directory: Path) -> dict[str, Any]:
    found = read_records(directory, "words")
    assert found.broken == {}
    return {id_: (one.embedding.tolist(), one.metadata, one.document) for id_, one in found.items()}
