"""A review share learnt where both counters are printed, and what it makes of a market that prints reviews alone.

Torrez (2021) printed reviews and sales: it calibrates. Agora (2014) printed reviews: its daily turnover is estimated with the
share of a new market, in closed form and by a hierarchical model. Reads the folder that the environment variable
DARKMARKET_DATA names (torrez2021/vendors.parquet, agora2014/reviews.parquet, from github.com/RodgervanderHeijden/
data-forensics and github.com/mozzarellaV8/agora-marketplace, reduced to ids, prices and counts); where it is absent, the same
is done on simulated data of that shape.
"""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import darkmarket_estimates as dme
from darkmarket_estimates import bayes

CAP = dme.HoldingPrice(cap=10_000)
#: The crawls of 26 January and 1 March were complete; a review counts on the day that it was first seen.
WINDOW = ("2014-01-27", "2014-03-02")


def real(folder: Path) -> tuple[str, dict[str, Any], dme.Totals]:
    """Both counters of Torrez, and reviews that were new on listings of Agora that were known already."""
    import pandas as pd

    vendors = pd.read_parquet(folder / "torrez2021" / "vendors.parquet")
    counts = {"market": np.full(len(vendors), "Torrez 2021"), "reviews": vendors["feedback_total"].to_numpy(),
              "sales": vendors["transactions"].to_numpy()}
    reviews = pd.read_parquet(folder / "agora2014" / "reviews.parquet")
    known = reviews[reviews["listing_prev_scrape"].notna() & reviews["price_usd_at_first_seen"].notna()]
    listings = dme.Listings.from_reviews(known, listing="listing_id", vendor="vendor_id", price="price_usd_at_first_seen",
                                         date="first_seen", currency="USD", window=WINDOW)
    return "Agora 2014", counts, listings.clean(CAP).totals()


def simulated(seed: int = 7) -> tuple[str, dict[str, Any], dme.Totals]:
    """668 vendors with both counters, 58 of them without a sale; a simulated market that prints reviews."""
    rng = np.random.default_rng(seed)
    sales = np.where(np.arange(668) < 58, 0, np.minimum(np.ceil(rng.lognormal(3.7, 1.7, 668)), 4000)).astype(int)
    counts = {"market": np.full(668, "simulated, both counters"), "sales": sales,
              "reviews": rng.binomial(sales, rng.beta(5.6, 7.1, 668))}
    market = dme.simulate.Market.small(rng=seed)
    listings = dme.Listings(market.listings, price="price", reviews="reviews", vendor="vendor", listing="listing",
                            market="market", currency="USD", window=market.window)
    return "simulated, reviews alone", counts, listings.clean(CAP).totals()


def analyse(
    counts: dict[str, Any], totals: dme.Totals, *, draws: int = 1000, chains: int = 4, rng: int = 1, on_failure: str = "warn"
) -> dict[str, Any]:
    """The calibrated share, and a day's turnover with it in three ways."""
    options: dict[str, Any] = {"draws": draws, "tune": draws, "chains": chains, "rng": rng, "on_failure": on_failure}
    share = bayes.calibrate_share(counts, **options)
    rate = share.review_rate()
    return {
        "share": share,
        "closed form": dme.turnover(totals, review_rate=rate).per("day"),
        "model": bayes.fit(totals, bayes.ReviewCount(review_rate=rate), **options).estimate.per("day"),
        "own": dme.turnover(totals, review_rate=share.review_rate(share.data.coords["market"][0])).per("day"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--draws", type=int, default=1000, help="a chain, of four")
    arguments = parser.parse_args()
    folder = Path(os.environ.get("DARKMARKET_DATA", ""))
    there = "DARKMARKET_DATA" in os.environ and (folder / "torrez2021").is_dir() and (folder / "agora2014").is_dir()
    name, counts, totals = real(folder) if there else simulated()
    warnings.simplefilter("ignore", dme.HoldingPriceWarning)
    result = analyse(counts, totals, draws=arguments.draws)
    share = result["share"]
    print(share)
    print(f"\n{share.to_frame().iloc[:, :4].round(3).to_string()}")
    print(f"\n{share.classes().round(3).to_string()}")
    print(f"\n{share.predictive_check().to_frame().drop(columns='unit').round(3).to_string()}")
    print(f"\n{name}, a day: reviewed USD {result['closed form'].floor:,.0f}")
    for words, key in (("share of a new market, closed form", "closed form"), ("the same, hierarchical model", "model"),
                       ("the calibration market's own share, if it were this market's", "own")):
        est = result[key]
        low, high = est.interval
        print(f"  {words}: USD {est.value:,.0f} (median {est.median:,.0f}), 95% {est.kind} {low:,.0f} to {high:,.0f}")
    for flag in (*share.flags, *result["model"].flags):
        print(f"  beware: {flag}")


if __name__ == "__main__":
    main()
