"""The text of an instep.toml to a mapping, or MappingRejected with the line and the key at fault.

What each key means is said in docs/mapping.md; here is what may be written for it.
"""

import re
import tomllib
from pathlib import Path
from typing import Final, get_args

from instep.domain import CollectionSpec, Space
from instep.errors import MappingRejected
from instep.keys import KeyAttribute, KeySchema
from instep.mapping.fields import read_fields
from instep.mapping.lines import line_of, line_of_error
from instep.mapping.matches import read_match
from instep.mapping.model import (
    CollectionMapping,
    Missing,
    TableKeys,
    TableMapping,
    VectorAttribute,
)
from instep.mapping.section import Section, Wrong, path_at, shown
from instep.mapping.template import Template
from instep.mapping.values import ENCODINGS

_COLLECTION: Final = (
    *("match", "id", "document", "text", "embed", "vector"),
    *("distance", "hnsw", "missing", "metadata"),
)
_NAME: Final = re.compile("[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]")
_MISSING: Final[tuple[Missing, ...]] = get_args(Missing)
_SPACES: Final[tuple[Space, ...]] = get_args(Space)
HNSW: Final = {
    "ef_construction": (int, 1, 10_000),
    "ef_search": (int, 1, 10_000),
    "max_neighbors": (int, 2, 1_024),  # chromadb 1.5.9 dies of 0, and loses what it holds at 1
    "resize_factor": (float, 1.0, 10.0),
}
"""Chroma's parameters that a collection keeps. How often its index is persisted is the engine's."""


def read_file(file: Path) -> TableMapping:
    """Read a mapping from a file; MappingRejected, OSError."""
    raw = file.read_bytes()
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise MappingRejected(str(file), line, "", f"it is not UTF-8: {error.reason}") from error
    return read_mapping(text, str(file))


def read_mapping(text: str, file: str) -> TableMapping:
    """Read a mapping; `file` is what errors call it. MappingRejected for the first fault."""
    try:
        values = tomllib.loads(text)
    except RecursionError as error:
        raise MappingRejected(file, 1, "", "it is nested too deeply") from error
    except ValueError as error:
        line = line_of_error(text, error)
        raise MappingRejected(file, line, "", f"it is not TOML: {error}") from error
    try:
        return _mapping(Section(values, (), ("table", "collections")))
    except Wrong as error:
        line = line_of(text, error.path)
        raise MappingRejected(file, line, ".".join(error.path), error.why) from error


def _mapping(top: Section) -> TableMapping:
    table = _table(top.table("table", ("partition", "sort", "time_to_live")))
    collections = top.table("collections", None)
    read = {name: _collection(collections, name, table) for name in collections}
    if not read:
        raise top.wrong("collections", "there is none: begin one with [collections.NAME]")
    return TableMapping(table, read)


def _table(section: Section) -> TableKeys:
    """Read the keys: PK and SK unless said; who names the partition key alone has no sort key."""
    default = KeySchema()
    partition = _key_attribute(section, "partition") or default.partition
    sort = _key_attribute(section, "sort")
    if sort is None and "partition" not in section:
        sort = default.sort
    if sort is not None and sort.name == partition.name:
        raise section.wrong("sort", "it is the partition key as well")
    if "time_to_live" not in section:
        return TableKeys(KeySchema(partition, sort))
    expiry = None if section.get("time_to_live") is False else section.text("time_to_live")
    return TableKeys(KeySchema(partition, sort), expiry)


def _key_attribute(section: Section, key: str) -> KeyAttribute | None:
    if not isinstance(section.get(key), dict):
        name = section.text(key)
        return None if name is None else KeyAttribute(name)
    within = section.table(key, ("name", "type"))
    name = within.text("name")
    if name is None:
        raise section.wrong(key, "it has no name")
    kind = within.choice("type", ("text", "number"))
    return KeyAttribute(name, "N" if kind == "number" else "S")


def _collection(collections: Section, name: str, table: TableKeys) -> CollectionMapping:
    section = collections.table(name, _COLLECTION)
    if not _NAME.fullmatch(name):
        raise section.wrong(
            None, "a name has 3 to 63 characters of a-z, 0-9, - and _, no sign first or last"
        )
    document, text = _template(section, "document"), _template(section, "text")
    embed, vector = section.text("embed"), _vector(section)
    if (embed is None) == (vector is None):
        raise section.wrong(None, "it takes one of vector (an attribute) and embed (an embedder)")
    if embed is None and text is not None:
        raise section.wrong("text", "nothing embeds it: the items bring their vectors")
    if embed is not None and (text := text or document) is None:
        raise section.wrong("embed", "there is nothing to embed: write a document or a text")
    return CollectionMapping(
        name=name,
        table=table,
        match=read_match(section.table("match", None), table.schema),
        id=_id(section, table),
        document=document,
        text=text,
        embed=embed,
        vector=vector,
        fields=read_fields(section.table("metadata", None)),
        spec=_spec(section),
        missing=section.choice("missing", _MISSING) or "refuse",
    )


def _template(section: Section, key: str) -> Template | None:
    source = section.text(key)
    try:
        return None if source is None else Template.parse(source)
    except ValueError as error:
        raise section.wrong(key, str(error)) from error


def _id(section: Section, table: TableKeys) -> Template:
    template = _template(section, "id")
    names = table.schema.names
    if template is None:
        raise section.wrong(None, f'it has no id: write one such as id = "{{{names[0]}}}"')
    for slot in template.slots:
        path = ".".join(slot.path)
        if path not in names:
            raise section.wrong(
                "id",
                f"it names {path}, and may name the key alone ({', '.join(names)}): of an item "
                f"that is gone there is nothing else to find its embedding by",
            )
        if slot.default is not None:
            raise section.wrong("id", f"{path} is part of the key and never absent: no default")
    if not template.slots:
        raise section.wrong("id", f"it is the same for every item: name {' or '.join(names)}")
    return template


def _vector(section: Section) -> VectorAttribute | None:
    if not isinstance(section.get("vector"), dict):
        path = path_at(section, "vector")
        return None if path is None else VectorAttribute(path)
    within = section.table("vector", ("from", "encoding"))
    path = path_at(within, "from")
    if path is None:
        raise section.wrong("vector", 'it says not from where: from = "an attribute"')
    return VectorAttribute(path, within.choice("encoding", ENCODINGS))


def _spec(section: Section) -> CollectionSpec:
    space = section.choice("distance", _SPACES) or "cosine"
    within = section.table("hnsw", tuple(HNSW))
    return CollectionSpec(space, {key: _parameter(within, key) for key in sorted(within)})


def _parameter(section: Section, key: str) -> int | float:
    kind, least, most = HNSW[key]
    value = section.get(key)
    whole = type(value) is int
    if not (whole or (kind is float and type(value) is float)) or not least <= value <= most:
        called = "a whole number" if kind is int else "a number"
        raise section.wrong(key, f"it is {shown(value)}, expected {called} of {least} to {most}")
    return float(value) if kind is float else int(value)
