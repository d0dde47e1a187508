"""Concentration and ranks."""

import numpy as np
import pytest

from darkmarket_estimates import ByGroup, DataError, NotIdentifiedError, Range, ReviewRate, Totals, turnover
from darkmarket_estimates.concentration import gini, hhi, resample, top
from tests.tables import vendor_totals

Y = np.random.default_rng(6).lognormal(6, 1.5, 90)
ONE = np.ones((1, len(Y)))
RATE = ReviewRate(mean=0.44, between_vendor_sd=0.11)


def test_measures_by_hand():
    x = np.array([50.0, 30.0, 20.0])
    one = np.ones((1, 3))
    assert hhi(one, x)[0] == pytest.approx(0.25 + 0.09 + 0.04)
    # mean absolute difference over twice the mean
    assert gini(one, x)[0] == pytest.approx(np.abs(x[:, None] - x).sum() / (2 * 9 * x.mean()))
    assert top(1)(one, x)[0] == pytest.approx(0.5) and top(2)(one, x)[0] == pytest.approx(0.8) and top(9)(one, x)[0] == 1


def test_a_weight_is_a_number_of_vendors():
    x, w = np.array([5.0, 3.0, 1.0]), np.array([[2, 0, 3]])
    copies = np.array([5.0, 5, 1, 1, 1])
    for measure in (hhi, gini, top(1), top(3)):
        assert measure(w, x)[0] == pytest.approx(measure(np.ones((1, 5)), copies)[0], rel=1e-12)


def test_measures_ignore_scale_and_order():
    for measure in (hhi, gini, top(5)):
        base = measure(ONE, Y)[0]
        assert measure(ONE, 7 * Y)[0] == pytest.approx(base) and measure(ONE, Y[::-1])[0] == pytest.approx(base)


def test_table_and_its_intervals():
    est = turnover(vendor_totals(Y), review_rate=RATE, rng=1)
    frame = est.concentration(500).set_index("measure")
    assert frame.value["HHI"] == pytest.approx(hhi(ONE, Y)[0])
    assert (frame.low < frame.high).all() and ((frame.low >= 0) & (frame.high <= 1)).all()
    again = turnover(vendor_totals(Y), review_rate=RATE, rng=1).concentration(500).set_index("measure")
    assert frame.equals(again)
    narrow = turnover(vendor_totals(Y), review_rate=RATE, rng=1, confidence_level=0.5).concentration(500)
    assert (narrow.set_index("measure").high <= frame.high).all()


def test_gini_interval_covers_a_known_population():
    # log-normal with sd s has Gini 2 Phi(s / sqrt 2) - 1; 100 runs at 90 %: below 0.78 has probability < 1e-4
    from scipy import stats

    truth, rng, hits = 2 * stats.norm.cdf(1 / np.sqrt(2)) - 1, np.random.default_rng(12), 0
    for seed in range(100):
        est = turnover(vendor_totals(rng.lognormal(5, 1, 300)), review_rate=RATE, rng=seed, confidence_level=0.9,
                       interval=None)
        frame = est.concentration(300).set_index("measure")
        hits += frame.low["Gini"] <= truth <= frame.high["Gini"]
    assert hits >= 78


def test_resample_takes_any_statistic():
    est = turnover(vendor_totals(Y), review_rate=0.5, rng=2)
    sums = resample(est.model, lambda w, x: w @ x, n_resamples=2000, seed=est.model.entropy)
    assert sums.mean() == pytest.approx(2 * Y.sum(), abs=4 * 2 * np.sqrt((Y**2).sum() / 2000))
    assert sums.std() == pytest.approx(2 * np.sqrt((Y**2).sum()), rel=0.1)


def grouped(sizes):
    y = np.concatenate([np.full(40, s) for s in sizes.values()])
    return Totals.from_cells(vendor=[f"v{i}" for i in range(len(y))], value=y, reviews=np.ones_like(y), currency="USD",
                             groups={"c": np.repeat(list(sizes), 40)})


