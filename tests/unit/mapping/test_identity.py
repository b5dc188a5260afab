"""A collection's identity changes with what decides its embeddings, and with nothing else."""

import pytest

from instep.mapping.reading import read_mapping

RULES = """\
[collections.shop]
id = "{PK}"
document = "{name}"
embed = "local"
match = { PK = ["A", "B"], SK = "x" }

[collections.shop.metadata]
price = "float"
brand = "text"
"""
SAME = """\
# comments
[collections.shop.metadata]
brand = { type = "text", from = "brand" }  # said at length
price = "float"

[collections.shop]
distance = "cosine"
embed = 'local'
text = "{name}"
missing = "refuse"
match = { SK = "x", PK = ["B", "A"] }
document = "{name}"
id = "{PK}"
"""


def identity(text: str) -> str:
    return read_mapping(text, "x").collections["shop"].identity


def test_comments_order_and_defaults_do_not_change_it() -> None:
    assert identity(SAME) == identity(RULES)


def test_it_is_the_same_in_every_release() -> None:
    """Another value here means that every snapshot that is there has to be built anew."""
    assert identity(RULES) == "5233d381be54-e82c20297d83"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('id = "{PK}"', 'id = "{SK}"'),
        ('"{name}"', '"{name}!"'),
        ('"local"', '"bedrock:x"'),
        ('"local"', '"local"\ntext = "{PK}"'),
        ('"B"', '"C"'),
        ('PK = ["A", "B"]', "n = 5"),
        ('"float"', '"number"'),
        ("brand =", "maker ="),
        ('brand = "text"', 'brand = { type = "text", default = "" }'),
        ('brand = "text"', 'brand = { type = "text", required = true }'),
        ('brand = "text"', 'brand = { type = "text", from = "maker" }'),
        ("[collections.shop]", '[table]\nsort = "SK2"\n[collections.shop]'),
        ("[collections.shop]", "[table]\ntime_to_live = false\n[collections.shop]"),
        ('embed = "local"', 'vector = "v"'),
        ('embed = "local"', 'embed = "local"\ndistance = "l2"'),
        ('embed = "local"', 'embed = "local"\nhnsw = { ef_search = 50 }'),
        ('embed = "local"', 'embed = "local"\nmissing = "skip"'),
    ],
)
def test_a_rule_changes_it(old: str, new: str) -> None:
    changed = RULES.replace(old, new, 1)
    assert changed != RULES
    assert identity(changed) != identity(RULES)


@pytest.mark.parametrize(
    ("old", "new", "same_vectors"),
    [
        ('"float"', '"number"', True),
        ('"{name}"', '"{name}!"', True),
        ('"local"', '"bedrock:x"', False),
        ('embed = "local"', 'embed = "local"\ndistance = "l2"', False),
    ],
)
def test_its_first_half_changes_with_what_makes_vectors(
    old: str, new: str, same_vectors: bool
) -> None:
    halves = [identity(text).split("-")[0] for text in (RULES, RULES.replace(old, new, 1))]
    assert (halves[0] == halves[1]) is same_vectors
