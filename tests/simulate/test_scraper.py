from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from darkmarket_estimates.errors import AssumptionError
from darkmarket_estimates.simulate import (
    Deletion,
    Hiding,
    HoldingPrices,
    LogNormalSizes,
    Market,
    MarketSpec,
    PriceChanges,
    Relisting,
    ReviewShares,
    Scraper,
    Scrapes,
)

START = pd.Timestamp("2016-01-01")
SPEC: dict[str, Any] = {
    "n_vendors": 100, "n_listings": 1_200, "orders": 9_000, "days": 40, "window": (0, 20), "new_listings": 0.4,
    "review_shares": ReviewShares(mean=0.5, sd=0.1), "deletion": Deletion(rate=0.02),
    "hiding": Hiding(rate=0.03, back=0.2), "price_changes": PriceChanges(rate=0.05),
    "holding_prices": HoldingPrices(rate=0.01, back=0.2), "relisting": Relisting(rate=0.005),
}  # fmt: skip
CLOSED: dict[str, Any] = {"n_vendors": 100, "n_listings": 1_200, "orders": 9_000, "days": 40}


@pytest.fixture(scope="module")
def market() -> Market:
    return MarketSpec(**SPEC).simulate(11)


@pytest.fixture(scope="module")
def closed() -> Market:
    """Nothing but orders: all listings are there all the time."""
    return MarketSpec(**CLOSED).simulate(12)


def day(date: pd.Series) -> np.ndarray:
    return ((date - START) / pd.Timedelta(days=1)).to_numpy()


def visible(market: Market, listing: pd.Series, seen: pd.Series) -> np.ndarray:
    """Whether pages could be opened, read off the events one by one."""
    events = market.events.groupby("listing")
    result = []
    for one, when in zip(listing, seen):
        past = events.get_group(one)
        past = past[past["date"] <= when]["event"]
        last = past[past.isin(["hidden", "shown"])]
        result.append("listed" in set(past) and not {"deleted", "relisted"} & set(past)
                      and (last.empty or last.iloc[-1] == "shown"))
    return np.array(result)


def test_a_perfect_crawl_reads_every_live_page(market: Market) -> None:
    s = market.scrape(Scraper(interval=10, duration=0, page_failure=0), rng=1)
    log = s.log
    assert (log["live"] == log["requested"]).all() and (log["live"] == log["captured"]).all()
    assert (log[["down", "gone", "failed"]] == 0).all(axis=None)
    assert day(log["scrape"]).tolist() == [0, 10, 20, 30, 40]
    assert s.truth.listings_now == log["live"].iloc[-1]
    assert len(s.listings) == log["captured"].sum()
    assert not s.listings.duplicated(["scrape", "listing"]).any()


def test_pages_are_read_only_while_they_can_be_opened() -> None:
    m = MarketSpec(**{**SPEC, "relisting": None, "n_listings": 300}).simulate(3)
    s = m.scrape(Scraper(interval=8, duration=8, page_failure=0), rng=1)
    assert visible(m, s.listings["listing"], s.listings["seen"]).all()
    assert s.log["gone"].sum() > 0
    missed = set(m.listings["listing"]) - set(s.listings["listing"])
    assert missed  # gone before they were reached
    gone = m.events[(m.events["event"] == "deleted") & (m.events["date"] < s.log["scrape"].iloc[0])]["listing"]
    assert not set(gone) & set(s.listings["listing"])


def test_the_union_of_scrapes_never_exceeds_survivors_and_those_seen_before_deletion(market: Market) -> None:
    for scraper in (Scraper(interval=3), Scraper(interval=13, page_failure=0.5), Scraper(interval=40)):
        s = market.scrape(scraper, rng=2)
        seen = set(s.listings["listing"])
        died = market.events[market.events["event"].isin(["deleted", "relisted"])].set_index("listing")["date"]
        last_seen = s.listings.groupby("listing")["seen"].max()
        gone = [i for i in seen if i in died.index]
        assert (last_seen.loc[gone] < died.loc[gone]).all()
        ever = set(market.events[market.events["event"] == "listed"]["listing"])
        survivors = ever - set(died.index)
        assert seen <= survivors | set(gone) and seen <= ever
    one = market.scrape(Scraper(interval=40, page_failure=0, duration=0, first=40), rng=2)
    assert len(one.log) == 1 and set(one.listings["listing"]) <= survivors


