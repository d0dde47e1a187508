"""One simulated market, and every variant on it. A run depends on its number and the seed, on nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from darkmarket_estimates._checks import number
from darkmarket_estimates.distribution.law import Law
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.evaluation.scores import crps, interval_score, weighted_interval_score
from darkmarket_estimates.evaluation.variants import Answer, Variant, answer
from darkmarket_estimates.listings.table import Listings
from darkmarket_estimates.simulate import Market, MarketSpec, Scraper, Scrapes

ESTIMANDS = ("realised", "expected")
#: Levels of the weighted interval score: those of the forecast hubs (Bracher et al. 2021).
LEVELS = np.array([0.98, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
#: Columns of a run, each row one variant.
NUMBERS = ("truth", "value", "floor", "lower_bound", "upper_bound", "low", "high", "confidence_level",
           "interval_score", "weighted_interval_score", "crps", "seconds")
COLUMNS = ("scenario", "run", "variant", *NUMBERS, "kind", "estimand", "flags", "error")


def listings_of(market: Market, scrapes: Scrapes | None = None) -> Listings:
    """Return the listings that an analyst has.

    Of a market: its table, nothing missed. Of scrapes: the distinct reviews that were shown, at the prices shown with
    them, a row a listing and price; a review without a date counts at its first sighting.
    """
    for name, given, wanted in (("market", market, Market), ("scrapes", scrapes, Scrapes | None)):
        if not isinstance(given, wanted):
            raise DataError(f"{name} is not what a simulation gives", expected="a Market, and its Scrapes or None",
                            got=type(given).__name__)
    columns: dict[str, Any] = {"price": "price", "vendor": "vendor", "listing": "listing", "market": "market",
                               "reviews": "reviews", "currency": market.currency, "window": market.window}
    if scrapes is None:
        return Listings(market.listings, **columns)
    low, high = (np.datetime64(day) for day in market.window)
    when = scrapes.reviews["date" if "date" in scrapes.reviews else "by"]
    rows = scrapes.reviews[(when >= low) & (when < high)]
    table = rows.groupby(["listing", "price", "vendor", "market"], as_index=False).agg(reviews=("review", "size"))
    return Listings(table, **columns, duplicates="keep")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What every run does; `market`, `scraper`, `prepare` and `truth` as in `benchmark`."""

    variants: Mapping[str, Variant]
    market: MarketSpec | Callable[[np.random.Generator], Any]
    scraper: Scraper | None
    prepare: Callable[..., Any]
    truth: str | Callable[[Market], float]
    confidence_level: float
    scenario: str
    entropy: Any
    spawn_key: tuple[int, ...]

    def run(self, number_of_run: int) -> list[dict[str, Any]]:
        """Simulate one market and return a row a variant."""
        seed = np.random.SeedSequence(self.entropy, spawn_key=(*self.spawn_key, number_of_run))
        of_market, of_scraper, of_variants = seed.spawn(3)
        data, truths = self._data(np.random.default_rng(of_market), np.random.default_rng(of_scraper))
        shared = {"confidence_level": self.confidence_level, "rng": int(of_variants.generate_state(1, np.uint64)[0])}
        rows = []
        for name, variant in self.variants.items():
            found = answer(data, variant, shared)
            row = {"scenario": self.scenario, "run": number_of_run, "variant": name}
            rows.append(row | judged(found, truths[self._asked(found)]))
        return rows

    def _data(self, rng: np.random.Generator, scraping: np.random.Generator) -> tuple[Any, dict[str, float]]:
        """What the variants get, and the truths by name; NaN where there is none."""
        drawn = self.market.simulate(rng) if isinstance(self.market, MarketSpec) else self.market(rng)
        if isinstance(drawn, Market):
            if callable(self.truth):
                truths = dict.fromkeys(ESTIMANDS, number(self.truth(drawn), "the truth"))
            else:
                expected = drawn.spec.expected_turnover
                truths = {"realised": drawn.truth.realised_turnover,
                          "expected": math.nan if expected is None else expected}
            scrapes = None if self.scraper is None else drawn.scrape(self.scraper, scraping)
            return self.prepare(drawn, scrapes), truths
        if not isinstance(drawn, tuple) or len(drawn) != 2 or self.scraper is not None or callable(self.truth):
            raise DataError("the market cannot be used", got=type(drawn).__name__,
                            expected="a Market, or (data, truth) where no scraper and no truth function are given")
        data, truth = drawn
        named = truth if isinstance(truth, Mapping) else dict.fromkeys(ESTIMANDS, truth)
        return data, {name: number(named[name], f"the {name} truth") if name in named else math.nan
                      for name in ESTIMANDS}

    def _asked(self, found: Answer) -> str:
        return self.truth if self.truth in ESTIMANDS else found.estimand or "realised"


def judged(found: Answer, truth: float) -> dict[str, Any]:
    """One answer beside the truth, with its scores."""
    row: dict[str, Any] = {name: float(getattr(found, name, math.nan)) for name in NUMBERS}
    row |= {"truth": truth, "kind": found.kind, "estimand": found.estimand, "flags": found.flags, "error": found.error}
    if not found.error and math.isnan(truth):
        row["error"] = "this market has no such truth: the expected turnover has no closed form"
    if row["error"]:
        return row
    if math.isfinite(found.low) and math.isfinite(found.high):
        row["interval_score"] = interval_score(truth, found.low, found.high, found.confidence_level)
    if found.law is not None:
        try:
            row |= _scores(found.law(), truth)
        except Exception as error:  # a variant that fails is a result
            row["error"] = f"its law: {type(error).__name__}: {error}"
    return row


def _scores(law: Law, truth: float) -> dict[str, float]:
    low, high = law.quantile((1 - LEVELS) / 2), law.quantile((1 + LEVELS) / 2)
    return {"weighted_interval_score": weighted_interval_score(truth, law.quantile(0.5), low, high, LEVELS),
            "crps": crps(truth, law)}
