"""Shares and growth."""

import math

import numpy as np
import pytest
from scipy import special, stats

from darkmarket_estimates import (
    ByGroup,
    DataError,
    ExchangeRate,
    NotIdentifiedError,
    NotSupportedError,
    Range,
    ReviewRate,
    Totals,
    turnover,
)
from darkmarket_estimates.comparison.moved import moved_sums
from darkmarket_estimates.comparison.share import _normal_shifts, odds_mixture
from darkmarket_estimates.distribution.law import NormalLaw
from tests.tables import vendor_totals

RATE = ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.11)
RNG = np.random.default_rng(4)
N = 80
Y = RNG.lognormal(6, 1.2, 2 * N)
VENDOR = [f"v{i}" for i in range(N)] * 2
COUNTRY = np.array(["NL"] * N + ["US"] * N)
COUNTRY[N // 2 : N] = "DE"


def two_groups(y=Y, **options):
    return Totals.from_cells(vendor=VENDOR, value=y, reviews=np.ceil(y / 60), groups={"country": COUNTRY},
                             currency="USD", **options)


@pytest.mark.parametrize("estimand", ["realised", "expected"])
def test_a_share_and_its_complement_mirror(estimand):
    one = Totals.from_cells(vendor=VENDOR, value=Y, reviews=np.ceil(Y / 60), groups={"c": np.where(COUNTRY == "NL", "a", "b")},
                            currency="USD")
    est = turnover(one, review_rate=RATE, estimand=estimand)
    a, b = est.share("a", of="c"), est.share("b", of="c")
    assert a.value + b.value == pytest.approx(1, rel=1e-12)
    assert a.interval == pytest.approx((1 - b.interval[1], 1 - b.interval[0]), rel=1e-6)
    assert a.interval[0] < a.value < a.interval[1]


def test_share_is_that_of_the_money_and_common_factors_cancel():
    totals = two_groups()
    plain = turnover(totals, review_rate=0.44, estimand="expected").share("NL", of="country")
    assert plain.value == pytest.approx(Y[COUNTRY == "NL"].sum() / Y.sum(), rel=1e-12)
    rich = turnover(totals, review_rate=RATE, market_coverage=stats.beta(8, 2), genuine_share=Range(0.5, 1),
                    exchange_rate=ExchangeRate(stats.lognorm(0.2), to="EUR"), estimand="expected").share("NL", of="country")
    assert rich.value == plain.value and rich.interval == pytest.approx(plain.interval, rel=1e-9)
    assert rich.kind == "confidence interval" and "one review share for all groups" in rich.flags


def test_differences_between_groups_widen_a_share():
    est = turnover(two_groups(), review_rate=RATE)
    widths = []
    for cv in (None, 0.01, 0.1, 0.3):
        share = est.share("NL", of="country", between_group_cv=cv)
        widths.append(share.interval[1] - share.interval[0])
        assert ("one review share for all groups" in share.flags) == (cv is None)
    assert widths == sorted(widths) and widths[1] == pytest.approx(widths[0], rel=0.02) and widths[3] > 1.5 * widths[0]


def test_group_factors_alone_give_a_logit_normal_share():
    law = odds_mixture(NormalLaw(0.3, 1e-4), _normal_shifts(0.1))
    s, logit = math.sqrt(2 * math.log1p(0.01)), math.log(0.3 / 0.7)
    for p in (0.025, 0.5, 0.975):
        assert law.quantile(p) == pytest.approx(1 / (1 + math.exp(-(logit + s * stats.norm.ppf(p)))), abs=0.003)


def test_by_group_shares_weigh_each_group():
    totals = two_groups()
    rates = {"NL": 0.4, "DE": 0.5, "US": 0.8}
    est = turnover(totals, review_rate=ByGroup("country", rates), estimand="expected")
    money = {c: Y[c == COUNTRY].sum() / r for c, r in rates.items()}
    share = est.share("US", of="country")
    assert share.value == pytest.approx(money["US"] / sum(money.values()), rel=1e-12)
    assert "one review share for all groups" not in share.flags


def test_realised_share_of_groups_with_their_own_review_shares_against_simulation():
    rates = {"NL": ReviewRate(mean=0.3, between_vendor_sd=0.1), "DE": 0.6, "US": ReviewRate(mean=0.7, between_vendor_sd=0.05)}
    totals = two_groups()
    share = turnover(totals, review_rate=ByGroup("country", rates)).share("NL", of="country")
    rng, n, money = np.random.default_rng(5), 20_000, {}
    labels = np.array(totals.keys["country"].labels)[totals.keys["country"].codes]
    for country, rate in rates.items():
        on = labels == country
        y, q = (totals.columns[name][on] for name in ("value", "price_sq_reviews"))
        if isinstance(rate, float):
            rho = np.full((n, len(y)), rate)
        else:
            s = rate.mean * (1 - rate.mean) / rate.between_vendor_sd**2 - 1
            a, b = rate.mean * s, (1 - rate.mean) * s
            rho = rng.beta(a + 2, b * (a + 1) / a, size=(n, len(y)))
        money[country] = (y + q / y * rng.negative_binomial(y**2 / q, rho)).sum(axis=1)
    drawn = money["NL"] / sum(money.values())
    levels = np.array([0.025, 0.25, 0.5, 0.75, 0.975])
    found = np.array([(drawn <= x).mean() for x in share.quantile(levels)])
    assert np.all(np.abs(found - levels) < 4.5 * np.sqrt(levels * (1 - levels) / n) + 4e-3)
    assert share.kind == "prediction interval" and "one review share for all groups" not in share.flags


def test_uncertain_review_shares_by_group_widen_a_realised_share():
    known = turnover(two_groups(), review_rate=ByGroup("country", {"NL": 0.4, "DE": 0.5, "US": 0.6}))
    unsure = {"NL": ReviewRate(mean=0.4, standard_error=0.06), "DE": 0.5, "US": ReviewRate(mean=0.6, standard_error=0.09)}
    wide = turnover(two_groups(), review_rate=ByGroup("country", unsure)).share("NL", of="country")
    narrow = known.share("NL", of="country")
    assert wide.value == pytest.approx(narrow.value, rel=1e-9)
    # to first order on the log odds: w_DE and w_US are the others' parts of the rest
    money = {c: Y[c == COUNTRY].sum() / r for c, r in {"DE": 0.5, "US": 0.6}.items()}
    added = 0.15**2 + (0.15 * money["US"] / sum(money.values())) ** 2
    own = (np.diff(special.logit(narrow.interval))[0] / 2 / stats.norm.ppf(0.975)) ** 2
    both = np.diff(special.logit(wide.interval))[0] / 2 / stats.norm.ppf(0.975)
    # 400,000 draws of shares, unreviewed sales and the ratio; the first order is 4 % below
    assert both == pytest.approx(0.18908, rel=5e-3) and 1 < both / math.sqrt(own + added) < 1.05


def test_uncertain_group_factors_enter_a_share():
    totals = two_groups()
    known = turnover(totals, review_rate=0.5, market_coverage=ByGroup("country", dict.fromkeys(("NL", "DE", "US"), 0.8)),
                     estimand="expected").share("NL", of="country")
    unknown = turnover(totals, review_rate=0.5, estimand="expected", market_coverage=ByGroup(
        "country", {"NL": stats.beta(8, 2), "DE": 0.8, "US": stats.beta(8, 2)})).share("NL", of="country")
    assert unknown.interval[1] - unknown.interval[0] > 1.05 * (known.interval[1] - known.interval[0])
    assert unknown.kind.startswith("hybrid")


def test_cells_move_with_the_factors_that_act_on_them():
    rng = np.random.default_rng(7)
    values, row, acts = rng.lognormal(size=200), rng.integers(0, 3, 200), rng.random((5, 200)) < 0.4
    logs = rng.normal(size=(16, 5))
    cell_by_cell = values * np.exp(logs @ acts)
    want = np.array([np.bincount(row, one, 3) for one in cell_by_cell])
    assert moved_sums(values, row, 3, list(acts), logs) == pytest.approx(want, rel=1e-12)
    assert moved_sums(values, row, 3, list(acts), 0 * logs) == pytest.approx(np.tile(np.bincount(row, values, 3), (16, 1)))


def test_range_by_group_gives_the_extreme_shares():
    totals = two_groups()
    spec = ByGroup("country", {"NL": Range(0.4, 0.8), "DE": 0.5, "US": Range(0.5, 1.0)})
    share = turnover(totals, review_rate=spec).share("NL", of="country")
    y = {c: Y[c == COUNTRY].sum() for c in ("NL", "DE", "US")}
    grid = [y["NL"] / a / (y["NL"] / a + y["DE"] / 0.5 + y["US"] / b) for a in (0.4, 0.8) for b in (0.5, 1.0)]
    assert share.bounds == pytest.approx((min(grid), max(grid)), rel=1e-12) and math.isnan(share.value)
    with pytest.raises(NotIdentifiedError):
        share.cdf(0.5)


def test_shares_table_adds_up():
    frame = turnover(two_groups(), review_rate=RATE).shares("country")
    assert frame.value.sum() == pytest.approx(1) and list(frame.value) == sorted(frame.value, reverse=True)
    assert ((frame.low < frame.value) & (frame.value < frame.high)).all()


def test_share_of_unknown_group_or_of_nothing():
    est = turnover(two_groups(), review_rate=RATE)
    with pytest.raises(DataError, match="no group 'FR'"):
        est.share("FR", of="country")
    with pytest.raises(NotIdentifiedError, match="by="):
        est.share("NL", of="continent")
    with pytest.raises(NotIdentifiedError, match="nothing"):
        turnover(two_groups(0 * Y), review_rate=RATE).share("NL", of="country")
    assert est.share("NL", of="country", between_group_cv=0.0).interval


def test_floor_has_shares_without_interval():
    share = turnover(two_groups()).share("NL", of="country")
    assert share.interval is None and share.kind == "point" and share.value > 0


def test_one_vendor_split_over_two_groups_gives_the_same_total():
    y, r, names = Y[:40], np.ceil(Y[:40] / 50), [f"v{i}" for i in range(40)]
    q = y**2 / r
    whole = Totals.from_cells(vendor=names, value=y, reviews=r, price_sq_reviews=q, currency="USD")
    split = Totals.from_cells(
        vendor=names * 2, value=np.concatenate([0.3 * y, 0.7 * y]), reviews=np.concatenate([0.3 * r, 0.7 * r]),
        price_sq_reviews=np.concatenate([0.3 * q, 0.7 * q]), groups={"g": ["a"] * 40 + ["b"] * 40}, currency="USD")
    for estimand in ("realised", "expected"):
        a, b = (turnover(t, review_rate=RATE, estimand=estimand).interval for t in (whole, split))
        assert a == pytest.approx(b, rel=1e-8)


# -- growth ---------------------------------------------------------------------------------------------------------

JANUARY, FEBRUARY = ("2016-01-01", "2016-02-01"), ("2016-02-01", "2016-03-01")


def months(second=None, rate=RATE, **options):
    first = vendor_totals(Y[:N], window=JANUARY)
    later = vendor_totals(Y[:N] * 1.5 if second is None else second, window=FEBRUARY)
    return [turnover(t, review_rate=rate, **options) for t in (later, first)]


@pytest.mark.parametrize("estimand", ["realised", "expected"])
def test_growth_joins_vendors(estimand):
    later, first = months(estimand=estimand)
    growth = later.ratio(first)
    assert growth.value == pytest.approx(1.5, rel=1e-12) and "one review share for both" in growth.flags
    if estimand == "expected":  # every vendor grew alike: resampling vendors changes nothing
        assert growth.interval is None or growth.interval == pytest.approx((1.5, 1.5), rel=1e-6)
    else:
        assert growth.interval[0] < 1.5 < growth.interval[1]
        totals = first.model.totals
        apart = Totals.from_cells(vendor=[f"w{i}" for i in range(N)], value=Y[:N] * 1.5,
                                  reviews=totals.columns["reviews"], currency="USD", window=FEBRUARY)
        wider = turnover(apart, review_rate=RATE).ratio(first).interval
        assert wider[1] - wider[0] > 1.2 * (growth.interval[1] - growth.interval[0])


def test_growth_a_day_and_windows_of_different_length():
    later, first = months()
    assert any("different length" in f for f in later.ratio(first).flags)
    a_day = later.per("day").ratio(first.per("day"))
    assert a_day.value == pytest.approx(1.5 * 31 / 29) and not any("different length" in f for f in a_day.flags)
    with pytest.raises(DataError, match="one unit"):
        later.per("day").ratio(first)


def test_a_factor_that_is_stated_alike_cancels_and_others_do_not():
    later, first = months()
    plain = later.ratio(first).interval
    both = [turnover(e.model.totals, review_rate=RATE, market_coverage=stats.beta(8, 2)) for e in (later, first)]
    assert both[0].ratio(both[1]).interval == pytest.approx(plain, rel=1e-6)
    one_sided = both[0].ratio(first)
    assert one_sided.value == pytest.approx(1.5 / 0.8) and one_sided.kind.startswith("hybrid")
    assert one_sided.interval[1] - one_sided.interval[0] > 1.3 * (plain[1] - plain[0]) / 0.8


def test_different_review_shares_are_unrelated_and_flagged():
    _, first = months()
    later = turnover(vendor_totals(Y[:N] * 1.5, window=FEBRUARY), review_rate=ReviewRate(mean=0.5, between_vendor_sd=0.1))
    growth = later.ratio(first)
    assert growth.value == pytest.approx(1.5 * 0.44 / 0.5) and any("unrelated" in f for f in growth.flags)
    assert growth.interval[0] < growth.value < growth.interval[1]


def test_bounds_of_a_ratio():
    later, first = months(rate=Range(0.4, 0.8))
    growth = later.ratio(first)  # one statement for both: it cancels in the value, and the wider law is taken
    assert growth.bounds is None and growth.value == pytest.approx(1.5, rel=1e-9)
    ends = [a.ratio(b).interval for a, b in (months(rate=0.4), months(rate=0.8))]
    assert growth.interval == pytest.approx((min(e[0] for e in ends), max(e[1] for e in ends)), rel=1e-6)
    later = turnover(vendor_totals(Y[:N] * 1.5, window=FEBRUARY), review_rate=Range(0.5, 0.8))
    y = Y[:N].sum()
    want = (1.5 * y / 0.8 / (y / 0.4), 1.5 * y / 0.5 / (y / 0.8))
    assert later.ratio(first).bounds == pytest.approx(want, rel=1e-12)


def test_ratios_that_cannot_be():
    later, first = months()
    with pytest.raises(DataError, match="estimand"):
        turnover(later.model.totals, review_rate=RATE, estimand="expected").ratio(first)
    with pytest.raises(DataError, match="one unit"):
        turnover(later.model.totals, review_rate=RATE, exchange_rate=ExchangeRate(0.9, to="EUR")).ratio(first)
    with pytest.raises(NotIdentifiedError, match="nothing"):
        later.ratio(turnover(vendor_totals(0 * Y[:5], window=JANUARY), review_rate=RATE))
    hidden = turnover(first.model.totals.anonymised(), review_rate=RATE)
    with pytest.raises(DataError, match="vendor_key="):
        later.ratio(hidden)
    two = {"review_rate": ByGroup("country", {"NL": Range(0.4, 0.5), "DE": 0.5, "US": 0.8}),
           "units_per_order": ByGroup("size", {"small": Range(1, 2), "large": 1.0})}
    crossed = [Totals.from_cells(vendor=VENDOR, value=y, reviews=np.ceil(y / 60), currency="USD", groups={
        "country": COUNTRY, "size": np.where(Y > 400, "large", "small")}, window=w) for y, w in ((Y, JANUARY), (2 * Y, FEBRUARY))]
    with pytest.raises(NotSupportedError, match="two columns"):
        turnover(crossed[0], **two).ratio(turnover(crossed[1], **two))


def apart(y=Y, window=JANUARY):
    """Vendors of one country each."""
    return Totals.from_cells(vendor=[f"v{i}" for i in range(2 * N)], value=y, reviews=np.ceil(y / 60),
                             groups={"country": COUNTRY}, currency="USD", window=window)


@pytest.mark.parametrize("estimand", ["realised", "expected"])
def test_growth_under_review_shares_by_group(estimand):
    later = apart(Y * np.where(COUNTRY == "NL", 1.5, 0.8), FEBRUARY)

    def growth(rates, other=None):
        return turnover(later, review_rate=ByGroup("country", rates), estimand=estimand).ratio(
            turnover(apart(), review_rate=ByGroup("country", other or rates), estimand=estimand))

    rates = {"NL": 0.3, "DE": 0.5, "US": 0.8}
    one = growth(rates)
    money = {c: Y[c == COUNTRY].sum() / r for c, r in rates.items()}
    want = (1.5 * money["NL"] + 0.8 * (money["DE"] + money["US"])) / sum(money.values())
    assert one.value == pytest.approx(want, rel=1e-12) and one.interval[0] < want < one.interval[1]
    assert "one review share for both" in one.flags
    # one number for every group is a common share: these vendors have one group each
    alike, common = growth(dict.fromkeys(rates, 0.5)), turnover(later, review_rate=0.5, estimand=estimand).ratio(
        turnover(apart(), review_rate=0.5, estimand=estimand))
    assert alike.interval == pytest.approx(common.interval, rel=2e-4)
    # stated differently in the two windows, a group's vendors are unrelated there: wider where sales are what is unknown
    differently = growth({**rates, "NL": 0.33}, rates)
    assert differently.value == pytest.approx((1.5 * money["NL"] / 1.1 + 0.8 * (money["DE"] + money["US"]))
                                              / sum(money.values()), rel=1e-12)
    assert any("different review shares" in flag for flag in differently.flags) == (estimand == "realised")


def test_uncertain_shares_by_group_cancel_as_far_as_groups_grow_alike():
    unsure = {c: ReviewRate(mean=m, standard_error=0.1 * m) for c, m in {"NL": 0.3, "DE": 0.5, "US": 0.6}.items()}
    known = {c: rate.mean for c, rate in unsure.items()}

    def growth(rates, factor, other=None):
        return turnover(apart(Y * factor, FEBRUARY), review_rate=ByGroup("country", rates)).ratio(
            turnover(apart(), review_rate=ByGroup("country", other or rates)))

    # where all groups grow alike the place is known; the width of the law moves with the shares
    (low, high), (inner, upper) = growth(unsure, 1.5).interval, growth(known, 1.5).interval
    assert inner * (1 - 1e-3) < low < inner and upper < high < upper * (1 + 1e-3)
    unlike = np.where(COUNTRY == "NL", 2.0, 0.5)
    money = {c: Y[c == COUNTRY].sum() / r for c, r in known.items()}
    later = {c: m * (2.0 if c == "NL" else 0.5) for c, m in money.items()}
    tilt = {c: later[c] / sum(later.values()) - money[c] / sum(money.values()) for c in money}

    def deviation(ratio):
        return np.diff(np.log(ratio.interval))[0] / 2 / stats.norm.ppf(0.975)

    own, both = (deviation(growth(rates, unlike)) for rates in (known, unsure))
    assert both == pytest.approx(math.sqrt(own**2 + 0.1**2 * sum(t**2 for t in tilt.values())), rel=0.03)
    # stated on one side alone nothing cancels
    one_sided, same_numbers = growth(unsure, 1.5, known), growth({c: r * (1 + 1e-9) for c, r in known.items()}, 1.5, known)
    parts = np.array(list(money.values())) / sum(money.values())
    assert deviation(one_sided) == pytest.approx(math.hypot(deviation(same_numbers), 0.1 * math.sqrt(parts @ parts)), rel=0.03)


@pytest.mark.parametrize("estimand", ["realised", "expected"])
def test_intervals_of_comparisons_nest(estimand):
    later, first = months(Y[:N] * RNG.lognormal(0.3, 0.5, N), estimand=estimand, confidence_level=0.8)
    growth = later.ratio(first)
    share = turnover(two_groups(), review_rate=RATE, estimand=estimand, confidence_level=0.8).share("NL", of="country")
    for one in (growth, share):
        q = one.quantile([0.005, 0.025, 0.1, 0.25, 0.75, 0.9, 0.975, 0.995])
        assert (np.diff(q) > 0).all() and one.interval == pytest.approx((q[2], q[5]), rel=1e-9)


def test_realised_growth_read_backwards_mirrors():
    # each vendor grows by a little: what is left of it must not look like a rare huge jump
    for change in (1.0, 1.1):
        later, first = months(Y[:N] * change, rate=ReviewRate(mean=0.44, between_vendor_sd=0.13))
        low, high = later.ratio(first).interval
        back = first.ratio(later).interval
        assert (1 / high, 1 / low) == pytest.approx(back, rel=0.01)


def test_realised_growth_against_simulation():
    # 80 vendors, one share a vendor for both months: P(A <= r B) by drawing the predictive law itself
    later, first = months(Y[:N], rate=ReviewRate(mean=0.44, between_vendor_sd=0.13))
    a, b = (e.model.totals for e in (later, first))
    rng = np.random.default_rng(3)
    s = 0.44 * 0.56 / 0.13**2 - 1
    alpha, beta = 0.44 * s, 0.56 * s
    rho = rng.beta(alpha + 2, beta * (alpha + 1) / alpha, size=(20_000, N))
    draws = []
    for t in (a, b):
        y, q = t.columns["value"], t.columns["price_sq_reviews"]
        unseen = rng.negative_binomial(y**2 / q, rho)
        draws.append((y + q / y * unseen).sum(axis=1))
    want = np.quantile(draws[0] / draws[1], [0.025, 0.975])
    assert later.ratio(first).interval == pytest.approx(tuple(want), rel=0.012)


def test_part_over_whole_is_a_share():
    est = turnover(two_groups(), review_rate=RATE)
    with pytest.raises(DataError, match=r"est\.share"):
        est.group(country="NL").ratio(est)
    between = est.group(country="NL").ratio(est.group(country="US"))
    assert between.interval[0] < between.value < between.interval[1]


@pytest.mark.parametrize("side", [0, 1])
def test_a_factor_on_one_side_enters_with_its_own_power(side):
    totals = [vendor_totals(Y[:N], counted="sold"), vendor_totals(2 * Y[:N], counted="sold", window=JANUARY)]
    law = stats.beta(8, 2)
    pair = [turnover(t, market_coverage=law if i == side else None) for i, t in enumerate(totals)]
    low, high = pair[0].ratio(pair[1]).interval
    q = law.ppf([0.025, 0.975])
    want = 0.5 / q[::-1] if side == 0 else 0.5 * q
    assert (low, high) == pytest.approx(tuple(want), rel=2e-3)


def test_what_stated_alike_totals_may_differ_by():
    pair = [turnover(vendor_totals(k * Y[:N], counted="sold", window=w)) for k, w in ((2, FEBRUARY), (1, JANUARY))]
    low, high = pair[0].ratio(pair[1], between_group_cv=0.1).interval
    s = 1.959963984540054 * math.sqrt(2 * math.log1p(0.01))
    assert (low, high) == pytest.approx((2 * math.exp(-s), 2 * math.exp(s)), rel=2e-3)


def test_a_range_that_both_state_and_shares_that_differ():
    pair = [turnover(vendor_totals(Y[:N], window=w), review_rate=ReviewRate(mean=m, between_vendor_sd=0.1),
                     market_coverage=Range(0.5, 1.0)) for w, m in ((FEBRUARY, 0.5), (JANUARY, 0.4))]
    growth = pair[0].ratio(pair[1])
    assert growth.value == pytest.approx(0.8) and growth.interval[0] < 0.8 < growth.interval[1]


def test_prints_and_dict():
    later, first = months()
    growth = later.ratio(first)
    assert "95% prediction interval" in str(growth) and growth.to_dict()["interval"] == list(growth.interval)
    assert growth.cdf(growth.median) == pytest.approx(0.5, abs=1e-6)
    share = turnover(two_groups(), review_rate=RATE).share("NL", of="country")
    assert "%" in str(share) and "NL in realised turnover" in repr(share)


@pytest.mark.parametrize("what", ["interval", "spread_law", "measure", "estimand"])
def test_both_sides_of_a_ratio_are_computed_alike(what):
    other = {"interval": "delta", "spread_law": "conservative", "measure": "orders", "estimand": "expected"}[what]
    first = vendor_totals(Y[:N], window=JANUARY)
    later = turnover(vendor_totals(Y[:N], window=FEBRUARY), review_rate=RATE, **{what: other})
    with pytest.raises(DataError, match=f"differ in {what}"):
        later.ratio(turnover(first, review_rate=RATE))


def test_an_interval_a_day_is_the_interval_times_the_days():
    later, first = months()
    whole, a_day = later.ratio(first), later.per("day").ratio(first.per("day"))
    assert a_day.interval == pytest.approx(tuple(31 / 29 * end for end in whole.interval), rel=1e-9)


def test_a_range_on_both_sides_does_not_widen_bounds_that_another_range_makes():
    both, one = {"market_coverage": Range(0.5, 0.8)}, {"genuine_share": Range(0.7, 0.9)}
    later = turnover(vendor_totals(Y[:N] * 1.5, window=FEBRUARY), review_rate=0.5, **both, **one)
    first = turnover(vendor_totals(Y[:N], window=JANUARY), review_rate=0.5, **both)
    assert later.ratio(first).bounds == pytest.approx((1.5 * 0.7, 1.5 * 0.9), rel=1e-12)


def test_a_share_that_one_side_alone_states_is_not_one_for_both():
    later, first = months()
    for growth in (later.ratio(turnover(first.model.totals)), turnover(later.model.totals).ratio(first)):
        assert "one review share for both" not in growth.flags and growth.interval is None and growth.kind == "point"


def test_shares_alike_in_the_mean_alone_are_not_one_statement():
    first, later = vendor_totals(Y[:N], window=JANUARY), vendor_totals(Y[:N], window=FEBRUARY)
    def rate(sd):
        return ReviewRate(mean=stats.beta(44, 56), between_vendor_sd=sd)
    same = turnover(later, review_rate=rate(0.1)).ratio(turnover(first, review_rate=rate(0.1)))
    other = turnover(later, review_rate=rate(0.2)).ratio(turnover(first, review_rate=rate(0.1)))
    assert "one review share for both" in same.flags and "one review share for both" not in other.flags


def test_laws_of_one_name_with_other_parameters_do_not_cancel():
    first, later = vendor_totals(Y[:N], window=JANUARY), vendor_totals(Y[:N], window=FEBRUARY)
    laws = stats.beta(8, 2), stats.beta(80, 20)
    pair = [turnover(t, review_rate=RATE, market_coverage=law) for t, law in zip((later, first), laws)]
    plain = turnover(later, review_rate=RATE).ratio(turnover(first, review_rate=RATE)).interval
    low, high = pair[0].ratio(pair[1]).interval
    assert high - low > 1.5 * (plain[1] - plain[0])


@pytest.mark.parametrize("estimand", ["realised", "expected"])
def test_a_range_that_both_sides_state_leaves_the_interval_alone(estimand):
    totals = [vendor_totals(Y[i * N : (i + 1) * N], window=w) for i, w in enumerate((FEBRUARY, JANUARY))]
    plain, ranged = ([turnover(t, review_rate=RATE, estimand=estimand, **more) for t in totals]
                     for more in ({}, {"market_coverage": Range(0.5, 1.0)}))
    assert ranged[0].ratio(ranged[1]).interval == pytest.approx(plain[0].ratio(plain[1]).interval, rel=1e-6)


@pytest.mark.parametrize("more", [{}, {"market_coverage": stats.beta(40, 10)}], ids=["share", "share-and-coverage"])
def test_counted_sales_over_reviewed_ones_are_uncertain_on_one_side(more):
    sold = turnover(vendor_totals(2 * Y[:N], counted="sold", window=FEBRUARY))
    reviewed = turnover(vendor_totals(Y[:N], window=JANUARY), review_rate=RATE, **more)
    growth = sold.ratio(reviewed)
    low, high = reviewed.interval
    assert growth.value == pytest.approx(2 * 0.44 * (0.8 if more else 1))
    assert growth.interval == pytest.approx((sold.value / high, sold.value / low), rel=5e-3)
    back = reviewed.ratio(sold).interval
    assert (1 / back[1], 1 / back[0]) == pytest.approx(growth.interval, rel=5e-3)


def test_counted_sales_have_shares_and_ratios_without_an_interval():
    share = turnover(two_groups(counted="sold")).share("NL", of="country")
    assert share.kind == "point" and share.interval is None and share.law.variance == 0
    later, first = (turnover(vendor_totals(k * Y[:N], counted="sold", window=w)) for k, w in ((1, FEBRUARY), (2, JANUARY)))
    growth = later.ratio(first)
    assert growth.kind == "point" and growth.interval is None and growth.value == pytest.approx(0.5)


@pytest.mark.parametrize("rate", [0.5, Range(0.4, 0.8)], ids=["number", "range"])
def test_an_empty_total_has_its_probability(rate):
    few = Totals.from_cells(vendor=list("abc"), value=[3.0, 2.0, 1.0], reviews=[3, 2, 1], groups={"c": list("xxy")},
                            currency="USD")
    share = turnover(few, review_rate=rate, estimand="expected").share("y", of="c")
    assert share.no_denominator == pytest.approx(math.exp(-3), rel=1e-9)


def test_what_groups_are_said_to_differ_by_is_a_prior():
    est = turnover(two_groups(), review_rate=ReviewRate(mean=0.44, between_vendor_sd=0.11))
    assert est.share("NL", of="country").kind == "prediction interval"
    assert est.share("NL", of="country", between_group_cv=0.1).kind == "hybrid prediction interval"


def test_the_default_of_a_comparison_is_the_wider_of_bca_and_tail_at_each_end():
    y = np.random.default_rng(1).lognormal(5, 0.5, 80)
    totals = Totals.from_cells(vendor=[f"v{i}" for i in range(80)], value=y, reviews=np.ones(80),
                               groups={"c": ["a"] * 40 + ["b"] * 40}, currency="USD")
    ends = {m: turnover(totals, review_rate=0.5, estimand="expected", interval=m).share("a", of="c").interval
            for m in ("bca-tail", "bca", "tail", "compound-poisson")}
    assert ends["tail"][0] < 0.99 * ends["bca"][0] and ends["tail"][1] < 0.9995 * ends["bca"][1]
    assert ends["bca-tail"] == pytest.approx((ends["tail"][0], ends["bca"][1]), rel=1e-6)
    assert len({round(low, 6) for low, _ in ends.values()}) == 3  # the default shares its low end with the tail rule


def test_all_and_nothing_are_shares_without_an_interval():
    totals = Totals.from_cells(vendor=list("abcd"), value=[5.0, 3.0, 0.0, 0.0], reviews=[5, 3, 0, 0],
                               groups={"c": list("xxyy")}, currency="USD")
    for estimand in ("realised", "expected"):
        est = turnover(totals, review_rate=RATE, estimand=estimand)
        for label, value in (("x", 1.0), ("y", 0.0)):
            share = est.share(label, of="c")
            assert (share.value, share.interval, share.kind, share.law) == (value, None, "point", None)


@pytest.mark.parametrize(("n", "flagged"), [(29, True), (30, False)])
def test_fewer_than_30_effective_vendors_on_a_side_are_indicative(n, flagged):
    y, names = np.full(n + 50, 100.0), [f"v{i}" for i in range(n + 50)]
    totals = Totals.from_cells(vendor=names, value=y, reviews=np.ones(n + 50), currency="USD",
                               groups={"c": ["a"] * n + ["b"] * 50})
    share = turnover(totals, review_rate=0.5, estimand="expected").share("a", of="c")
    assert any(f.startswith("indicative") for f in share.flags) == flagged
    small, large = (turnover(vendor_totals(np.full(k, 100.0), window=w), review_rate=0.5, estimand="expected")
                    for k, w in ((n, FEBRUARY), (50, JANUARY)))
    assert any(f.startswith("indicative") for f in small.ratio(large).flags) == flagged
    realised = turnover(totals, review_rate=0.5).share("a", of="c")
    assert not any(f.startswith("indicative") for f in realised.flags)


def test_flags_say_what_a_ratio_leaves_open_and_no_more():
    later, first = months()
    assert "one review share for both" not in later.ratio(first, between_group_cv=0.1).flags
    other = [turnover(vendor_totals(Y[:N], window=w), review_rate=m, estimand="expected")
             for w, m in ((FEBRUARY, 0.5), (JANUARY, 0.4))]
    assert not any("unrelated" in f for f in other[0].ratio(other[1]).flags)  # x = y / share: vendors in both stay joined


def test_no_interval_is_asked_for_and_none_is_given():
    est = turnover(two_groups(), review_rate=RATE, interval=None)
    assert est.share("NL", of="country").interval is None and est.share("NL", of="country").kind == "point"


def test_differences_between_groups_are_all_that_is_uncertain_of_counted_sales():
    est = turnover(two_groups(counted="sold"))
    share = est.share("NL", of="country", between_group_cv=0.1)
    s, logit = 1.959963984540054 * math.sqrt(2 * math.log1p(0.01)), math.log(share.value / (1 - share.value))
    want = [1 / (1 + math.exp(-(logit + sign * s))) for sign in (-1, 1)]
    assert share.interval == pytest.approx(tuple(want), rel=2e-3) and share.kind == "hybrid prediction interval"
    law = stats.beta(80, 20)
    covered = turnover(two_groups(counted="sold"), market_coverage=ByGroup("country", {"NL": law, "DE": 0.8, "US": 0.8}))
    y = {c: Y[c == COUNTRY].sum() for c in ("NL", "DE", "US")}
    def at(p):
        nl = y["NL"] / law.ppf(p)
        return nl / (nl + (y["DE"] + y["US"]) / 0.8)
    share = covered.share("NL", of="country")
    assert share.interval == pytest.approx((at(0.975), at(0.025)), rel=2e-3) and share.kind.startswith("hybrid")


def test_stated_and_fitted_differences_between_groups_add_up():
    uncertain = {"market_coverage": ByGroup("country", {"NL": stats.beta(80, 20), "DE": 0.8, "US": 0.8})}
    def spread(cv, **more):
        low, high = turnover(two_groups(counted="sold"), **more).share("NL", of="country", between_group_cv=cv).interval
        return math.log(high / (1 - high)) - math.log(low / (1 - low))
    both, one, other = spread(0.05, **uncertain), spread(0.05), spread(None, **uncertain)
    assert both == pytest.approx(math.hypot(one, other), rel=0.02)


def test_a_shift_of_the_log_odds_upwards_moves_a_share_upwards():
    law = odds_mixture(NormalLaw(0.3, 1e-3), np.array([0.0, 0.0, 0.0, 1.0]))
    up = 1 / (1 + math.exp(-(math.log(0.3 / 0.7) + 1)))
    assert law.quantile(0.5) == pytest.approx(0.3, abs=0.002) and law.quantile(0.95) == pytest.approx(up, abs=0.002)


def test_the_tails_of_a_share_are_kept():
    law = NormalLaw(0.3, 0.02)
    shifted = odds_mixture(law, np.array([-1e-9, 1e-9]))
    for p in (0.001, 0.5, 0.999):
        assert shifted.quantile(p) == pytest.approx(law.quantile(p), abs=2e-4)


@pytest.mark.parametrize("seed", range(5))
def test_extreme_shares_are_those_of_the_best_corner(seed):
    rng = np.random.default_rng(seed)
    y = rng.lognormal(5, 2, (2, 4))
    totals = Totals.from_cells(vendor=[f"v{i}" for i in range(8)], value=y.ravel(), reviews=np.ones(8), currency="USD",
                               groups={"kind": ["a"] * 4 + ["b"] * 4, "country": list("wxyz") * 2})
    ranges = {c: Range(*sorted(rng.uniform(0.05, 1, 2))) for c in "wxyz"}
    bounds = turnover(totals, review_rate=ByGroup("country", ranges), interval=None).share("a", of="kind").bounds
    corners = [(y[0] / rates).sum() / (y / rates).sum()
               for rates in np.array(np.meshgrid(*((r.low, r.high) for r in ranges.values()))).reshape(4, -1).T]
    assert bounds == pytest.approx((min(corners), max(corners)), rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_extreme_ratios_are_those_of_the_best_corner(seed):
    rng = np.random.default_rng(seed)
    y, names = rng.lognormal(5, 2, (2, 4)), ("wxyz", "vwxy")  # a group each that the other window has not
    first, second = (Totals.from_cells(vendor=[f"v{i}" for i in range(4)], value=own, reviews=np.ones(4), currency="USD",
                                       groups={"country": list(text)}) for own, text in zip(y, names, strict=True))
    shares = {c: Range(*sorted(rng.uniform(0.05, 1, 2))) for c in "vwxyz"}
    genuine, coverage = Range(0.7, 0.9), Range(0.5, 0.8)  # of the first alone, and of both
    estimates = [turnover(t, review_rate=ByGroup("country", {c: shares[c] for c in text}), market_coverage=coverage,
                          interval=None, **more)
                 for t, text, more in zip((first, second), names, ({"genuine_share": genuine}, {}), strict=True)]
    corners = []
    for ends in np.array(np.meshgrid(*((r.low, r.high) for r in shares.values()))).reshape(5, -1).T:
        rate = dict(zip(shares, ends, strict=True))
        top, bottom = (sum(v / rate[c] for v, c in zip(own, text, strict=True)) for own, text in zip(y, names, strict=True))
        corners += [top * g / bottom for g in (0.7, 0.9)]
    ratio = estimates[0].ratio(estimates[1])
    assert ratio.bounds == pytest.approx((min(corners), max(corners)), rel=1e-12) and ratio.kind == "bounds"


def test_bounds_of_a_ratio_say_which_distributions_they_leave_out():
    later, first = months()
    ranged, unsure = {"genuine_share": Range(0.5, 1)}, {"market_coverage": stats.beta(8, 2)}
    def flags(**more):
        return turnover(later.model.totals, review_rate=0.5, **more).ratio(turnover(first.model.totals, review_rate=0.5)).flags
    assert any("bounds of the Ranges alone" in f and "market coverage" in f for f in flags(**ranged, **unsure))
    assert not any("bounds of the Ranges alone" in f for f in (*flags(**ranged), *flags(**unsure)))


def test_bounds_say_which_distributions_they_leave_out():
    spec = {"NL": Range(0.4, 0.8), "DE": 0.5, "US": 0.5}
    alone = turnover(two_groups(), review_rate=ByGroup("country", spec), interval=None).share("NL", of="country")
    assert not any("bounds of the Ranges alone" in f for f in alone.flags)
    mixed = turnover(two_groups(), review_rate=ByGroup("country", {**spec, "DE": stats.beta(50, 50)}),
                     interval=None).share("NL", of="country")
    assert any("bounds of the Ranges alone" in f for f in mixed.flags)


def test_one_factor_for_each_group_that_is_the_same_leaves_a_share_alone():
    plain = turnover(two_groups(), review_rate=RATE).share("NL", of="country").interval
    alike = turnover(two_groups(), review_rate=RATE,
                     market_coverage=ByGroup("country", dict.fromkeys(("NL", "DE", "US"), 0.5))).share("NL", of="country")
    assert alike.interval == pytest.approx(plain, rel=1e-6)


def test_a_share_under_a_range_of_review_shares_is_the_hull_of_those_at_its_ends():
    size = 0.55 * 0.45 / 0.1**2  # s + 1 at the middle, kept at both ends
    def share(rate):
        return turnover(two_groups(), review_rate=rate).share("NL", of="country").interval
    ends = [share(ReviewRate(mean=m, between_vendor_sd=math.sqrt(m * (1 - m) / size))) for m in (0.3, 0.8)]
    whole = share(ReviewRate(mean=Range(0.3, 0.8), between_vendor_sd=0.1))
    assert whole == pytest.approx((min(e[0] for e in ends), max(e[1] for e in ends)), rel=1e-6)
