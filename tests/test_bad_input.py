"""What no argument can be: every such call ends in an error of the library that says what was wrong, never in another."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import darkmarket_estimates as dme
from darkmarket_estimates import (
    DataError,
    ExchangeRate,
    LogitNormal,
    Range,
    ReviewRate,
    _checks,
    bayes,
    coverage,
    demand,
    evaluation,
    published,
    simulate,
    triangulate,
)
from darkmarket_estimates.distribution.law import NormalLaw
from tests.tables import vendor_totals

NAN, INF = float("nan"), float("inf")
NO_NUMBERS = {
    "None": None, "nan": NAN, "inf": INF, "text": "abc", "digits": "1", "bytes": b"x", "list": [1.0], "texts": ["1"],
    "empty list": [], "mapping": {"a": 1}, "tuple": (1, 2), "object": object(), "True": True, "huge": 10**400,
    "complex": 1 + 2j, "array": np.array([1.0, NAN]), "no rows": np.array([]), "series": pd.Series([1.0, 2.0]),
    "frame": pd.DataFrame({"a": [1]}), "unfrozen": stats.beta, "function": len, "type": int, "NaT": pd.NaT, "NA": pd.NA,
    "date": np.datetime64("2016-01-01"), "below all": -1e308, "above all": 1e308, "next to 0": 1e-320,
    "span of time": np.timedelta64(1, "D"), "rows of two lengths": [[1], [1, 2]],
}
#: What is no array of numbers of any shape.
NO_ARRAYS = {k: NO_NUMBERS[k] for k in ("text", "digits", "bytes", "texts", "mapping", "object", "huge", "complex", "unfrozen",
                                        "function", "type", "NaT", "NA", "date", "rows of two lengths")}
RATE = ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.11)
LAW = LogitNormal(0.4, 0.3)
AMOUNTS = published.SizeLaw(family="lognormal", mean=150.0, shape=1.0)


def assert_refused(call, bad):
    """The call raises an error of the library with more than one line, and nothing is warned of on the way."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError) as caught:
            call(bad)
    assert any(part is not None for part in (caught.value.expected, caught.value.got, caught.value.fix))
    assert len(str(caught.value)) < 9_000


@pytest.fixture(scope="module")
def est():
    return dme.turnover(vendor_totals([900.0, 600, 300, 50], groups={"market": list("HHAA")}), review_rate=RATE)


NUMBERS = {
    "Range.low": lambda x: Range(x, 0.5), "ReviewRate.standard_error": lambda x: ReviewRate(mean=0.4, standard_error=x),
    "ReviewRate.mean": lambda x: ReviewRate(mean=x), "LogitNormal.sd": lambda x: LogitNormal(0.4, x),
    "LogitNormal.centre": lambda x: LogitNormal(x, 0.3), "ExchangeRate.rate": ExchangeRate,
    "LogitNormal.with_mean": lambda x: LogitNormal.with_mean(x, 0.3),
    "LogitNormal.with_mean.sd": lambda x: LogitNormal.with_mean(0.4, x),
    "fit_order_values.mean": lambda x: published.fit_order_values(mean=x, threshold=1000, money_above=0.25),
    "compare_order_values.limit": lambda x: published.compare_order_values(
        mean=150, threshold=1000, money_above=0.25, orders_above_limit=x, maximum=1e5),
    "plot_order_values.maximum": lambda x: published.plot_order_values([AMOUNTS], threshold=1000, maximum=x),
    "SizeLaw.shape": lambda x: published.SizeLaw(family="gamma", mean=1.0, shape=x),
    "crps.truth": lambda x: evaluation.crps(x, NormalLaw(0.0, 1.0)),
    "benchmark.n_simulations": lambda x: evaluation.benchmark({"floor": {}}, dme.simulate.MarketSpec(), n_simulations=x),
}
#: Extremes that are numbers like others to these.
FINE = {("Range.low", "below all"), ("Range.low", "next to 0"), ("crps.truth", "below all"), ("crps.truth", "above all"),
        ("crps.truth", "next to 0"), ("benchmark.n_simulations", "above all"), ("benchmark.n_simulations", "huge"),
        ("compare_order_values.limit", "next to 0"), ("ReviewRate.mean", "unfrozen")}


@pytest.mark.parametrize(("name", "bad"), [(n, b) for n in NUMBERS for b in NO_NUMBERS if (n, b) not in FINE])
def test_what_is_no_number(name, bad):
    assert_refused(NUMBERS[name], NO_NUMBERS[bad])


