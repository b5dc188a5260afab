"""Embedders as somebody else would write them, for tests that name them."""

from collections.abc import Sequence

import numpy as np

WIDTH = 2
NUMBER = 7


def lengths(texts: Sequence[str]) -> list[list[float]]:
    return [[float(len(text)), 1.0] for text in texts]


def array(texts: Sequence[str]) -> object:
    return np.array(lengths(texts), np.float32)


def versioned(texts: Sequence[str]) -> list[list[float]]:
    return lengths(texts)


versioned.version = "2026-01"  # type: ignore[attr-defined]


def choosy(texts: Sequence[str]) -> list[list[float]]:
    for text in texts:
        if len(text) > 9:
            raise ValueError(f"{text!r} is too long")
    return lengths(texts)


def unconfigured(_: Sequence[str]) -> list[list[float]]:
    raise ValueError("no API key is set")


def faulty(_: Sequence[str]) -> list[list[float]]:
    raise LookupError("a fault of mine")


def forgetful(texts: Sequence[str]) -> list[list[float]]:
    return lengths(texts)[1:]


class Whole:
    name = "whole:1"
    batch = 2

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return lengths(texts)


class Nothing(Whole):
    batch = 0


whole = Whole()
nothing = Nothing()
