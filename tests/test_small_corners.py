"""Corners in which numbers were wrong once: low levels beside Ranges, vendors whose markets have shares of their own."""

from __future__ import annotations

import numpy as np
import pytest

import darkmarket_estimates as dme
from darkmarket_estimates.concentration import hhi
from darkmarket_estimates.inference import imbens_manski

TOTALS = dme.Totals.from_cells(vendor=["a", "b", "c", "d"], value=[900.0, 600.0, 300.0, 5.0], reviews=[9, 10, 3, 5],
                               groups={"market": ["X", "X", "Y", "Y"]}, currency="USD")


@pytest.mark.parametrize("interval", ["delta", "lognormal", "bca", "compound-poisson"])
@pytest.mark.parametrize("width", [0.02, 0.3])
def test_ends_beside_a_range_do_not_cross(interval: str, width: float) -> None:
    """At a level of 1 % the low end was the 99 % quantile, above the high end."""
    previous = None
    for level in (0.01, 0.2, 0.5, 0.9, 0.99):
        est = dme.turnover(TOTALS, review_rate=dme.Range(0.5, 0.5 + width), estimand="expected", interval=interval,
                           confidence_level=level)
        low, high = est.interval
        assert low <= high
        if previous is not None:
            assert low <= previous[0] * (1 + 1e-12) and high >= previous[1] * (1 - 1e-12)
        previous = low, high


def test_imbens_manski_at_low_levels() -> None:
    for level in (0.01, 0.3, 0.49):
        assert imbens_manski((1, 1e9), 0.04, level) == 0.5
        assert imbens_manski((1, 1), 0.04, level) == pytest.approx((1 - level) / 2, rel=1e-9)


@pytest.mark.parametrize("estimand", ["realised", "expected"])
def test_the_largest_vendor_is_the_one_that_sold_most(estimand: str) -> None:
    """By what vendors are worth once each market has its share, as `influence` says; not by reviews."""
    rate = dme.ByGroup("market", {"X": 0.9, "Y": 0.1})
    est = dme.turnover(TOTALS, review_rate=rate, estimand=estimand, interval=None)
    row = est.to_frame().iloc[-1]
    worth = np.array([1000.0, 600 / 0.9, 3000.0, 50.0])
    assert row.top_vendor_share == pytest.approx(worth.max() / worth.sum(), rel=1e-12)
    assert row.top_vendor_share == pytest.approx(est.influence(1).share[0], rel=1e-12)
    assert row.n_eff == pytest.approx(worth.sum() ** 2 / (worth**2).sum(), rel=1e-12)
    assert "one vendor makes 64% of it" in est.flags
    groups = est.to_frame().iloc[:-1]
    assert groups.top_vendor_share.tolist() == pytest.approx([0.6, 300 / 305], rel=1e-12)


def test_few_vendors_of_a_comparison_by_what_they_are_worth() -> None:
    rng = np.random.default_rng(1)
    value = np.concatenate([np.ones(60), [3.0]])
    totals = [dme.Totals.from_cells(vendor=[f"v{i}" for i in range(61)], value=value, reviews=rng.poisson(3, 61) + 1,
                                    groups={"market": ["X"] * 60 + ["Y"], "all": ["yes"] * 61}, currency="USD",
                                    window=(f"2016-0{month}-01", f"2016-0{month + 1}-01")) for month in (1, 2)]
    rate = dme.ByGroup("market", {"X": 1.0, "Y": 0.01})
    alike, unlike = ([dme.turnover(t, review_rate=share, estimand="expected", interval="bca") for t in totals]
                     for share in (0.5, rate))
    assert not any("indicative" in flag for flag in alike[0].ratio(alike[1]).flags)
    assert sum("effectively 1.4 vendors" in flag for flag in unlike[0].ratio(unlike[1]).flags) == 2
    assert "indicative: the group has effectively 1.4 vendors" in unlike[0].share("yes", of="all").flags


@pytest.mark.parametrize("other", [0.2, 0.2 * (1 + 1e-9)], ids=["the same number", "next to it"])
def test_a_share_knows_whose_review_share_is_whose(other: float) -> None:
    """A vendor on two markets with shares of their own has two multipliers, in its share as in the total.

    Shares that were stated alike had been one: the interval jumped where one of them moved by a billionth.
    """
    totals = dme.Totals.from_cells(vendor=["a", "b", "c", "a", "b", "c"], value=[60.0, 91.0, 35.0, 77.0, 40.0, 66.0],
                                   reviews=[12, 7, 35, 11, 20, 6], groups={"market": ["X"] * 3 + ["Y"] * 3}, currency="USD")
    shares = {m: dme.ReviewRate(mean=rho, between_vendor_sd=0.1) for m, rho in (("X", 0.2), ("Y", other))}
    apart = dme.turnover(totals, review_rate=dme.ByGroup("market", shares)).share("X", of="market")
    rng, n = np.random.default_rng(2), 200_000
    s = 0.2 * 0.8 / 0.1**2 - 1
    a, b = 0.2 * s, 0.8 * s
    sums = {}
    for market, rows in (("X", [(5.0, 12), (13.0, 7), (1.0, 35)]), ("Y", [(7.0, 11), (2.0, 20), (11.0, 6)])):
        sums[market] = sum(price * (k + rng.negative_binomial(k, rng.beta(a + 2, b * (a + 1) / a, n))) for price, k in rows)
    drawn = sums["X"] / (sums["X"] + sums["Y"])
    error = 4.5 * np.sqrt(0.025 * 0.975 / n)
    low, high = apart.interval
    assert np.mean(drawn < low) == pytest.approx(0.025, abs=error + 0.001)
    assert np.mean(drawn > high) == pytest.approx(0.025, abs=error + 0.001)
    one = dme.turnover(totals, review_rate=shares["X"]).share("X", of="market").interval
    assert one[1] - one[0] < 0.9 * (high - low)  # with one share a vendor its sales move together


@pytest.mark.parametrize("unit", [2.0**-660, 1.0, 2.0**600])
def test_concentration_does_not_depend_on_the_unit(unit):
    """Squares of very small and very large numbers are no floats."""
    assert hhi(np.ones((1, 3)), np.array([1.0, 2.0, 3.0]) * unit).tolist() == [14 / 36]
    assert np.isnan(hhi(np.ones((1, 1)), np.zeros(1))).all()


@pytest.mark.parametrize("estimand", ["realised", "expected"])
def test_money_without_a_square_has_no_budget_of_variance(estimand):
    totals = dme.Totals.from_cells(vendor=list("abc"), value=[1e-200, 2e-200, 3e-200], reviews=[1, 2, 3], currency="USD")
    est = dme.turnover(totals, review_rate=dme.ReviewRate(mean=0.5, between_vendor_sd=0.1), estimand=estimand)
    assert est.value == pytest.approx(1.2e-199) and est.budget().empty and str(est).startswith("USD 1.20e-199")


@pytest.mark.parametrize(("kind", "options", "message"), [
    ("shares", {"n": 3}, r"expected: of=, max_groups="), ("forest", {"n": 3}, r"leave n= out"),
    ("budget", {"of": "x"}, r"expected: none")])
def test_pictures_say_which_options_they_take(kind, options, message):
    est = dme.turnover(TOTALS, review_rate=0.5)
    with pytest.raises(dme.AssumptionError, match=message):
        est.plot(kind, **options)


def test_progress_is_a_function_or_a_yes_or_no():
    with pytest.raises(dme.AssumptionError, match="progress= takes a function"):
        dme.turnover(TOTALS, progress=3)
