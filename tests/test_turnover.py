"""turnover(): identities, properties, and what is refused."""

import json
import math
import warnings

import numpy as np
import pytest
from scipy import optimize, stats

import darkmarket_estimates as dme
from darkmarket_estimates import (
    AssumptionError,
    ByGroup,
    DataError,
    ExchangeRate,
    HoldingPrice,
    HoldingPriceWarning,
    NotIdentifiedError,
    Range,
    ReviewRate,
    Totals,
    _render,
    prose,
    turnover,
)
from darkmarket_estimates.distribution.factors import log_variance
from darkmarket_estimates.inference import INTERVALS, imbens_manski
from tests.tables import ROLES, listing_table, listings, vendor_totals

RATE = ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.11)
WINDOW = ("2016-01-01", "2016-02-01")
Y = np.random.default_rng(8).lognormal(7, 1.2, 60)
PAIRS = [(estimand, method) for estimand, methods in INTERVALS.items() for method in methods]


def table_totals(by=("market", "country"), **options):
    return listings(market="market", window=WINDOW, **options).totals(by=by)


# -- points ---------------------------------------------------------------------------------------------------------


def test_floor_without_a_share_is_called_so_and_has_no_interval():
    est = turnover(vendor_totals(Y))
    assert est.kind == "floor" and est.interval is None and est.bounds is None
    assert est.value == est.floor == pytest.approx(Y.sum(), rel=1e-12)
    assert "floor" in str(est) and "if every review is a genuine order" in est.summary()


def test_value_is_products_over_divisors():
    est = turnover(vendor_totals(Y), review_rate=RATE, genuine_share=0.9, units_per_order=1.4, market_coverage=0.8,
                   exchange_rate=ExchangeRate(0.88, to="EUR"))
    assert est.value == pytest.approx(Y.sum() * 0.9 * 1.4 * 0.88 / (0.44 * 0.8), rel=1e-12)
    assert est.floor == pytest.approx(Y.sum() * 0.9 * 1.4 * 0.88, rel=1e-12) and est.currency == "EUR"


def test_means_of_distributions_are_used():
    coverage, rate = stats.beta(80, 20), stats.lognorm(0.1, scale=0.9)
    est = turnover(vendor_totals(Y), review_rate=stats.beta(44, 56), market_coverage=coverage,
                   exchange_rate=ExchangeRate(rate, to="EUR"))
    assert est.value == pytest.approx(Y.sum() * rate.mean() / (0.44 * 0.8), rel=1e-12)
    assert est.kind == "hybrid prediction interval"


def test_orders():
    totals = vendor_totals(Y)
    est = turnover(totals, review_rate=0.5, measure="orders")
    assert est.value == pytest.approx(2 * totals.sum("reviews")) and est.currency == "orders"
    for useless in ({"units_per_order": 1.2}, {"exchange_rate": ExchangeRate(0.9, to="EUR")}):
        with pytest.raises(AssumptionError, match="do not act"):
            turnover(totals, measure="orders", **useless)


def test_bounds_are_the_ends_and_leave_no_single_value():
    est = turnover(vendor_totals(Y), review_rate=Range(0.5, 0.8), genuine_share=Range(0.9, 1.0), market_coverage=0.5)
    assert est.bounds == pytest.approx((Y.sum() * 0.9 / 0.8 / 0.5, Y.sum() / 0.5 / 0.5), rel=1e-12)
    assert math.isnan(est.value) and est.kind == "bounds"
    assert "not an interval" in str(est)


def test_rand_is_bounds():
    totals = vendor_totals([14.2e6], window=WINDOW)
    est = turnover(totals, review_rate=Range(0.57, 1.0), exchange_rate=ExchangeRate(0.88, to="EUR"), interval=None)
    assert est.bounds == pytest.approx((12.496e6, 21.923e6), rel=1e-4) and est.interval is None


