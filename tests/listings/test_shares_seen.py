"""What share the crawls saw, asked of listings; captures after the window; the table door with captures."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import darkmarket_estimates as dme
from darkmarket_estimates import coverage
from darkmarket_estimates.errors import AssumptionError, DataError, NotIdentifiedError, NotSupportedError
from darkmarket_estimates.simulate import Deletion, LogNormalSizes, MarketSpec, ReviewShares, Scraper

SPEC = MarketSpec(n_vendors=100, n_listings=4_000, orders=8_000, days=60, sizes=LogNormalSizes(sd=1.0),
                  review_shares=ReviewShares(mean=0.5, sd=0.1), deletion=Deletion(rate=0.02))
CLOSED = MarketSpec(n_vendors=100, n_listings=800, orders=4_000, days=60, window=(0, 21), sizes=LogNormalSizes(sd=1.0),
                    review_shares=ReviewShares(mean=0.5, sd=0.1))


def scraped(spec, scraper, seed=5):
    market = spec.simulate(seed)
    return market, market.scrape(scraper, seed + 1)


def dated(market, scrapes, **options):
    roles = {"listing": "listing", "vendor": "vendor", "price": "price", "price_at": "amount", "date": "date",
             "scrape": "scrape", "seen": "seen", "currency": "USD", "window": market.window}
    return dme.Listings.from_reviews(scrapes.reviews.drop(columns=["after", "by"]), scrapes.listings, **roles | options)


DYING = Scraper(first=19, interval=20, duration=1, page_failure=0, share=0.6, dates="exact")
AFTER = Scraper(first=22, interval=12, duration=0, page_failure=0, share=0.5, dates="exact")


# -- life table and pages opened --------------------------------------------------------------------------------------


def test_the_life_table_of_listings_is_that_of_their_arrays():
    market, scrapes = scraped(SPEC, DYING)
    opened = scrapes.log["captured"] / scrapes.log["live"]
    found = dated(market, scrapes).life_table(opened=opened)
    start = np.datetime64(market.window[0])
    rows, histories = scrapes.reviews, scrapes.histories()
    days = ((scrapes.listings.groupby("scrape")["seen"].mean() - start) / np.timedelta64(1, "D")).to_numpy()
    by_hand = coverage.life_table(
        histories.to_numpy(), days, rows["price"], (rows["date"] - start) / np.timedelta64(1, "D"),
        histories.index.get_indexer(rows["listing"]), opened=opened, window=(0, 60))
    assert found.value == pytest.approx(by_hand.value, rel=1e-9)
    assert found.standard_error == pytest.approx(by_hand.standard_error, rel=1e-6)
    assert found.details["mean_life"] == pytest.approx(50, rel=0.25)
    truth = rows["price"].sum() / (market.truth.reviewed_turnover)
    assert found.interval[0] < truth < found.interval[1]


def test_the_life_table_reads_the_rows_that_rules_left():
    market, scrapes = scraped(SPEC, DYING)
    opened, cheap = scrapes.log["captured"] / scrapes.log["live"], scrapes.reviews["price"] <= 50
    cleaned = dated(market, scrapes).clean(dme.HoldingPrice(cap=50)).life_table(opened=opened)
    alone = replace(scrapes, reviews=scrapes.reviews[cheap])
    assert cleaned.details["total"] == pytest.approx(dated(market, alone).life_table(opened=opened).details["total"], rel=1e-9)


def test_one_line_of_turnover_takes_it():
    market, scrapes = scraped(SPEC, DYING)
    listings = dated(market, scrapes)
    seen = dme.turnover(listings, review_rate=0.5, interval=None).value
    share = listings.life_table(opened=scrapes.log["captured"] / scrapes.log["live"])
    est = dme.turnover(listings, review_rate=0.5, coverage=share.law())
    assert est.value == pytest.approx(seen / share.value, rel=1e-9)
    assert "listing coverage" in est.summary()
    wider = est.interval[1] - est.interval[0]
    assert wider > np.diff(dme.turnover(listings, review_rate=0.5, coverage=share.value).interval)[0]


def test_pages_opened_counts_the_listings_seen():
    market, scrapes = scraped(CLOSED, AFTER)
    listings = dated(market, scrapes)
    opened = (scrapes.log["captured"] / scrapes.log["live"]).to_numpy()
    inside = scrapes.reviews[scrapes.reviews["date"] < np.datetime64(market.window[1])]
    by_hand = coverage.pages_opened(inside.groupby("listing")["price"].sum(), opened)
    found = listings.pages_opened(opened)
    assert found.value == by_hand.value == pytest.approx(1 - np.prod(1 - opened))
    assert found.standard_error == pytest.approx(by_hand.standard_error, rel=1e-12)
    capped = listings.clean(dme.HoldingPrice(cap=60))
    assert capped.pages_opened(opened).details["seen"] == pytest.approx(inside.loc[inside["price"] <= 60, "price"].sum())


def test_live_now_is_what_the_last_complete_crawl_opened():
    market, scrapes = scraped(SPEC, DYING)
    listings = dated(market, scrapes, scope="live now")
    opened = scrapes.log["captured"] / scrapes.log["live"]
    found = listings.pages_opened(opened)
    assert found.value == pytest.approx(opened.iloc[-1])
    live = market.truth.turnover_live / market.truth.realised_turnover
    total = found.details["total"] / market.truth.reviewed_turnover
    assert total == pytest.approx(live, rel=4 * found.standard_error / found.value)
    with pytest.raises(AssumptionError, match="what has died"):
        listings.life_table()


def test_shares_that_are_not_identified_say_what_is():
    market, scrapes = scraped(SPEC, DYING)
    with pytest.raises(NotIdentifiedError, match="life_table"):
        dated(market, scrapes).pages_opened([0.6, 0.6, 0.6])
    between = dme.Listings.from_scrapes(scrapes.listings, listing="listing", scrape="scrape", price="price",
                                        vendor="vendor", reviews="n_reviews", currency="USD")
    with pytest.raises(NotIdentifiedError, match="the day of each sale"):
        between.life_table()
    alone = dme.Listings.from_reviews(scrapes.reviews, listing="listing", vendor="vendor", price="price", date="date",
                                      currency="USD")
    for call in (alone.life_table, lambda: alone.pages_opened([0.5])):
        with pytest.raises(NotIdentifiedError, match="which pages were read"):
            call()


# -- captures after the window ----------------------------------------------------------------------------------------


def counted(market, scrapes, **options):
    roles = {"listing": "listing", "scrape": "scrape", "price": "price", "vendor": "vendor", "reviews": "n_reviews",
             "currency": "USD"}
    return dme.Listings.from_scrapes(scrapes.listings, **roles | {"window": market.window} | options)


WEEKLY = Scraper(interval=7, duration=0, page_failure=0, share=0.5)


def target(market, scrapes):
    """Reviews in the window, of listings seen before its end, since their first sight."""
    low, high = (np.datetime64(day) for day in market.window)
    first = scrapes.listings.groupby("listing")["scrape"].min()
    since = market.reviews["listing"].map(first)
    rows = market.reviews[(since < high) & (market.reviews["date"] >= np.maximum(since, low)) & (market.reviews["date"] < high)]
    return rows["price"].sum()


def test_captures_after_the_window_make_differences_identified():
    spec = MarketSpec(n_vendors=100, n_listings=1_000, orders=6_000, days=70, window=(14, 35), sizes=LogNormalSizes(sd=1.0),
                      review_shares=ReviewShares(mean=0.5, sd=0.1))
    market, scrapes = scraped(spec, WEEKLY)
    everything, after = counted(market, scrapes), counted(market, scrapes, count_captures="after the window")
    with pytest.raises(NotIdentifiedError, match='count_captures="after the window"'):
        dme.turnover(everything, coverage=dme.ValueChao())
    late = scrapes.listings[scrapes.listings["scrape"] >= np.datetime64(market.window[1])]
    totals = after.totals()
    assert totals.header.occasions == late["scrape"].nunique() == len(totals.header.scrapes)
    kept = everything.to_frame()["row"].isin(after.to_frame()["row"])
    frame = everything.to_frame()[kept.to_numpy()]
    assert totals.sum("value") == pytest.approx(frame["value"].sum())
    left = next(entry for entry in after.audit if entry.rule.startswith("not seen after the window"))
    assert left.value == pytest.approx(everything.totals().sum("value") - totals.sum("value"))
    assert len(after.scrapes()) == scrapes.listings["scrape"].nunique()  # the table of scrapes shows them all
    truth = target(market, scrapes)
    est = dme.turnover(after, coverage=dme.ValueChao())
    assert totals.sum("value") < est.limit < truth and est.value == pytest.approx(truth, rel=0.15)
    model = dme.turnover(after, review_rate=1.0, coverage=dme.Huggins(["log count"]), interval="delta")
    assert model.interval[0] < truth < model.interval[1]
    with pytest.raises(AssumptionError, match="died by then"):
        dated(market, market.scrape(DYING, 3), count_captures="after the window").life_table()


def test_captures_after_the_window_need_some():
    market, scrapes = scraped(SPEC, WEEKLY)
    with pytest.raises(NotIdentifiedError, match="no scrape lies after the window"):
        counted(market, scrapes, window=("2016-01-05", "2016-06-01"), count_captures="after the window")
    with pytest.raises(NotIdentifiedError, match="known from scrapes"):
        dme.Listings.from_reviews(market.reviews, listing="listing", vendor="vendor", price="price", date="date",
                                  currency="USD", count_captures="after the window")
    with pytest.raises(AssumptionError, match="count_captures"):
        counted(market, scrapes, count_captures="later")


@pytest.mark.filterwarnings("ignore::darkmarket_estimates.HoldingPriceWarning")
@pytest.mark.statistical
def test_the_bound_of_captures_after_the_window_holds():
    spec = MarketSpec(n_vendors=100, n_listings=800, orders=5_000, days=70, window=(14, 35), sizes=LogNormalSizes(sd=1.0),
                      review_shares=ReviewShares(mean=0.5, sd=0.1))
    below, n = 0, 40
    for seed in range(n):
        market = spec.simulate(seed)
        scrapes = market.scrape(replace(WEEKLY, share=0.3), 1_000 + seed)  # few: what is unseen outweighs shared edges
        listings = counted(market, scrapes, count_captures="after the window")
        below += dme.turnover(listings, coverage=dme.ValueChao()).limit <= target(market, scrapes)
    assert below / n > 0.95 - 3 * (0.95 * 0.05 / n) ** 0.5


# -- the table door ---------------------------------------------------------------------------------------------------


def as_table(market, scrapes):
    """A row a listing: price, reviews in the window, captures, first scrape (from 1)."""
    histories = scrapes.histories()
    inside = scrapes.reviews[scrapes.reviews["date"] < np.datetime64(market.window[1])]
    first = histories.to_numpy().argmax(axis=1) + 1
    frame = pd.DataFrame({"captures": histories.sum(axis=1), "first": first})
    by = inside.groupby("listing")
    seen = pd.DataFrame({"price": by["price"].mean(), "reviews": by.size(), "vendor": by["vendor"].first()})
    return seen.join(frame).reset_index()


TABLE = {"price": "price", "reviews": "reviews", "vendor": "vendor", "listing": "listing", "currency": "USD",
         "captures": "captures", "occasions": 4}
FIXED = MarketSpec(n_vendors=100, n_listings=800, orders=4_000, days=60, window=(0, 21), sizes=LogNormalSizes(sd=1.0))


@functools.cache
def table():
    return as_table(*scraped(FIXED, AFTER))


def test_first_scrape_gives_the_bound_of_unequal_scrapes():
    frame = table()
    y = (frame["price"] * frame["reviews"]).to_numpy()
    expected = coverage.value_chao(y, frame["captures"], frame["first"] - 1, 4)
    est = dme.turnover(frame, **TABLE, first_scrape="first", coverage=dme.ValueChao())
    assert est.value == pytest.approx(expected.value, rel=1e-12)
    assert est.limit == pytest.approx(expected.interval[0], rel=1e-9)
    with pytest.raises(NotIdentifiedError, match="first_scrape="):
        dme.turnover(frame, **TABLE, coverage=dme.ValueChao())


def test_first_scrape_leaves_the_sums_alone():
    frame = table()
    plain, keyed = dme.Listings(frame, **TABLE).totals(), dme.Listings(frame, **TABLE, first_scrape="first").totals()
    assert keyed.by == plain.by == ("captures",)
    assert {name: keyed.sum(name) for name in plain.columns if name != "max_listing_value"} == pytest.approx(
        {name: plain.sum(name) for name in plain.columns if name != "max_listing_value"})
    assert {label.split("@")[0] for label in keyed.keys["captures"].labels} == set(plain.keys["captures"].labels)
    assert dme.Listings(frame, **TABLE, first_scrape="first").clean(dme.HoldingPrice(cap=60)).totals().by == ("captures",)


def test_first_scrape_is_the_same_on_parts_and_engines(tmp_path):
    frame = table()
    frame.to_parquet(tmp_path / "listings.parquet")
    whole = dme.Listings(frame, **TABLE, first_scrape="first").totals()
    lazy = dme.Listings(str(tmp_path / "listings.parquet"), **TABLE, first_scrape="first", engine="lazy").totals()
    parts = [dme.Listings(frame.iloc[i::3], **TABLE, first_scrape="first").totals() for i in range(3)]
    expected = dme.turnover(whole, coverage=dme.ValueChao())
    for totals in (lazy, parts[0] + parts[1] + parts[2]):
        est = dme.turnover(totals, coverage=dme.ValueChao())
        assert (est.value, est.limit) == pytest.approx((expected.value, expected.limit), rel=1e-12)


def test_the_scrape_is_read_of_single_captures_only():
    frame = table().assign(first=lambda f: f["first"].where(f["captures"] == 1))
    est = dme.turnover(frame, **TABLE, first_scrape="first", coverage=dme.ValueChao())
    assert est.value == dme.turnover(table(), **TABLE, first_scrape="first", coverage=dme.ValueChao()).value


@pytest.mark.parametrize("bad", [0, 5, 1.5, None, "June"], ids=["zero", "beyond", "fraction", "missing", "text"])
def test_a_first_scrape_that_cannot_be_is_named(bad):
    frame = table()
    first = frame["first"].astype(object).to_list()
    first[int(np.argmax(frame["captures"] == 1))] = bad
    first = [str(x) for x in first] if isinstance(bad, str) else first
    listings = dme.Listings(frame.assign(first=first), **TABLE, first_scrape="first")
    with pytest.raises(DataError, match="whole number from 1 to 4"):
        listings.totals()


def test_first_scrape_goes_with_captures_and_is_no_group():
    roles = {k: v for k, v in TABLE.items() if k not in ("captures", "occasions")}
    with pytest.raises(DataError, match="goes with captures="):
        dme.Listings(table(), **roles, first_scrape="first")
    with pytest.raises(DataError, match="is no group"):
        dme.Listings(table(), **TABLE, first_scrape="first").totals(by="first")


@pytest.mark.parametrize("named", [True, False], ids=["listing ids", "no ids"])
def test_huggins_from_the_table_door(named):
    frame = table().assign(rank=lambda f: f["price"].rank())
    roles = TABLE if named else {k: v for k, v in TABLE.items() if k != "listing"}
    y = (frame["price"] * frame["reviews"]).to_numpy()
    fit = coverage.huggins(captures=frame["captures"].to_numpy(), occasions=4, covariates=frame[["rank"]].to_numpy(),
                           clusters=frame["vendor"].to_numpy())
    expected = coverage.huggins_value(y, fit, vendor=frame["vendor"].to_numpy())
    est = dme.turnover(frame, **roles, review_rate=1.0, coverage=dme.Huggins(["rank"]), interval="delta")
    assert est.value == pytest.approx(expected.value, rel=1e-9)
    keyed = dme.turnover(frame, **roles, first_scrape="first", review_rate=1.0, coverage=dme.Huggins(["rank"]), interval="delta")
    assert keyed.value == pytest.approx(est.value, rel=1e-12) and keyed.interval == pytest.approx(est.interval, rel=1e-9)


def test_huggins_from_the_table_door_says_what_it_lacks(tmp_path):
    roles = {k: v for k, v in TABLE.items() if k not in ("captures", "occasions")}
    with pytest.raises(NotIdentifiedError, match="how often each listing was seen"):
        dme.turnover(table(), **roles, review_rate=1.0, coverage=dme.Huggins())
    table().to_parquet(tmp_path / "listings.parquet")
    with pytest.raises(NotSupportedError, match='engine="memory"'):
        dme.turnover(str(tmp_path / "listings.parquet"), **TABLE, engine="lazy", review_rate=1.0, coverage=dme.Huggins())
    with pytest.raises(AssumptionError, match="takes one Huggins"):
        dme.Listings(table(), **TABLE).totals(assumptions=[dme.ValueChao()])
    with pytest.raises(DataError, match="captures"):
        dme.Listings(table().assign(captures=9), **TABLE)  # more captures than scrapes
