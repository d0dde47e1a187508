import math

import numpy as np
import pytest

import darkmarket_estimates as dme
from darkmarket_estimates.bayes.draws_model import estimate_from, groups_of
from darkmarket_estimates.bayes.protocol import Outcome
from darkmarket_estimates.errors import DataError, NotIdentifiedError, NotSupportedError
from darkmarket_estimates.factors import resolve

TOTALS = dme.Totals.from_cells(
    vendor=["a", "b", "c", "d", "a"], value=[90.0, 60, 30, 20, 10], reviews=[9, 6, 3, 2, 1], currency="USD",
    groups={"country": ["NL", "NL", "US", "DE", "US"], "drug": ["x", "y", "x", "x", "y"]}, window=("2016-01-01", "2016-01-11"))
RNG = np.random.default_rng(0)
DRAWS = np.exp(RNG.normal(5, 0.3, (2000, 1)) + RNG.normal(0, 0.2, (2000, 5)))


def estimate(draws=DRAWS, totals=TOTALS, level=0.9, **outcome):
    return estimate_from(Outcome(totals=totals, draws=draws, estimand="expected", **outcome), confidence_level=level)


def test_groups_are_in_the_order_of_the_rows():
    codes, labels = groups_of(TOTALS)
    est = estimate()
    assert [row.labels for row in est.rows[:-1]] == labels == sorted(labels)
    for row, j in zip(est.rows[:-1], range(5), strict=True):
        assert (codes[row.cells] == j).all()
        assert row.value == pytest.approx(DRAWS[:, j].mean(), rel=1e-12)


def test_values_add_up_and_the_total_is_joint():
    est = estimate()
    assert est.value == pytest.approx(sum(row.value for row in est.rows[:-1]), rel=1e-12)
    low, high = est.interval
    assert (low, high) == pytest.approx(np.quantile(DRAWS.sum(axis=1), [0.05, 0.95], method="hazen"), rel=1e-9)
    alone = math.sqrt(sum(DRAWS[:, j].var() for j in range(5)))
    assert math.sqrt(est.law.variance) > 1.2 * alone  # groups move together


def test_what_an_estimate_offers():
    est = estimate()
    assert est.kind == "credible interval"
    assert est.floor == 210.0
    assert est.bounds is None
    assert est.cdf(est.quantile(0.3)) == pytest.approx(0.3, abs=1e-9)
    assert "credible interval" in str(est)
    assert "credible interval for it" in est.summary()
    frame = est.to_frame()
    assert frame["value"].tolist()[:-1] == pytest.approx(DRAWS.mean(axis=0))
    assert est.to_dict()["kind"] == "credible interval"
    assert est.per("day").value == pytest.approx(est.value / 10)
    assert est.concentration(n_resamples=100).shape[0] == 5


def test_intervals_nest_in_the_level():
    widths = [np.diff(estimate(level=level).interval)[0] for level in (0.5, 0.8, 0.9, 0.99)]
    assert widths == sorted(widths)
    assert len(set(widths)) == 4


def test_scaling_scales_everything():
    a, b = estimate(), estimate(1000 * DRAWS)
    assert b.value == pytest.approx(1000 * a.value)
    assert b.interval == pytest.approx([1000 * x for x in a.interval])
    assert b.share("NL", of="country").interval == pytest.approx(a.share("NL", of="country").interval)


def test_a_group_of_one_column_is_the_sum_over_the_other():
    est = estimate().group(country="NL")
    labels = groups_of(TOTALS)[1]
    columns = [j for j, label in enumerate(labels) if label[0] == "NL"]
    assert est.value == pytest.approx(DRAWS[:, columns].sum(axis=1).mean(), rel=1e-12)
    assert est.group(drug="x").value == pytest.approx(DRAWS[:, columns[0]].mean(), rel=1e-12)
    with pytest.raises(DataError, match="no group"):
        est.group(country="US")


