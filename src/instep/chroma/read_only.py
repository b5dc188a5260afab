"""A client that reads: it hands out collections that refuse to write before they do any work.

Whatever goes round them is refused at the gate; here a text is not embedded first, and none is ever
embedded by chromadb's default function, which is the model of no snapshot and wants a download.
Leans on `Collection._embed`, which every text passes: benchmarks/reader_contract.py asks each
release in `installed.READERS` for it.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, cast

from chromadb.api.client import Client
from chromadb.api.models.Collection import Collection
from chromadb.api.types import EmbeddingFunction
from chromadb.errors import NotFoundError

from instep.chroma import installed
from instep.chroma.collection import started
from instep.difference import Vector
from instep.errors import EmbeddingFunctionMissing, SnapshotReadOnly

if TYPE_CHECKING:
    from chromadb.config import Settings

TextsToVectors: TypeAlias = Callable[[list[str]], Sequence[Vector]]
"""A function of texts that returns a vector each; chromadb's embedding functions are such."""


def open_reader(directory: Path, texts_to_vectors: TextsToVectors | None) -> "ReadOnlyClient":
    """Return a client on the directory that only reads; SnapshotUnsupported as `require_reader`.

    A panic of chromadb's, here or in any call of the client's, is ChromaPanicked.
    """
    installed.require_reader()
    return started(partial(ReadOnlyClient, _embedding_function(texts_to_vectors)), directory)


def _refusing(act: str) -> Callable[..., NoReturn]:
    def refuse(collection: "ReadOnlyCollection", *_: object, **__: object) -> NoReturn:
        raise SnapshotReadOnly(f"{collection.name}: {act}")

    return refuse


class ReadOnlyCollection(Collection):
    """A collection of a snapshot: SnapshotReadOnly for each of its ways to write."""

    add = _refusing("add")
    update = _refusing("update")
    upsert = _refusing("upsert")
    delete = _refusing("delete")
    modify = _refusing("modify")

    def _embed(self, input: Any, is_query: bool = False) -> Any:  # noqa: A002 - chromadb's name
        if self._embedding_function is None:
            raise EmbeddingFunctionMissing(self.name)
        return super()._embed(input, is_query)


class ReadOnlyClient(Client):
    """A client on a snapshot's copy; its collections embed texts with the snapshot's function,
    where the caller brings none.
    """

    def __init__(
        self, embedding_function: "EmbeddingFunction[Any] | None", path: str, settings: "Settings"
    ) -> None:
        settings.persist_directory = path
        settings.is_persistent = True
        self._embedding_function = embedding_function
        super().__init__(settings=settings)

    def get_collection(
        self,
        name: str,
        embedding_function: "EmbeddingFunction[Any] | None" = None,
        data_loader: Any = None,
    ) -> Collection:
        """Return the collection; chromadb's NotFoundError when there is none."""
        found = super().get_collection(name, None, data_loader)
        return self._read_only(found, embedding_function)

    def get_or_create_collection(
        self,
        name: str,
        *_: Any,
        embedding_function: "EmbeddingFunction[Any] | None" = None,
        data_loader: Any = None,
        **__: Any,
    ) -> Collection:
        """Return the collection as it is; SnapshotReadOnly when there is none."""
        try:
            return self.get_collection(name, embedding_function, data_loader)
        except NotFoundError as error:
            raise SnapshotReadOnly(f"{name}: create") from error

    def list_collections(
        self, limit: int | None = None, offset: int | None = None
    ) -> Sequence[Collection]:
        """Return the one collection."""
        return [self._read_only(each) for each in super().list_collections(limit, offset)]

    def _read_only(
        self, found: Collection, embedding_function: "EmbeddingFunction[Any] | None" = None
    ) -> ReadOnlyCollection:
        chosen = embedding_function or self._embedding_function
        return ReadOnlyCollection(self._server, found.get_model(), chosen, found._data_loader)


class _Function(EmbeddingFunction[Any]):
    """Any function of texts, as chromadb takes it."""

    def __init__(self, texts_to_vectors: TextsToVectors) -> None:
        self._texts_to_vectors = texts_to_vectors

    def __call__(self, input: Any) -> Any:  # noqa: A002 - chromadb's name
        return self._texts_to_vectors(list(input))


def _embedding_function(given: TextsToVectors | None) -> "EmbeddingFunction[Any] | None":
    if hasattr(given, "embed_query"):  # one of chromadb's own kind
        return cast("EmbeddingFunction[Any]", given)
    return None if given is None else _Function(given)
