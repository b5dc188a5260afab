"""Any item under any mapping makes what Chroma carries, or is refused with a reason; nothing else
is raised.
"""

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from instep.chroma import carriable
from instep.domain import Item
from instep.mapping.attributes import ItemRefused
from instep.mapping.model import CollectionMapping
from instep.mapping.reading import read_mapping
from instep.mapping.source import MappedSource
from instep.mapping.values import ENCODINGS, FIELD_TYPES
from instep.source import Derived

NAMES = st.sampled_from(["PK", "SK", "a", "b", "c"])
TEXTS = st.text(max_size=6) | st.sampled_from(["", "\ud800", "\x00", "A#1", "é" * 9])
NUMBERS = st.one_of(
    st.integers(-(2**65), 2**65).map(str),
    st.floats().map(repr),
    st.decimals().map(str),
    st.sampled_from(["9" * 38, "1E+125", "-1E-130", "1E+99999", "0E+999", "1.0", "", "_1", "٣"]),
)
BYTES = st.binary(max_size=9) | st.sampled_from(["AACAPw==", "?", "é"])


def _maps(values: Any) -> Any:
    return st.dictionaries(NAMES, values, max_size=3)


def _sets(kind: str, members: Any) -> Any:
    return st.fixed_dictionaries({kind: st.lists(members, max_size=4)})


ATTRIBUTES: Any = st.recursive(
    st.one_of(
        st.fixed_dictionaries({"S": TEXTS}),
        st.fixed_dictionaries({"N": NUMBERS}),
        st.fixed_dictionaries({"B": BYTES}),
        st.fixed_dictionaries({"BOOL": st.booleans()}),
        st.just({"NULL": True}),
        _sets("SS", TEXTS),
        _sets("NS", NUMBERS),
        _sets("BS", BYTES),
        st.lists(st.floats(width=32).map(repr), max_size=4).map(
            lambda numbers: {"L": [{"N": number} for number in numbers]}
        ),
        st.sampled_from([{}, {"S": 1}, {"N": 5}, {"X": "y"}, {"S": "a", "N": "1"}, None, "a", []]),
    ),
    lambda inner: _maps(inner).map(lambda m: {"M": m}) | _sets("L", inner),
    max_leaves=6,
)
TYPICAL: Item = {
    "PK": {"S": "A#1"},
    "SK": {"S": "x"},
    "a": {
        "M": {"a": {"S": "é"}, "b": {"N": "1.5"}, "c": {"SS": ["y", "x"]}, "v": {"B": b"01234567"}}
    },
    "b": {"N": "7"},
    "c": {"L": [{"N": "0.5"}, {"N": "-1E-3"}]},
}
ITEMS = st.one_of(  # one attribute of any kind at a time, and all of them
    st.dictionaries(NAMES, ATTRIBUTES, max_size=1).map(lambda odd: {**TYPICAL, **odd}),
    st.dictionaries(NAMES, ATTRIBUTES, max_size=5),
)

PATHS = st.sampled_from(["PK", "a", "a.a", "a.b", "a.c", "b", "c", "b.a", "gone"])
SLOTS = st.builds("{{{}{}}}".format, PATHS, st.sampled_from(["", "|", "|none"]))
TEMPLATES = st.lists(SLOTS | st.sampled_from(["{{", "x", " "]), min_size=1, max_size=4).map("".join)
IDS = st.sampled_from(["{PK}", "{PK}{SK}", "{SK}-{PK}"])
FIELDS = st.dictionaries(
    st.sampled_from(["f", "g", "h"]),
    st.one_of(
        st.sampled_from(
            [("a.a", "text"), ("b", "int"), ("a.b", "number"), ("a.c", "list of text")]
        ).map(lambda said: {"from": said[0], "type": said[1]}),
        st.tuples(PATHS, st.sampled_from(FIELD_TYPES), st.booleans()).map(
            lambda said: {"from": said[0], "type": said[1], "required": said[2]}
        ),
        PATHS.map(lambda path: {"from": path, "type": "float", "default": 1}),
    ),
    max_size=3,
)
MATCHES = st.dictionaries(
    st.sampled_from(["PK", "PK", "a.a"]), st.sampled_from(["*", "A#*"]), max_size=1
)
RULES = st.fixed_dictionaries(
    {
        "id": IDS,
        "match": MATCHES,
        "metadata": FIELDS,
        "missing": st.sampled_from(["refuse", "skip"]),
    },
)
VECTORS = st.one_of(
    st.fixed_dictionaries({"vector": st.just("c") | PATHS}, optional={"document": TEMPLATES}),
    st.tuples(st.just("a.v") | PATHS, st.sampled_from(ENCODINGS)).map(
        lambda said: {"vector": {"from": said[0], "encoding": said[1]}}
    ),
    st.fixed_dictionaries(
        {"embed": st.just("local"), "document": TEMPLATES}, optional={"text": TEMPLATES}
    ),
)


def mapping(rules: dict[str, Any], vectors: dict[str, Any]) -> CollectionMapping:
    lines = ["[collections.one]", *(f"{k} = {_toml(v)}" for k, v in {**rules, **vectors}.items())]
    return read_mapping("\n".join(lines), "x").collections["one"]


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {_toml(one)}' for key, one in value.items()) + "}"
    return json.dumps(value)


@given(RULES, VECTORS, ITEMS)
def test_an_item_is_carried_or_refused_with_a_reason(
    rules: dict[str, Any], vectors: dict[str, Any], item: Item
) -> None:
    source = MappedSource(mapping(rules, vectors))
    derived = _derive(source, item)
    if isinstance(derived, ValueError):
        assert str(derived)
        return
    for id_, one in derived.items():
        carriable.check_id(id_)
        carriable.check_document(one.document)
        carriable.check_document(one.text)
        assert not carriable.wrong_fields(one.fields)
        assert set(one.fields) == set(rules["metadata"])
        assert (one.vector is None) is ("embed" in vectors)
        assert (one.text is None) is ("vector" in vectors)
        if one.vector is not None:
            assert carriable.as_vector(one.vector, len(one.vector)).size


@given(RULES, VECTORS, ITEMS)
def test_what_is_derived_needs_no_attribute_but_those_it_says_it_reads(
    rules: dict[str, Any], vectors: dict[str, Any], item: Item
) -> None:
    source = MappedSource(mapping(rules, vectors))
    read = {name: value for name, value in item.items() if name in source.reads}
    assert repr(_derive(source, item)) == repr(_derive(source, read))


def _derive(source: MappedSource, item: Item) -> Mapping[str, Derived] | ValueError:
    try:
        return source.derive("", [item])
    except (ItemRefused, carriable.NotCarriable) as error:
        return error