def test_shares_are_drawn_jointly():
    est = estimate()
    labels = groups_of(TOTALS)[1]
    nl = DRAWS[:, [j for j, label in enumerate(labels) if label[0] == "NL"]].sum(axis=1) / DRAWS.sum(axis=1)
    share = est.share("NL", of="country")
    assert share.value == pytest.approx(nl.mean(), rel=1e-12)
    assert share.interval == pytest.approx(np.quantile(nl, [0.05, 0.95], method="hazen"), rel=1e-9)
    assert est.shares("country")["value"].sum() == pytest.approx(1.0)
    wider = est.share("NL", of="country", between_group_cv=0.5)
    assert np.diff(wider.interval) > np.diff(share.interval)
    with pytest.raises(DataError, match="no group 'FR'"):
        est.share("FR", of="country")


def test_ratios_of_one_fit_are_joint_and_of_two_are_flagged():
    est = estimate()
    one = est.group(country="NL").ratio(est.group(country="US"))
    assert not one.flags
    assert est.ratio(est).value == 1.0
    assert est.ratio(est).interval is None
    two = est.ratio(estimate(DRAWS[::-1]))
    assert "unrelated" in two.flags[0]
    assert two.value == pytest.approx((DRAWS.sum(axis=1) / DRAWS[::-1].sum(axis=1)).mean(), rel=1e-12)


def test_a_shared_assumption_cancels_in_a_ratio():
    factors = resolve(TOTALS, review_rate=dme.ReviewRate(mean=0.5, standard_error=0.1, between_vendor_sd=0.1), measure="money")
    rate = np.random.default_rng(1).uniform(0.3, 0.7, 2000)
    a, b = (estimate(np.ones((2000, 5)) * k / rate[:, None], factors=factors, shared={"review share": rate}) for k in (1, 3))
    ratio = b.ratio(a)
    assert ratio.value == pytest.approx(3.0)
    assert ratio.interval is None
    assert "one review share for both" in ratio.flags
    assert "one review share for both" not in b.ratio(a, between_group_cv=0.1).flags
    assert a.share("NL", of="country").flags == ("one review share for all groups",)


def test_rates_a_day_are_compared_by_their_own_days():
    month = dme.Totals.from_cells(vendor=["a"], value=[9.0], reviews=[1], currency="USD", window=("2016-01-01", "2016-01-31"))
    week = dme.Totals.from_cells(vendor=["a"], value=[9.0], reviews=[1], currency="USD", window=("2016-02-01", "2016-02-08"))
    a, b = (estimate(np.exp(np.random.default_rng(i).normal(5, 0.3, (500, 1))), t) for i, t in enumerate((month, week)))
    draws = [x.model.draws[:, 0] for x in (a, b)]
    assert a.per("day").ratio(b.per("day")).value == pytest.approx((draws[0] / 30 / (draws[1] / 7)).mean(), rel=1e-12)


def test_the_budget_names_what_the_draws_rest_on():
    rng = np.random.default_rng(2)
    rate = np.exp(rng.normal(0, 0.3, 4000))
    noise = np.exp(rng.normal(0, 0.1, 4000))
    one = dme.Totals.from_cells(vendor=["a"], value=[9.0], reviews=[1], currency="USD")
    table = estimate((noise / rate)[:, None], one, shared={"review share": rate}).budget().set_index("source")
    assert table.loc["review share", "share"] == pytest.approx(0.9, abs=0.02)
    assert table["share"].sum() == pytest.approx(1.0, abs=1e-9)
    low, high = table.loc["review share", ["low", "high"]]
    assert math.log(high / low) == pytest.approx(2 * 1.6449 * 0.1, rel=0.1)
    low, high = table.drop("review share").iloc[0][["low", "high"]]
    assert math.log(high / low) == pytest.approx(2 * 1.6449 * 0.3, rel=0.1)


def test_the_rest_of_the_budget_is_frozen_at_its_mean():
    """Two sources of equal size: without either the interval is as wide as the other alone makes it."""
    rng = np.random.default_rng(3)
    rate, noise = np.exp(rng.normal(0, 0.3, (2, 4000)))
    one = dme.Totals.from_cells(vendor=["a"], value=[9.0], reviews=[1], currency="USD")
    table = estimate((noise / rate)[:, None], one, shared={"review share": rate}).budget()
    assert table["share"].to_numpy() == pytest.approx([0.5, 0.5], abs=0.03)
    width = np.log(table["high"] / table["low"])
    assert width.to_numpy() == pytest.approx(2 * 1.6449 * 0.3, rel=0.06)