def test_truth_is_split_by_what_was_seen_and_by_what_is_left(market: Market) -> None:
    s = market.scrape(Scraper(interval=10, share=0.5), rng=3)
    t, w = s.truth, market.truth
    assert t.realised_turnover == pytest.approx(w.realised_turnover, rel=1e-12)
    assert t.turnover_seen + t.turnover_never_seen == pytest.approx(t.realised_turnover, rel=1e-12)
    assert t.turnover_live + t.turnover_hidden + t.turnover_deleted == pytest.approx(t.realised_turnover, rel=1e-12)
    sold = market.sales[market.sales["in_window"]]
    value = sold["price"] * sold["quantity"]
    seen = sold["listing"].isin(s.listings["listing"])
    assert t.turnover_seen == pytest.approx(value[seen].sum(), rel=1e-12)
    assert t.reviewed_turnover == pytest.approx(w.reviewed_turnover, rel=1e-12)
    assert t.reviewed_turnover_seen == pytest.approx(value[seen & sold["reviewed"]].sum(), rel=1e-12)
    died = set(market.events[market.events["event"].isin(["deleted", "relisted"])]["listing"])
    assert t.turnover_deleted == pytest.approx(value[sold["listing"].isin(died)].sum(), rel=1e-12)
    assert t.turnover_deleted > w.turnover_deleted > 0  # more are gone when the scraper stops
    assert t.listings_ever == w.listings_ever == len(market.listings)
    assert t.listings_seen == market.listings["listing"].isin(s.listings["listing"]).sum()
    assert t.listings_now > t.listings_live > 0 and 0 < t.reviewed_turnover_live < t.reviewed_turnover
    assert t.to_dict()["turnover_seen"] == t.turnover_seen
    assert repr(s).startswith(f"Scrapes(4 scrapes, {len(s.listings):,} pages, ")


def test_pages_fail_with_their_probability(closed: Market) -> None:
    s = closed.scrape(Scraper(interval=1, page_failure=0.05), rng=4)
    n = s.log["requested"].sum()
    assert s.log["failed"].sum() == pytest.approx(0.05 * n, abs=4 * np.sqrt(0.0475 * n))
    assert (s.log["failed"] + s.log["captured"] == s.log["requested"]).all()
    times = s.histories().sum(axis=1)  # each time anew: binomial
    assert times.var() == pytest.approx(40 * 0.0475, rel=4 * np.sqrt(2 / 1_200) + 0.02)
    none = closed.scrape(Scraper(page_failure=1), rng=4)
    assert none.listings.empty and none.reviews.empty and none.truth.turnover_seen == 0
    assert none.sightings().empty and none.histories().shape == (0, 6)


def test_a_share_of_the_live_pages_is_requested(closed: Market) -> None:
    s = closed.scrape(Scraper(share=0.3, page_failure=0), rng=5)
    assert (s.log["requested"] == 360).all() and (s.log["captured"] == 360).all()
    assert (s.histories().sum(axis=1).value_counts().size) > 3  # other pages each time


@pytest.mark.parametrize("duration", [1.0, 2.5])
def test_the_request_cap_holds_in_any_24_hours(closed: Market, duration: float) -> None:
    s = closed.scrape(Scraper(interval=3, duration=duration, daily_cap=100, page_failure=0), rng=6)
    assert (s.log["requested"] == round(100 * duration)).all()
    seen = np.sort(day(s.listings["seen"]))
    within = np.searchsorted(seen, seen + 1 - 1e-9) - np.arange(seen.size)
    assert within.max() == 100
    roomy = closed.scrape(Scraper(interval=3, duration=duration, daily_cap=10**6), rng=6)
    assert (roomy.log["requested"] == 1_200).all()