def test_by_group_is_each_group_its_own():
    totals = table_totals(["market"])
    est = turnover(totals, review_rate=ByGroup("market", {"A": 0.5, "B": Range(0.4, 0.8)}))
    y = totals.to_frame().set_index("market").value
    assert est.bounds == pytest.approx((y["A"] / 0.5 + y["B"] / 0.8, y["A"] / 0.5 + y["B"] / 0.4), rel=1e-12)
    rows = est.to_frame().set_index("market")
    assert rows.kind["A"] == "prediction interval" and rows.kind["B"] == rows.kind["(all)"] == "bounds"
    assert rows.value["A"] == pytest.approx(y["A"] / 0.5) and math.isnan(rows.value["B"])


def test_groups_add_up_to_the_total():
    frame = turnover(table_totals(), review_rate=RATE, estimand="expected", interval="delta").to_frame()
    for column in ("value", "floor", "n_listings", "count"):
        assert frame[column][:-1].sum() == pytest.approx(frame[column].iloc[-1], rel=1e-12)


# -- intervals ------------------------------------------------------------------------------------------------------


def test_delta_by_hand():
    totals = vendor_totals(Y)
    q = totals.columns["price_sq_reviews"]
    a, b = 0.44 * (0.44 * 0.56 / 0.11**2 - 1), 0.56 * (0.44 * 0.56 / 0.11**2 - 1)
    v = b * (a + b) / (a**2 * (a + 1)) * ((Y**2).sum() + a * q.sum())
    t = Y.sum() / 0.44
    se = math.sqrt(v + t**2 * (0.02 / 0.44) ** 2)
    est = turnover(totals, review_rate=RATE, interval="delta")
    assert est.interval == pytest.approx((t - 1.959963984540054 * se, t + 1.959963984540054 * se), rel=1e-8)
    assert est.kind == "prediction interval"


def test_expected_delta_and_fixed_number_by_hand():
    x, z = Y / 0.44, 1.959963984540054
    est = turnover(vendor_totals(Y), review_rate=0.44, estimand="expected", interval="delta")
    assert est.interval == pytest.approx((x.sum() - z * math.sqrt((x**2).sum()), x.sum() + z * math.sqrt((x**2).sum())),
                                         rel=1e-8)
    fixed = turnover(vendor_totals(Y), review_rate=0.44, estimand="expected", interval="delta",
                     number_of_vendors="fixed")
    se = math.sqrt(60) * x.std(ddof=1)
    assert fixed.interval == pytest.approx((x.sum() - z * se, x.sum() + z * se), rel=1e-8)
    assert est.kind == "confidence interval"


def test_lognormal_by_hand():
    x = Y / 0.44
    s = math.sqrt(math.log1p((x**2).sum() / x.sum() ** 2))
    est = turnover(vendor_totals(Y), review_rate=0.44, estimand="expected", interval="lognormal", confidence_level=0.9)
    z = 1.6448536269514722
    assert est.interval == pytest.approx((x.sum() * math.exp(-z * s), x.sum() * math.exp(z * s)), rel=1e-8)


def test_a_factor_on_part_of_the_money_moves_only_that_part():
    totals = table_totals(["market"])
    y = totals.to_frame().set_index("market").value
    known = turnover(totals, review_rate=1.0, market_coverage=ByGroup("market", {"A": 0.8, "B": stats.beta(80, 20)}),
                     interval="delta")
    cv = stats.beta(80, 20).std() / 0.8
    half = 1.959963984540054 * y["B"] / 0.8 * cv
    assert known.interval == pytest.approx((known.value - half, known.value + half), rel=1e-8)
    log = turnover(totals, review_rate=1.0, market_coverage=ByGroup("market", {"A": 0.8, "B": stats.beta(80, 20)}),
                   interval="lognormal")
    s = y["B"] / 0.8 / log.value * math.sqrt(log_variance(stats.beta(80, 20)))
    assert log.interval == pytest.approx((log.value * math.exp(-1.959963984540054 * s),
                                          log.value * math.exp(1.959963984540054 * s)), rel=1e-8)


