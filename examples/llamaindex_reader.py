# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = [
#     "instep",
#     "llama-index-vector-stores-chroma>=0.6,<0.7",
#     "wordllama==0.4.0.post1",
# ]
# [tool.uv.sources]
# instep = { path = ".." }
# ///
"""LlamaIndex over a snapshot: its Chroma vector store on the snapshot's collection.

    uv run examples/llamaindex_reader.py s3://my-bucket words "something sour"

uv makes an environment of its own for it. The model is the one that made the demo's vectors; yours
goes in its place. The index reads, and goes on reading after a refresh; what it would write is
refused, for truth lies in the table.
"""

import sys
from functools import cache
from pathlib import Path
from typing import Any

import wordllama
from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import Document
from llama_index.vector_stores.chroma import ChromaVectorStore

from instep import open_snapshot
from instep.errors import SnapshotReadOnly


class LocalModel(BaseEmbedding):
    """256 floats a text, made on this machine."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return model().embed([text.lower()], norm=True)[0].tolist()

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


@cache
def model() -> Any:
    """Return the model."""
    place = Path(wordllama.__file__).parent
    return wordllama.WordLlama.load(cache_dir=place, disable_download=True)


def main(location: str, collection: str, text: str) -> None:
    """Print what a retriever finds, and that a write is refused."""
    with open_snapshot(location, collection) as snapshot:
        store = ChromaVectorStore(chroma_collection=snapshot.collection)
        index = VectorStoreIndex.from_vector_store(store, embed_model=LocalModel())
        print(f"{collection} at {snapshot.version}")
        for found in index.as_retriever(similarity_top_k=3).retrieve(text):
            print(f"{found.score:.2f}  {found.text}  {found.metadata}")
        snapshot.refresh()  # the index stays good
        retriever = index.as_retriever(similarity_top_k=3)
        print("retrieved:", [found.text for found in retriever.retrieve(text)])
        try:
            index.insert(Document(text="a text of mine"))
        except SnapshotReadOnly as refused:
            print(f"refused: {refused}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
