"""Every public function of the modules that make up data, and of coverage, with odd things for each argument in turn.

What comes back is a result, or an error of the library that says what was wrong: never another error, never a warning.
"""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

import darkmarket_estimates as dme
from darkmarket_estimates import (
    ByGroup,
    DataError,
    ExchangeRate,
    Range,
    ReviewRate,
    bayes,
    coverage,
    demand,
    evaluation,
    published,
    simulate,
    triangulate,
)
from darkmarket_estimates.bayes.draws_model import estimate_from
from darkmarket_estimates.bayes.protocol import Outcome
from tests.tables import vendor_totals
from tests.test_bad_input import INF, NO_NUMBERS

MARKET = {"n_vendors": 5, "n_listings": 10, "orders": 30, "days": 10}
MECHANISMS = {
    "sizes": (simulate.LogNormalSizes, {"sd": 1.0}),
    "review_shares": (simulate.ReviewShares, {"mean": 0.5, "sd": 0.1, "slope": 0.1}),
    "quantities": (simulate.Quantities, {"trials": 2, "probability": 0.1}),
    "price_changes": (simulate.PriceChanges, {"rate": 0.1, "sd": 0.1}),
    "holding_prices": (simulate.HoldingPrices, {"rate": 0.1, "back": 0.1, "levels": (99.0,)}),
    "deletion": (simulate.Deletion, {"rate": 0.01}), "hiding": (simulate.Hiding, {"rate": 0.1, "back": 0.1}),
    "fake_reviews": (simulate.FakeReviews, {"vendors": 0.5, "ratio": 0.1}), "relisting": (simulate.Relisting, {"rate": 0.01}),
    "margins": (simulate.Margins, {"reviews": 10.0, "value": 100.0, "reviews_by": {"category": {"all": 1.0}},
                                   "value_by": {"country": {"all": 1.0}}}),
}
SCRAPER = {"interval": 3.0, "duration": 1.0, "first": 0.0, "page_failure": 0.1, "share": 0.5, "daily_cap": 9, "order": "uniform",
           "discovery": 0.1, "downtime": (), "page_cap": 2, "counter": "both", "dates": "rounded", "rounding": 30.0}
SPENDING = {"edges": [0, 250, 1000, INF], "counts": [49, 30, 20], "families": "gamma", "confidence_level": 0.95,
            "currency": "EUR", "period": "a year"}
SOURCE = {"name": "a", "side": "supply side", "low": 1.0, "high": 2.0, "kind": "bounds", "currency": "EUR", "per": "month",
          "scope": "", "note": ""}
SEEN = np.array([[1, 1, 0], [0, 1, 0], [0, 1, 1], [1, 0, 0], [0, 0, 1], [1, 1, 1], [1, 0, 1], [0, 1, 0], [1, 1, 0]], dtype=bool)
LISTED = {"y": np.arange(1.0, 10.0), "k": SEEN.sum(axis=1), "first_scrape": SEEN.argmax(axis=1), "occasions": 3}
SUMS = {"seen": 100.0, "single_value": [10.0, 20.0, 5.0], "single_square": [50.0, 60.0, 10.0], "double_value": 30.0,
        "double_square": 100.0, "n_single": 20, "n_double": 15, "seen_square": 400.0}


MEASURED = dme.turnover(vendor_totals([9.0, 5.0], window=("2016-01-01", "2016-02-01")), review_rate=0.5)


ONE = simulate.MarketSpec(**MARKET).simulate(1)


def simulated(**options):
    return simulate.MarketSpec(**{**MARKET, **options}).simulate(1).truth_by("category")


def scraped(**options):
    return ONE.scrape(simulate.Scraper(**options), 1).sightings()


def on_one_scale(rate=1.1, sources=None, rates=None, **source):
    rates = {"EUR": ExchangeRate(rate)} if rates is None else rates
    scaled = triangulate.one_scale([triangulate.Source(**{**SOURCE, **source})] if sources is None else sources, currency="USD",
                                   rates=rates)
    return scaled.apart(), scaled.to_frame()