@pytest.mark.parametrize(("estimand", "method"), PAIRS)
def test_intervals_nest_scale_and_ignore_row_order(estimand, method):
    options = {"review_rate": RATE, "estimand": estimand, "interval": method, "rng": 1}
    lows, highs = zip(*(turnover(vendor_totals(Y), confidence_level=level, **options).interval
                        for level in (0.5, 0.8, 0.95, 0.99)))
    assert list(lows) == sorted(lows, reverse=True) and list(highs) == sorted(highs)
    assert len(set(lows)) == len(set(highs)) == 4
    base = turnover(vendor_totals(Y), **options).interval
    counts = vendor_totals(Y).columns["reviews"]
    totals = vendor_totals(Y)
    shuffled = dme.Totals.from_cells(
        vendor=list(totals.keys["vendor"].take())[::-1], value=totals.columns["value"][::-1], reviews=counts[::-1],
        currency="USD")
    assert turnover(shuffled, **options).interval == pytest.approx(base, rel=1e-9)
    k = 7.3
    scaled = dme.Totals.from_cells(vendor=totals.keys["vendor"].take(), value=k * totals.columns["value"],
                                   reviews=counts, currency="USD")
    assert turnover(scaled, **options).interval == pytest.approx(tuple(k * v for v in base), rel=1e-6)
    assert base[0] < Y.sum() / 0.44 < base[1]


@pytest.mark.parametrize(("estimand", "method"), PAIRS)
def test_an_uncertain_common_factor_widens(estimand, method):
    options = {"estimand": estimand, "interval": method, "rng": 1}
    rate = ReviewRate(mean=0.44, between_vendor_sd=0.11)
    narrow = turnover(vendor_totals(Y), review_rate=rate, **options).interval
    wide = turnover(vendor_totals(Y), review_rate=rate, market_coverage=stats.beta(8, 2), **options)
    assert wide.interval[1] - wide.interval[0] > 1.05 * (narrow[1] - narrow[0]) / 0.8
    assert wide.kind.startswith("hybrid")


def test_intervals_that_mean_nothing_are_refused():
    for method in ("bca", "tail", "compound-poisson"):
        with pytest.raises(AssumptionError, match="means nothing for the realised"):
            turnover(vendor_totals(Y), review_rate=RATE, interval=method)
    with pytest.raises(AssumptionError, match="means nothing for the expected"):
        turnover(vendor_totals(Y), review_rate=RATE, estimand="expected", interval="predictive")
    with pytest.raises(AssumptionError, match="interval is unknown"):
        turnover(vendor_totals(Y), review_rate=RATE, interval="magic")
    with pytest.raises(AssumptionError, match="fixed number"):
        turnover(vendor_totals(Y), review_rate=RATE, number_of_vendors="fixed")


def test_sold_counts_are_a_census_of_the_realised_total():
    totals = vendor_totals(Y, counted="sold")
    est = turnover(totals)
    assert est.kind == "census" and est.value == pytest.approx(Y.sum()) and est.interval is None
    with pytest.raises(AssumptionError, match="counts are sales"):
        turnover(totals, review_rate=0.5)
    rate = turnover(totals, estimand="expected")
    assert rate.interval[0] < Y.sum() < rate.interval[1]
    mixed = turnover(totals, market_coverage=stats.beta(80, 20))
    low, high = (Y.sum() / stats.beta(80, 20).ppf(p) for p in (0.975, 0.025))
    assert mixed.interval == pytest.approx((low, high), rel=2e-3)


def test_fully_reviewed_market_has_no_interval():
    est = turnover(vendor_totals(Y), review_rate=1.0)
    assert est.value == est.floor and est.interval is None


def test_imbens_manski_limits():
    z, one = 1.959963984540054, 1.6448536269514722
    assert imbens_manski((1, 2), 0.0, 0.95) is None and imbens_manski((0, 2), 0.1, 0.95) is None
    assert imbens_manski((1, 1), 0.04, 0.95) == pytest.approx(stats.norm.sf(z), rel=1e-9)
    assert imbens_manski((1, 1e9), 0.04, 0.95) == pytest.approx(stats.norm.sf(one), rel=1e-9)
    gammas = [imbens_manski((1, 1 + d), 0.04, 0.95) for d in (0, 0.05, 0.1, 0.5, 5)]
    assert gammas == sorted(gammas)
    c, width = -stats.norm.ppf(gammas[2]), math.log(1.1) / 0.2
    assert stats.norm.cdf(c + width) - stats.norm.cdf(-c) == pytest.approx(0.95, abs=1e-9)


