"""What becomes of one item: its id, document, text, fields and vector, or the reason why not."""

import base64
import re
from typing import Any

import numpy as np
import pytest

from instep.mapping.reading import read_mapping
from instep.mapping.source import MappedSource
from instep.source import Derived, Source

KEY = {"PK": {"S": "P#1"}, "SK": {"S": "X"}}
HEAD = "[collections.shop]\nid = '{PK}'\n"


def source(rules: str) -> MappedSource:
    return MappedSource(read_mapping(HEAD + rules, "x").collections["shop"])


def derived(rules: str, **attributes: Any) -> Derived:
    [(id_, one)] = source(rules).derive("", [{**KEY, **attributes}]).items()
    assert id_ == "P#1"
    return one


def refused(rules: str, **attributes: Any) -> str:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the port asks for no more
        source(rules).derive("", [{**KEY, **attributes}])
    return str(raised.value)


def field(declared: str, attribute: Any) -> Any:
    return derived(f"vector = 'v'\nmetadata.f = '{declared}'", v=VECTOR, f=attribute).fields["f"]


def no_field(declared: str, attribute: Any) -> str:
    return refused(f"vector = 'v'\nmetadata.f = '{declared}'", v=VECTOR, f=attribute)


VECTOR = {"L": [{"N": "1"}, {"N": "0.5"}]}
DIGITS = "12345678901234567890123456789012345678"


def test_it_is_a_source() -> None:
    made: Source = source("vector = 'v'")
    assert made.embedder is None


def test_the_text_is_the_document_unless_said() -> None:
    one = derived("document = '{name}'\nembed = 'local'", name={"S": "Mug"})
    assert (one.document, one.text, one.vector) == ("Mug", "Mug", None)
    two = derived(
        "document = '{name}'\ntext = '{name}: {about}'\nembed = 'local'",
        name={"S": "Mug"},
        about={"S": "blue"},
    )
    assert (two.document, two.text) == ("Mug", "Mug: blue")


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{name} costs {price}, {{net}}", "Mug costs 19.90, {net}"),
        ("{maker.name}", "Clay & Co"),
        ("{sold} {tags} {sizes} {colours}", "true a, b 2, 10 red, 3"),
        ("{gone|none} {maker.gone|} {nothing|-} {empty|empty}", "none  - empty"),
        ("{PK}{SK}", "P#1X"),
    ],
)
def test_what_a_template_writes(template: str, text: str) -> None:
    item = {
        "name": {"S": "Mug"},
        "price": {"N": "19.90"},
        "maker": {"M": {"name": {"S": "Clay & Co"}}},
        "sold": {"BOOL": True},
        "tags": {"SS": ["b", "a"]},
        "sizes": {"NS": ["10", "2"]},
        "colours": {"L": [{"S": "red"}, {"N": "3"}]},
        "nothing": {"NULL": True},
        "empty": {"L": []},
    }
    assert derived(f"document = '{template}'\nembed = 'local'", **item).document == text


def test_what_a_template_does_not_write() -> None:
    rules = "document = '{a.b}'\nembed = 'local'"
    assert refused(rules) == "a.b is absent"
    assert refused(rules, a={"M": {"b": {"NULL": True}}}) == "a.b is absent"
    assert refused(rules, a={"S": "x"}) == "a is a text, and a.b lies in a map"
    assert "a.b is a map" in refused(rules, a={"M": {"b": {"M": {}}}})
    assert "a.b is a binary" in refused(rules, a={"M": {"b": {"B": b"x"}}})


@pytest.mark.parametrize(
    "rules",
    [
        "document = '{name}'\nembed = 'local'",
        "document = 'x'\ntext = ' {name|}'\nembed = 'local'",
        "vector = 'name'",
        "vector = 'v'\nmetadata.f = { from = 'name', type = 'text', required = true }",
    ],
)
def test_an_item_that_lacks_something_is_refused_or_skipped(rules: str) -> None:
    assert re.search("name.* is absent|its text is empty", refused(rules, v=VECTOR))
    assert source(f"missing = 'skip'\n{rules}").derive("", [{**KEY, "v": VECTOR}]) == {}


@pytest.mark.parametrize(
    ("declared", "attribute", "value"),
    [
        ("text", {"S": ""}, ""),
        ("int", {"N": "-9223372036854775808"}, -(2**63)),
        ("int", {"N": "1E+2"}, 100),
        ("int", {"N": "5.0"}, 5),
        ("float", {"N": "5"}, 5.0),
        ("float", {"N": DIGITS}, 1.2345678901234568e37),
        ("float", {"N": "9.9999999999999999999999999999999999999E+125"}, 1e126),
        ("number", {"N": "5"}, 5),
        ("number", {"N": "5.5"}, 5.5),
        ("number", {"N": "9223372036854775808"}, 9.223372036854775808e18),
        ("bool", {"BOOL": False}, False),
        ("list of text", {"SS": ["b", "a"]}, ["a", "b"]),
        ("list of text", {"L": [{"S": "b"}, {"S": "a"}]}, ["b", "a"]),
        ("list of numbers", {"NS": ["10", "9", "-1"]}, [-1, 9, 10]),
        ("list of numbers", {"L": [{"N": "1"}, {"N": "0.5"}]}, [1.0, 0.5]),
        ("list of numbers", {"NS": ["1", DIGITS]}, [1.0, 1.2345678901234568e37]),
        ("list of text", {"L": []}, None),
        ("text", {"NULL": True}, None),
    ],
)
def test_a_field_carries_what_its_type_says(declared: str, attribute: Any, value: Any) -> None:
    carried = field(declared, attribute)
    assert carried == value
    assert type(carried) is type(value)
    if isinstance(value, list):
        assert list(map(type, carried)) == list(map(type, value))


