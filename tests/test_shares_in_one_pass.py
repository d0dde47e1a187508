"""Shares of all labels of a column in one pass: the numbers of one label at a time, in blocks that bound the memory."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import interpolate, stats

from darkmarket_estimates import ByGroup, Huggins, Listings, Range, ReviewRate, Totals, turnover
from darkmarket_estimates.comparison import share
from darkmarket_estimates.comparison.moved import log_multipliers
from darkmarket_estimates.comparison.share import _odds_shifts, _others
from darkmarket_estimates.distribution.segments import kinds
from darkmarket_estimates.distribution.splines import Curves

RATE = ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.11)
MARKETS = {f"m{i}": ReviewRate(mean=0.4 + 0.05 * i, standard_error=0.02, between_vendor_sd=0.11) for i in range(3)}


def table(n: int = 400, seed: int = 1, **options: str) -> Totals:
    """Labels with many vendors, with few, with one, and with reviews but no money."""
    rng = np.random.default_rng(seed)
    city = np.minimum(rng.geometric(0.2, n), 9)
    reviews, price = 1 + rng.poisson(4, n), rng.lognormal(4, 1, n) * (city < 9)
    return Totals.from_cells(vendor=[f"v{v}" for v in rng.integers(0, 150, n)], value=price * reviews, reviews=reviews,
                             currency="USD", **options, groups={"city": [f"c{i}" for i in city],
                                                                "market": [f"m{i}" for i in rng.integers(0, 3, n)]})


CASES = {
    "realised": {"review_rate": RATE},
    "conservative": {"review_rate": ReviewRate(mean=0.44, between_vendor_sd=0.11), "spread_law": "conservative"},
    "shares by market": {"review_rate": ByGroup("market", MARKETS)},
    "coverage by market": {"review_rate": RATE, "market_coverage": ByGroup(
        "market", {f"m{i}": stats.beta(40 + i, 10) for i in range(3)})},
    "a range": {"review_rate": Range(0.4, 0.5)},
    "ranges by market": {"review_rate": ByGroup("market", {"m0": Range(0.3, 0.5), "m1": 0.5, "m2": RATE})},
    "expected": {"review_rate": RATE, "estimand": "expected", "interval": "bca"},
    "expected, default": {"review_rate": 0.44, "estimand": "expected"},
    "a floor": {},
    "no interval": {"review_rate": RATE, "interval": None},
}


BETWEEN = [(case, 0.1) for case in ("realised", "a range", "expected")]


@pytest.mark.parametrize(("case", "cv"), [*((case, None) for case in CASES), *BETWEEN],
                         ids=[*CASES, *(f"{case}, groups differ" for case, _ in BETWEEN)])
def test_each_share_is_that_of_its_label_alone(case: str, cv: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    est = turnover(table(), **CASES[case])
    monkeypatch.setattr(share, "LABELS", 4)  # several blocks
    found = est.shares("city", between_group_cv=cv).set_index("city")
    assert len(found) == 9 and found.value.is_monotonic_decreasing == found.value.notna().all()
    for label, row in found.iloc[::2].iterrows():
        one = est.share(label, of="city", between_group_cv=cv)
        low, high = one.bounds or one.interval or (np.nan, np.nan)
        assert (row.value, row.low, row.high) == pytest.approx((one.value, low, high), rel=1e-12, nan_ok=True)
        assert (row["kind"], row["flags"]) == (one.kind, "; ".join(one.flags))


def test_values_and_bounds_are_the_definition() -> None:
    totals = table()
    found = turnover(totals, **CASES["realised"]).shares("city").set_index("city")
    money = totals.to_frame().groupby("city")["value"].sum()
    for label in money.index:
        assert found.value[label] == pytest.approx(money[label] / money.sum(), rel=1e-12)
    ranged = turnover(totals, review_rate=ByGroup("market", {"m0": Range(0.3, 0.5), "m1": 0.5, "m2": 0.5})).shares("city")
    cells = totals.to_frame().groupby(["city", "market"])["value"].sum().unstack().fillna(0)
    for row in ranged.itertuples():
        ends = []
        for rho in (0.3, 0.5):
            worth = cells / pd.Series({"m0": rho, "m1": 0.5, "m2": 0.5})
            ends.append(worth.loc[row.city].sum() / worth.to_numpy().sum())
        assert (row.low, row.high) == pytest.approx((min(ends), max(ends)), rel=1e-12)


@pytest.mark.parametrize("label", ["c1", "c5"])
def test_review_shares_of_one_number_are_those_next_to_it(label: str) -> None:
    """A vendor on two markets with shares of their own has a multiplier in each, as in the total, whatever the numbers are.

    They are one pass all the same; a share that is stated for all is one multiplier a vendor.
    """
    def shares(*means: float) -> ByGroup:
        return ByGroup("market", {m: ReviewRate(mean=x, between_vendor_sd=0.11) for m, x in zip(MARKETS, means, strict=True)})

    same, near = (turnover(table(), review_rate=shares(*means)).share(label, of="city")
                  for means in ((0.44,) * 3, (0.44, 0.44 * (1 + 1e-9), 0.44 * (1 - 1e-9))))
    common = turnover(table(), review_rate=ReviewRate(mean=0.44, between_vendor_sd=0.11)).share(label, of="city")
    assert same.value == pytest.approx(common.value, rel=1e-12)
    length = same.interval[1] - same.interval[0]
    assert same.interval == pytest.approx(near.interval, abs=2e-3 * length)  # by one sum and by grids
    assert same.interval != pytest.approx(common.interval, rel=1e-4)


def test_unseen_listings_are_part_of_every_share() -> None:
    rng = np.random.default_rng(3)
    n = 600
    seen = rng.binomial(4, 0.4, n)
    frame = pd.DataFrame({"price": rng.lognormal(4, 1, n), "reviews": 1 + rng.poisson(3, n), "id": np.arange(n),
                          "seller": [f"v{v}" for v in rng.integers(0, 90, n)], "captures": seen,
                          "first": rng.integers(1, 5, n), "city": rng.choice(["a", "b", "c"], n)})[seen > 0]
    listings = Listings(frame, price="price", reviews="reviews", vendor="seller", listing="id", currency="USD",
                        captures="captures", occasions=4, first_scrape="first")
    model = Huggins(["log price"])
    est = turnover(listings.totals(by="city", assumptions=[model]), review_rate=RATE, coverage=model)
    found = est.shares("city").set_index("city")
    assert found.value.sum() == pytest.approx(1, rel=1e-12)
    for label in "abc":
        one = est.share(label, of="city")
        assert (found.low[label], found.high[label]) == pytest.approx(one.interval, rel=1e-12)


@pytest.mark.parametrize("at_once", [1, 10**9], ids=["one-at-a-time", "all"])
def test_blocks_change_no_number_and_bound_the_work(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    est = turnover(table(), **CASES["shares by market"])
    plain = est.shares("city")
    monkeypatch.setattr(share, "AT_ONCE", at_once)
    sizes: list[int] = []
    laws = share.share_laws
    monkeypatch.setattr(share, "share_laws", lambda model, groups, at: sizes.append(len(groups)) or laws(model, groups, at))
    told: list[float] = []
    pd.testing.assert_frame_equal(est.shares("city", progress=told.append), plain, rtol=1e-13)
    assert sizes == ([1] * 8 if at_once == 1 else [8])  # the ninth has no money
    assert told == sorted(told) and told[-1] == 1.0 and len(set(told)) == len(sizes)


def test_the_sum_of_the_others_cancels_nothing() -> None:
    sums = np.array([[1e16, 1.0, 2.0, 0.5], [0.0, 1e-30, 0.0, 3.0]])
    found = _others(sums)
    assert found[0, 0] == 3.5 and found[0, 1:] == pytest.approx([1e16] * 3, rel=1e-15)
    assert np.array_equal(found[1], [3.0, 3.0, 3.0, 1e-30])
    assert np.array_equal(_others(np.array([[4.0]])), [[0.0]])


def test_shifts_of_the_log_odds_are_the_definition() -> None:
    model = turnover(table(), review_rate=ByGroup("market", MARKETS), interval=None).model
    key, every = model.totals.keys["city"], np.arange(model.totals.n_cells)
    x = model.y * model.multiplier(every, model.configuration("middle"))
    shifts = _odds_shifts(key, x, model.factors)
    logs = log_multipliers(model.factors)
    for point in (0, 100):
        moved = x * np.exp(sum(logs[point, i] * f.cells for i, f in enumerate(model.factors)))
        for code in (0, 3):
            inside = key.codes == code
            want = np.log(moved[inside].sum() / moved[~inside].sum()) - np.log(x[inside].sum() / x[~inside].sum())
            assert shifts[point, code] == pytest.approx(want, rel=1e-9)
    assert np.ptp(shifts[0, :8]) > 1e-4  # labels move apart
    assert np.array_equal(_odds_shifts(key, x, []), np.zeros((1, 9)))


@pytest.mark.parametrize("n", [0, 1, 50])
def test_kinds_are_those_of_the_marks_together(n: int) -> None:
    marks = np.random.default_rng(n).random((9, n)) < 0.2
    kind, first = kinds(marks, n)
    patterns = [tuple(column) for column in marks.T]
    assert len(first) == len(set(patterns))
    assert [patterns[first[k]] for k in kind] == patterns
    assert [kind.tolist().index(k) for k in range(len(first))] == first.tolist()
    assert [patterns[f] for f in first] == sorted(set(patterns))


def test_kinds_without_marks_are_one() -> None:
    kind, first = kinds([], 3)
    assert kind.tolist() == [0, 0, 0] and first.tolist() == [0]


def test_curves_of_their_own_lengths() -> None:
    rng = np.random.default_rng(0)
    last, numbers = [2.0, 7.0, 0.5], [64, 100, 2]
    values = [sum(rng.normal() * (end * np.linspace(0, 1, n) ** 2) ** k * (1 + 0.5j * k) for k in range(1, 4))
              for end, n in zip(last, numbers, strict=True)]
    curves = Curves.of(last, values)
    which = np.array([1, 0, 1, 2])
    x = rng.random((4, 30)) * np.asarray(last)[which][:, None]
    for row, place, c in zip(curves.at(x, which), x, which, strict=True):
        t = last[c] * np.linspace(0, 1, numbers[c]) ** 2
        want = np.interp(place, t, values[c].real) + 1j * np.interp(place, t, values[c].imag) if numbers[c] == 2 else (
            interpolate.CubicSpline(t, values[c])(place))
        assert row == pytest.approx(want, abs=1e-11 * max(1, np.abs(values[c]).max()))
    assert curves.at(np.array([[0.0, 2.0, 2.0000001]]), np.array([0]))[0] == pytest.approx([0, values[0][-1], values[0][-1]])
