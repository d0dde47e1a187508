import time

import numpy as np
import pytest

import darkmarket_estimates as dme
from darkmarket_estimates.bayes import cells, points
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


def moments(n, y, x, i, top):
    """Sums of n times products of ln m, size, 1 / r and size above the bend: those that points keep."""
    kept = (1.0, y, y**2, y**3, x, x * y, x * y**2, i, i * y, i * y**2, x**2, x * i, top, top * y)
    return [float((n * w).sum()) for w in kept]


def both(v, bend, group=0):
    """Moments of points and of rows."""
    a = points.value_points(v, 1.0, bend)
    some, rows = a["value_group"] == group, v.row_group == group
    x = np.log(v.reviews[v.row_vendor]) - 1.0
    theirs = moments(np.ones(rows.sum()), np.log(v.row_value / v.row_reviews)[rows], x[rows], 1 / v.row_reviews[rows],
                     np.maximum(x - bend, 0)[rows])
    return moments(*(a[k][some] for k in ("value_n", "value_log", "value_size", "value_inverse", "value_top"))), theirs


@pytest.mark.parametrize("group", [0, 1])
def test_points_keep_the_moments_of_the_rows(group):
    """First and second moments, and third ones with ln m squared, whatever the bins: 20,000 vendors, 2 to 4 thousand points."""
    v = read(vendors(20_000, groups=2))
    assert points.POINTS < len(points.value_points(v, 1.0)["value_n"]) < 2 * points.POINTS
    ours, theirs = both(v, 0.7, group)
    np.testing.assert_allclose(ours, theirs, rtol=1e-11)


def test_points_have_the_fourth_moment_of_log_values():
    """Of large bins to the last digit: a U-shaped bin of few rows keeps a fifth of its weight in the middle instead."""
    v = one_group(300_000, np.random.default_rng(1))
    a, log_m = points.value_points(v, 1.0), np.log(v.row_value / v.row_reviews)
    assert len(a["value_n"]) < 2 * points.POINTS
    y = 4.0
    assert a["value_n"] @ (a["value_log"] - y) ** 4 == pytest.approx(((log_m - y) ** 4).sum(), rel=1e-6)


def one_group(n, rng, spread=1.0):
    r = np.maximum(rng.poisson(np.exp(rng.normal(1, 1.5, n))), 1).astype(float)
    return cells.Vendors(reviews=r, exposure=np.ones(n), row_vendor=np.arange(n), row_group=np.zeros(n, dtype=np.int64),
                         row_reviews=r, row_value=r * np.exp(rng.normal(4, spread, n)), n_groups=1)


@pytest.mark.parametrize("seed", range(6))
def test_points_of_odd_tables_keep_the_moments_too(seed):
    """Log values from nearly equal to absurdly far apart, two prices, one outlier; weights positive, 1 / r inside of a class."""
    rng = np.random.default_rng(seed)
    n = [1, 2, 5, 60, 3_000, 9_000][seed]
    for price in (rng.normal(4, 1e-7, n), rng.standard_cauchy(n) * 5, rng.choice([1.0, 9.0], n, p=[0.3, 0.7]),
                  np.append(np.full(n - 1, 3.0), 40.0), np.full(n, 2.5)):
        v = one_group(n, rng)
        v = cells.Vendors(v.reviews, v.exposure, v.row_vendor, v.row_group, v.row_reviews,
                          v.row_reviews * np.exp(np.clip(price, -200, 200)), 1)
        ours, theirs = both(v, 0.5)
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * max(map(abs, theirs)))
        a = points.value_points(v, 1.0, 0.5)
        assert (a["value_n"] > 0).all()
        inside = a["value_inverse"] * np.exp(a["value_size"] + 1.0)
        assert inside.min() > 0.5
        assert inside.max() < 2


def test_rows_of_their_own_are_points_of_their_own():
    v = read(vendors(60))
    a = points.value_points(v, 1.0)
    log_m = np.log(v.row_value / v.row_reviews)
    order, here = np.argsort(log_m), np.argsort(a["value_log"])
    np.testing.assert_array_equal(a["value_log"][here], log_m[order])
    np.testing.assert_array_equal(a["value_inverse"][here], 1 / v.row_reviews[order])
    assert (a["value_n"] == 1).all()
    assert (a["value_top"] == 0).all()


def test_equal_prices_are_one_point_a_count():
    totals = dme.Totals.from_cells(vendor=list("abc"), value=[20.0, 40, 20], reviews=[1, 2, 1], currency="USD")
    a = points.value_points(read(totals), 0.0)
    assert sorted(a["value_n"].tolist()) == [1, 2]
    np.testing.assert_allclose(a["value_log"], np.log(20), rtol=1e-12)


def test_the_points_of_one_bin_by_hand():
    """Seven equal counts: variance 0.0004 and kappa 1.75 make +- 0.02 sqrt(1.75), 2 in 7 each, and 3 in 7 in the middle."""
    r = np.full(8, 3.0)
    y = np.array([0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 30.0])
    a = points.value_points(cells.Vendors(r, np.ones(8), np.arange(8), np.zeros(8, dtype=np.int64), r, r * np.exp(y), 1), 0.0)
    order = np.argsort(a["value_log"])
    np.testing.assert_allclose(a["value_log"][order], [0.03 - 0.02 * 1.75**0.5, 0.03, 0.03 + 0.02 * 1.75**0.5, 30.0], rtol=1e-9)
    np.testing.assert_allclose(a["value_n"][order], [2.0, 3.0, 2.0, 1.0], rtol=1e-9)


def test_a_bin_of_two_prices_keeps_a_fifth_in_the_middle():
    """Three at 0 and three at 0.02: +- sqrt(5 / 4) standard deviations instead of two points, and a fifth at the mean."""
    r = np.full(7, 3.0)
    y = np.array([0.0, 0.0, 0.0, 0.02, 0.02, 0.02, 30.0])
    a = points.value_points(cells.Vendors(r, np.ones(7), np.arange(7), np.zeros(7, dtype=np.int64), r, r * np.exp(y), 1), 0.0)
    order = np.argsort(a["value_log"])
    np.testing.assert_allclose(a["value_log"][order], [0.01 - 0.01 * 1.25**0.5, 0.01, 0.01 + 0.01 * 1.25**0.5, 30.0], rtol=1e-9)
    np.testing.assert_allclose(a["value_n"][order], [2.4, 1.2, 2.4, 1.0], rtol=1e-9)


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
