"""What may be written in an instep.toml, and what is said of what may not: file, line and key."""

import tomllib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.errors import MappingRejected
from instep.keys import KeyAttribute, KeySchema
from instep.mapping.lines import line_of
from instep.mapping.reading import read_mapping

HEAD = """\
[collections.shop]
id = "{PK}"
document = "{name}"
embed = "local"
"""


def rejected(text: str) -> MappingRejected:
    with pytest.raises(MappingRejected) as raised:
        read_mapping(text, "instep.toml")
    assert str(raised.value).startswith(f"instep.toml, line {raised.value.line}: ")
    return raised.value


def test_a_table_has_pk_and_sk_unless_it_says_otherwise() -> None:
    assert read_mapping(HEAD, "x").table.schema == KeySchema()
    own = read_mapping('[table]\npartition = "sku"\n' + HEAD.replace("{PK}", "{sku}"), "x")
    assert own.table.schema == KeySchema(KeyAttribute("sku"), None)
    both = '[table]\nsort = { name = "at", type = "number" }\ntime_to_live = false\n'
    read = read_mapping(both + HEAD, "x").table
    assert read.schema == KeySchema(KeyAttribute("PK"), KeyAttribute("at", "N"))
    assert read.time_to_live is None


# Each: what is appended to HEAD, the line at fault, its key, and what is said of it.
FAULTS = [
    ("documnet = 'x'", 5, "collections.shop.documnet", 'did you mean "document"?'),
    ("\n\n[colections.x]\nid='{PK}'", 7, "colections", 'did you mean "collections"?'),
    ("match = 3", 5, "collections.shop.match", "expected a table"),
    ("text = ''", 5, "collections.shop.text", "empty"),
    ("text = '{name'", 5, "collections.shop.text", "lone { at character 1"),
    ("text = 'a } b'", 5, "collections.shop.text", "lone } at character 3"),
    ("text = '{a..b}'", 5, "collections.shop.text", '"a..b"'),
    ("text = '{}'", 5, "collections.shop.text", "no attribute"),
    ("vector = 'v'", 1, "collections.shop", "one of vector"),
    ("distance = 'cosin'", 5, "collections.shop.distance", 'did you mean "cosine"?'),
    ("distance = 1", 5, "collections.shop.distance", "expected l2"),
    ("missing = 'ignore'", 5, "collections.shop.missing", "expected refuse, skip"),
    ("missing = []", 5, "collections.shop.missing", "expected refuse, skip"),
    ("hnsw = { M = 16 }", 5, "collections.shop.hnsw.M", "expected ef_construction"),
    ("hnsw = { sync_threshold = 5 }", 5, "collections.shop.hnsw.sync_threshold", "no such key"),
    ("hnsw = { max_neighbors = 0 }", 5, "collections.shop.hnsw.max_neighbors", "2 to 1024"),
    ("hnsw = { ef_search = true }", 5, "collections.shop.hnsw.ef_search", "a whole number"),
    ("hnsw = { ef_search = 1.5 }", 5, "collections.shop.hnsw.ef_search", "a whole number"),
    ("hnsw = { resize_factor = nan }", 5, "collections.shop.hnsw.resize_factor", "1.0 to 10.0"),
    ("match = { PK = '' }", 5, "collections.shop.match.PK", "no item matches"),
    ("match = { PK = [] }", 5, "collections.shop.match.PK", "no values"),
    ("match = { PK = 5 }", 5, "collections.shop.match.PK", "is a text"),
    ("match = { 'PK.x' = 'a' }", 5, "collections.shop.match.PK.x", "no map"),
    (f"match = {{ SK = '{'x' * 1025}*' }}", 5, "collections.shop.match.SK", "1024 bytes"),
    ("match = { size = inf }", 5, "collections.shop.match.size", "no number inf"),
    ("match = { size = nan }", 5, "collections.shop.match.size", "no number nan"),
    ("match = { at = 2026-01-01 }", 5, "collections.shop.match.at", "expected a text"),
    ("match = { a.b = 'x' }", 5, "collections.shop.match.a", '"a.NAME"'),
    ("match = { 'a.' = 'x' }", 5, "collections.shop.match.a.", "no attribute"),
    ("[collections.shop.metadata]\nprice = 'flaot'", 6, "collections.shop.metadata.price", "float"),
    ("metadata = { x = 3 }", 5, "collections.shop.metadata.x", "expected text, int"),
    ("metadata = { x = { from = 'y' } }", 5, "collections.shop.metadata.x", "no type"),
    ("metadata.x = { type = 'int', form = 'y' }", 5, "collections.shop.metadata.x.form", "from"),
    ("metadata = { '#x' = 'int' }", 5, "collections.shop.metadata.#x", "begin with #"),
    ("metadata = { '' = 'int' }", 5, "collections.shop.metadata.", "empty"),
    ("metadata = { 'chroma:document' = 'int' }", 5, "collections.shop.metadata.chroma:document",
     "chroma:"),
    ("metadata.instep_subject = 'int'", 5, "collections.shop.metadata.instep_subject", "engine"),
    ("metadata.instep_vector = 'int'", 5, "collections.shop.metadata.instep_vector", "engine"),
    ("metadata.x = { type = 'int', default = 1.0 }", 5, "collections.shop.metadata.x.default",
     "expected int"),
    ("metadata.x = { type = 'int', default = true }", 5, "collections.shop.metadata.x.default",
     "expected int"),
    ("metadata.x = { type = 'int', default = 9223372036854775808 }", 5,
     "collections.shop.metadata.x.default", "64 bits"),
    ("metadata.x = { type = 'list of text', default = [] }", 5,
     "collections.shop.metadata.x.default", "expected list of text"),
    ("metadata.x = { type = 'text', default = ['a'] }", 5,
     "collections.shop.metadata.x.default", "expected text"),
    ("metadata.x = { type = 'int', default = 1, required = true }", 5,
     "collections.shop.metadata.x.default", "needs none"),
    ("metadata.x = { type = 'int', required = 'yes' }", 5,
     "collections.shop.metadata.x.required", "true or false"),
    ("\n[collections.Shop]\nid='{PK}'\nvector='v'", 6, "collections.Shop", "3 to 63 characters"),
    ("\n[collections.two]\nvector='v'", 6, "collections.two", "no id"),
    ("\n[collections.two]\nid='{name}'\nvector='v'", 7, "collections.two.id", "the key alone"),
    ("\n[collections.two]\nid='{PK|x}'\nvector='v'", 7, "collections.two.id", "no default"),
    ("\n[collections.two]\nid='x'\nvector='v'", 7, "collections.two.id", "same for every item"),
    ("\n[collections.two]\nid='{PK}'", 6, "collections.two", "one of vector"),
    ("\n[collections.two]\nid='{PK}'\nembed='local'", 8, "collections.two.embed", "to embed"),
    ("\n[collections.two]\nid='{PK}'\nvector='v'\ntext='x'", 9, "collections.two.text",
     "nothing embeds"),
    ("\n[collections.two]\nid='{PK}'\nvector={encoding='float32'}", 8, "collections.two.vector",
     "from where"),
    ("\n[collections.two]\nid='{PK}'\nvector={from='v', encoding='f32'}", 8,
     "collections.two.vector.encoding", 'did you mean "float32"?'),
    ("\n[collections.shop]\nid='{PK}'", 6, "", "not TOML"),
    ("id = '{PK}'", 5, "", "not TOML"),
    ("text = 'x", 5, "", "not TOML"),
    ("\n[table]\npartition = 5", 7, "table.partition", "expected a text"),
    ("\n[table]\nsort = 'PK'", 7, "table.sort", "partition key as well"),
    ("\n[table]\nsort = {type='number'}", 7, "table.sort", "no name"),
    ("\n[table]\nsort = {name='n', type='binary'}", 7, "table.sort.type", "expected text, number"),
    ("\n[table]\ntime_to_live = true", 7, "table.time_to_live", "expected a text"),
    ("\nmatch = {n = 'x'}\n[table]\nsort = {name='n', type='number'}", 6,
     "collections.shop.match.n", "declared a number"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "line", "key", "said"), FAULTS)
