"""A mapping names its embedder; a name that leads to none says how to write one."""

import sys
from types import ModuleType

import pytest

from instep.chroma.carriable import Refusal
from instep.embedding.named import embedder_of
from instep.embedding.spelling import Spelling, spelled
from instep.errors import EmbedderBroken, EmbedderMissing

OWN = "tests.unit.embedding.own"
TITAN = "bedrock:amazon.titan-embed-text-v2:0"
ENGLISH = "bedrock:cohere.embed-english-v3"


@pytest.mark.parametrize(
    ("name", "embedder", "batch"),
    [
        ("local", "local:wordllama-l2_supercat-256:1", 256),
        (TITAN, f"{TITAN}?dimensions=1024&normalize=true", 64),
        (f"{TITAN}?dimensions=512", f"{TITAN}?dimensions=512&normalize=true", 64),
        (f"{TITAN}?normalize=false", f"{TITAN}?dimensions=1024&normalize=false", 64),
        (ENGLISH, f"{ENGLISH}?truncate=NONE", 96),
        (f"{ENGLISH}?truncate=END", f"{ENGLISH}?truncate=END", 96),
        (f"{OWN}:lengths", f"{OWN}:lengths", 64),
        (f"{OWN}:versioned", f"{OWN}:versioned@2026-01", 64),
        (f"{OWN}:whole", "whole:1", 2),
    ],
)
def test_a_name_leads_to_an_embedder_that_says_what_it_is(
    name: str, embedder: str, batch: int
) -> None:
    found = embedder_of(name)
    assert (found.name, found.batch) == (embedder, batch)


def test_the_order_of_options_and_what_is_the_default_make_no_other_name() -> None:
    spellings = [
        TITAN,
        f"{TITAN}?dimensions=1024",
        f"{TITAN}?normalize=true&dimensions=1024",
        f"{TITAN}?dimensions=1024&normalize=true",
    ]
    assert len({embedder_of(name).name for name in spellings}) == 1
    again = embedder_of(TITAN).name
    assert embedder_of(again).name == again


def test_a_question_is_embedded_under_the_name_of_its_documents() -> None:
    assert embedder_of(ENGLISH, "query").name == embedder_of(ENGLISH).name


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "names no embedder: write local, bedrock:MODEL"),
        ("Local", "names no embedder"),
        ("openai", "names no embedder"),
        ("bedrock", "names no embedder"),
        ("a b:c", "names no embedder"),
        ("package.module:", "names no embedder"),
        (".:f", "names no embedder"),
        ("package.module:function:more", "names no embedder"),
        ("package..module:function", "names no embedder"),
        ("bedrock:", "none of the models known here"),
        ("bedrock:amazon.titan-embed-text-v1", TITAN.removeprefix("bedrock:")),
        (f"{TITAN}?dimensions=300", "dimensions is '300', write one of 1024, 512, 256"),
        (f"{TITAN}?dimensions", "write options as"),
        (f"{TITAN}?normalize=yes", "write one of true, false"),
        (f"{TITAN}?truncate=END", "no option 'truncate'"),
        (f"{TITAN}?dimensions=256&dimensions=512", "twice"),
        (f"{ENGLISH}?truncate=end", "write one of NONE, START, END"),
        (f"{ENGLISH}?dimensions=512", "no option 'dimensions'"),
        ("no_such_package.module:embed", "install what is missing"),
        (f"{OWN}:missing", "has no attribute 'missing': spell it"),
        (f"{OWN}:NUMBER", "is of type int: name a function"),
        (f"{OWN}:nothing", "its batch a number from 1 on, not 'whole:1' and 0"),
        (f"{OWN}:Whole", "is of type type: name a function"),
    ],
)
def test_a_name_that_leads_to_none_says_how_to_write_one(name: str, says: str) -> None:
    with pytest.raises(EmbedderMissing) as missing:
        embedder_of(name)
    assert says in str(missing.value)


def test_a_module_that_misses_something_else_says_what() -> None:
    module = ModuleType("needy")
    sys.modules["needy"] = module
    try:
        with pytest.raises(EmbedderMissing, match="no_such_dependency"):
            embedder_of("needy.no_such_dependency:embed")
    finally:
        del sys.modules["needy"]


def test_a_spelling_is_read_without_loading_what_it_names() -> None:
    assert spelled("no_such_package.module:embed").kind == "function"
    assert spelled(f"{TITAN}?dimensions=512") == Spelling(
        "bedrock", "amazon.titan-embed-text-v2:0", {"dimensions": "512"}
    )


@pytest.mark.parametrize("name", ["lengths", "array", "whole"])
def test_vectors_come_in_the_order_of_their_texts(name: str) -> None:
    vectors = embedder_of(f"{OWN}:{name}").embed(["a", "ccc", "bb"])
    assert [list(vector) for vector in vectors] == [[1, 1], [3, 1], [2, 1]]  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [1, 17, 63, 64])
def test_a_function_that_refuses_texts_keeps_the_others(bad: int) -> None:
    texts = ["far too long"] * bad + ["good"] * (64 - bad)
    answers = embedder_of(f"{OWN}:choosy").embed(texts)
    assert [isinstance(answer, Refusal) for answer in answers] == [len(text) > 9 for text in texts]
    assert "'far too long' is too long" in str(answers[0])


def test_a_function_that_refuses_everything_is_broken_and_no_text_is_blamed() -> None:
    with pytest.raises(EmbedderBroken, match="no API key is set"):
        embedder_of(f"{OWN}:unconfigured").embed(["a"])


def test_another_error_of_a_function_fails_the_step() -> None:
    with pytest.raises(LookupError, match="a fault of mine"):
        embedder_of(f"{OWN}:faulty").embed(["a", "b"])


def test_a_function_that_returns_fewer_vectors_is_broken() -> None:
    with pytest.raises(EmbedderBroken, match="returned 1 vectors for 2 texts"):
        embedder_of(f"{OWN}:forgetful").embed(["a", "b"])