def test_requests_are_spread_over_the_duration(closed: Market) -> None:
    s = closed.scrape(Scraper(interval=10, duration=4, page_failure=0), rng=6)
    delay = day(s.listings["seen"]) - day(s.listings["scrape"])
    assert delay.min() == 0 and delay.max() == pytest.approx(4 * 1_199 / 1_200, abs=1e-9)
    assert delay.mean() == pytest.approx(2, abs=0.01)
    assert abs(np.corrcoef(delay, s.listings["listing"])[0, 1]) < 4 / np.sqrt(delay.size)


def test_popularity_first_sees_the_popular(closed: Market) -> None:
    budget: dict[str, Any] = {"interval": 10, "share": 0.2, "page_failure": 0.0}
    any_ = closed.scrape(Scraper(**budget), rng=7)
    popular = closed.scrape(Scraper(**budget, order="popular"), rng=7)
    mixed = closed.scrape(Scraper(**budget, order="popular", discovery=0.75), rng=7)

    def orders(s: Scrapes) -> float:
        return closed.sales["listing"].isin(s.listings["listing"]).mean()

    assert popular.truth.listings_seen < mixed.truth.listings_seen < any_.truth.listings_seen
    last = [s.listings[s.listings["scrape"] == s.log["scrape"].iloc[-1]] for s in (popular, mixed, any_)]
    known = closed.reviews[closed.reviews["date"] <= popular.log["scrape"].iloc[-1]]["listing"].value_counts()
    top = known.reindex(range(1_200), fill_value=0).sort_values(ascending=False)
    chosen = known.reindex(last[0]["listing"], fill_value=0)
    assert len(chosen) == 240 and chosen.min() == top.iloc[239]  # exactly the most reviewed
    means = [known.reindex(rows["listing"], fill_value=0).mean() for rows in last]
    assert means[0] > means[1] > means[2]
    assert orders(popular) > 0.2
    assert len(set(top.index[:60]) - set(last[1]["listing"])) == 0  # a quarter of the budget goes to the top
    all_random = closed.scrape(Scraper(**budget, order="popular", discovery=1.0), rng=7)
    expected = 1_200 * (1 - 0.8**4)  # four crawls of a fifth each
    assert all_random.truth.listings_seen == pytest.approx(expected, abs=4 * np.sqrt(1_200 * 0.8**4 * (1 - 0.8**4)))


def test_downtime_makes_a_crawl_partial_or_empty(closed: Market) -> None:
    plain = closed.scrape(Scraper(interval=10, duration=2, page_failure=0), rng=8)
    s = closed.scrape(Scraper(interval=10, duration=2, page_failure=0, downtime=((8, 9.5), (17.5, 21))), rng=8)
    assert day(s.log["scrape"]).tolist() == [8, 18, 28, 38]
    assert s.log["down"].tolist() == [900, 1_200, 0, 0] and s.log["captured"].tolist() == [300, 0, 1_200, 1_200]
    assert len(plain.listings) == 4_800 and len(s.listings) == 2_700
    assert s.histories().shape == (1_200, 4) and not s.histories().iloc[:, 1].any()
    assert (s.listings["seen"] >= START + pd.Timedelta(days=9.5)).all()


def test_every_review_up_to_the_last_capture_is_seen_once_between_its_captures(market: Market) -> None:
    s = market.scrape(Scraper(interval=5, page_failure=0.2), rng=9)
    assert s.reviews["review"].is_unique
    true = market.reviews.set_index("review").loc[s.reviews["review"]].reset_index()
    assert (true["listing"] == s.reviews["listing"]).all() and (true["vendor"] == s.reviews["vendor"]).all()
    assert (true["date"] <= s.reviews["by"]).all()
    known = s.reviews["after"].notna()
    assert (true["date"][known] > s.reviews["after"][known]).all() and 0 < known.sum() < len(known)
    last = s.listings.groupby("listing")["seen"].max()
    due = market.reviews[market.reviews["listing"].isin(last.index)]
    due = due[due["date"].to_numpy() <= last.loc[due["listing"]].to_numpy()]
    assert set(due["review"]) == set(s.reviews["review"])
    captures = s.listings.groupby("listing")["seen"].apply(set)
    for row in s.reviews.sample(200, random_state=1).itertuples():
        assert row.by in captures[row.listing]
        earlier = [c for c in captures[row.listing] if c < row.by]
        assert row.after is pd.NaT if not earlier else row.after == max(earlier)