def test_imbens_manski_interval_by_hand():
    rate = ReviewRate(mean=Range(0.4, 0.7), between_vendor_sd=0.11)
    totals = vendor_totals(Y)
    size = 0.55 * 0.45 / 0.11**2 - 1  # of the Beta law at the middle, kept at both ends

    def end(rho):
        variance, t = rho * (1 - rho) / (size + 1), Y.sum() / rho
        second = rho**2 + variance
        v = (variance * (Y**2).sum() + rho * (rho - second) * totals.sum("price_sq_reviews")) / (rho**2 * second)
        return t, math.sqrt(math.log1p(v / t**2))

    (t_low, s_low), (t_high, s_high) = end(0.7), end(0.4)
    width = math.log(t_high / t_low) / max(s_low, s_high)
    c = optimize.brentq(lambda c: stats.norm.cdf(c + width) - stats.norm.cdf(-c) - 0.95, 1, 3, xtol=1e-13)
    est = turnover(totals, review_rate=rate, interval="lognormal")
    assert est.bounds == pytest.approx((t_low, t_high), rel=1e-12)
    assert est.interval == pytest.approx((t_low * math.exp(-c * s_low), t_high * math.exp(c * s_high)), rel=1e-8)
    assert s_low != pytest.approx(s_high, rel=0.02)


def test_interval_around_bounds_contains_them():
    est = turnover(vendor_totals(Y), review_rate=ReviewRate(mean=Range(0.4, 0.6), between_vendor_sd=0.11))
    assert est.interval[0] < est.bounds[0] < est.bounds[1] < est.interval[1] and est.kind == "bounds"


def test_rows_of_a_group_are_those_of_its_own_totals():
    frame = listing_table()
    both = turnover(listings(frame).totals(by="market"), review_rate=RATE)
    alone = turnover(listings(frame[frame.market == "A"]).totals(by="market"), review_rate=RATE)
    a, b = both.to_frame().iloc[0], alone.to_frame().iloc[0]
    for column in ("value", "low", "high", "floor", "n_vendors", "n_eff"):
        assert a[column] == pytest.approx(b[column], rel=1e-6)


# -- flags ----------------------------------------------------------------------------------------------------------


def test_flags():
    assert "no spread between vendors assumed" in turnover(vendor_totals(Y), review_rate=0.5).flags
    assert not turnover(vendor_totals(Y), review_rate=RATE).flags
    few = turnover(vendor_totals(Y[:12]), review_rate=RATE, estimand="expected")
    assert any(f.startswith("indicative: 12 vendor(s)") for f in few.flags)
    one = turnover(vendor_totals(Y[:1]), review_rate=RATE, estimand="expected")
    assert any("indicative" in f for f in one.flags) and any("one vendor makes 100%" in f for f in one.flags)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = ReviewRate.from_counts([4, 11, 30, 2], [10, 20, 70, 5])
    assert any("fitted from counts" in f for f in turnover(vendor_totals(Y), review_rate=fitted).flags)


def test_no_reviews_gives_zero_with_a_flag():
    est = turnover(vendor_totals([0.0, 0.0], reviews=[0, 0]), review_rate=RATE)
    assert est.value == 0 and est.interval is None and est.summary() and any(f.startswith("no reviews") for f in est.flags)
    for estimand in INTERVALS:
        assert turnover(vendor_totals([0.0], reviews=[0]), review_rate=Range(0.5, 1), estimand=estimand).bounds == (0, 0)


