# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["instep", "langchain-chroma>=1.1,<2", "wordllama==0.4.0.post1"]
# [tool.uv.sources]
# instep = { path = ".." }
# ///
"""LangChain over a snapshot: its Chroma store on the snapshot's client, with your own model.

    uv run examples/langchain_reader.py s3://my-bucket words "something sour"

uv makes an environment of its own for it. The model is the one that made the demo's vectors; yours
goes in its place. The store reads, and goes on reading after a refresh; what it would write is
refused, for truth lies in the table.
"""

import sys
from pathlib import Path

import wordllama
from langchain_chroma import Chroma
from langchain_core.embeddings import Embeddings

from instep import open_snapshot
from instep.errors import SnapshotReadOnly


class LocalModel(Embeddings):
    """256 floats a text, made on this machine."""

    def __init__(self) -> None:
        place = Path(wordllama.__file__).parent
        self._model = wordllama.WordLlama.load(cache_dir=place, disable_download=True)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a unit vector each."""
        return self._model.embed([text.lower() for text in texts], norm=True).tolist()

    def embed_query(self, text: str) -> list[float]:
        """Return the unit vector of one text."""
        return self.embed_documents([text])[0]


def main(location: str, collection: str, text: str) -> None:
    """Print what a store and a retriever find, and that a write is refused."""
    with open_snapshot(location, collection) as snapshot:
        store = Chroma(
            client=snapshot.client, collection_name=collection, embedding_function=LocalModel()
        )
        print(f"{collection} at {snapshot.version}")
        for document, distance in store.similarity_search_with_score(text, k=3):
            print(f"{distance:.2f}  {document.page_content}  {document.metadata}")
        snapshot.refresh()  # the store stays good
        retriever = store.as_retriever(search_type="mmr", search_kwargs={"k": 3})
        print("retrieved:", [document.page_content for document in retriever.invoke(text)])
        try:
            store.add_texts(["a text of mine"])
        except SnapshotReadOnly as refused:
            print(f"refused: {refused}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