def test_ranks():
    frame = turnover(grouped({"a": 100.0, "b": 10.0, "c": 10.0, "d": 1.0}), review_rate=0.5, rng=1).ranks("c").set_index("c")
    assert list(frame["rank"]) == [1, 2, 2, 4] and frame.probability["a"] > 0.99
    assert (frame.low["a"], frame.high["a"]) == (1, 1) and (frame.low["b"], frame.high["b"]) == (2, 3)
    assert frame.value["a"] == pytest.approx(8000)


def test_nothing_has_no_concentration():
    with pytest.raises(NotIdentifiedError, match="nothing"):
        turnover(vendor_totals([0.0]), review_rate=0.5).concentration()


def test_ranks_of_thousands_of_groups_take_memory_for_the_draws_alone():
    import tracemalloc

    n = 3000
    totals = Totals.from_cells(vendor=[f"v{i}" for i in range(n)], value=np.arange(1.0, n + 1), reviews=np.ones(n),
                               currency="USD", groups={"c": [f"g{i:04d}" for i in range(n)]})
    est = turnover(totals, review_rate=0.5, rng=1, interval=None)
    tracemalloc.start()
    frame = est.ranks("c", 100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * n * 8 * 40  # a table of pairs of groups would hold 100 x 3,000 x 3,000 numbers
    assert list(frame["rank"]) == list(range(1, n + 1)) and frame.c[0] == "g2999"


def test_tied_ranks_share_their_mean_and_are_counted_as_such():
    frame = turnover(grouped({"a": 0.0, "b": 0.0, "c": 5.0}), review_rate=0.5, rng=1, interval=None).ranks("c").set_index("c")
    assert list(frame["rank"]) == [1, 2, 2] and frame.low["a"] == frame.high["a"] == 2  # 2.5, rounded to even
    assert frame.probability["a"] == 0 and frame.probability["c"] == 1


def test_equal_vendors_have_a_gini_of_0_and_not_below():
    for n in range(2, 60):
        assert 0 <= gini(np.ones((1, n)), np.full(n, 0.1))[0] < 1e-12


def test_the_table_holds_the_measures_it_names_and_their_percentiles():
    est = turnover(vendor_totals(Y), review_rate=RATE, rng=1, confidence_level=0.8)
    frame = est.concentration(500).set_index("measure")
    for name, measure in {"HHI": hhi, "Gini": gini, "top 1": top(1), "top 5": top(5), "top 10": top(10)}.items():
        assert frame.value[name] == pytest.approx(measure(ONE, Y)[0], rel=1e-12)
        drawn = resample(est.model, measure, n_resamples=500, seed=est.model.entropy)
        assert (frame.low[name], frame.high[name]) == pytest.approx(tuple(np.quantile(drawn, [0.1, 0.9])), rel=1e-12)


def test_shares_by_group_weigh_vendors_and_a_range_is_taken_at_its_middle():
    totals = Totals.from_cells(vendor=["a", "b"], value=[300.0, 300.0], reviews=[1, 1], currency="USD",
                               groups={"m": ["x", "y"]})
    frame = turnover(totals, review_rate=ByGroup("m", {"x": Range(0.2, 0.4), "y": 0.6})).concentration(100)
    assert frame.set_index("measure").value["HHI"] == pytest.approx((2 / 3) ** 2 + (1 / 3) ** 2)  # 1000 and 500


def test_a_total_beyond_floats_is_refused():
    with pytest.raises(DataError):
        turnover(vendor_totals([1e308, 1e308]), interval=None).concentration()


def test_the_ends_of_a_rank_leave_half_of_the_error_on_each_side():
    frame = turnover(grouped({"a": 100.0, "b": 66.0}), review_rate=0.5, rng=1, interval=None).ranks("c", 4000).set_index("c")
    first = 1 - frame.probability["a"]  # how often the smaller group is the larger one
    assert 0.028 < first < 0.047  # so 95 % leave it in, 90 % do not
    assert (frame.low["b"], frame.high["a"]) == (1, 2)
    narrow = turnover(grouped({"a": 100.0, "b": 66.0}), review_rate=0.5, rng=1, interval=None,
                      confidence_level=0.9).ranks("c", 4000).set_index("c")
    assert (narrow.low["b"], narrow.high["a"]) == (2, 1)