def test_holding_prices_warn_and_flag():
    frame = listing_table(300)
    frame.loc[0, ["price", "reviews"]] = (99_999.0, 5)
    with pytest.warns(HoldingPriceWarning) as caught:
        est = turnover(listings(frame).totals())
    assert [w for w in caught if "one price is" in str(w.message)]
    assert [w for w in caught if "one listing carries" in str(w.message)]
    assert sum("holding price" in f for f in est.flags) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        turnover(frame, **ROLES, clean=HoldingPrice(cap=10_000))


# -- refused --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "match"), [
    ({"review_rate": 0}, "review share"), ({"review_rate": 1.2}, "review share"),
    ({"review_rate": float("nan")}, "review share"), ({"review_rate": "0.5"}, "review share"),
    ({"genuine_share": 0}, "genuine share"), ({"market_coverage": 1.5}, "market coverage"),
    ({"units_per_order": -1}, "units per order"), ({"exchange_rate": 0.9}, "does not say where"),
    ({"exchange_rate": ExchangeRate(0.9)}, "does not say where"),
    ({"exchange_rate": ExchangeRate(1.0, to="USD")}, "in USD already"), ({"estimand": "true"}, "estimand"),
    ({"measure": "euros"}, "measure"), ({"confidence_level": 95}, r"confidence_level=0\.95"),
    ({"confidence_level": 1}, "confidence_level"), ({"rng": "x", "review_rate": 0.5}, "rng"), ({"n_resamples": 5}, "n_resamples"),
])
def test_bad_assumptions(options, match):
    with pytest.raises(DataError, match=match):
        turnover(vendor_totals(Y), **options)


def test_by_group_must_fit_the_labels():
    totals = table_totals(["market"])
    with pytest.raises(DataError, match="none for 'B'"):
        turnover(totals, review_rate=ByGroup("market", {"A": 0.5}))
    with pytest.raises(DataError, match="unknown group 'C'"):
        turnover(totals, review_rate=ByGroup("market", {"A": 0.5, "B": 0.5, "C": 1}))
    with pytest.raises(NotIdentifiedError, match="by="):
        turnover(totals, review_rate=ByGroup("colour", {"A": 0.5}))


def test_a_currency_is_not_converted_back_by_mistake():
    totals = listings().to_currency("EUR", ExchangeRate(0.88)).totals()
    with pytest.raises(AssumptionError, match=r"USD to EUR at 0\.88"):
        turnover(totals, exchange_rate=ExchangeRate(0.88, to="EUR"))


def test_turnover_takes_totals_listings_or_a_table():
    frame = listing_table()
    a = turnover(frame, **ROLES, by="country", review_rate=RATE)
    b = turnover(listings(frame), by="country", review_rate=RATE)
    c = turnover(listings(frame).totals(by="country"), review_rate=RATE)
    assert a.to_frame().equals(b.to_frame()) and b.to_frame().equals(c.to_frame())
    with pytest.raises(TypeError, match="unknown option 'review_share'"):
        turnover(frame, **ROLES, review_share=0.5)
    with pytest.raises(TypeError, match=r"a table \(DataFrame\) also needs vendor=, currency=: which columns"):
        turnover(frame, price="price", reviews="reviews")
    with pytest.raises(TypeError, match="by"):
        turnover(c.model.totals, by="country")
    with pytest.raises(DataError, match="cannot be cleaned"):
        turnover(c.model.totals, clean=HoldingPrice(cap=1))
    from darkmarket_estimates import estimator

    with pytest.raises(AssumptionError, match="takes totals"):
        estimator.turnover(frame)


# -- the result -----------------------------------------------------------------------------------------------------


def test_per_scales_everything():
    est = turnover(vendor_totals(Y, window=WINDOW), review_rate=RATE)
    day, month, year = (est.per(u) for u in ("day", "month", "year"))
    assert day.value == pytest.approx(est.value / 31) and year.value == pytest.approx(12 * month.value)
    assert month.value == pytest.approx(est.value * 365.2425 / 12 / 31)
    assert day.interval == pytest.approx(tuple(v / 31 for v in est.interval))
    assert day.quantile(0.975) == pytest.approx(day.interval[1], rel=1e-9)
    assert day.cdf(day.median) == pytest.approx(0.5, abs=1e-9) and "a day" in str(day)
    with pytest.raises(NotIdentifiedError, match="window="):
        turnover(vendor_totals(Y)).per("day")
    with pytest.raises(AssumptionError):
        est.per("week")


