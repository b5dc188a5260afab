"""JSON from outside: read within bounds, and one error for whatever is wrong with it."""

import contextlib
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.json_text import NotJson, read_json, read_object

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(value=values)
def test_what_json_says_is_read(value: Any) -> None:
    assert read_json(json.dumps(value)) == value


@given(text=st.text('[]{}",:\\019.e-a \ud800'))
def test_any_other_text_is_no_json(text: str) -> None:
    with contextlib.suppress(NotJson):
        read_json(text)


@pytest.mark.parametrize(
    "text",
    ["[" * 5_000, '{"a":' * 100_000, "9" * 5_000, "", "{", "[1]", "1", None, b"{}", "[1]" * 2],
    ids=lambda text: f"{text!r:.10}",
)
def test_what_is_no_object_is_refused(text: Any) -> None:
    with pytest.raises(NotJson):
        read_object(text)


def test_a_text_of_many_values_is_refused_before_they_are_made() -> None:
    text = f"[{'[],' * 1_000_000}1]"
    tracemalloc.start()
    try:
        with pytest.raises(NotJson, match="more than 200000 values"):
            read_json(text)
        assert tracemalloc.get_traced_memory()[1] < 4 * len(text)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("text", ["a, b, c, " * 100_000, '\\",[{' * 100_000])
def test_a_long_text_is_one_value_whatever_stands_in_it(text: str) -> None:
    assert read_json(json.dumps({"document": text})) == {"document": text}


@pytest.mark.parametrize("end", ["", "\\"])
def test_a_string_without_an_end_is_looked_through_once(end: str) -> None:
    with pytest.raises(NotJson):
        read_json('"' + '\\"' * 500_000 + end)
