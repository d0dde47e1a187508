"""Texts in the order of Python's strings, whatever they are made of."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkmarket_estimates.engines import text_order as module
from darkmarket_estimates.engines.kernels import BLOCK
from darkmarket_estimates.engines.text_order import text_order


def sorted_rows(texts: list[str]) -> list[int]:
    return sorted(range(len(texts)), key=texts.__getitem__)


#: Few letters, of one to four bytes, so that texts share beginnings and end within, at and beyond a word.
letters = st.sampled_from(["a", "b", "-", " ", "\x01", "\x1f", "\x7f", "é", "日", "𝄞"])
texts = st.lists(st.text(letters, max_size=18) | st.text(letters, min_size=30, max_size=44), max_size=40)


@settings(deadline=None)
@given(texts, st.integers(0, 5), st.integers(0, 40), st.sampled_from([pa.string(), pa.large_string()]))
def test_any_text_in_any_pieces(texts, start, cut, kind):
    array, texts = pa.array(texts, kind).slice(start), texts[start:]
    pieces = pa.chunked_array([array.slice(0, cut), array.slice(0, 0), array.slice(cut)])
    assert text_order(array).tolist() == text_order(pieces).tolist() == sorted_rows(texts)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 39, 40, 41, 60])
def test_every_length_beside_its_neighbours(length):
    texts = ["x" * n + end for n in (length + 1, length, max(length - 1, 0)) for end in ("", "w", "y")]
    assert text_order(pa.array(texts)).tolist() == sorted_rows(texts)


def test_texts_that_end_in_nul_are_not_those_without():
    texts = ["a\0", "a", "a\0\0", "b\0", "b"] * 3
    assert text_order(pa.array(texts)).tolist() == sorted_rows(texts)


def test_more_rows_than_a_block():
    rng = np.random.default_rng(7)
    texts = [f"vendor{n}" for n in rng.integers(0, 10**6, 2 * BLOCK + 11).tolist()]
    assert text_order(pa.array(texts)).tolist() == sorted_rows(texts)


def test_nothing_is_in_order():
    assert text_order(pa.array([], pa.string())).tolist() == []
    assert text_order(pa.chunked_array([], pa.string())).tolist() == []


def test_short_texts_are_compared_as_numbers(monkeypatch):
    """The way that is fast is the one that is taken, up to the longest text."""
    def refuse(_):
        raise AssertionError("compared as texts")

    monkeypatch.setattr(module.pc, "sort_indices", refuse)
    text_order(pa.array(["b" * 40, "a"]))
    with pytest.raises(AssertionError, match="compared as texts"):
        text_order(pa.array(["b" * 41, "a"]))
