"""Standing scenarios x all variants, where the truth is known.

    python benchmarks/variants.py [--full] [--runs N] [--only NAME] [--processes N] [--folder RUNS]

writes benchmarks/variants.json and docs/what-to-use-when.md. `--full` is 1,000 runs a scenario; with `--folder`
finished runs are kept there, used again, and never fewer than are there are shown.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import darkmarket_estimates as dme
from darkmarket_estimates.evaluation import Report, benchmark, listings_of
from darkmarket_estimates.listings.dated import DatedListings
from darkmarket_estimates.simulate import (
    Category,
    Deletion,
    FakeReviews,
    HoldingPrices,
    LogNormalSizes,
    Market,
    MarketSpec,
    ResampledSizes,
    ReviewShares,
    Scraper,
    Scrapes,
    presets,
)

ROOT = Path(__file__).parents[1]
SEED = 20160131
SHARE, SPREAD = 0.441, 0.134  # Torrez 2021, as in simulate.presets
RATE = dme.ReviewRate(mean=SHARE, between_vendor_sd=SPREAD)
EXPECTED = ("bca", "tail", "skew-corrected", "compound-poisson", "delta", "lognormal")

BASE = MarketSpec(
    n_vendors=1_000, n_listings=3_000, orders=20_000, random_vendors=True, sizes=LogNormalSizes(sd=1.5),
    categories={"all": Category(share=1, mean_price=50, sd=0.5)}, review_shares=ReviewShares(mean=SHARE, sd=SPREAD),
)
#: The window ends before the first of five crawls: one capture reveals all.
SEEN = replace(BASE, n_vendors=400, n_listings=2_000, orders=8_000, days=60, window=(0, 30))
CRAWLS = Scraper(first=30, interval=7, duration=1, page_failure=0, share=0.4, dates="exact")


@dataclass(frozen=True)
class Seen:
    """What an analyst with several scrapes has: dated listings with their captures, and the crawls' own log."""

    listings: DatedListings
    log: pd.DataFrame


def seen(market: Market, scrapes: Scrapes | None) -> Seen:
    assert scrapes is not None
    listings = dme.Listings.from_reviews(
        scrapes.reviews.drop(columns=["after", "by"]), scrapes.listings, listing="listing", vendor="vendor",
        market="market", price="price", price_at="amount", date="date", scrape="scrape", seen="seen",
        scrapes=scrapes.log["scrape"], currency=market.currency, window=market.window)
    return Seen(listings, scrapes.log)


def seen_only(data: Seen) -> dme.Estimate:
    return dme.turnover(data.listings, review_rate=RATE)


def opened(data: Seen) -> pd.Series:
    """The part of the live pages that each crawl read."""
    return data.log["captured"] / data.log["live"]


def known_pages(data: Seen) -> dme.Estimate:
    """Divide by the chance that a page was opened at least once, from the crawls' own logs."""
    return dme.turnover(data.listings, review_rate=RATE, coverage=data.listings.pages_opened(opened(data)).law())


def chao(data: Seen) -> tuple[float, float, float]:
    """The one-sided limit is what is judged."""
    est = dme.turnover(data.listings, review_rate=RATE, coverage=dme.ValueChao())
    assert est.limit is not None
    return est.value, est.limit, np.inf


def by_reviews(data: Seen) -> dme.Estimate:
    """Huggins-Alho with log(1 + reviews) as the covariate of detection."""
    return dme.turnover(data.listings, review_rate=RATE, coverage=dme.Huggins(["log count"]))


def life_table(data: Seen, **options: Any) -> dme.Estimate:
    """Listings die and hide between crawls: survival from recaptures, pages opened from the crawls' own logs."""
    return dme.turnover(data.listings, **{"review_rate": RATE, **options},
                        coverage=data.listings.life_table(opened=opened(data)).law())


def fitted_life_table(data: Seen) -> dme.Estimate:
    """The same without the logs."""
    return dme.turnover(data.listings, review_rate=RATE, coverage=data.listings.life_table().law())


COVERAGE = {"share; seen only": seen_only, "share; pages opened": known_pages, "share; ValueChao, at least": chao,
            "share; Huggins on reviews": by_reviews}
DYING = {**COVERAGE, "share; life table": life_table, "share; life table without logs": fitted_life_table}

HANSA = MarketSpec(**presets.hansa_like())
assert HANSA.review_shares is not None and HANSA.quantities is not None
#: What is in no crawl, and is taken as known.
KNOWN = {"review_rate": dme.ReviewRate(mean=HANSA.review_shares.mean, between_vendor_sd=HANSA.review_shares.sd),
         "units_per_order": HANSA.quantities.mean}


def plain_sum(data: Seen) -> float:
    """Sum reviews x price over what was seen, as most of the literature does."""
    return data.listings.totals().sum("value")


def share_and_units(data: Seen) -> dme.Estimate:
    return dme.turnover(data.listings, **KNOWN)


def recommended(data: Seen) -> dme.Estimate:
    return life_table(data, **KNOWN)


