"""Which items a collection takes, by key alone and by the whole item; and what the stream lets by.

The oracle of a pattern is a regular expression, that of the filters what Lambda documents.
"""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.mapping.filters import stream_filters
from instep.mapping.matching import Pattern
from instep.mapping.reading import read_mapping
from instep.mapping.source import MappedSource

TEXTS = st.text(st.sampled_from("ab"), max_size=8)
GLOBS = st.text(st.sampled_from("ab*"), min_size=1, max_size=6)


@given(GLOBS, TEXTS)
def test_a_star_stands_for_any_characters(glob: str, text: str) -> None:
    expected = re.fullmatch(".*".join(map(re.escape, glob.split("*"))), text) is not None
    assert Pattern(glob).matches(text) is expected
    assert Pattern(glob).matches(text) <= text.startswith(Pattern(glob).prefix)


def test_many_stars_are_judged_at_once() -> None:
    assert not Pattern("*a" * 500 + "b").matches("a" * 2000)


def collection(match: str, table: str = "") -> MappedSource:
    text = f"{table}\n[collections.one]\nid = '{{PK}}'\nvector = 'v'\nmatch = {match}"
    return MappedSource(read_mapping(text, "x").collections["one"])


def taken(match: str, **attributes: Any) -> bool:
    item = {"PK": {"S": "A#1"}, "SK": {"S": "x"}, "v": {"L": [{"N": "1"}]}, **attributes}
    return bool(collection(match).derive("", [item]))


def test_a_key_decides_whether_it_has_a_subject() -> None:
    made = collection('{ PK = ["A#*", "B"], SK = "x", state = "live" }')
    assert made.subject(("A#1", "x")) == '["A#1","x"]'
    assert made.subject(("B", "x")) == '["B","x"]'
    assert made.subject(("B#1", "x")) is None
    assert made.subject(("A#1", "y")) is None


def test_a_number_in_the_key() -> None:
    table = "[table]\nsort = { name = 'at', type = 'number' }"
    made = collection("{ at = 5 }", table)
    assert made.subject(("a", "5")) is not None
    assert made.subject(("a", "50")) is None


def test_attributes_decide_by_value() -> None:
    assert taken('{ state = ["live", "pre*"] }', state={"S": "preview"})
    assert not taken('{ state = "live" }', state={"S": "dead"})
    assert not taken('{ state = "live" }')
    assert not taken('{ state = "live" }', state={"NULL": True})
    assert taken("{ n = 5 }", n={"N": "5.0"})
    assert not taken("{ n = 5 }", n={"S": "5"})
    assert not taken("{ n = 5 }", n={"N": "x"})
    assert not taken("{ b = true }", b={"N": "1"})
    assert taken("{ b = false }", b={"BOOL": False})
    assert taken('{ "m.b" = true }', m={"M": {"b": {"BOOL": True}}})
    assert not taken('{ "m.b" = true }', m={"S": "x"})


def filters(*matches: str) -> list[dict[str, Any]]:
    text = "".join(
        f"[collections.c{at:02}]\nid = '{{PK}}'\nvector = 'v'\nmatch = {match}\n"
        for at, match in enumerate(matches)
    )
    return stream_filters(read_mapping(text, "x"))


EVENTS = ["INSERT", "MODIFY", "REMOVE"]


def test_filters_are_made_of_what_keys_begin_with() -> None:
    [one] = filters('{ PK = "A#*", SK = ["x", "y#*z"], state = "live" }')
    keys = {"PK": {"S": [{"prefix": "A#"}]}, "SK": {"S": ["x", {"prefix": "y#"}]}}
    assert one == {"eventName": EVENTS, "dynamodb": {"Keys": keys}}


def test_what_cannot_be_judged_passes() -> None:
    assert filters('{ PK = "*#A" }') == [{"eventName": EVENTS}]
    assert {"eventName": EVENTS} in filters('{ PK = "A#*" }', "{}")


def test_more_than_five_collections_share_a_pattern() -> None:
    [one] = filters(*(f'{{ PK = "{letter}#*" }}' for letter in "ABCDEF"))
    assert one["dynamodb"]["Keys"]["PK"]["S"] == [{"prefix": f"{letter}#"} for letter in "ABCDEF"]
    assert filters(*(f'{{ {key} = "x" }}' for key in ("PK", "SK") for _ in "abc")) != []
    apart = [f'{{ {"PK" if at % 2 else "SK"} = "{at}" }}' for at in range(6)]
    assert filters(*apart) == [{"eventName": EVENTS}]


KEY_GLOBS = st.text(st.sampled_from("ab*"), min_size=1, max_size=3)
CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "PK": KEY_GLOBS | st.lists(KEY_GLOBS, min_size=1, max_size=3),
        "SK": KEY_GLOBS | st.just("a" * 1000 + "*"),
    },
)


@given(
    st.lists(CONDITIONS, min_size=1, max_size=8),
    st.lists(st.tuples(*[TEXTS.filter(bool)] * 2), min_size=1, max_size=8),
)
def test_filters_are_never_finer_than_the_mapping(
    matches: list[dict[str, Any]], keys: list[tuple[str, str]]
) -> None:
    written = ["{ " + ", ".join(f"{k} = {json.dumps(v)}" for k, v in one.items()) + " }"
               for one in matches]  # fmt: skip
    patterns = filters(*written)
    assert 1 <= len(patterns) <= 5
    assert all(len(json.dumps(pattern)) <= 4096 for pattern in patterns)
    for key in keys:
        if any(collection(one).subject(key) for one in written):
            assert any(_passes(pattern, key) for pattern in patterns), (patterns, key)


def _passes(pattern: dict[str, Any], key: tuple[str, str]) -> bool:
    """Judge a key as Lambda does: every attribute by one of its matchers."""
    asked = pattern.get("dynamodb", {}).get("Keys", {})
    said = dict(zip(("PK", "SK"), key, strict=True))
    return all(
        any(
            said[name] == one if isinstance(one, str) else said[name].startswith(one["prefix"])
            for one in matchers["S"]
        )
        for name, matchers in asked.items()
    )


@pytest.mark.parametrize(
    ("match", "id_", "unsettled"),
    [
        ('{ PK = "A#*" }', "{PK}", ("SK",)),
        ('{ PK = "A#*", SK = "x" }', "{PK}", ()),
        ('{ SK = ["x", "y"] }', "{PK}", ("SK",)),
        ("{}", "{PK}/{SK}", ()),
    ],
)
def test_an_id_that_two_items_may_share_is_known_beforehand(
    match: str, id_: str, unsettled: tuple[str, ...]
) -> None:
    text = f"[collections.one]\nid = '{id_}'\nvector = 'v'\nmatch = {match}"
    assert read_mapping(text, "x").collections["one"].unsettled == unsettled