def test_daily_rates_are_per_day_already():
    est = turnover(listings(days="days").totals(), review_rate=RATE)
    assert est.unit == "day" and est.per("day").value == est.value
    assert est.per("year").value == pytest.approx(365.2425 * est.value)


def test_no_distribution_of_a_floor_or_of_bounds():
    for options in ({}, {"review_rate": Range(0.5, 1)}, {"review_rate": RATE, "interval": None}):
        with pytest.raises(NotIdentifiedError, match="no distribution"):
            turnover(vendor_totals(Y), **options).cdf(1.0)


def test_dict_goes_through_json_unchanged():
    est = turnover(table_totals(), review_rate=ByGroup("market", {"A": RATE, "B": Range(0.4, 0.5)}), rng=4)
    plain = est.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["value"] is None and plain["kind"] == "bounds" and len(plain["rows"]) == len(est.rows)
    assert plain["audit"][0]["rule"] == "rows read" and plain["entropy"] == turnover(table_totals(), rng=4).model.entropy


def test_same_rng_same_resampled_interval():
    def run(seed):
        return turnover(vendor_totals(Y), review_rate=RATE, estimand="expected", interval="poisson-bootstrap",
                        rng=seed).interval

    assert run(1) == run(1) != run(2)


def test_summary_names_every_assumption_and_every_rule():
    frame = listing_table(300)
    frame.loc[0, ["price", "reviews"]] = (99_999.0, 5)
    est = turnover(listings(frame, window=WINDOW).clean(HoldingPrice(cap=10_000)).totals(by="country"),
                   review_rate=ReviewRate(mean=0.44, between_vendor_sd=0.11, source="a source"),
                   market_coverage=Range(0.7, 0.9), genuine_share=0.95)
    text = est.summary()
    for words in ("a source", "market coverage between 0.7 and 0.9", "genuine share 0.95", "price > 10,000", "removed",
                  "1-31 January 2016", "not identified", "intervals do not", "vendors"):
        assert words in text


def test_a_median_far_from_the_value_is_printed():
    rate = ReviewRate(mean=0.44, between_vendor_sd=0.11)
    far = turnover(vendor_totals(Y[:5]), review_rate=rate, estimand="expected", interval="compound-poisson")
    assert abs(far.median / far.value - 1) > 0.01
    assert f"The median of its distribution is USD {_render.amount(far.median)}." in far.summary()
    near = turnover(vendor_totals(np.full(3000, 50.0)), review_rate=rate)
    assert abs(near.median / near.value - 1) < 0.01 and "The median" not in near.summary()


@pytest.mark.parametrize("more", [{}, {"market_coverage": stats.beta(80, 20)}], ids=["hull", "hull-with-a-factor"])
def test_of_a_hull_the_medians_of_both_laws_are_printed(more, monkeypatch):
    rate = ReviewRate(mean=0.44, between_vendor_sd=0.11)
    laws = {name: turnover(vendor_totals(Y[:5]), review_rate=rate, estimand="expected", interval=name, **more)
            for name in ("bca-tail", "bca", "tail")}
    text, bca, tail = laws["bca-tail"].summary(), laws["bca"].median, laws["tail"].median
    assert min(bca, tail) < laws["bca-tail"].median < max(bca, tail) and abs(tail / bca - 1) > 0.05
    assert (f"At each end it is the wider of two laws, whose medians are USD {_render.amount(bca)} (BCa) and "
            f"USD {_render.amount(tail)} (tail rule).") in text
    assert "The median of its distribution" not in text
    assert laws["bca-tail"].interval == pytest.approx((min(laws["bca"].interval[0], laws["tail"].interval[0]),
                                                       max(laws["bca"].interval[1], laws["tail"].interval[1])), rel=1e-9)
    gaps = sorted(abs(median / laws["bca-tail"].value - 1) for median in (bca, tail))
    for gap, printed in ((sum(gaps) / 2, True), (1.01 * gaps[1], False)):  # one far median is enough
        with monkeypatch.context() as patch:
            patch.setattr(prose, "MEDIAN_GAP", gap)
            assert ("wider of two laws" in laws["bca-tail"].summary()) is printed
    dated = vendor_totals(Y[:5], window=WINDOW)
    a_day = turnover(dated, review_rate=rate, estimand="expected", **more).per("day")
    assert f"USD {_render.amount(bca * a_day.scale)} a day (BCa)" in a_day.summary()


