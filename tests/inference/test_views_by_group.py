"""Budgets, growth and unseen listings of many groups in one pass: the numbers of one group at a time."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import darkmarket_estimates as dme
from darkmarket_estimates import ByGroup, Range, ReviewRate, Totals, turnover
from darkmarket_estimates.distribution import ratios
from darkmarket_estimates.errors import DataError, NotIdentifiedError, NotSupportedError
from darkmarket_estimates.inference import laws as laws_module
from darkmarket_estimates.undetected import covered

RATE = ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.11)
JANUARY, FEBRUARY = ("2016-01-01", "2016-02-01"), ("2016-02-01", "2016-03-01")
NUMBERS = ["share", "variance", "low", "high", "money"]


def table(seed: int = 1, window: tuple[str, str] = JANUARY, countries: int = 5) -> Totals:
    rng = np.random.default_rng(seed)
    n = 150
    market, country = rng.integers(0, 3, n), rng.integers(0, countries, n)
    reviews, price = 1 + rng.poisson(4, n), rng.lognormal(4, 1, n)
    return Totals.from_cells(vendor=[f"v{v}" for v in rng.integers(0, 60, n)], value=price * reviews, reviews=reviews,
                             currency="USD", window=window,
                             groups={"market": [f"m{i}" for i in market], "country": [f"c{i}" for i in country]})


TABLE = table()
MARKETS = {f"m{i}": ReviewRate(mean=0.4 + 0.05 * i, standard_error=0.02, between_vendor_sd=0.11) for i in range(3)}
CASES = {
    "uncertain share": {"review_rate": RATE},
    "and coverage": {"review_rate": RATE, "market_coverage": stats.beta(80, 20)},
    "shares by market": {"review_rate": ByGroup("market", MARKETS)},
    "a range": {"review_rate": Range(0.4, 0.5), "genuine_share": stats.beta(90, 10)},
    "expected": {"review_rate": RATE, "estimand": "expected", "interval": "bca"},
    "a floor": {},
}


def numbers(frame: pd.DataFrame) -> np.ndarray:
    return frame.set_index("source")[NUMBERS].sort_index().to_numpy(dtype=float)


@pytest.mark.parametrize("case", CASES)
def test_the_budget_of_a_group_is_its_own(case: str) -> None:
    est = turnover(TABLE, **CASES[case])
    found = est.budget(by_group=True)
    assert list(found.columns[:3]) == ["market", "country", "kind"]
    whole = found[found.market == "(all)"]
    assert numbers(whole) == pytest.approx(numbers(est.budget()), rel=1e-10, nan_ok=True)
    for row in est.rows[:-1:4]:
        labels = dict(zip(est.by, row.labels, strict=True))
        here = found[(found.market == labels["market"]) & (found.country == labels["country"])]
        one = est.group(**labels).budget()
        assert list(here.source) == list(one.source)
        assert numbers(here) == pytest.approx(numbers(one), rel=1e-10, nan_ok=True)


def test_a_budget_without_groups_is_the_total() -> None:
    est = turnover(TABLE, review_rate=RATE).group(market="m0", country="c1")
    found = est.budget(by_group=True)
    assert len(found) == 2 * len(est.budget()) and numbers(found.iloc[: len(found) // 2]) == pytest.approx(
        numbers(est.budget()), rel=1e-12, nan_ok=True)


def test_parts_that_models_share_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    plain = laws_module._over_share
    monkeypatch.setattr(laws_module, "_over_share", lambda *args: asked.append(1) or plain(*args))
    est = turnover(TABLE, **CASES["shares by market"])
    asked.clear()
    est.budget()
    # three parts for each of: the share of one market frozen (2 of the 3 parts come again), spread and unreviewed sales
    assert len(asked) == 3 * 3 - 3 + 2 * 3
    assert len(asked) < 5 * 3


# -- growth ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [
    {"review_rate": RATE}, {"review_rate": RATE, "market_coverage": stats.beta(80, 20)}, {"review_rate": Range(0.4, 0.5)},
    {"review_rate": RATE, "market_coverage": Range(0.5, 0.8)},
    {"review_rate": 0.44, "estimand": "expected", "interval": "bca"}, {"review_rate": 0.44, "estimand": "expected"},
    {"review_rate": 0.44, "estimand": "expected", "interval": "tail"}, {},
], ids=["share", "and-coverage", "range", "and-range", "bca", "bca-tail", "tail", "floor"])
@pytest.mark.parametrize("cv", [None, 0.1], ids=["common", "between"])
def test_growth_of_a_group_is_its_own(case: dict[str, object], cv: float | None) -> None:
    later, first = (turnover(table(seed, window), **case) for seed, window in ((2, FEBRUARY), (3, JANUARY)))
    found = later.ratios(first, between_group_cv=cv).set_index(["market", "country"])
    assert found.index[-1] == ("(all)", "(all)")
    singles = [(names, later.group(market=names[0], country=names[1]).ratio(
        first.group(market=names[0], country=names[1]), between_group_cv=cv)) for names in found.index[:-1:6]]
    for names, one in (*singles, (("(all)", "(all)"), later.ratio(first, between_group_cv=cv))):
        row = found.loc[names]
        low, high = one.bounds or one.interval or (math.nan, math.nan)
        assert (row.value, row.low, row.high) == pytest.approx((one.value, low, high), rel=1e-10, nan_ok=True)
        assert (row["kind"], row["flags"]) == (one.kind, "; ".join(one.flags))


def test_growth_by_one_of_the_columns() -> None:
    later, first = (turnover(table(seed, window), review_rate=RATE) for seed, window in ((2, FEBRUARY), (3, JANUARY)))
    found = later.ratios(first, by="country")
    assert list(found.country) == ["c0", "c1", "c2", "c3", "c4", "(all)"]
    one = later.group(country="c2").ratio(first.group(country="c2"))
    assert (found.value[2], found.low[2], found.high[2]) == pytest.approx((one.value, *one.interval), rel=1e-10)
    months = later.group(market="m0").ratios(later.group(market="m1"), by="country")
    assert months.value.iloc[-1] == pytest.approx(later.group(market="m0").value / later.group(market="m1").value)


def test_a_group_that_one_side_lacks_is_flagged() -> None:
    later, first = (turnover(table(seed, window, countries), review_rate=RATE)
                    for seed, window, countries in ((2, FEBRUARY, 3), (3, JANUARY, 4)))
    lost, new = later.ratios(first, by="country"), first.ratios(later, by="country")
    assert lost.value[3] == 0 and lost["flags"][3] == "nothing was seen in the first"
    assert math.isnan(new.value[3]) and new["flags"][3] == "nothing was seen in the second"
    assert lost[["low", "high"]].iloc[3].isna().all()


def test_growth_scales_with_the_units_and_nests() -> None:
    later, first = (turnover(table(seed, window), review_rate=RATE) for seed, window in ((2, FEBRUARY), (3, JANUARY)))
    daily = later.per("day").ratios(first.per("day"), by="country")
    plain = later.ratios(first, by="country")
    for column in ("value", "low", "high"):
        assert daily[column].to_numpy() == pytest.approx(plain[column].to_numpy() * 31 / 29, rel=1e-9)
    wide = turnover(table(2, FEBRUARY), review_rate=RATE, confidence_level=0.99).ratios(first, by="country")
    assert (wide.low < plain.low).all() and (wide.high > plain.high).all()


def test_what_cannot_be_compared_is_refused() -> None:
    est = turnover(TABLE, review_rate=RATE)
    with pytest.raises(DataError, match="same sales"):
        est.ratios(est)
    whole = turnover(Totals.from_cells(vendor=["a"], value=[1.0], reviews=[1], currency="USD"), review_rate=RATE)
    with pytest.raises(DataError, match="no group"):
        est.ratios(whole)
    with pytest.raises(NotIdentifiedError, match="not grouped by"):
        est.ratios(whole, by="country")
    with pytest.raises(DataError, match="differ in estimand"):
        est.ratios(turnover(table(2, FEBRUARY), review_rate=RATE, estimand="expected"))


@pytest.mark.parametrize("nested", [True, False], ids=["shares", "growth"])
def test_many_ratios_are_the_single_ones(nested: bool) -> None:
    rng = np.random.default_rng(8)
    sizes = [3, 12, 40, 5, 6, 7]
    start = np.cumsum([0, *sizes])
    b = rng.lognormal(3, 1, start[-1])
    part = np.repeat([0.3, 0.9, 0.4, 0.0, 1.0, 0.5], sizes)  # a large share, nothing, and all of it among them
    a = b * (rng.random(len(b)) < part) if nested else rng.lognormal(3, 1, len(b)) * (part > 0)
    a[start[4] : start[5]] = b[start[4] : start[5]]
    price = rng.lognormal(1, 0.5, len(b))
    ends = np.array([0.025, 0.5, 0.975])
    realised = ratios.ratios_realised([ratios.Stratum(a, b, a * price, b * price, start, 0.44, 0.11)], nested=nested)
    expected = {m: ratios.ratios_expected(a, b, start, method=m) for m in ratios.METHODS}
    for i in range(len(sizes)):
        one = slice(start[i], start[i + 1])
        single = ratios.ratio_realised(a[one], b[one], (a * price)[one], (b * price)[one], 0.44, 0.11, nested=nested)
        assert realised[i].value == pytest.approx(single.value, rel=1e-14)
        assert realised[i].quantile(ends) == pytest.approx(single.quantile(ends), rel=1e-11)
        for method, laws in expected.items():
            single = ratios.ratio_expected(a[one], b[one], method=method)
            assert laws[i].quantile(ends) == pytest.approx(single.quantile(ends), rel=1e-11)
            assert laws[i].no_denominator == single.no_denominator


# -- unseen listings ------------------------------------------------------------------------------------------------


def captured(seed: int, n: int = 400, t: int = 4) -> tuple[pd.DataFrame, dict[str, float]]:
    """Listings of two countries of which the dear ones are caught less often, and the true shares."""
    rng = np.random.default_rng(seed)
    country = rng.random(n) < 0.4
    price = rng.lognormal(np.where(country, 4.5, 3.5), 0.6)
    reviews = 1 + rng.poisson(3, n)
    chance = 1 / (1 + np.exp(-(1.2 - 0.5 * np.log(price) + 0.8)))
    k = rng.binomial(t, chance)
    value = price * reviews
    frame = pd.DataFrame({"price": price, "reviews": reviews, "seller": [f"s{i}" for i in range(n)], "id": np.arange(n),
                          "country": np.where(country, "NL", "US"), "k": k})
    return frame[k > 0], {"NL": value[country].sum() / value.sum(), "growth": value[country].sum() / value[~country].sum()}


def fitted(seed: int) -> tuple[Totals, dict[str, float]]:
    frame, truth = captured(seed)
    listings = dme.Listings(frame, price="price", reviews="reviews", vendor="seller", listing="id", currency="USD",
                            captures="k", occasions=4)
    return listings.totals(by=["country"], assumptions=[HUGGINS]), truth


HUGGINS = dme.Huggins(["log price"])


def test_shares_of_what_is_there_add_up_and_are_those_of_the_totals() -> None:
    totals, _ = fitted(1)
    est = turnover(totals, coverage=HUGGINS, review_rate=ReviewRate(mean=0.44, between_vendor_sd=0.11))
    shares = {c: est.share(c, of="country") for c in ("NL", "US")}
    assert sum(share.value for share in shares.values()) == pytest.approx(1, rel=1e-12)
    for c, share in shares.items():
        assert share.value == pytest.approx(est.group(country=c).value / est.value, rel=1e-10)
        assert share.interval[0] < share.value < share.interval[1]
        assert "detection model" in " ".join(share.flags)
    low, high = shares["NL"].interval
    assert shares["US"].interval == pytest.approx((1 - high, 1 - low), abs=2e-4)
    seen = turnover(totals, review_rate=ReviewRate(mean=0.44, between_vendor_sd=0.11)).share("NL", of="country")
    assert shares["NL"].value > seen.value + 0.01  # its listings are dear, and caught less often
    assert high - low > seen.interval[1] - seen.interval[0]


def test_the_ratio_of_two_groups_under_one_fit() -> None:
    totals, _ = fitted(1)
    est = turnover(totals, coverage=HUGGINS, review_rate=ReviewRate(mean=0.44, between_vendor_sd=0.11))
    ratio = est.group(country="NL").ratio(est.group(country="US"))
    share = est.share("NL", of="country")
    assert ratio.value == pytest.approx(share.value / (1 - share.value), rel=1e-10)
    assert ratio.interval == pytest.approx([x / (1 - x) for x in share.interval], rel=0.02)
    assert not any("unrelated" in flag for flag in ratio.flags)


def test_two_fits_are_taken_as_unrelated() -> None:
    pair = [turnover(fitted(seed)[0], coverage=HUGGINS, review_rate=1.0) for seed in (1, 2)]
    ratio = pair[0].ratio(pair[1])
    assert any("unrelated" in flag for flag in ratio.flags)
    assert ratio.value == pytest.approx(pair[0].value / pair[1].value, rel=1e-10)
    # variances of the logarithms add up where nothing else is uncertain
    spread = [math.log(high / low) for low, high in (p.interval for p in pair)]
    assert math.log(ratio.interval[1] / ratio.interval[0]) == pytest.approx(math.hypot(*spread), rel=0.05)


def test_the_interval_of_a_share_covers_what_is_there() -> None:
    runs, hits, scores = 150, 0, []
    for seed in range(runs):
        totals, truth = fitted(1000 + seed)
        share = turnover(totals, coverage=HUGGINS, review_rate=1.0).share("NL", of="country")
        low, high = share.interval
        hits += low <= truth["NL"] <= high
        width = (math.log(high / (1 - high)) - math.log(low / (1 - low))) / (2 * 1.96)
        scores.append((math.log(share.value / (1 - share.value)) - math.log(truth["NL"] / (1 - truth["NL"]))) / width)
    # 95 % nominal: three Monte Carlo errors of 0.018; the standardised error has a spread of 1, with an error of 0.058
    assert hits / runs == pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / runs))
    assert np.std(scores) == pytest.approx(1, abs=3.5 / math.sqrt(2 * runs))
    assert np.mean(scores) == pytest.approx(0, abs=0.35)


@pytest.mark.parametrize("coverage", [dme.ValueChao(form="equal scrapes")], ids=["bound"])
def test_a_bound_has_no_share(coverage: object) -> None:
    totals, _ = fitted(1)
    est = turnover(totals, coverage=coverage, review_rate=0.5)
    with pytest.raises(NotSupportedError, match="not offered"):
        est.share("NL", of="country")
    with pytest.raises(NotSupportedError, match="not offered"):
        est.ratios(est)


def test_a_range_beside_a_detection_model_is_refused_in_shares() -> None:
    totals, _ = fitted(1)
    est = turnover(totals, coverage=HUGGINS, review_rate=Range(0.4, 0.5))
    with pytest.raises(NotSupportedError, match="takes no Range"):
        est.share("NL", of="country")
    with pytest.raises(DataError, match="differ in coverage"):
        turnover(totals, coverage=HUGGINS, review_rate=0.5).ratio(turnover(TABLE, review_rate=0.5))


@pytest.mark.parametrize("options", [
    {"review_rate": 0.5}, {"review_rate": RATE, "market_coverage": stats.beta(80, 20)},
    {"review_rate": RATE, "interval": "delta"}, {"review_rate": RATE, "estimand": "expected"},
    {"review_rate": ByGroup("country", {"NL": RATE, "US": stats.beta(40, 60)})},
    {"review_rate": 1.0}, {"review_rate": Range(0.4, 0.5)}, {"review_rate": 0.5, "interval": None},
], ids=["share", "two-factors", "delta", "expected", "by-group", "nothing-else", "range", "none"])
def test_unseen_listings_of_all_groups_in_one_pass(options: dict[str, object]) -> None:
    totals, _ = fitted(1)
    est = turnover(totals, coverage=HUGGINS, **options)
    for row in est.rows:
        one = est if row is est.rows[-1] else est.group(country=row.labels[0])
        cells = np.arange(one.model.totals.n_cells)
        alone = covered(one.model, cells).interval_of(cells, 0.95)
        assert (alone is None) == (row.interval is None)
        if alone is not None:
            # of hundreds of vendors one at the edge of a class may fall on its other side, in other units of money
            assert row.interval == pytest.approx(alone, rel=1e-8 if len(row.cells) > 64 else 1e-10)


def test_blocks_of_rows_keep_their_own_factors(monkeypatch: pytest.MonkeyPatch) -> None:
    totals, _ = fitted(1)
    whole = turnover(totals, coverage=HUGGINS, review_rate=RATE)
    bound = turnover(totals, coverage=dme.ValueChao(form="equal scrapes"), review_rate=RATE)
    monkeypatch.setattr("darkmarket_estimates.inference.intervals.ROWS", 1)
    monkeypatch.setattr("darkmarket_estimates.unseen_bounds.ROWS", 1)
    again = turnover(totals, coverage=HUGGINS, review_rate=RATE)
    for row, one in zip(whole.rows, again.rows, strict=True):
        assert one.interval == pytest.approx(row.interval, rel=1e-10)
    limits = [row.limit for row in turnover(totals, coverage=dme.ValueChao(form="equal scrapes"), review_rate=RATE).rows]
    assert limits == pytest.approx([row.limit for row in bound.rows], rel=1e-10)


def test_bounds_of_all_groups_in_one_pass() -> None:
    totals, _ = fitted(1)
    est = turnover(totals, coverage=dme.ValueChao(form="equal scrapes"), review_rate=RATE)
    for row in est.rows[:-1]:
        one = est.group(country=row.labels[0])
        assert (row.value, row.limit) == pytest.approx((one.value, one.limit), rel=1e-10)


def test_an_uncertain_factor_by_group_counts_where_nothing_else_is_uncertain() -> None:
    est = turnover(TABLE, review_rate=1.0, market_coverage=ByGroup("market", {"m0": stats.beta(80, 20), "m1": 0.8, "m2": 0.8}))
    share = est.share("m0", of="market")
    money = TABLE.columns["value"]
    inside = TABLE.keys["market"].codes == TABLE.keys["market"].labels.index("m0")
    m0, rest = money[inside].sum(), money[~inside].sum() / 0.8
    ends = [m0 / c / (m0 / c + rest) for c in stats.beta(80, 20).ppf([0.975, 0.025])]
    assert share.interval == pytest.approx(ends, abs=5e-4)
