"""The HNSW parameters that a mapping may name are those that this chromadb takes and keeps."""

from pathlib import Path
from typing import Any

import pytest

from instep.chroma.collection import close_client, open_client
from instep.mapping.reading import HNSW, read_mapping


@pytest.mark.parametrize("bound", [1, 2])
def test_both_ends_of_every_parameter_make_a_collection_that_answers(
    tmp_path: Path, bound: int
) -> None:
    said = ", ".join(f"{key} = {ends[bound]}" for key, ends in HNSW.items())
    text = f"[collections.one]\nid = '{{PK}}'\nvector = 'v'\nhnsw = {{ {said} }}"
    spec = read_mapping(text, "x").collections["one"].spec
    client = open_client(tmp_path)
    try:
        configuration: Any = {"hnsw": {"space": spec.space, **spec.hnsw}}
        made = client.create_collection("one", configuration=configuration, embedding_function=None)
        kept = made.configuration_json["hnsw"]
        assert {key: kept[key] for key in spec.hnsw} == spec.hnsw
        assert kept["space"] == "cosine"
        numbers: Any = [[1.0, at / 20] for at in range(20)]
        made.add(ids=[str(at) for at in range(20)], embeddings=numbers)
        assert len(made.query(query_embeddings=numbers[:1], n_results=5)["ids"][0]) == 5
    finally:
        close_client(client)