def test_conservative_spread_law_is_wider():
    default, wide = (turnover(vendor_totals(Y), review_rate=RATE, spread_law=law).interval
                     for law in ("default", "conservative"))
    assert wide[1] - wide[0] > 1.02 * (default[1] - default[0])


@pytest.mark.parametrize("y", [[5.0], [7.0] * 50, [1e-9] * 30 + [1e9], [0.0, 3.0]])
@pytest.mark.parametrize(("estimand", "method"), PAIRS)
def test_extremes_work(y, estimand, method):
    est = turnover(vendor_totals(y, reviews=np.ones(len(y)) * (np.asarray(y) > 0)), review_rate=RATE, estimand=estimand,
                   interval=method, rng=1)
    low, high = est.interval
    assert 0 <= low <= high < np.inf
    # where one vendor is most of the money the tail rule alone leaves the value out: the default takes a hull
    assert method == "tail" or low <= est.value <= high


def test_html_escapes_labels():
    est = turnover(listings().totals(by="category"))
    html = est._repr_html_()
    assert "<b>&" not in html and "Zür&lt;b&gt;&amp;" in html


def test_printed_forms():
    est = turnover(vendor_totals(Y, window=WINDOW, markets=("A", "B")), review_rate=RATE)
    assert repr(est) == f"<Estimate: {est}>"
    assert "95% prediction interval" in str(est) and "(realised turnover, 2 markets, 1-31 January 2016)" in str(est)
    assert "99%" in str(turnover(vendor_totals(Y), review_rate=RATE, confidence_level=0.99))


# -- what a referee found --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", [stats.uniform(0, 1), stats.beta(1.5, 1.5), stats.beta(2, 2), stats.beta(1, 3)])
@pytest.mark.parametrize("estimand", ["realised", "expected"])
def test_a_divisor_without_moments_of_its_reciprocal_has_quantiles(law, estimand):
    totals = vendor_totals(Y)
    est = turnover(totals, review_rate=0.5, market_coverage=law, estimand=estimand, interval="predictive"
                   if estimand == "realised" else "compound-poisson")
    inner = turnover(totals, review_rate=0.5, estimand=estimand, interval=est.model.interval)
    rng = np.random.default_rng(5)
    drawn = inner.quantile(rng.random(200_000)) / law.rvs(200_000, random_state=rng)
    for p in (0.025, 0.5, 0.975):
        # a quantile of 200,000 draws, in probability: 5 Monte Carlo errors
        assert np.mean(drawn <= est.quantile(p)) == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / 200_000) + 5e-4)


def test_genuine_reviews_are_fewer_reviews_not_smaller_ones():
    # one price, known share, no spread: the variance of unreviewed sales is (1 - rho) / rho^2 x price^2 x genuine reviews
    r = np.full(40, 25.0)
    totals = vendor_totals(20 * r, reviews=r)
    rate = ReviewRate(mean=0.5, between_vendor_sd=0.0)
    est = turnover(totals, review_rate=rate, genuine_share=0.25, interval="delta")
    sd = math.sqrt(0.5 / 0.25 * 400 * 0.25 * r.sum())
    assert est.interval[1] - est.value == pytest.approx(1.959963984540054 * sd, rel=1e-8)
    predictive = turnover(totals, review_rate=rate, genuine_share=0.25)
    assert math.sqrt(predictive.law.variance) == pytest.approx(sd, rel=1e-6)