def test_the_largest_source_comes_first():
    rng = np.random.default_rng(6)
    rate, noise = np.exp(rng.normal(0, 0.1, 2000)), np.exp(rng.normal(0, 0.3, 2000))
    one = dme.Totals.from_cells(vendor=["a"], value=[9.0], reviews=[1], currency="USD")
    table = estimate((noise / rate)[:, None], one, shared={"review share": rate}).budget()
    assert table["source"].tolist() == ["size law, values, vendors sampled", "review share"]


def test_the_review_share_is_taken_out_by_its_power():
    """A total that goes with the square of a common value: all variance is explained, and none is left without it."""
    rate = np.exp(np.random.default_rng(4).normal(0, 0.2, 2000))
    one = dme.Totals.from_cells(vendor=["a"], value=[9.0], reviews=[1], currency="USD")
    table = estimate((rate**-2)[:, None], one, shared={"review share": rate}).budget().set_index("source")
    assert table.loc["review share", "share"] == pytest.approx(1.0, rel=1e-9)
    assert table.loc["review share", "low"] == pytest.approx(table.loc["review share", "high"], rel=1e-9)
    assert table["share"].sum() == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize("cv", [0.2, 0.5, 1.5])
def test_a_stated_variation_between_groups_is_that_of_two_log_normal_factors(cv):
    """Nothing else varies: ln of the odds, or of the ratio, has the standard deviation sqrt(2 ln(1 + cv^2))."""
    est = estimate(np.tile([10.0, 20, 30, 25, 15], (4001, 1)))
    labels = groups_of(TOTALS)[1]
    inside = sum(x for x, label in zip([10.0, 20, 30, 25, 15], labels, strict=True) if label[0] == "NL")
    share, sd = est.share("NL", of="country", between_group_cv=cv), math.sqrt(2 * math.log(1 + cv**2))
    ends = [math.log(p / (1 - p)) - math.log(inside / (100 - inside)) for p in share.interval]
    assert ends == pytest.approx([-1.6449 * sd, 1.6449 * sd], rel=0.005)
    assert not share.flags
    other = est.group(country="NL").ratio(est.group(country="US"), between_group_cv=cv)
    assert np.diff(np.log(other.interval))[0] == pytest.approx(2 * 1.6449 * sd, rel=0.005)


def test_what_varies_by_little_varies():
    draws = np.full((500, 5), 7.0)
    assert estimate(draws).interval is None
    draws[:, 0] *= 1 + 1e-6 * np.random.default_rng(5).normal(size=500)
    low, high = estimate(draws).interval
    assert 0 < high - low < 1e-4


def test_other_money_is_named():
    assert estimate(currency="EUR").currency == "EUR"
    assert estimate().currency == "USD"


def test_what_cannot_be_is_refused():
    est = estimate()
    with pytest.raises(DataError, match="do not fit the groups"):
        estimate(DRAWS[:, :4])
    with pytest.raises(DataError, match="not finite"):
        estimate(np.where(np.arange(5) == 2, np.inf, DRAWS))
    with pytest.raises(NotSupportedError, match="whole groups"):
        both = dme.Totals.from_cells(vendor=["a", "b"], value=[9.0, 5], reviews=[1, 1], currency="USD")
        estimate(DRAWS[:, :1], both).influence()
    with pytest.raises(NotSupportedError, match="number of draws"):
        est.ratio(estimate(DRAWS[:100]))
    with pytest.raises(NotSupportedError, match="closed form"):
        est.ratio(dme.turnover(TOTALS, review_rate=0.5, estimand="expected"))
    with pytest.raises(DataError, match="differ in unit"):
        est.ratio(est.per("day"))
    with pytest.raises(NotIdentifiedError, match="nothing"):
        estimate(np.zeros((9, 5))).share("NL", of="country")


def test_pictures():
    est = estimate()
    for kind, options in (("forest", {}), ("distribution", {}), ("shares", {"of": "country"}), ("budget", {})):
        ax = est.plot(kind, **options)
        ax.figure.canvas.draw()
        assert ax.has_data()
        import matplotlib.pyplot as plt

        plt.close(ax.figure)
