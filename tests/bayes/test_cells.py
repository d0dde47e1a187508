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


def moments(a, log_m):
    """Sums over the points of n times 1, ln m, its square, size, size ln m, 1 / r, ln m / r, the square of size."""
    n, x, i = a["value_n"], a["value_size"], a["value_inverse"]
    return [float((n * w).sum()) for w in (1.0, log_m, log_m**2, x, x * log_m, i, i * log_m, x**2)]


def test_points_keep_the_moments_of_the_rows():
    """All first and second moments with ln m, whatever the bins: 20,000 vendors, 2 to 4 thousand points of a group."""
    v = read(vendors(20_000, groups=2))
    points = cells.value_points(v, 1.0)
    assert cells.POINTS / 2 < len(points["value_n"]) < 2 * cells.POINTS
    log_m, size = np.log(v.row_value / v.row_reviews), np.log(v.reviews[v.row_vendor]) - 1.0
    for g in range(2):
        some, rows = points["value_group"] == g, v.row_group == g
        ours = moments({k: a[some] for k, a in points.items()}, points["value_log"][some])
        theirs = moments({"value_n": np.ones(rows.sum()), "value_size": size[rows], "value_inverse": 1 / v.row_reviews[rows]},
                         log_m[rows])
        np.testing.assert_allclose(ours, theirs, rtol=1e-11)


def test_rows_of_their_own_are_points_of_their_own():
    v = read(vendors(60))
    points = cells.value_points(v, 1.0)
    log_m = np.log(v.row_value / v.row_reviews)
    np.testing.assert_allclose(np.sort(points["value_log"]), np.sort(log_m), rtol=1e-12)
    assert (points["value_n"] == 1).all()
    order, here = np.argsort(log_m), np.argsort(points["value_log"])
    np.testing.assert_allclose(points["value_inverse"][here], 1 / v.row_reviews[order], rtol=1e-12)


def test_equal_prices_are_one_point_a_count():
    totals = dme.Totals.from_cells(vendor=list("abc"), value=[20.0, 40, 20], reviews=[1, 2, 1], currency="USD")
    points = cells.value_points(read(totals), 0.0)
    assert points["value_n"].tolist() == [2, 1]
    np.testing.assert_allclose(points["value_log"], np.log(20), rtol=1e-12)


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