def intervals() -> dict[str, Any]:
    """Every interval of both estimands."""
    found: dict[str, Any] = {"realised: predictive (default)": {}}
    found["realised: conservative"] = {"spread_law": "conservative"}
    found |= {f"realised: {name}": {"interval": name} for name in ("delta", "lognormal")}
    found["expected: bca-tail (default)"] = {"estimand": "expected"}
    found |= {f"expected: {name}": {"estimand": "expected", "interval": name} for name in EXPECTED}
    found["expected: poisson-bootstrap"] = {"estimand": "expected", "interval": "poisson-bootstrap", "n_resamples": 500}
    return {name: {"review_rate": RATE, **options} for name, options in found.items()}


BOUNDS = {"floor": {}, "Range(0.35, 0.55): bounds": {"review_rate": dme.Range(0.35, 0.55), "interval": None}}
ALL = {**BOUNDS, **intervals()}
#: Beyond the base scenario: the bootstrap, whose law "compound-poisson" gives without drawing it, takes a fifth of the time.
MOST = {name: options for name, options in ALL.items() if "bootstrap" not in name}
CAPS: dict[str, Any] = {
    f"{name}; {words}": {"clean": rule, "turnover": options}
    for words, rule in (("no rule", None), ("cap 10,000", dme.HoldingPrice(cap=10_000)),
                        ("cap 1,000", dme.HoldingPrice(cap=1_000)), ("cap 100", dme.HoldingPrice(cap=100)))
    for name, options in (("floor", {}), ("realised: predictive", {"review_rate": RATE}))
}


@dataclass(frozen=True)
class Scenario:
    """A market, what goes wrong in it, and the variants that are tried."""

    name: str
    words: str
    market: MarketSpec
    variants: dict[str, Any] = field(default_factory=lambda: MOST)
    scraper: Scraper | None = None
    prepare: Callable[..., Any] = listings_of
    cost: int = 1  # runs are divided by it


def scenarios(data: Path | None = None) -> Iterable[Scenario]:
    """Every standing scenario; those of real vendors only where the data are."""
    yield Scenario("base", "1,000 vendors, log-sd 1.5, closed window; share and spread as stated", BASE, ALL)
    for sd in (2.0, 2.5):
        yield Scenario(f"log-sd {sd:g}", f"as base, vendor sizes with log-sd {sd:g}",
                       replace(BASE, sizes=LogNormalSizes(sd=sd)))
    yield Scenario("30 vendors", "as base, 30 vendors, 90 listings, 600 orders",
                   replace(BASE, n_vendors=30, n_listings=90, orders=600))
    yield Scenario("share 20 % off", "the true mean share is 0.529, the analyst says 0.441",
                   replace(BASE, review_shares=ReviewShares(mean=1.2 * SHARE, sd=SPREAD)),
                   MOST | {"Range(0.35, 0.55): with interval": {"review_rate": dme.ReviewRate(
                       mean=dme.Range(0.35, 0.55), between_vendor_sd=SPREAD)}})
    yield Scenario("share rises with size", "logit slope 0.1 on log size; the analyst knows the share of a mean vendor",
                   replace(BASE, review_shares=ReviewShares(mean=SHARE, sd=SPREAD, slope=0.1)))
    yield Scenario("fake reviews", "a fifth of the vendors add half as many again: genuine share 0.91",
                   replace(BASE, fake_reviews=FakeReviews(vendors=0.2, ratio=0.5)),
                   MOST | {f"{name}, genuine share known": {**ALL[f"{name} (default)"], "genuine_share": 1 / 1.1}
                          for name in ("realised: predictive", "expected: bca-tail")})
    yield Scenario("holding prices left in", "2 % of the listings show 9,999 to 999,999 at the end of the window",
                   replace(BASE, holding_prices=HoldingPrices(rate=0.002, back=0.1)), CAPS)
    yield Scenario("uniform detection", "five crawls after the window, each opens 40 % of the pages at random", SEEN,
                   COVERAGE, CRAWLS, seen)
    yield Scenario("popular pages first", "five crawls; 40 % of the pages, half by number of reviews, half at random",
                   SEEN, COVERAGE, replace(CRAWLS, order="popular", discovery=0.5), seen)
    yield Scenario("unequal scrapes", "as uniform, but the site is down in most of two of the crawls", SEEN,
                   COVERAGE, replace(CRAWLS, downtime=((38.1, 39), (52.3, 53))), seen)
    one = {name: COVERAGE[name] for name in ("share; seen only", "share; pages opened")}
    yield Scenario("one scrape", "one crawl after the window that opens 60 % of the pages", SEEN, one,
                   replace(CRAWLS, first=55, interval=30, share=0.6), seen)
    yield Scenario("short-lived listings", "pages live 20 days on average; weekly crawls in the window open 95 %",
                   replace(SEEN, window=None, days=30, new_listings=1.0, deletion=Deletion(rate=0.05)), DYING,
                   Scraper(interval=7, page_failure=0.05, dates="exact"), seen)
    for name, sizes in ({} if data is None else real_sizes(data)).items():
        yield Scenario(f"{name} vendors", f"200 vendors resampled from {name}, sales of each as its size",
                       replace(BASE, n_vendors=200, n_listings=600, orders=10_000, sizes=ResampledSizes(sizes=sizes)))
    yield Scenario(
        "hansa-like", "Market.hansa_like; crawls on days 239, 469 and 699 open 60 % of the pages; total of 700 days", HANSA,
        {"sum of reviews x price": plain_sum, "share and units known": share_and_units,
         "share and units known, life table": recommended},
        Scraper(first=200, interval=230, duration=1, share=0.6, page_failure=0, dates="exact"), seen, cost=5)