@pytest.mark.parametrize("bad", [b for b in NO_NUMBERS if b not in ("None", "next to 0")])
@pytest.mark.parametrize("what", ["share", "ratio"])
def test_a_variation_between_groups_is_a_number(est, what, bad):
    other = dme.turnover(vendor_totals([400.0, 600, 300]), review_rate=RATE)
    assert_refused({"share": lambda x: est.share("H", of="market", between_group_cv=x),
             "ratio": lambda x: est.ratio(other, between_group_cv=x)}[what], NO_NUMBERS[bad])


@pytest.mark.parametrize("bad", [-0.1, -1, 10.1], ids=str)
def test_a_variation_between_groups_is_not_negative_and_not_absurd(est, bad):
    other = dme.turnover(vendor_totals([400.0, 600, 300]), review_rate=RATE)
    assert_refused(lambda x: est.share("H", of="market", between_group_cv=x), bad)
    assert_refused(lambda x: est.ratio(other, between_group_cv=x), bad)


ARRAYS = {
    "LogitNormal.cdf": LAW.cdf, "LogitNormal.ppf": LAW.ppf, "LogitNormal.isf": LAW.isf, "LogitNormal.pdf": LAW.pdf,
    "SizeLaw.cdf": AMOUNTS.cdf, "SizeLaw.sf": AMOUNTS.sf, "SizeLaw.money_above": AMOUNTS.money_above,
    "coverage.truth": lambda x: evaluation.coverage(x, [0.0], [2.0]),
    "coverage.high": lambda x: evaluation.coverage([1.0], [0.0], x),
    "interval_score.truth": lambda x: evaluation.interval_score(x, 0.0, 2.0),
    "interval_score.low": lambda x: evaluation.interval_score(1.0, x, 2.0),
    "quantile_score.p": lambda x: evaluation.quantile_score(1.0, 2.0, x),
    "quantile_score.truth": lambda x: evaluation.quantile_score(x, 2.0, 0.5),
    "weighted_interval_score.median": lambda x: evaluation.weighted_interval_score(1.0, x, [0.0], [2.0], [0.9]),
    "from_counts.reviews": lambda x: ReviewRate.from_counts(x, [10, 20]),
}


@pytest.mark.parametrize("bad", [*NO_ARRAYS, "nan", "None"])
@pytest.mark.parametrize("name", ARRAYS)
def test_what_is_no_array_of_numbers(name, bad):
    assert_refused(ARRAYS[name], NO_NUMBERS[bad])


@pytest.mark.parametrize("bad", [-0.1, 1.1, [0.5, 2.0]], ids=str)
@pytest.mark.parametrize("name", ["LogitNormal.ppf", "LogitNormal.isf", "quantile_score.p"])
def test_what_is_no_probability(name, bad):
    assert_refused(ARRAYS[name], bad)


@pytest.mark.parametrize("bad", [k for k in NO_NUMBERS if k not in ("text", "digits", "None")])
@pytest.mark.parametrize("name", ["to", "source", "date", "ReviewRate.source", "from_counts.source"])
def test_what_is_no_text(name, bad):
    call = {"ReviewRate.source": lambda x: ReviewRate(mean=0.4, source=x),
            "from_counts.source": lambda x: ReviewRate.from_counts([4, 9, 21], [10, 20, 50], source=x)}.get(
        name, lambda x: ExchangeRate(0.9, **{name: x}))
    assert_refused(call, NO_NUMBERS[bad])


OBJECTS = {
    "ReviewRate.fit": lambda x: ReviewRate(mean=0.4, fit=x), "Report.join": evaluation.Report.join,
    "Report.load": evaluation.Report.load, "crps.law": lambda x: evaluation.crps(1.0, x),
    "listings_of.market": evaluation.listings_of, "compare.variants": lambda x: dme.compare(vendor_totals([1.0]), x),
    "benchmark.scraper": lambda x: evaluation.benchmark({"floor": {}}, dme.simulate.MarketSpec(), x),
    "benchmark.prepare": lambda x: evaluation.benchmark({"floor": {}}, dme.simulate.MarketSpec(), prepare=x),
    "get": published.get, "reconstruct": published.reconstruct, "study_from_toml": lambda x: published.study_from_toml("x", x),
    "with_figure": lambda x: published.get("kruithof2016").with_figure(x, "1"), "Rounded.meets": published.Rounded.exact(3).meets,
    "Rounded.to": published.Rounded.exact(4).to, "Rounded.exact": published.Rounded.exact,
    "Rounded.computed": lambda x: published.Rounded.computed(x, 2.0, "x"),
    "plot_order_values": lambda x: published.plot_order_values(x, threshold=1, maximum=2),
}
#: Objects that are what is asked for.
GOOD = {("ReviewRate.fit", "None"), ("benchmark.scraper", "None"), ("Rounded.meets", "digits"), ("Rounded.to", "digits"),
        ("Rounded.exact", "digits"), ("benchmark.prepare", "function"), ("benchmark.prepare", "type"),
        ("benchmark.prepare", "unfrozen"), ("Rounded.computed", "next to 0"), ("Rounded.computed", "below all")}


