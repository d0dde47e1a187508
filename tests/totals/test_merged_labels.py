"""Labels of two totals are merged as two sorted runs: bit by bit what a set and a dictionary give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkmarket_estimates import Totals
from darkmarket_estimates.totals import cells
from darkmarket_estimates.totals.cells import Key, concatenate, merged

TEXTS = st.lists(st.sampled_from([chr(c) * n for c in (0, 31, 65, 66, 97, 228, 128512) for n in (0, 1, 2)] + ["(missing)"]),
                 max_size=12, unique=True)


def by_set(a: Key, b: Key) -> Key:
    """The definition: every label once, sorted."""
    labels = tuple(sorted({*a.labels, *b.labels}))
    return Key(np.array([labels.index(key.labels[c]) for key in (a, b) for c in key.codes], dtype=np.int64), labels)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(a=TEXTS, b=TEXTS, seed=st.integers(0, 9))
def test_two_keys_become_one(a: list[str], b: list[str], seed: int) -> None:
    rng = np.random.default_rng(seed)
    keys = [Key(rng.integers(0, len(texts), 20 if texts else 0), tuple(sorted(texts))) for texts in (a, b)]
    found, want = concatenate(*keys, ordered=False), by_set(*keys)
    assert found.labels == want.labels
    assert found.codes.dtype == np.int64 and np.array_equal(found.codes, want.codes)


def test_labels_that_are_not_sorted_are_merged_too() -> None:
    labels, places = merged(("c", "a"), ("b", "a"))
    assert labels == ("a", "b", "c") and places.tolist() == [2, 0, 1, 0]


def test_ordered_labels_keep_the_order_of_the_first() -> None:
    bands = ("< 9", "9 to < 80", ">= 80")
    found = concatenate(Key(np.array([2, 0]), bands), Key(np.array([1, 0]), bands[:2]), ordered=True)
    assert found.labels == bands and found.codes.tolist() == [2, 0, 1, 0]


def totals(vendors: list[str], markets: list[str], seed: int) -> Totals:
    value = np.random.default_rng(seed).lognormal(3, 1, len(vendors))
    return Totals.from_cells(vendor=vendors, value=value, reviews=np.ones(len(vendors)), currency="USD",
                             groups={"market": markets})


@pytest.mark.parametrize("names", [("abc", "abc"), ("abc", "bc"), ("bc", "abc"), ("abc", "def"), ("ace", "bdf"), ("abc", "")],
                         ids=["equal", "contains", "contained", "apart", "between", "empty"])
def test_sums_of_totals_are_those_of_the_definition(names: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [totals([*some] * 2, ["m", "n"] * len(some), i) for i, some in enumerate(names)]
    found = parts[0] + parts[1]
    monkeypatch.setattr("darkmarket_estimates.totals.table.concatenate", lambda a, b, *, ordered: by_set(a, b))
    want = parts[0] + parts[1]
    for name, key in want.keys.items():
        assert found.keys[name].labels == key.labels and np.array_equal(found.keys[name].codes, key.codes)
    for name, values in want.columns.items():
        assert np.array_equal(found.columns[name], values)
    assert found.sum("value") == pytest.approx(parts[0].sum("value") + parts[1].sum("value"), rel=1e-14)


def test_equal_labels_are_not_merged_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "merged", lambda a, b: pytest.fail("nothing was to merge"))
    key = Key(np.array([0, 1]), ("a", "b"))
    assert concatenate(key, Key(np.array([1]), ("a", "b")), ordered=False).codes.tolist() == [0, 1, 1]