def real_sizes(folder: Path) -> dict[str, tuple[float, ...]]:
    """Sales (Agora: reviews) of real vendors; sizes only, no row of the data leaves this function."""
    torrez = pd.read_parquet(folder / "torrez2021" / "vendors.parquet")["transactions"]
    alpha = pd.read_parquet(folder / "alphabay2017" / "listings.parquet").groupby("vendor_id")["n_sold"].sum()
    agora = pd.read_parquet(folder / "agora2014" / "reviews.parquet").groupby("vendor_id").size()
    named = {"Torrez 2021": torrez, "AlphaBay 2017": alpha, "Agora 2014": agora}
    return {name: tuple(sales[sales > 0].astype(float)) for name, sales in named.items()}


def data_folder() -> Path | None:
    named = os.environ.get("DARKMARKET_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    return folder if folder.is_dir() else None


def run(scenario: Scenario, n: int, folder: Path | None, processes: int) -> Report:
    """Run a scenario, or what is missing of it."""
    path = None if folder is None else folder / f"{scenario.name.replace(' ', '-').replace('%', 'percent')}.jsonl"
    n = max(2, n // scenario.cost)
    if path is not None and path.exists():
        n = max(n, Report.load(path).runs["run"].nunique())
    return benchmark(scenario.variants, scenario.market, scenario.scraper, n_simulations=n, rng=SEED,
                     prepare=scenario.prepare, scenario=scenario.name, processes=processes, path=path)


HEAD = ("variant", "bias %", "median \\|error\\| %", "holds %", "truth below / above %", "width", "interval score",
        "WIS", "CRPS", "ms", "failed", "verdict")


def table(report: Report) -> str:
    """Markdown: everything but the coverage is relative to the mean truth."""
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    for row in report.table().to_dict("records"):
        t = row["truth"]
        verdict = f"**{row['verdict']}**" if row["verdict"] in ("fails", "short so far", "biased") else row["verdict"]
        cells = (
            row["variant"], f"{_(100 * row['relative_bias'], '+.1f')} ± {_(100 * row['relative_bias_error'], '.1f')}",
            _(100 * row["median_absolute_error"] / t, ".1f"),
            f"{_(100 * row['coverage'], '.1f')} ± {_(100 * row['coverage_error'], '.1f')}",
            f"{_(100 * row['truth_below'], '.1f')} / {_(100 * row['truth_above'], '.1f')}", _(row["width"], ".3f"),
            *(_(row[score] / t, ".4f") for score in ("interval_score", "weighted_interval_score", "crps")),
            _(1000 * row["seconds"], ".1f"), str(row["failures"]), verdict)
        lines.append("| " + " | ".join("" if set(c) <= set(" ±/") else c for c in cells) + " |")
    return "\n".join(lines)


def _(x: float, form: str) -> str:
    return format(x, form) if np.isfinite(x) else ""


def page(reports: list[tuple[Scenario, Report]]) -> str:
    parts = [(ROOT / "benchmarks" / "what-to-use-when.md").read_text(encoding="utf-8")]
    for scenario, report in reports:
        n = report.runs["run"].nunique()
        alarms = "".join(f"\n**{text}**\n" for _, text in report.alarms)
        parts.append(f"### {scenario.name}\n\n{scenario.words[0].upper()}{scenario.words[1:]}. {n:,} runs.\n{alarms}\n"
                     f"{table(report)}\n")
    stamp = f"darkmarket_estimates {dme.__version__}, seed {SEED}, {time.strftime('%Y-%m-%d')}"
    return "\n".join(parts).replace("{stamp}", stamp)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="1,000 runs a scenario, enough for a verdict")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--only", default="", help="scenarios whose name contains this; writes no page")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keep finished runs here")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "what-to-use-when.md")
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks" / "variants.json")
    args = parser.parse_args()
    if args.folder is not None:
        args.folder.mkdir(parents=True, exist_ok=True)
    reports = []
    for scenario in scenarios(data_folder()):
        if args.only in scenario.name:
            start = time.perf_counter()
            reports.append((scenario, run(scenario, 1_000 if args.full else args.runs, args.folder, args.processes)))
            print(f"{scenario.name}, {time.perf_counter() - start:.0f} s\n{reports[-1][1]}\n", flush=True)
    if args.only:
        return
    args.page.write_text(page(reports), encoding="utf-8")
    joined = Report.join(*(report for _, report in reports))
    records = json.loads(joined.table().to_json(orient="records"))
    text = json.dumps({"version": dme.__version__, "seed": SEED, "table": records}, indent=1)
    args.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