def test_a_fault_is_named_with_its_line_and_key(more: str, line: int, key: str, said: str) -> None:
    error = rejected(HEAD + more)
    assert (error.line, error.key) == (line, key), error
    assert said in str(error)


def test_a_file_without_collections() -> None:
    assert "there is none" in str(rejected(""))
    assert "there is none" in str(rejected("[collections]\n"))


def test_depth_and_digits_without_end_are_no_mapping() -> None:
    assert "nested" in str(rejected("a = " + "[" * 5000))
    assert "not TOML" in str(rejected("a = " + "9" * 5000))


def test_the_line_is_found_behind_values_of_several_lines() -> None:
    text = (
        "[collections.shop] # distance = 1\nid = '''\n{PK}\ndistance = 2\n'''\n"
        "match = { PK = [\n  'a',\n  'distance = 3',\n] }\n\n  distance = 'x'\nvector = 'v'\n"
    )
    assert rejected(text).line == 11


@given(
    st.recursive(
        st.integers() | st.text(st.sampled_from("ab\n=[]'"), max_size=8),
        lambda values: st.dictionaries(st.sampled_from("abc"), values, max_size=3),
        max_leaves=12,
    ).filter(lambda value: isinstance(value, dict)),
    st.lists(st.sampled_from("abc"), max_size=4),
)
def test_cutting_before_a_keys_line_cuts_the_key(value: object, path: list[str]) -> None:
    text = "\n".join(_lines(value, ()))
    table = tomllib.loads(text)
    line = line_of(text, path)
    while path and not _has(table, path):
        path.pop()
    lines = text.split("\n")
    assert line == 1 or not _has(tomllib.loads("\n".join(lines[: line - 1])), path)
    if path:
        assert path[-1] in lines[line - 1]


def _lines(value: object, path: tuple[str, ...]) -> list[str]:
    """Write a table with each leaf under a key of its own, texts over several lines."""
    if isinstance(value, dict):
        return [line for key in value for line in _lines(value[key], (*path, key))]
    text = value if isinstance(value, int) else f'"""\n{value}"""'
    return f"{'.'.join(path)} = {text}".split("\n") if path else []


def _has(table: object, path: list[str]) -> bool:
    for key in path:
        if not isinstance(table, dict) or key not in table:
            return False
        table = table[key]
    return True


@given(st.text(st.sampled_from("abc.=[]{}\"'\n# \\0"), max_size=60))
def test_any_text_is_read_or_rejected(text: str) -> None:
    rejected(text)
    with suppress(MappingRejected):
        read_mapping(HEAD + text, "x")