def test_counters_are_cumulative_and_agree_with_the_tables(market: Market) -> None:
    s = market.scrape(Scraper(interval=9, counter="both"), rng=10)
    for row in s.listings.sample(150, random_state=2).itertuples():
        for counter, table in (("n_reviews", market.reviews), ("n_sold", market.sales)):
            mine = table[table["listing"] == row.listing]
            assert getattr(row, counter) == (mine["date"] <= row.seen).sum()
    steps = s.listings.sort_values("seen").groupby("listing")[["n_reviews", "n_sold"]].diff()
    assert (steps.dropna() >= 0).all(axis=None)
    assert not s.listings["capped"].any()
    sales = market.scrape(Scraper(interval=9, counter="sales"), rng=10).listings
    assert "n_sold" in sales and not {"n_reviews", "capped"} & set(sales)
    reviews = market.scrape(Scraper(interval=9), rng=10).listings
    assert "n_reviews" in reviews and "n_sold" not in reviews
    np.testing.assert_array_equal(reviews["n_reviews"], s.listings["n_reviews"])


def test_the_page_cap_shows_the_newest_reviews(market: Market) -> None:
    full, capped = (market.scrape(Scraper(interval=6, page_cap=cap), rng=11) for cap in (None, 5))
    np.testing.assert_array_equal(full.listings["seen"], capped.listings["seen"])
    n = full.listings["n_reviews"]
    np.testing.assert_array_equal(capped.listings["n_reviews"], np.minimum(n, 5))
    np.testing.assert_array_equal(capped.listings["capped"], n >= 5)
    per_page = capped.reviews.groupby(["listing", "by"]).size()
    assert per_page.max() == 5
    assert set(capped.reviews["review"]) < set(full.reviews["review"])
    sightings = capped.sightings()
    assert len(sightings) == capped.listings["n_reviews"].sum()
    assert set(sightings["review"]) == set(capped.reviews["review"])
    first = sightings.groupby("review")["seen"].min()
    assert (first.loc[capped.reviews["review"]].to_numpy() == capped.reviews["by"].to_numpy()).all()
    pages = capped.listings[capped.listings["capped"]].sample(60, random_state=3)
    for row in pages.itertuples():
        mine = market.reviews[(market.reviews["listing"] == row.listing) & (market.reviews["date"] <= row.seen)]
        shown = sightings[(sightings["listing"] == row.listing) & (sightings["seen"] == row.seen)]
        assert set(shown["review"]) == set(mine["review"].iloc[-5:])


def test_dates_are_intervals_exact_or_rounded(market: Market) -> None:
    interval, exact, rounded = (market.scrape(Scraper(dates=d, rounding=7), rng=12).reviews
                                for d in ("interval", "exact", "rounded"))
    assert "date" not in interval and {"after", "by"} <= set(interval)
    true = market.reviews.set_index("review")["date"]
    assert (exact["date"].to_numpy() == true.loc[exact["review"]].to_numpy()).all()
    age = (rounded["by"] - rounded["date"]) / pd.Timedelta(days=7)
    assert (age - age.round()).abs().max() < 1e-6 and age.max() >= 1
    late = rounded["date"].to_numpy() - true.loc[rounded["review"]].to_numpy()
    assert late.min() >= np.timedelta64(-1, "us") and late.max() < np.timedelta64(7, "D")


def test_prices_are_those_of_the_capture(market: Market) -> None:
    s = market.scrape(Scraper(interval=4), rng=13)
    shown = s.listings.set_index(["listing", "seen"])["price"]
    at = shown.loc[list(zip(s.reviews["listing"], s.reviews["by"]))]
    np.testing.assert_array_equal(at.to_numpy(), s.reviews["price"].to_numpy())
    assert (s.listings["price"] >= 9_999).any()
    assert s.listings.groupby("listing")["price"].nunique().max() > 2
    quiet = s.listings[s.listings["price"] < 9_999].merge(market.sales, on="listing", suffixes=("", "_paid"))
    changed = set(market.events[market.events["event"] == "price changed"]["listing"])
    quiet = quiet[~quiet["listing"].isin(changed)]
    assert (quiet["price"] == quiet["price_paid"]).all() and len(quiet) > 0