def test_a_by_group_share_on_a_group_without_money():
    totals = Totals.from_cells(vendor=["a", "b"], value=[100.0, 0.0], reviews=[4, 3], groups={"m": ["A", "B"]}, currency="USD")
    est = turnover(totals, review_rate=ByGroup("m", {"A": RATE, "B": 0.5}))
    alone = turnover(Totals.from_cells(vendor=["a"], value=[100.0], reviews=[4], currency="USD"), review_rate=RATE)
    assert est.interval == pytest.approx(alone.interval, rel=1e-9)


@pytest.mark.parametrize("level", [0.01, 0.3, 0.5])
def test_imbens_manski_at_low_levels(level):
    rate = ReviewRate(mean=Range(0.5, 0.52), between_vendor_sd=0.1)
    low, high = turnover(vendor_totals(Y), review_rate=rate, confidence_level=level).interval
    assert low < high


def test_fixed_number_of_one_vendor_says_nothing():
    est = turnover(vendor_totals(Y[:1]), review_rate=0.5, estimand="expected", interval="delta", number_of_vendors="fixed")
    assert est.interval is None and est.value == 2 * Y[0]


def test_everything_cleaned_away():
    table = listings().clean(HoldingPrice(cap=0.001))
    est = turnover(table.totals(by="country"), review_rate=RATE)
    assert est.value == 0 and len(est.rows) == 1 and est.summary()


def test_a_census_is_one_only_without_assumptions():
    totals = vendor_totals(Y, counted="sold")
    assert turnover(totals).kind == "census"
    assert turnover(totals, market_coverage=0.5).kind == "point"
    assert turnover(totals, market_coverage=stats.beta(80, 20), interval=None).kind == "point"


def test_a_prior_on_one_group_makes_no_hybrid_of_another():
    est = turnover(table_totals(["market"]), review_rate=ByGroup("market", {"A": stats.beta(44, 56), "B": RATE}))
    kinds = est.to_frame().set_index("market").kind
    assert kinds["A"] == kinds["(all)"] == "hybrid prediction interval" and kinds["B"] == "prediction interval"


def test_the_floor_takes_the_low_end_of_a_range():
    est = turnover(vendor_totals(Y), genuine_share=Range(0.6, 0.9), review_rate=Range(0.4, 0.8))
    assert est.floor == pytest.approx(0.6 * Y.sum())


@pytest.mark.parametrize("n", [2, 10, 300])
def test_a_dominant_listing_is_suspected_in_small_tables_too(n):
    table = {"price": [10.0] * (n - 1) + [99_999.0], "reviews": [1] * n, "seller": [f"s{i}" for i in range(n)],
             "id": [f"l{i}" for i in range(n)]}
    with pytest.warns(HoldingPriceWarning):
        assert any("one listing carries" in f for f in turnover(table, **ROLES).flags)


def test_html_of_many_groups_ends_with_the_total():
    frame = listing_table(400).assign(many=[f"g{i}" for i in range(400)])
    html = turnover(listings(frame).totals(by="many"))._repr_html_()
    assert "300 more rows" in html and "(all)" in html


def test_hostile_labels_reach_no_terminal():
    totals = Totals.from_cells(vendor=["a", "b"], value=[5.0, 5.0], reviews=[1, 1], currency="USD",
                               groups={"m": ["\x1b[31mred", "b"]})
    est = turnover(totals, review_rate=ByGroup("m", {"\x1b[31mred": 0.5, "b": Range(0.4, 0.5)}))
    assert "\x1b" not in est.summary() + str(est) + est._repr_html_()


def test_specs_and_listings_can_be_copied_and_sent():
    import copy
    import pickle

    spec = ByGroup("m", {"A": 0.5, "B": Range(0.5, 1)})
    assert copy.deepcopy(spec) == spec == pickle.loads(pickle.dumps(spec))
    with pytest.raises(AssumptionError, match="twice"):
        ByGroup("m", {1: 0.5, "1": 0.6})
