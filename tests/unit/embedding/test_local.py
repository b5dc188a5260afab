"""The small model of demos and tests: the same vectors as ever, near where the meaning is near."""

import sys
import tracemalloc

import numpy as np
import pytest

from instep.chroma.carriable import Refusal
from instep.embedding import local
from instep.embedding.local import WIDTH, Local, unit_vectors
from instep.errors import EmbedderMissing


def test_the_name_stands_for_these_very_vectors() -> None:
    """Others are another embedder: then raise the last number of NAME."""
    assert local.NAME == "local:wordllama-l2_supercat-256:1"
    vector = unit_vectors(["Whole Milk 1 Gallon"])[0]
    assert (vector.dtype, vector.shape) == (np.float32, (WIDTH,))
    first = [-0.04720283, 0.03535979, -0.01208681, 0.07957917]
    np.testing.assert_allclose(vector[:4], first, atol=1e-6)


def test_what_is_meant_is_near_in_capitals_too() -> None:
    dairy, milk, fuel = unit_vectors(["DAIRY", "WHOLE MILK", "UNLEADED FUEL"])
    near, far = (float(dairy @ one) for one in (milk, fuel))
    assert near > 0.3 > far


def test_an_empty_text_is_refused_and_long_ones_change_no_other() -> None:
    texts = ["milk", "", "bread " * 2000, "eggs"]
    answers = Local().embed(texts)
    assert isinstance(answers[1], Refusal)
    for text, answer in zip(texts, answers, strict=True):
        if text:
            np.testing.assert_allclose(answer, unit_vectors([text])[0], atol=1e-6)  # type: ignore[arg-type]


def test_a_long_text_does_not_pad_its_whole_batch() -> None:
    texts = ["milk"] * 255 + ["bread " * 5000]
    Local().embed(texts[:1])
    tracemalloc.start()
    try:
        Local().embed(texts)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50e6  # padded: 330 MB and more


def test_no_text_is_no_vector() -> None:
    assert list(Local().embed([])) == []


def test_without_the_model_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wordllama", None)
    local._model.cache_clear()
    with pytest.raises(EmbedderMissing, match=r"pip install 'instep\[local\]'"):
        Local().embed(["milk"])