@pytest.mark.parametrize(
    ("declared", "attribute", "said"),
    [
        ("text", {"N": "1"}, "f is a number, expected a text"),
        ("int", {"S": "1"}, "f is a text, expected a number"),
        ("int", {"N": "1.5"}, "f is declared int, and no whole number within 64 bits"),
        ("int", {"N": DIGITS}, "f is declared int, and no whole number within 64 bits"),
        ("int", {"N": "1E+9999"}, "f is declared int, and no whole number within 64 bits"),
        ("float", {"N": "1E+9999"}, "f is beyond what a float holds"),
        ("float", {"N": "NaN"}, "f is no number"),
        ("bool", {"S": "true"}, "f is a text, expected a bool"),
        ("text", {"B": b"x"}, "f is a binary, expected a text"),
        ("list of text", {"NS": ["1"]}, "f is a set of numbers, expected a list of text"),
        ("list of text", {"L": [{"N": "1"}]}, "a member of f is a number, expected a text"),
        ("list of text", {"L": [{"NULL": True}]}, "a member of f is NULL"),
        ("list of numbers", {"BS": [b"x"]}, "f is a set of binaries, expected a list of numbers"),
        ("text", {"S": "\ud800"}, "cannot be written in UTF-8"),
        ("text", {"S": "a", "N": "1"}, "f is no attribute in DynamoDB JSON"),
        ("text", "a", "f is no attribute in DynamoDB JSON"),
    ],
)
def test_another_value_is_a_reason(declared: str, attribute: Any, said: str) -> None:
    assert said in no_field(declared, attribute)


def test_a_default_stands_for_what_is_absent_and_a_required_field_refuses() -> None:
    rules = "vector = 'v'\nmetadata.f = { from = 'a.b', type = 'float', default = 2 }"
    assert derived(rules, v=VECTOR).fields == {"f": 2.0}
    assert derived(rules, v=VECTOR, a={"M": {"b": {"N": "3"}}}).fields == {"f": 3.0}
    rules = "vector = 'v'\nmetadata.f = { type = 'text', required = true }"
    assert refused(rules, v=VECTOR) == "f is absent"


def test_a_field_without_a_value_is_a_key_to_be_removed() -> None:
    assert derived("vector = 'v'\nmetadata.f = 'text'", v=VECTOR).fields == {"f": None}


@pytest.mark.parametrize("encoding", ["float32", "float16"])
@pytest.mark.parametrize("as_text", [False, True])
def test_a_vector_in_a_binary(encoding: str, as_text: bool) -> None:
    numbers = np.array([1, -0.5, 0.25], np.dtype(encoding).newbyteorder("<"))
    raw: Any = numbers.tobytes()
    written = base64.b64encode(raw).decode() if as_text else raw
    rules = f"vector = {{ from = 'm.v', encoding = '{encoding}' }}"
    one = derived(rules, m={"M": {"v": {"B": written}}})
    assert np.asarray(one.vector).tolist() == [1, -0.5, 0.25]
    assert np.asarray(one.vector).dtype == np.float32


@pytest.mark.parametrize(
    ("rules", "attribute", "said"),
    [
        ("'v'", {"L": []}, "no list of finite floats"),
        ("'v'", {"L": [{"S": "1"}]}, "not a list of numbers"),
        ("'v'", {"L": [{"N": "1e39"}]}, "no list of finite floats"),
        ("'v'", {"NS": ["1"]}, "v is a set of numbers"),
        ("'v'", {"B": b"1234"}, "v is a binary"),
        ("{ from = 'v', encoding = 'float32' }", {"B": b"12345"}, "not a binary of float32"),
        ("{ from = 'v', encoding = 'float32' }", {"B": ""}, "no list of finite floats"),
        ("{ from = 'v', encoding = 'float32' }", {"B": "?"}, "not a binary of float32"),
        ("{ from = 'v', encoding = 'float16' }", {"B": b"\x00\x7c"}, "no list of finite floats"),
        ("{ from = 'v', encoding = 'float16' }", {"L": [{"N": "1"}]}, "v is a list"),
    ],
)
def test_a_vector_that_is_none(rules: str, attribute: Any, said: str) -> None:
    assert said in refused(f"vector = {rules}", v=attribute)


def test_an_id_without_end_is_refused() -> None:
    rules = read_mapping(HEAD.replace("{PK}", "{PK}" * 5) + "vector = 'v'", "x")
    made = MappedSource(rules.collections["shop"])
    with pytest.raises(ValueError, match="more than 4096 bytes"):
        made.derive("", [KEY | {"PK": {"S": "x" * 1000}, "v": VECTOR}])
