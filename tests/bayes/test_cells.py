import time

import numpy as np
import pytest

import darkmarket_estimates as dme
from darkmarket_estimates.bayes import cells
from darkmarket_estimates.bayes.draws_model import groups_of
from darkmarket_estimates.errors import DataError
from tests.bayes.markets import vendors


def read(totals, exposure=None):
    codes, labels = groups_of(totals)
    return cells.vendors_of(totals, codes, len(labels), exposure)


def test_nothing_is_lost_by_compression():
    totals = vendors(500, groups=4)
    v = read(totals)
    counts = cells.count_cells(v, truncated=True)
    assert counts["count_n"].sum() == 500
    assert counts["count_n"] @ counts["reviews"] == pytest.approx(totals.sum("reviews"), rel=1e-12)
    values = cells.value_cells(v, 1.5)
    log_m = np.log(totals.columns["value"] / totals.columns["reviews"])
    assert values["value_n"].sum() == totals.n_cells
    assert values["value_sum"].sum() == pytest.approx(log_m.sum(), rel=1e-12)
    assert values["value_square"].sum() == pytest.approx((log_m**2).sum(), rel=1e-12)
    split = cells.split_cells(v, 1.5)
    assert split["split_n"] @ split["split_reviews"] == pytest.approx(totals.sum("reviews"), rel=1e-12)
    assert split["whole_n"] @ split["whole_reviews"] == pytest.approx(totals.sum("reviews"), rel=1e-12)
    assert split["split_vendors"].sum() == 500


def test_small_counts_are_cells_of_their_own():
    totals = dme.Totals.from_cells(vendor=list("abcd"), value=[10.0, 40, 40, 90], reviews=[1, 2, 2, 3], currency="USD")
    counts = cells.count_cells(read(totals), truncated=True)
    assert counts["reviews"].tolist() == [1, 2, 3]
    assert counts["count_n"].tolist() == [1, 2, 1]


def test_bins_hold_the_same_rows_as_the_cells():
    v = read(vendors(400, groups=2))
    a, b = cells.value_cells(v, 1.0), cells.value_bins(v, 1.0, 0.05)
    for name in ("value_n", "value_sum"):
        np.testing.assert_allclose(np.bincount(a["value_group"], a[name]), np.bincount(b["value_group"], b[name]), rtol=1e-12)
    # a bin is 0.05 wide: the spread within is that of a uniform law at most a quarter of its square
    within = b["value_square"] - b["value_sum"] ** 2 / b["value_n"]
    assert (within <= b["value_n"] * 0.05**2 / 4 + 1e-9).all()


def test_the_order_of_rows_leaves_no_trace():
    a = vendors(200, groups=3)
    order = np.random.default_rng(0).permutation(a.n_cells)
    frame = a.to_frame(vendors=True, names=True).iloc[order]
    b = dme.Totals.from_cells(vendor=list(frame["vendor"]), value=frame["value"], reviews=frame["reviews"], currency="USD",
                              groups={"category": list(frame["category"])})
    for make in (lambda v: cells.count_cells(v, truncated=True), lambda v: cells.value_cells(v, 1.0),
                 lambda v: cells.split_cells(v, 1.0)):
        x, y = make(read(a)), make(read(b))
        for name in x:
            np.testing.assert_allclose(x[name], y[name], rtol=1e-12)


def test_a_vendor_in_three_groups_is_one_vendor():
    totals = dme.Totals.from_cells(vendor=["a", "a", "a", "b"], value=[1.0, 2, 3, 4], reviews=[1, 1, 2, 5], currency="USD",
                                   groups={"g": ["x", "y", "z", "x"]})
    v = read(totals)
    assert v.reviews.tolist() == [4, 5]
    assert len(v.row_vendor) == 4


def test_captures_of_a_group_are_added_up():
    frame = {"price": [5.0, 7.0], "reviews": [2, 3], "seller": ["a", "a"], "k": [1, 2]}
    listings = dme.Listings(frame, price="price", reviews="reviews", vendor="seller", currency="USD", captures="k", occasions=3)
    totals = listings.totals(by=[])
    assert read(totals).row_reviews.tolist() == [5.0]


def test_exposures_are_part_of_the_cell():
    totals = dme.Totals.from_cells(vendor=list("abc"), value=[1.0, 1, 1], reviews=[2, 2, 2], currency="USD")
    counts = cells.count_cells(read(totals, np.array([1.0, 2.0, 1.0])), truncated=False)
    assert counts["count_n"].tolist() == [2, 1]
    assert counts["exposure"].tolist() == [1, 2]
    assert counts["vendors_n"].tolist() == [2, 1]


def test_fractions_are_refused_with_the_way_out():
    totals = dme.Totals.from_cells(vendor=["a"], value=[10.0], reviews=[2.5], currency="USD")
    with pytest.raises(DataError, match="not whole numbers") as caught:
        read(totals)
    assert "turnover()" in caught.value.fix
    assert "exposure=" in caught.value.fix


def test_reviews_that_are_worth_nothing_are_refused():
    totals = dme.Totals.from_cells(vendor=["a", "b"], value=[0.0, 5.0], reviews=[2, 1], currency="USD")
    with pytest.raises(DataError, match="worth nothing"):
        read(totals)


def test_a_count_beyond_the_whole_numbers_is_refused():
    totals = dme.Totals.from_cells(vendor=["a"], value=[1e17], reviews=[1e17], currency="USD")
    with pytest.raises(DataError, match="too large"):
        read(totals)


def test_classes_are_one_percent_wide():
    counts = np.unique(np.geomspace(1, 1e6, 20_000).astype(int)).astype(float)
    kind = cells.classes(counts, cells.FINE)
    assert (np.diff(kind) >= 0).all()
    for k in (150, 400, 900):
        inside = counts[kind == k]
        assert inside.max() / inside.min() < 1.011
    assert cells.classes(np.array([100.0, 101.0]), cells.FINE).tolist() == [100, 101]


def test_two_million_vendors_take_seconds():
    rng = np.random.default_rng(0)
    n = 2_000_000
    r = np.maximum(rng.poisson(np.exp(rng.normal(1, 1.5, n))), 1).astype(float)
    v = cells.Vendors(reviews=r, exposure=np.ones(n), row_vendor=np.arange(n), row_group=np.zeros(n, dtype=np.int64),
                      row_reviews=r, row_value=r * np.exp(rng.normal(4, 1, n)), n_groups=1)
    start = time.perf_counter()
    counts, values = cells.count_cells(v, truncated=True), cells.value_cells(v, 1.0)
    assert time.perf_counter() - start < 5
    assert len(counts["reviews"]) < 1500
    assert len(values["value_n"]) < 500
