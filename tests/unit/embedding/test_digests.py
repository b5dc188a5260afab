"""What is stored of how a vector was made: changes with the text, the embedder and the vector."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.chroma.carriable import NotCarriable
from instep.embedding.digests import DIGITS, digest_of, digest_of_vector


def test_digests_are_stable() -> None:
    """They are stored: with other ones, every text would be embedded anew."""
    assert digest_of("local", "whole milk") == "11e503ec4762035cb03dd46a"
    assert digest_of_vector([1.0, -2.5, 0.1]) == "2f9cc761bc2594fa578868da"


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_another_name_or_text_is_another_digest(one: tuple[str, str], two: tuple[str, str]) -> None:
    assert (digest_of(*one) == digest_of(*two)) == (one == two)
    assert len(digest_of(*one)) == DIGITS


def test_name_and_text_do_not_run_into_each_other() -> None:
    assert digest_of("ab", "c") != digest_of("a", "bc")


def test_half_a_surrogate_pair_has_a_digest_too() -> None:
    assert digest_of("local", "\ud83d") != digest_of("local", "\ude00")


def test_a_vector_is_what_chromadb_stores_of_it() -> None:
    numbers = [0.1, 2.0, -3.5]
    digest = digest_of_vector(numbers)
    assert digest_of_vector(np.array(numbers)) == digest
    assert digest_of_vector(np.array(numbers, np.float32)) == digest
    assert digest_of_vector(np.array(numbers, ">f4")) == digest
    assert digest_of_vector(np.array([*numbers, 0.0], np.float32)) != digest
    assert digest_of_vector([0.1000001, 2.0, -3.5]) != digest


def test_what_is_no_vector_has_none() -> None:
    with pytest.raises(NotCarriable):
        digest_of_vector([float("nan")])