@pytest.mark.parametrize(("name", "bad"), [(n, b) for n in OBJECTS for b in NO_NUMBERS if (n, b) not in GOOD])
def test_what_is_another_thing(name, bad):
    assert_refused(OBJECTS[name], NO_NUMBERS[bad])


@pytest.mark.parametrize("kind", ["forest", "distribution", "budget", "influence"])
@pytest.mark.parametrize("bad", [k for k in NO_NUMBERS if k != "None"])
def test_what_is_no_axes(est, kind, bad):
    assert_refused(lambda x: est.plot(kind, ax=x), NO_NUMBERS[bad])


@pytest.mark.parametrize("rng", [-1, np.int64(-3)], ids=str)
def test_a_seed_is_not_negative(rng):
    assert_refused(lambda x: dme.turnover(vendor_totals([1.0]), rng=x), rng)


@pytest.mark.parametrize("name", ["genuine_share", "units_per_order", "market_coverage", "review_rate"])
@pytest.mark.parametrize("value", [1e-320, 1e-60, 1e60, Range(1e-60, 0.5)], ids=str)
def test_a_factor_that_no_unit_explains(name, value):
    assert_refused(lambda x: dme.turnover(vendor_totals([900.0, 600]), **{name: x}), value)


@pytest.mark.parametrize("role", ["price", "vendor", "reviews", "listing", "market", "days", "date", "currency"])
@pytest.mark.parametrize("bad", [3.5, float("nan"), ["price"], {"a": 1}], ids=str)
def test_the_columns_of_a_table_are_named_by_text(role, bad):
    table = {"price": [1.0], "reviews": [1], "seller": ["a"]}
    roles = {"price": "price", "reviews": "reviews", "vendor": "seller", "currency": "USD"}
    assert_refused(lambda x: dme.Listings(table, **{**roles, role: x}), bad)


@pytest.mark.parametrize("bad", [float("nan"), 3, [1, None], {"country": 1.5}.items()], ids=str)
def test_groups_and_bands_of_a_table(bad):
    listings = dme.Listings({"price": [1.0], "reviews": [1], "seller": ["a"]}, price="price", reviews="reviews",
                            vendor="seller", currency="USD")
    assert_refused(lambda x: listings.totals(by=x), bad)
    assert_refused(lambda x: listings.totals(bands=["a", x]), bad)


@pytest.mark.parametrize("n", [2, 70_000])
def test_money_that_no_float_holds(n):
    """Also where two blocks of rows are each below the limit, and where a rule would drop the rows later."""
    price = np.ones(n)
    price[[0, -1]] = 1e308
    table = {"price": price, "reviews": np.ones(n, dtype=int), "seller": np.arange(n)}
    assert_refused(lambda x: dme.Listings(x, price="price", reviews="reviews", vendor="seller", currency="USD"), table)
    table["price"][0] = 1.0
    listings = dme.Listings(table, price="price", reviews="reviews", vendor="seller", currency="USD")
    assert listings.clean(dme.HoldingPrice(cap=10)).totals().sum("value") == n - 1


@pytest.mark.parametrize("bad", ["nope", None, 3], ids=str)
def test_totals_know_their_columns_and_what_can_follow(bad, tmp_path):
    totals = vendor_totals([1.0, 2.0])
    assert_refused(totals.sum, bad)
    assert_refused(totals.then, bad)
    assert_refused(lambda x: totals.save(tmp_path / "t.parquet", vendor_key=x), [bad])
    est = dme.turnover(totals, review_rate=0.5)
    assert_refused(est.ratio, bad)
    assert_refused(est.law.cdf, "abc")
    assert_refused(est.law.quantile, "abc")


def test_what_a_rule_removed_is_money_of_the_unit_that_is_shown():
    listings = dme.Listings({"price": [1.0, 900.0], "reviews": [1, 1], "seller": ["a", "a"]}, price="price", reviews="reviews",
                            vendor="seller", currency="USD", window=("2016-01-01", "2016-01-11"))
    est = dme.turnover(listings.clean(dme.HoldingPrice(cap=100)).totals(), review_rate=0.5)
    money = [e.budget().query("kind == 'rule'")["money"].item() for e in (est, est.per("day"))]
    assert money == [900, pytest.approx(90, rel=1e-12)]