def test_histories_are_the_captures(market: Market) -> None:
    s = market.scrape(Scraper(interval=8, page_failure=0.4), rng=14)
    h = s.histories()
    assert h.to_numpy().sum() == len(s.listings) and h.any(axis=1).all()
    np.testing.assert_array_equal(h.sum(axis=0), s.log["captured"])
    assert h.columns.tolist() == s.log["scrape"].tolist()


def test_same_rng_same_bytes(market: Market) -> None:
    scraper = Scraper(order="popular", share=0.5, discovery=0.2, dates="rounded")
    a, b, c = (market.scrape(scraper, rng=seed) for seed in (1, 1, 2))
    for name in ("listings", "reviews", "log"):
        pd.testing.assert_frame_equal(getattr(a, name), getattr(b, name), check_exact=True)
    pd.testing.assert_frame_equal(a.sightings(), b.sightings(), check_exact=True)
    assert a.truth == b.truth != c.truth


def test_columns_do_not_depend_on_what_was_read(market: Market) -> None:
    some, none = (market.scrape(Scraper(page_failure=p), rng=1) for p in (0.1, 1.0))
    for name in ("listings", "reviews", "log"):
        pd.testing.assert_series_equal(getattr(some, name).dtypes, getattr(none, name).dtypes)


def test_nothing_of_the_truth_is_in_what_is_scraped(market: Market) -> None:
    s = market.scrape(Scraper(), rng=1)
    hidden = {"genuine", "product", "reviewed", "quantity", "review_share", "state", "in_window"}
    assert not hidden & (set(s.listings) | set(s.reviews))


def test_more_scrapes_see_more_and_a_window_before_the_first_is_complete() -> None:
    m = MarketSpec(n_vendors=50, n_listings=800, orders=4_000, days=60, window=(0, 30), sizes=LogNormalSizes(sd=1),
                   review_shares=ReviewShares(mean=0.5)).simulate(5)
    seen = [m.scrape(Scraper(first=30, interval=i, share=0.4), rng=1).truth.turnover_seen for i in (29.0, 14.0, 4.0)]
    assert seen[0] < seen[1] < seen[2] <= m.truth.realised_turnover
    s = m.scrape(Scraper(first=30, interval=29, page_failure=0, dates="exact"), rng=1)
    inside = s.reviews[(s.reviews["date"] >= m.window[0]) & (s.reviews["date"] < m.window[1])]
    assert len(inside) == m.truth.reviewed_orders
    assert inside["price"].sum() == pytest.approx(m.truth.reviewed_turnover, rel=1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"interval": 0}, "interval"),
        ({"interval": 1, "duration": 2}, "duration"),
        ({"first": -1}, "first"),
        ({"page_failure": 1.1}, "page_failure"),
        ({"share": 0}, "share"),
        ({"daily_cap": 0}, "daily_cap"),
        ({"daily_cap": 10, "duration": 0}, "cannot be capped"),
        ({"order": "best"}, "order"),
        ({"discovery": 2}, "discovery"),
        ({"downtime": ((3, 2),)}, "downtime"),
        ({"downtime": (3, 4)}, "downtime"),
        ({"downtime": 3}, "downtime"),
        ({"page_cap": 0}, "page_cap"),
        ({"counter": "views"}, "counter"),
        ({"dates": "month"}, "dates"),
        ({"rounding": 0}, "rounding"),
    ],
)
def test_bad_scrapers_say_what_is_wrong(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AssumptionError, match=message):
        Scraper(**changes)


def test_a_scraper_that_never_starts_is_an_error(market: Market) -> None:
    with pytest.raises(AssumptionError, match="no crawl fits"):
        market.scrape(Scraper(first=39.5), rng=1)
    assert Scraper(first=39.0).starts(40).tolist() == [39.0]
    assert Scraper(interval=7, duration=1).starts(30).tolist() == [1, 8, 15, 22, 29]
