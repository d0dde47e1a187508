"""The door of reviews: dates, intervals, sightings, prices, bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import darkmarket_estimates as dme
from darkmarket_estimates.simulate import Market, Scraper

ROLES = {"listing": "id", "vendor": "by", "price": "usd", "currency": "USD"}
WINDOW = ("2014-01-01", "2014-01-11")


def reviews(**columns):
    base = {"id": ["a", "a", "b"], "by": ["x", "x", "y"], "usd": [10.0, 12.0, 50.0], "review": [1, 2, 3],
            "at": ["2014-01-02", "2014-01-06T12:00", "2014-01-10"]}
    return pd.DataFrame({**base, **columns})


def pages():
    return pd.DataFrame({"id": ["a", "a", "a", "b", "b"], "by": list("xxxyy"), "usd": [10.0, 20.0, 40.0, 50.0, 70.0],
                         "day": ["2014-01-01", "2014-01-05", "2014-01-09", "2014-01-05", "2014-01-09"]})


def read(frame, other=None, **options):
    return dme.Listings.from_reviews(frame, other, **{**ROLES, "window": WINDOW, **options})


@pytest.fixture(scope="module")
def still():
    return Market.small(rng=1, price_changes=None, holding_prices=None)


# -- dates -------------------------------------------------------------------------------------------------------------


def test_exact_dates_fall_into_the_window_or_outside():
    got = read(reviews(), date="at", window=("2014-01-02", "2014-01-10"))
    assert got.totals().sum("value") == 22.0
    assert [(e.rule, e.value) for e in got.audit][-1] == ("outside the window", 50.0)


def test_daily_rates_are_those_of_the_review():
    rates = {"2014-01-02": 800.0, "2014-01-06": 900.0, "2014-01-10": 700.0}
    got = read(reviews(), date="at", currency="BTC").to_currency("USD", rates)
    assert got.totals().sum("value") == 10 * 800 + 12 * 900 + 50 * 700


def test_without_a_window_every_review_counts():
    got = read(reviews(), date="at", window=None)
    assert got.totals().sum("value") == 72.0
    assert got.totals().header.window == ("2014-01-02", "2014-01-11")


@pytest.mark.parametrize("price_at", ["amount", "nearest", "median"])
def test_reviews_and_pages_may_be_files(price_at, tmp_path):
    """The numbers of a CSV file are text until a role says that they are numbers."""
    reviews().to_csv(tmp_path / "reviews.csv", index=False)
    pages().to_csv(tmp_path / "pages.csv", index=False)
    options = {"scrape": "day", "date": "at", "price_at": price_at}
    got = read(tmp_path / "reviews.csv", str(tmp_path / "pages.csv"), **options)
    assert got.totals().sum("value") == read(reviews(), pages(), **options).totals().sum("value") > 0


def test_intervals_are_shared_in_proportion():
    frame = reviews(after=["2014-01-01", "2013-12-31", None], until=["2014-01-05", "2014-01-02", "2014-01-05"])
    got = read(frame, interval=("after", "until"), window=("2014-01-01", "2014-01-11"))
    assert got.totals().sum("value") == 10.0 + 12.0 / 2
    total = got.dates().set_index("part").loc["total"]
    assert (total["none"], total["all"]) == (10.0, 10.0 + 12.0 + 50.0)
    parts = got.dates().set_index("part")["all"]
    assert (parts["no start"], parts["no start, first seen after the window"]) == (50.0, 0.0)
    early = read(frame, interval=("after", "until"), window=("2014-01-01", "2014-01-04")).dates().set_index("part")["all"]
    assert (early["no start"], early["no start, first seen after the window"]) == (0.0, 50.0)
    kept = read(frame, interval=("after", "until"), unknown_start="window")
    assert kept.totals().sum("value") == 10.0 + 6.0 + 50.0


def test_reviews_on_a_fine_market_are_its_reviewed_turnover(still):
    got = dme.Listings.from_reviews(still.reviews, listing="listing", vendor="vendor", price="price", date="date",
                                    review="review", currency="USD", window=still.window)
    truth = still.reviews.loc[still.reviews["in_window"], "price"].sum()
    assert got.totals().sum("value") == pytest.approx(truth, rel=1e-12)


def test_sightings_are_dated_by_the_captures_of_their_listing(still):
    s = still.scrape(Scraper(interval=4, duration=1, page_failure=0.3), rng=3)
    roles = {"listing": "listing", "vendor": "vendor", "currency": "USD", "window": ("2016-01-09", "2016-01-24")}
    seen = s.sightings().merge(s.reviews[["review", "vendor"]], on="review")
    cut = s.listings.drop(columns="scrape").rename(columns={"seen": "scrape"})
    ours = dme.Listings.from_reviews(seen.drop(columns="scrape").rename(columns={"seen": "scrape"}), cut, review="review",
                                     scrape="scrape", price="price", **roles)
    theirs = dme.Listings.from_reviews(s.reviews, price="price", interval=("after", "by"), **roles)
    assert ours.totals().sum("value") == pytest.approx(theirs.totals().sum("value"), rel=1e-9)
    assert ours.totals().sum("reviews") == pytest.approx(theirs.totals().sum("reviews"), rel=1e-9)


def test_counters_and_reviews_agree_where_nothing_vanishes(still):
    s = still.scrape(Scraper(interval=4, duration=0, page_failure=0.3), rng=3)
    window = {"window": ("2016-01-09", "2016-01-24"), "currency": "USD", "listing": "listing", "vendor": "vendor"}
    counters = dme.Listings.from_scrapes(s.listings, scrape="scrape", price="price", reviews="n_reviews", **window)
    dated = dme.Listings.from_reviews(s.reviews, s.listings, scrape="scrape", price="price", interval=("after", "by"),
                                      **window)
    assert dated.totals().sum("value") == pytest.approx(counters.totals().sum("value"), rel=1e-9)
    pd.testing.assert_frame_equal(dated.scrapes(), counters.scrapes())


def test_what_vanishes_and_comes_back_reconciles_counter_and_reviews():
    days = ["2014-01-01", "2014-01-05", "2014-01-09", "2014-01-10"]
    shown = {0: [1, 2], 1: [2, 3, 4], 2: [1, 4], 3: [4, 5]}  # 1 goes and returns and goes; 2 and 3 go
    sightings = pd.DataFrame([("a", "x", days[j], r) for j, rs in shown.items() for r in rs],
                             columns=["id", "by", "day", "review"])
    page = pd.DataFrame({"id": "a", "by": "x", "usd": 10.0, "day": days, "n": [2, 3, 2, 2]})
    got = read(sightings, page, scrape="day", review="review")
    rows = {e.rule.split(" (")[0]: e.rows for e in got.audit}
    new = len({r for rs in shown.values() for r in rs}) - 2
    gone, back = rows["gone at the next capture of the listing"], rows["came back after that"]
    assert (gone, back) == (4, 1)
    assert new - gone + back == page["n"].iloc[-1] - page["n"].iloc[0]


# -- prices ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("price_at", "expected"), [("nearest", [10, 20, 70]), ("previous", [10, 20, 70]),
                                                    ("median", [20, 20, 60]), ("amount", [10, 12, 50])])
def test_price_of_a_dated_review(price_at, expected):
    frame = read(reviews(), pages(), scrape="day", date="at", price_at=price_at).to_frame()
    assert frame["price"].tolist() == expected


def test_nearest_and_previous_differ():
    frame = reviews(at=["2014-01-04", "2014-01-08", "2014-01-02"])
    near = read(frame, pages(), scrape="day", date="at").to_frame()["price"].tolist()
    before = read(frame, pages(), scrape="day", date="at", price_at="previous").to_frame()["price"].tolist()
    assert (near, before) == ([20.0, 40.0, 50.0], [10.0, 20.0, 50.0])
    frame = reviews(after=["2014-01-01", "2014-01-05", None], until=["2014-01-05", "2014-01-09", "2014-01-05"])
    options = {"scrape": "day", "interval": ("after", "until"), "unknown_start": "window"}
    assert read(frame, pages(), **options).to_frame()["price"].tolist() == [20.0, 40.0, 50.0]
    assert read(frame, pages(), price_at="previous", **options).to_frame()["price"].tolist() == [10.0, 20.0, 50.0]


def test_page_caps_need_sightings_and_are_counted():
    sightings = pd.DataFrame({"id": "a", "by": "x", "day": ["2014-01-05"] * 3 + ["2014-01-09"], "review": [1, 2, 3, 4]})
    page = pd.DataFrame({"id": "a", "by": "x", "usd": 10.0, "day": ["2014-01-01", "2014-01-05", "2014-01-09"]})
    got = read(sightings, page, scrape="day", review="review", page_cap=3)
    assert got.totals().header.one_capture.startswith("the page cap was reached on 1 page")
    assert (got.audit.entries[-1].rule, got.audit.entries[-1].count) == ("page cap reached: there may be more", 3)
    with pytest.raises(dme.AssumptionError, match="sightings"):
        read(reviews(), date="at", page_cap=3)


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "other", "options", "message"), [
    ({}, None, {}, "when the reviews were written"), ({}, None, {"date": "at", "interval": ("at", "at")}, "dated twice"),
    ({"at": ["2014-01-02", None, "2014-01-03"]}, None, {"date": "at"}, "the date is missing"),
    ({"usd": [1.0, np.nan, 2.0]}, None, {"date": "at"}, "the price cannot be used"),
    ({"by": ["x", None, "y"]}, None, {"date": "at"}, "vendor is missing"),
    ({"a": ["2014-01-05"] * 3}, None, {"interval": ("a", "at")}, "end before they start"),
    ({}, None, {"interval": ("at", "at")}, r"3 interval\(s\) end before they start"),
    ({}, None, {"date": "at", "price_at": "nearest"}, "needs the pages"),
    ({"id": ["a", "a", "c"]}, pages(), {"date": "at", "scrape": "day"}, "no page"),
    ({}, pages(), {"date": "at"}, "needs its scrapes"), ({}, None, {"date": "when"}, "no column 'when'"),
    ({"review": [1, None, 2]}, None, {"date": "at", "review": "review"}, "the review is missing"),
    ({}, None, {"date": "at", "unknown_start": "window", "window": None}, "not given"),
    ({}, None, {"date": "at", "scope": "live now"}, "known from scrapes"),
])
def test_bad_reviews_are_refused_by_name(change, other, options, message):
    with pytest.raises(dme.DataError, match=message):
        read(reviews(**change), other, **options)


def test_without_pages_scrapes_are_not_known():
    got = read(reviews(), date="at")
    for call in (got.scrapes, got.histories, lambda: got.totals(assumptions=[dme.Huggins()])):
        with pytest.raises(dme.NotIdentifiedError, match="reviews alone"):
            call()


def test_one_capture_reveals_all_only_of_a_window_before_the_first_scrape():
    def words(end, **options):
        frame = reviews(at=["2013-12-02", "2013-12-06", "2013-12-10"])
        got = read(frame, pages(), scrape="day", date="at", window=("2013-12-01", end), **options)
        return got.totals().header.one_capture

    assert words("2014-01-01") == "holds"
    assert words("2014-01-02").startswith("the window ends after the first scrape")
    between = reviews(after=["2013-12-01"] * 3, until=["2013-12-10"] * 3)
    got = read(between, pages(), scrape="day", interval=("after", "until"), window=("2013-12-01", "2014-01-01"))
    assert got.totals().header.one_capture.startswith("reviews are dated by the captures")