def test_an_error_is_short_enough_to_read():
    with pytest.raises(DataError) as caught:
        published.get("x" * 100_000)
    assert "100,002 characters" in str(caught.value) and len(str(caught.value)) < 9_000


def test_a_number_in_quotes_gets_a_hint():
    with pytest.raises(DataError, match=r"0\.44, without quotes"):
        dme.turnover(vendor_totals([1.0]), review_rate="0.44")


def test_the_density_of_a_logit_normal_share_is_0_outside_and_integrates_to_1():
    assert LAW.pdf([-1.0, 0.0, 1.0, 2.0]).tolist() == [0.0] * 4
    x = (np.arange(20_000) + 0.5) / 20_000
    assert abs(LAW.pdf(x).mean() - 1) < 1e-9 and abs((x * LAW.pdf(x)).mean() - LAW.mean()) < 1e-9


def test_amounts_below_0_are_none():
    assert AMOUNTS.cdf(-5.0) == 0 and AMOUNTS.sf(-5.0) == 1 and AMOUNTS.money_above(-5.0) == 1


# -- bare errors that were mended ------------------------------------------------------------------------------------------

SUMS = {"seen": 100.0, "single_value": [10.0, 20.0, 5.0], "single_square": [50.0, 60.0, 10.0], "double_value": 30.0,
        "double_square": 100.0, "n_single": 20, "n_double": 15, "seen_square": 400.0}
EURO = {"name": "a", "side": "supply side", "low": 1.0, "high": 2.0, "kind": "bounds", "currency": "EUR", "per": "month"}
SMALL = simulate.MarketSpec(n_vendors=5, n_listings=10, orders=30, days=10)


def on_one_scale(rates=None, **source):
    rates = {"EUR": ExchangeRate(1.1)} if rates is None else rates
    return triangulate.one_scale([triangulate.Source(**{**EURO, **source})], currency="USD", rates=rates)


def by_month():
    months = [f"2016-0{m}" for m in (1, 2, 3)] * 2
    return dme.Totals.from_cells(vendor=list("abcdef"), value=[9.0, 6, 3, 5, 1, 2], reviews=[1] * 6, groups={"month": months},
                                 currency="USD", window=("2016-01-01", "2016-04-01"))


