"""Names as Arrow holds them are a tuple of texts in all that they do, and are not made before somebody asks."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkmarket_estimates import HoldingPrice, Listings, ReviewRate, Totals, turnover
from darkmarket_estimates.engines.codes import encode
from darkmarket_estimates.totals import VENDOR, WITHIN
from darkmarket_estimates.totals.cells import Key, concatenate
from darkmarket_estimates.totals.labels import Texts
from tests.engines.tables_elsewhere import elsewhere
from tests.test_totals import assert_same

#: Letters of one to four bytes, and one that UTF-16 would put elsewhere.
SOME = st.lists(st.text(st.sampled_from("ab\x01\x1fé日𝄞\uffee"), max_size=6), max_size=20, unique=True)
ROLES = {"price": "price", "reviews": "reviews", "vendor": "seller", "currency": "USD"}


def of(texts: list[str], kind: pa.DataType | None = None) -> Texts:
    """In an array that has others before and after them."""
    array = pa.array(["", *texts, "b"], kind or pa.string())
    return Texts(array, np.array(sorted(range(1, 1 + len(texts)), key=lambda i: texts[i - 1]), dtype=np.int64))


def table(n: int = 4_000, n_vendors: int = 1_500) -> pd.DataFrame:
    """More vendors than those whose names are made at once, in no order."""
    rng = np.random.default_rng(5)
    return pd.DataFrame({"seller": [f"v{i}é" for i in rng.integers(0, n_vendors, n)], "price": rng.lognormal(4, 1, n).round(2),
                         "reviews": rng.poisson(3, n), "market": rng.choice(["A", "AB"], n), "goods": rng.choice(["x", "y"], n)})


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
@settings(max_examples=100, deadline=None, derandomize=True)
@given(texts=SOME)
def test_texts_are_the_tuple_of_them(kind: pa.DataType, texts: list[str]) -> None:
    ours, theirs = of(texts, kind), tuple(sorted(texts))
    assert [ours[i] for i in range(-len(theirs), len(theirs))] == [*theirs, *theirs]
    assert [ours[i] for i in np.arange(len(theirs))] == [*theirs]
    for at, text in enumerate(theirs):
        assert text in ours and ours.index(text) == at
    for text in ("", "a", "b", "zz", "é\x01"):
        assert (text in ours) is (text in theirs)
    assert ours._texts is None  # nobody has asked for all of them
    assert ours == theirs and theirs == ours and hash(ours) == hash(theirs) and repr(ours) == repr(theirs)
    assert len(ours) == len(theirs) and tuple(ours) == theirs and ours[1:-1] == theirs[1:-1] and bool(ours) == bool(theirs)
    for other in (pa.string(), pa.large_string()):
        assert ours == of(texts, other) and (not texts or ours != of(texts[1:], other))
    assert ours != [*theirs] and ours != (*theirs, "x") and ours != 3
    for twin in (copy.copy(ours), copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert isinstance(twin, Texts) and twin == ours == twin.texts


def test_what_is_no_label_is_not_found() -> None:
    ours = of(["b", "a"])
    for label in (None, 3, 1.5, ("a",), "c", "\udc80"):
        assert label not in ours
        with pytest.raises(ValueError, match="is no label"):
            ours.index(label)
    with pytest.raises(ValueError, match="is no label"):
        ours.index("a", 1)
    for at in (2, -3):
        with pytest.raises(IndexError):
            ours[at]


def test_a_pickle_holds_the_labels_and_not_the_column_they_are_from() -> None:
    some = Texts(pa.array([f"{i:09}" for i in range(100_000)]), np.array([5, 7]))
    assert len(pickle.dumps(some)) < 2_000 and pickle.loads(pickle.dumps(some)) == ("000000005", "000000007")


def test_labels_of_a_sorted_column_do_not_keep_it_alive() -> None:
    """A column of millions of rows would stay in memory with the totals of a thousand vendors."""
    rows = pa.chunked_array([pa.array(np.repeat([f"{i:05}" for i in range(1_100)], 50))])
    labels = encode(rows, "seller").labels
    assert isinstance(labels, Texts) and len(labels) == 1_100 and labels._array.nbytes < rows.nbytes / 20


def test_keys_of_one_file_and_of_another_become_one() -> None:
    ours = Key(np.array([1, 0]), of(["b", "a"]).as_tuple())
    both = concatenate(ours, Key(np.array([0, 1]), of(["c", "b"]).as_tuple()), ordered=False)
    assert both.labels == ("a", "b", "c") and both.take().tolist() == ["b", "a", "b", "c"]
    same = concatenate(ours, Key(np.array([0, 1]), of(["a", "b"]).as_tuple()), ordered=False)
    assert isinstance(same.labels, Texts) and same.codes.tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize("kind", ["parquet", "relation"])
@pytest.mark.parametrize("options", [{}, {"market": "market"}, {"market": "market", "vendor_scope": "all markets"}],
                         ids=["no market", "within markets", "in all markets"])
@pytest.mark.parametrize("by", [None, "goods"], ids=["all", "by goods"])
def test_totals_from_elsewhere_name_no_vendor(kind: str, options: dict[str, str], by: str | None, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """They are those of the table in memory, in a file and out of it again, and estimates make no name either."""
    frame, rule = table(), HoldingPrice(cap=400)
    want = Listings(frame, **ROLES, **options).clean(rule).totals(by=by)
    there, how = elsewhere(pa.Table.from_pandas(frame, preserve_index=False), tmp_path, kind)
    found = Listings(there, **ROLES, **options, **how).clean(rule).totals(by=by)
    labels = found.keys[VENDOR].labels
    assert isinstance(labels, Texts) and labels._texts is None
    rate = ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.11)
    assert turnover(found, review_rate=rate).interval == pytest.approx(turnover(want, review_rate=rate).interval, rel=1e-12)
    assert labels._texts is None
    assert_same(want, found)
    assert labels[0].startswith(f"A{WITHIN}v" if len(options) == 1 else "v") and labels.index(labels[7]) == 7
    found.save(tmp_path / "ours", vendor_names=True)
    assert_same(Totals.load(tmp_path / "ours"), want)
    assert_same(found + found, want + want)
