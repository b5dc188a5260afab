"""A mapping as a domain: its collections as sources, over the table it names."""

from pathlib import Path

from instep.derived import DerivedDomain
from instep.embedding.named import embedder_of
from instep.mapping.filters import stream_filters
from instep.mapping.model import TableMapping
from instep.mapping.reading import read_file
from instep.mapping.source import MappedSource


def load(file: Path) -> DerivedDomain:
    """Return the domain of an instep.toml; MappingRejected, EmbedderMissing."""
    return domain_of(read_file(file))


def domain_of(mapping: TableMapping) -> DerivedDomain:
    """Return the domain of a mapping that was read."""
    sources = {
        name: MappedSource(collection, embedder_of(collection.embed) if collection.embed else None)
        for name, collection in mapping.collections.items()
    }
    keys = mapping.table
    return DerivedDomain(sources, keys.schema, keys.time_to_live, stream_filters(mapping))