REFUSED = {
    "chapman, more than a float counts": lambda: coverage.chapman(10**400, 50, 20),
    "frequencies, the sum": lambda: coverage.m0(frequencies=[2**53, 2**53], occasions=3),
    "more scrapes than there are": lambda: coverage.m0(frequencies=[5, 3], occasions=10**400),
    "finds of one listing": lambda: coverage.chao1([1, 2, 10**12]),
    "histories of two lengths": lambda: coverage.summary([[1], [1, 0]]),
    "seen_square as text": lambda: coverage.value_chao_from_sums(**{**SUMS, "seen_square": "abc"}),
    "seen_square as text, expected": lambda: coverage.value_chao_from_sums(**{**SUMS, "seen_square": "abc"}, estimand="expected"),
    "squares that overflow": lambda: coverage.value_chao_from_sums(**{**SUMS, "single_square": [1e308] * 3}),
    "a tiny square": lambda: coverage.value_chao_from_sums(**{**SUMS, "double_square": 1e-320}),
    "an interval that is an array": lambda: dme.turnover(vendor_totals([1.0]), review_rate=0.5, interval=np.array(["a", "b"])),
    "an interval that is a list": lambda: dme.turnover(vendor_totals([1.0]), review_rate=0.5, interval=["bca"]),
    "ReviewCount, no share": lambda: bayes.ReviewCount(review_rate=NAN).data(vendor_totals([1.0, 2.0])),
    "Trend, no share": lambda: bayes.Trend(review_rate=NAN).data(by_month()),
    "Trend, prior of money": lambda: bayes.Trend(review_rate=NAN).prior_predictive(by_month()),
    "Trend, no month": lambda: bayes.Trend(review_rate=0.5, month=np.array(["month"])),
    "BothCounters, spread": lambda: bayes.BothCounters(spread=None),
    "BothCounters, one shape": lambda: bayes.BothCounters(spread=(1,)),
    "BothCounters, shape 0": lambda: bayes.BothCounters(spread=(0, 9)),
    "BothCounters, a market without a name": lambda: bayes.BothCounters().data(
        {"reviews": [4, 9, 3], "sales": [10, 20, 9], "market": ["a", "a", None]}),
    "BothCounters, one market for all": lambda: bayes.BothCounters().data({"reviews": [4, 9], "sales": [10, 20], "market": "a"}),
    "Detection, correlation": lambda: bayes.Detection(correlation=None),
    "Detection, spread": lambda: bayes.Detection(spread=None),
    "a known value beyond all floats": lambda: bayes.Trend(level_sd=10**400),
    "a path that is too long": lambda: dme.Listings("x" * 5000 + ".csv", price="p", reviews="r", vendor="v", currency="USD"),
    "a database with a name that is too long": lambda: dme.Listings("x" * 5000 + ".sqlite", table="t", price="p", reviews="r",
                                                                    vendor="v", currency="USD"),
    "a flag that is a number": lambda: simulate.MarketSpec(random_vendors=1),
    "a scraper by name": lambda: SMALL.simulate(1).scrape("daily"),
    "a column that is a list": lambda: SMALL.simulate(1).truth_by(["market"]),
    "margins that are a list": lambda: simulate.Margins(reviews=10.0, reviews_by=["category"]),
    "spread of shares": lambda: simulate.ReviewShares(mean=0.5, sd=1e308),
    "a spread of shares next to none": lambda: simulate.ReviewShares(mean=0.5, sd=1e-9),
    "a price beyond all money": lambda: simulate.HoldingPrices(rate=0.1, back=0.1, levels=(1e300,)),
    "a size that no unit explains": lambda: simulate.ResampledSizes(sizes=(1.0, 1e300)),
    "more days than markets live": lambda: simulate.MarketSpec(days=1e6),
    "more listings than fit into memory": lambda: simulate.MarketSpec(n_listings=10**9),
    "more events a day than there are": lambda: simulate.Hiding(rate=1e3, back=1.0),
    "a date rounded to less than a moment": lambda: simulate.Scraper(interval=1, rounding=1e-320),
    "crawls without end": lambda: simulate.Scraper(interval=1e-320, duration=0).starts(10),
    "sources that are none": lambda: triangulate.one_scale(["press"], currency="USD"),
    "a rate that is a number": lambda: on_one_scale(rates={"EUR": 1.1}),
    "rates that are a list": lambda: on_one_scale(rates=[1.1]),
    "money that no float holds": lambda: on_one_scale(low=1.2e308, high=1.5e308, per="day"),
    "an estimate that is none": lambda: triangulate.Source.from_estimate(5.0, "a"),
    "counts that are a number": lambda: demand.from_spending_brackets([0, 1, 2], 5, currency="EUR"),
    "counts that overflow": lambda: demand.from_spending_brackets([0, 1, 2], [1e308, 1e308], currency="EUR"),
    "edges that no survey has": lambda: demand.from_spending_brackets([0, 1, 1e300], [1, 2], currency="EUR"),
    "a currency that is a number": lambda: demand.from_spending_brackets([0, 1, 2], [1, 2], currency=5),
    "a seed that is a time": lambda: dme.turnover(vendor_totals([1.0]), rng=np.timedelta64(1, "D")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_was_once_a_bare_error(name):
    assert_refused(lambda _: REFUSED[name](), None)


def test_whole_numbers_that_python_does_not_print_are_shown():
    assert (_checks.shown(7), _checks.shown("7")) == ("7", "'7'")
    assert _checks.shown(2**20_000) == "a whole number of 20,001 bits"
    assert _checks.shown(-(2**20_000)) == "-a whole number of 20,001 bits"
    assert _checks.shown([2**20_000]) == "list"


@pytest.mark.parametrize("estimator", ["schnabel", "schumacher_eschmeyer", "jolly_seber"])
def test_huge_counts_do_not_wrap_around(estimator):
    """Counts of a market a thousand million times as large give an estimate as much larger; n M^2 is beyond 64 bits there."""
    counts = {"caught": [54, 146, 169, 209, 220], "recaptured": [0, 10, 37, 56, 53]}
    if estimator == "jolly_seber":
        counts |= {"released": [54, 143, 164, 202, 214], "later": [24, 80, 70, 71, 0], "around": [0, 14, 57, 71, 0]}
    function, options = getattr(coverage, estimator), {"form": "classic"} if estimator != "schumacher_eschmeyer" else {}
    small = function(**counts, **options)
    large = function(**{name: [10**9 * x for x in values] for name, values in counts.items()}, **options)
    assert large.value == pytest.approx(1e9 * small.value, rel=1e-9)
    assert large.standard_error > 0