FUNCTIONS = {
    "MarketSpec": (simulated, {**MARKET, "window": (1, 5), "start": "2016-01-01", "currency": "USD", "random_vendors": True,
                               "sizes": simulate.LogNormalSizes(sd=1.0), "listing_elasticity": 0.5, "popularity_sd": 1.0,
                               "markets": {"a": 1.0}, "categories": {"a": simulate.Category(share=1, mean_price=5)},
                               "countries": {"a": simulate.Country(share=1)}, "focus": 0.5, "new_listings": 0.2,
                               "new_vendors": False, "fixed_counts": False, **dict.fromkeys(list(MECHANISMS)[1:])}),
    **{f"MarketSpec.{name}": ((lambda name, law, options: simulated(**{name: law(**options)}), name, law), options)
       for name, (law, options) in MECHANISMS.items()},
    "Category": (lambda **x: simulated(categories={"a": simulate.Category(**x)}), {"share": 1.0, "mean_price": 5.0, "sd": 1.0}),
    "Country": (lambda **x: simulated(countries={"a": simulate.Country(**x)}), {"share": 1.0, "size": 2.0, "price": 5.0}),
    "ResampledSizes": (lambda sizes: simulated(sizes=simulate.ResampledSizes(sizes=sizes)), {"sizes": (1.0, 2.0)}),
    "ParetoSizes": (lambda shape: simulated(sizes=simulate.ParetoSizes(shape=shape)), {"shape": 2.0}),
    "Market.small": (lambda rng: simulate.Market.small(rng, n_vendors=5, n_listings=9, orders=9), {"rng": 1}),
    "Market.truth_by": (ONE.truth_by, {"column": "market"}),
    "Market.scrape": (ONE.scrape, {"scraper": simulate.Scraper(interval=3), "rng": 1}),
    "Scraper": (scraped, SCRAPER), "Scraper.starts": (simulate.Scraper(interval=3).starts, {"days": 10}),
    "from_spending_brackets": (lambda **x: str(demand.from_spending_brackets(**x)), SPENDING),
    "Spending.turnover": (demand.from_spending_brackets(**SPENDING).turnover, {"buyers": 10.0}),
    "Source": (on_one_scale, SOURCE), "one_scale": (on_one_scale, {"rate": 1.1, "sources": None, "rates": None}),
    "one_scale.rates": (lambda rate: on_one_scale(rates={"EUR": rate}), {"rate": ExchangeRate(1.1)}),
    "one_scale.currency": (lambda **x: triangulate.one_scale([triangulate.Source(**SOURCE)], **x),
                           {"currency": "EUR", "per": "day"}),
    "Source.from_orders": (lambda **x: triangulate.Source.from_orders(currency="USD", **x),
                           {"orders": 3.0, "order_value": 4.0, "name": "a", "per": "day", "scope": "", "note": ""}),
    "Source.from_estimate": (triangulate.Source.from_estimate, {"estimate": MEASURED, "name": "a", "per": "month"}),
    **{name: ((lambda f, options: f(**options), getattr(coverage, name)), {"marked": 100, "caught": 50, "recaptured": 20,
                                                                           "interval": "seber", "confidence_level": 0.9})
       for name in ("petersen", "chapman", "bailey")},
    **{name: ((lambda f, options: f(**options), getattr(coverage, name)), {"histories": SEEN, "occasions": None, **options})
       for name, options in {"summary": {}, "captures": {}, "m0": {}, "mt": {}, "zero_truncated_poisson": {}, "ice": {"rare": 10},
                             "chao2": {"bias_corrected": True}, "jackknife": {"order": 1}, "schnabel": {"form": "classic"},
                             "schumacher_eschmeyer": {}, "jolly_seber": {"form": "classic", "occasion": None}, "good_turing": {},
                             "chao_jost": {}, "huggins": {"covariates": None, "clusters": None},
                             "compare": {"covariates": None}}.items()},
    **{f"{name} of frequencies": ((lambda f, options: f(**options), getattr(coverage, name)),
                                  {"frequencies": [5, 3, 1], "occasions": 3})
       for name in ("m0", "chao2", "jackknife", "ice", "compare", "chao_jost")},
    "chao1": (coverage.chao1, {"counts": [1, 2, 3, 1], "bias_corrected": True, "finite_sample": False}),
    "ace": (coverage.ace, {"counts": [1, 2, 3, 1, 20], "rare": 10}),
    "schnabel of counts": (lambda **x: coverage.schnabel(**x), {"caught": [10, 20, 30], "recaptured": [0, 3, 5],
                                                                "released": [10, 20, 30]}),
    "value_chao": (coverage.value_chao, {**LISTED, "vendor": None, "form": "unequal scrapes", "estimand": "expected"}),
    "value_chao_from_sums": (coverage.value_chao_from_sums, SUMS),
    "count_times_mean": (coverage.count_times_mean, {k: v for k, v in LISTED.items() if k != "first_scrape"}),
    "pages_opened": (coverage.pages_opened, {"y": LISTED["y"], "opened": np.full(9, 0.5)}),
    "Trend": (lambda **x: bayes.Trend(**x), {"month": "month", "level_sd": 0.1, "slope_sd": 0.1, "counter_error": 0.1,
                                             "first_level_sd": 1.0, "first_slope_sd": 1.0}),
    "BothCounters": (lambda **x: bayes.BothCounters(**x), {"spread": (1.0, 9.0), "centre": bayes.Normal(0, 1), "step_sd": 0.1,
                                                           "between_market_sd": 0.5}),
    "BothCounters.data": (lambda **x: bayes.BothCounters().data(x), {"reviews": [4, 9, 3, 5], "sales": [10, 20, 9, 9],
                                                                     "market": list("aabb"), "value": [1.0, 2, 3, 4]}),
    "Detection": (lambda **x: bayes.Detection(**x), {"law": "beta", "correlation": (1.0, 4.0), "spread": bayes.HalfNormal(1.0),
                                                     "scrape_sd": 1.0}),
    "CaptureCounts": (lambda **x: bayes.CaptureCounts(**x), {"value": [1.0, 2.0], "captures": [1, 2], "occasions": 3}),
}
ODD = {
    **NO_NUMBERS, "minus 0": -0.0, "minus 1": -1, "0": 0, "2": 2, "endless digits": 10**5000, "a fraction": Fraction(1, 3),
    "Decimal": Decimal("1.5"), "numbers": [1, 2, 3], "huge counts": [10**15] * 3, "huger counts": [10**30] * 3,
    "huge values": [1e308] * 3,
    "None twice": [None, None], "a table": np.ones((2, 2)), "a block": np.ones((2, 2, 2)), "a scalar array": np.array(1.0),
    "an empty table": np.ones((0, 3)), "True array": np.array([True, False]), "NA inside": pd.Series([1, pd.NA], dtype="Int64"),
    "days": pd.to_datetime(["2016-01-01", "2016-01-02"]), "a set": {1, 2}, "no text": "", "wide range": Range(1, 1e308),
    "a rate": ExchangeRate(1.1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_result_or_an_error_of_the_library(name):
    """Each argument in turn is each odd thing; a result's value is no NaN, and nothing is warned of."""
    call, good = FUNCTIONS[name]
    if isinstance(call, tuple):
        function, *first = call
        call = lambda **options: function(*first, options)  # noqa: E731
    call(**good)
    for argument in good:
        for what, odd in ODD.items():
            try:
                found = call(**{**good, argument: odd})
            except DataError as error:
                assert any(part is not None for part in (error.expected, error.got, error.fix)), (argument, what)
            except Exception as error:
                raise AssertionError(f"{name}({argument}={what}): {error!r}") from error
            else:
                assert not isinstance(found, coverage.Abundance) or found.value == found.value, (argument, what)


# -- whole numbers of more digits than Python prints ----------------------------------------------------------------------


ENDLESS = 10**5000
BEYOND = {"alone": ENDLESS, "in a list": [ENDLESS], "in a pair": (ENDLESS, 1), "two": [ENDLESS, ENDLESS],
          "as a name": {ENDLESS: 1}, "under a name": {"a": ENDLESS}, "as a fraction": Fraction(ENDLESS, 3),
          "in an array": np.array([ENDLESS, 1], dtype=object)}
SOLD = vendor_totals([900.0, 600, 300, 50], groups={"market": list("HHAA")}, window=("2016-01-01", "2016-02-01"))
RATED = dme.turnover(SOLD, review_rate=ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.11))
DRAWN = Outcome(totals=SOLD, draws=np.array([[1.0, 2.0], [3.0, 5.0], [2.0, 2.5]]), estimand="realised")
TABLE = {"price": [50.0, 20.0], "reviews": [4, 10], "seller": ["a", "b"], "day": ["2016-01-02", "2016-01-03"]}
NAMED = {"price": "price", "reviews": "reviews", "vendor": "seller", "currency": "USD"}
LISTINGS = dme.Listings(TABLE, date="day", **NAMED)
PAGES = {"l": list("xxyy"), "s": ["2016-01-01", "2016-01-08"] * 2, "p": [5.0] * 4, "n": [1, 3, 2, 5], "v": list("aabb")}
PAGED = {"listing": "l", "scrape": "s", "price": "p", "vendor": "v", "reviews": "n", "currency": "USD"}
WRITTEN = {"l": ["x", "y"], "v": ["a", "b"], "p": [5.0, 6.0], "d": ["2016-01-02", "2016-01-05"]}
DATED = {"listing": "l", "vendor": "v", "price": "p", "date": "d", "currency": "USD"}
STUDY = published.get("kruithof2016")
FIGURE = next(iter(STUDY.by_key))
FOUR = published.Rounded.exact(4)
SMALL = {"market": simulate.MarketSpec(**MARKET), "scraper": simulate.Scraper(interval=3), "n_simulations": 1, "rng": 1,
         "progress": False}
LAW = bayes.ShareLaw([0.0, 1.0], [1.0, 1.0])


def judged(**options):
    return evaluation.benchmark({"half": {"review_rate": 0.5}}, **{**SMALL, **options})


DIGITS = {
    **{f"turnover.{name}": (lambda x, name=name: str(dme.turnover(SOLD, **{name: x})))
       for name in ("review_rate", "coverage", "market_coverage", "exchange_rate", "units_per_order", "genuine_share", "estimand",
                    "interval", "confidence_level", "measure", "rng", "n_resamples")},
    "turnover of a table.clean": lambda x: dme.turnover(TABLE, clean=x, **NAMED),
    "ByGroup.column": lambda x: ByGroup(x, {"H": 0.5}), "ByGroup.values": lambda x: ByGroup("market", x),
    "ByGroup.value": lambda x: dme.turnover(SOLD, review_rate=ByGroup("market", {"H": x, "A": 0.5})),
    "ExchangeRate": lambda x: dme.turnover(SOLD, exchange_rate=ExchangeRate(x, to="EUR")),
    "ReviewRate.mean": lambda x: ReviewRate(mean=x, standard_error=0.1),
    "ReviewRate.spread_at": lambda x: ReviewRate(mean=0.4, between_vendor_sd=0.1).spread_at(x),
    "CountTimesMean": lambda x: dme.CountTimesMean(i_know_it_is_biased=x), "Huggins": dme.Huggins,
    "Listings.frame": lambda x: dme.Listings(x, **NAMED),
    **{f"Listings.{name}": (lambda x, name=name: dme.Listings(TABLE, **{**NAMED, name: x}))
       for name in ("reviews", "window", "occasions", "price")},
    "Listings.occasions": lambda x: dme.Listings({**TABLE, "k": [1, 2]}, captures="k", occasions=x, **NAMED),
    **{f"Listings, column {name}": (lambda x, name=name: dme.turnover({**TABLE, name: x}, **NAMED)) for name in TABLE},
    **{f"Listings, frame with {name}": (lambda x, name=name: dme.turnover(pd.DataFrame({**TABLE, name: pd.Series([x, x])}),
                                                                          **NAMED)) for name in ("price", "seller")},
    "Listings.clean": LISTINGS.clean, "Listings.totals.by": lambda x: LISTINGS.totals(by=x),
    "Listings.totals.bands": lambda x: LISTINGS.totals(bands=x),
    "Listings.totals.assumptions": lambda x: LISTINGS.totals(assumptions=x),
    "to_currency.rates": lambda x: LISTINGS.to_currency("EUR", x),
    "to_currency.rate": lambda x: LISTINGS.to_currency("EUR", {"date": ["2016-01-02", "2016-01-03"], "rate": [x, x]}),
    **{f"from_scrapes.{name}": (lambda x, name=name: dme.Listings.from_scrapes(PAGES, **{**PAGED, name: x}))
       for name in ("listing", "price", "reviews", "page_cap", "window", "counter")},
    "from_scrapes, column n": lambda x: dme.Listings.from_scrapes({**PAGES, "n": x}, **PAGED),
    **{f"from_reviews.{name}": (lambda x, name=name: dme.Listings.from_reviews(WRITTEN, **{**DATED, name: x}))
       for name in ("listing", "price", "page_cap", "window")},
    "from_reviews, column p": lambda x: dme.Listings.from_reviews({**WRITTEN, "p": x}, **DATED),
    "Totals.require_key": lambda x: SOLD.require_key(x) if isinstance(x, int | list | tuple) else SOLD.require_key("market"),
    "Estimate.group": lambda x: RATED.group(market=x), "Estimate.share": lambda x: RATED.share(x, of="market"),
    "Estimate.share.cv": lambda x: RATED.share("H", of="market", between_group_cv=x), "Estimate.quantile": RATED.quantile,
    "Estimate.cdf": RATED.cdf, "Estimate.per": RATED.per,
    "draws.share": lambda x: estimate_from(DRAWN, confidence_level=0.9).share(x, of="market"),
    "draws.level": lambda x: estimate_from(DRAWN, confidence_level=x),
    "draws": lambda x: estimate_from(Outcome(totals=SOLD, draws=x, estimand="realised"), confidence_level=0.9),
    "compare.name": lambda x: dme.compare(SOLD, x), "compare.clean": lambda x: dme.compare(SOLD, {"a": {"clean": x}}),
    "compare.answer": lambda x: dme.compare(SOLD, {"a": lambda _: x}),
    "benchmark.scenario": lambda x: judged(scenario=x), "benchmark.path": lambda x: judged(path=x if isinstance(x, int) else 1),
    "benchmark.truth": lambda x: judged(truth=lambda _: x),
    "benchmark.variant": lambda x: evaluation.benchmark({"a": {"turnover": {"review_rate": x}}}, **SMALL),
    "benchmark.answer": lambda x: evaluation.benchmark({"a": lambda _: x}, **SMALL),
    "Report.load": evaluation.Report.load, "published.get": published.get, "published.reconstruct": published.reconstruct,
    "study_from_toml": lambda x: published.study_from_toml(x, ""), "with_figure.key": lambda x: STUDY.with_figure(x, "1"),
    "with_figure": lambda x: STUDY.with_figure(FIGURE, x), "Reproduction.row": STUDY.reproduce().row,
    **{f"Rounded.{name}": getattr(published.Rounded, name)
       for name in ("printed", "exact", "more_than", "at_least", "less_than")},
    "Rounded.step": lambda x: published.Rounded.printed("3.5", step=x),
    "Rounded.between": lambda x: published.Rounded.between(1, x),
    "Rounded.text": lambda x: repr(published.Rounded.between(1, 2, text=x)), "Rounded.named": lambda x: repr(FOUR.named(x)),
    "Rounded.computed": lambda x: published.Rounded.computed(1.0, 2.0, x),
    "Rounded.low": lambda x: published.Rounded(x, FOUR.high),
    "Rounded.times": lambda x: FOUR * x, "Rounded.over": lambda x: x / FOUR if isinstance(x, int) else FOUR / x,
    "fit.spec": lambda x: bayes.fit(None, x), "fit.rng": lambda x: bayes.fit(None, bayes.Detection(), rng=x),
    **{f"fit.{name}": (lambda x, name=name: bayes.fit(None, bayes.Detection(), **{name: x}))
       for name in ("draws", "tune", "chains", "confidence_level", "method", "target_accept")},
    **{f"calibrate.{name}": (lambda x, name=name: bayes.calibrate(bayes.Detection(), None, **{name: x}))
       for name in ("n_simulations", "draws", "tune", "ranked")},
    "detect.spec": lambda x: bayes.detect(None, x), "detect.laws": lambda x: bayes.detect(None, laws=x),
    "calibrate_share.counts": bayes.calibrate_share, "calibrate_share.spec": lambda x: bayes.calibrate_share({}, x),
    "calibrate_share.draws": lambda x: bayes.calibrate_share({"reviews": [1], "sales": [2]}, draws=x),
    "CaptureCounts.currency": lambda x: str(bayes.CaptureCounts(value=[1.0, 2.0], captures=[1, 2], occasions=3, currency=x)),
    "CaptureCounts.window": lambda x: str(bayes.CaptureCounts(value=[1.0, 2.0], captures=[1, 2], occasions=3, window=x)),
    "CaptureCounts.totals": lambda x: str(bayes.CaptureCounts(value=[1.0, 2.0], captures=[1, 2], occasions=3, totals=x)),
    "CaptureCounts.width": lambda x: bayes.CaptureCounts(value=[1.0, 2.0], histories=[[1, 0], [1, 1]], occasions=x),
    "by_month.column": lambda x: bayes.by_month(SOLD, x) if isinstance(x, int) else bayes.by_month(x, "market"),
    "ShareLaw.cdf": LAW.cdf, "ShareLaw.pdf": LAW.pdf, "ShareLaw.ppf": LAW.ppf, "ShareLaw.isf": LAW.isf,
    "ShareLaw.interval": LAW.interval, "prior_target": lambda x: bayes.BothCounters().prior_target(x),
    "prior_predictive": lambda x: bayes.BothCounters().prior_predictive({"reviews": [4, 9], "sales": [10, 20]}, draws=x),
    "Margins": lambda x: simulate.Margins(reviews=10.0, value=9.0, reviews_by={"category": x},
                                          value_by={"country": {"all": 1.0}}),
}


@pytest.mark.parametrize("name", DIGITS)
def test_numbers_that_python_does_not_print(name):
    """They end in a result or in an error of the library, not in Python's own "Exceeds the limit (4300 digits)"."""
    for what, odd in BEYOND.items():
        try:
            DIGITS[name](odd)
        except DataError as error:
            assert any(part is not None for part in (error.expected, error.got, error.fix)), what
        except Exception as error:
            raise AssertionError(f"{name}, {what}: {error!r}") from error
