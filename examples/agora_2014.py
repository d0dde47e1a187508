"""Agora, 1 January to 18 March 2014: what 13 crawls show, and what they leave open.

Reads the folder that the environment variable DARKMARKET_DATA names; where it is absent, says so and stops. The data are
those of github.com/mozzarellaV8/agora-marketplace (from the public archives), reduced to ids, prices and counts.
"""

from __future__ import annotations

import itertools
import os
import sys
import warnings
from pathlib import Path

import pandas as pd

import darkmarket_estimates as dme
from darkmarket_estimates.listings.dated import DatedListings

CAP = dme.HoldingPrice(cap=10_000)
#: Measured on another market (Torrez 2021: 0.441, standard error 0.0117, 0.134 between vendors); that markets differ by
#: 0.3 on the logit scale is assumed.
SHARE = dme.ReviewRate(mean=0.441, standard_error=0.0117, between_vendor_sd=0.134, between_market_sd=0.3,
                       source="Torrez 2021, between markets assumed")
ROLES = {"listing": "listing_id", "scrape": "scrape_date", "price": "price_usd", "vendor": "vendor_id", "page_cap": 20,
         "currency": "USD"}


def counters(pages: pd.DataFrame, **options: object) -> DatedListings:
    """Counters on the pages, differenced."""
    return dme.Listings.from_scrapes(pages, reviews="n_reviews_visible", **ROLES, **options).clean(CAP)


def distinct(sightings: pd.DataFrame, pages: pd.DataFrame, **options: object) -> DatedListings:
    """Distinct reviews, each between two captures of its listing."""
    return dme.Listings.from_reviews(sightings, pages, review="review_key", **ROLES, **options).clean(CAP)


def reconcile(pages: pd.DataFrame, sightings: pd.DataFrame) -> pd.DataFrame:
    """From distinct reviews to what the counters grew by, on listings that were known already."""
    rows = dme.Listings.from_reviews(sightings, pages, review="review_key", **ROLES)
    noted = {entry.rule.split(" (")[0]: entry.rows for entry in rows.audit}
    gone, back = noted["gone at the next capture of the listing"], noted["came back after that"]
    new = rows.totals().sum("reviews")
    grown = dme.Listings.from_scrapes(pages, reviews="n_reviews_visible", **ROLES).totals().sum("reviews")
    table = pd.DataFrame([("distinct reviews of known listings", new), ("gone at a later capture", -gone),
                          ("came back", back), ("sum", new - gone + back), ("growth of the counters", grown)],
                         columns=["", "reviews"])
    return table.astype({"reviews": int})


def days(start: pd.Timestamp, end: pd.Timestamp) -> tuple[str, str]:
    """A window of whole days."""
    return str(start.date()), str(end.date())


def by_interval(pages: pd.DataFrame, sightings: pd.DataFrame, good: list[pd.Timestamp]) -> pd.DataFrame:
    """Turnover a day between one complete crawl and the next."""
    records = []
    for start, end in itertools.pairwise(good):
        window = {"window": days(start, end)}
        length = (end - start).days
        row: dict[str, object] = {"from": window["window"][0], "to": window["window"][1]}
        for name, listings in (("counters", counters(pages, **window)), ("reviews", distinct(sightings, pages, **window))):
            open_ends = listings.dates().set_index("part")
            est = dme.turnover(listings.totals(), review_rate=SHARE).per("day")
            low, high = est.interval or (est.value, est.value)
            row[f"{name}: seen"] = est.floor
            if name == "reviews":
                row |= {"low": low, "high": high}
                sure = open_ends.loc["total", "none"]
                row |= {"edges none": sure / length,
                        "edges all": (sure + open_ends.loc["across its edge", "all"]) / length,
                        "no start": open_ends.loc["no start", "all"] / length}
        records.append(row)
    return pd.DataFrame(records).set_index(["from", "to"])


def thinned(pages: pd.DataFrame, window: tuple[str, str], flags: pd.Series) -> pd.DataFrame:
    """The same window with one complete crawl left out, and with all partial ones left out."""
    inner = [day for day in flags.index[flags != "partial"] if window[0] < str(day.date()) < window[1]]
    cases: dict[str, list[pd.Timestamp]] = {"all crawls": [], "no partial crawl": list(flags.index[flags == "partial"])}
    cases |= {f"without {day.date()}": [day] for day in inner}
    records = []
    for name, gone in cases.items():
        listings = counters(pages[~pages["scrape_date"].isin(gone)], window=window)
        frame = listings.dates().set_index("part")
        sure = frame.loc["total", "none"]
        records.append((name, frame.loc["total", "shared_value"], sure, sure + frame.loc["across its edge", "all"],
                        frame.loc["no start", "all"]))
    table = pd.DataFrame(records, columns=["crawls", "seen", "edges none", "edges all", "no start"]).set_index("crawls")
    return table.assign(ratio=table["seen"] / table["seen"].iloc[0])


def show(title: str, table: pd.DataFrame) -> None:
    print(f"\n{title}\n\n{table.to_string(float_format=lambda x: f'{x:,.3f}' if abs(x) < 10 else f'{x:,.0f}')}")


def main() -> None:
    folder = Path(os.environ.get("DARKMARKET_DATA", "")) / "agora2014"
    if "DARKMARKET_DATA" not in os.environ or not folder.is_dir():
        print("no data: set DARKMARKET_DATA to a folder with agora2014/listings.parquet and review_observations.parquet")
        sys.exit(0)
    warnings.simplefilter("ignore", dme.HoldingPriceWarning)
    pages = pd.read_parquet(folder / "listings.parquet")
    sightings = pd.read_parquet(folder / "review_observations.parquet")

    listings = counters(pages)
    scrapes = listings.scrapes().set_index("scrape")
    show("Crawls: which are partial?", scrapes)
    show("Counters and distinct reviews, reconciled", reconcile(pages, sightings).set_index(""))
    show("Money by what is known of its date (price at most USD 10,000), counters", listings.dates().set_index("part"))
    show("The same, distinct reviews", distinct(sightings, pages).dates().set_index("part"))
    window = {"window": ("2014-01-26", "2014-03-01")}
    show("26 January to 1 March, counters", counters(pages, **window).dates().set_index("part"))
    complete = pages[~pages["scrape_date"].isin(scrapes.index[scrapes["flag"] == "partial"])]
    show("The same, without the partial crawls", counters(complete, **window).dates().set_index("part"))
    good = [day for day, flag in scrapes["flag"].items() if flag != "partial"]
    show("USD a day between complete crawls; the interval is of turnover, reviewed or not",
         by_interval(pages, sightings, good))
    show("One crawl left out, 9 January to 6 March", thinned(pages, ("2014-01-09", "2014-03-06"), scrapes["flag"]))
    est = dme.turnover(listings.totals(), review_rate=SHARE)
    print(f"\n{est.summary()}")


if __name__ == "__main__":
    main()
