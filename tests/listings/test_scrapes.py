"""The door of repeated scrapes: differences, edges, unknown starts, caps, partial scrapes, bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import darkmarket_estimates as dme
from darkmarket_estimates.simulate import Market, Scraper
from tests.engines.tables_elsewhere import elsewhere
from tests.test_totals import assert_same

ROLES = {"listing": "id", "scrape": "day", "price": "usd", "vendor": "by", "reviews": "n", "currency": "USD"}
STILL = {"price_changes": None, "holding_prices": None, "deletion": None, "hiding": None}


def pages(*rows, columns=("id", "day", "usd", "n", "by")):
    return pd.DataFrame(list(rows), columns=list(columns))


def one(*counts, price=10.0, start="2014-01-01", step=4):
    days = pd.Timestamp(start) + pd.to_timedelta(np.arange(len(counts)) * step, unit="D")
    return pd.DataFrame({"id": "a", "day": days, "usd": price, "n": counts, "by": "x"})


def read(frame, **options):
    return dme.Listings.from_scrapes(frame, **{**ROLES, **options})


def value(frame, **options):
    return read(frame, **options).totals().sum("value")


@pytest.fixture(scope="module")
def still():
    return Market.small(rng=1, **STILL)


# -- truth -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("price_at", ["nearest", "previous", "median"])
def test_a_perfect_scraper_recovers_reviewed_turnover(still, price_at):
    s = still.scrape(Scraper(interval=5, duration=0, page_failure=0), rng=2)
    got = dme.Listings.from_scrapes(
        s.listings, listing="listing", scrape="scrape", seen="seen", price="price", vendor="vendor", reviews="n_reviews",
        market="market", currency="USD", window=still.window, unknown_start="window", price_at=price_at)
    assert got.totals().sum("value") == pytest.approx(s.truth.reviewed_turnover, rel=1e-12)
    assert got.totals().sum("reviews") == pytest.approx(still.truth.reviewed_orders, rel=1e-12)


def test_bounds_hold_the_truth_of_a_window_inside_the_scrapes(still):
    s = still.scrape(Scraper(interval=4, duration=1, page_failure=0.3), rng=3)
    window = ("2016-01-09", "2016-01-24")
    got = dme.Listings.from_scrapes(
        s.listings, listing="listing", scrape="scrape", seen="seen", price="price", vendor="vendor", reviews="n_reviews",
        currency="USD", window=window)
    sold = still.reviews
    truth = sold.loc[(sold.date >= window[0]) & (sold.date < window[1]), "price"].sum()
    total = got.dates().set_index("part").loc["total"]
    assert total["none"] <= truth <= total["all"]
    assert total["none"] < total["shared_value"] < total["all"]
    assert total["shared_value"] == pytest.approx(truth, rel=0.1)


# -- differences -------------------------------------------------------------------------------------------------------


def test_counters_are_differenced_and_the_first_count_is_left_out():
    got = read(one(3, 5, 5, 9))
    assert got.totals().sum("reviews") == 6
    assert [(e.rule, e.count, e.value, e.value_after) for e in got.audit][1:] == [
        ("priced at the page that shows the count", 9, 90.0, 90.0),
        ("outside the window", 3, 30.0, 0.0)]  # the first scrape opens the window: its count lies before it


def test_a_counter_that_falls_starts_anew():
    got = read(one(3, 5, 2, 4))
    assert got.totals().sum("reviews") == 2 + 2 + 2
    assert "counter fell: counted anew from 0" in [e.rule for e in got.audit]


@pytest.mark.parametrize(("price_at", "expected"), [("nearest", 2 * 20 + 1 * 90), ("previous", 2 * 10 + 1 * 20),
                                                    ("median", 3 * 20)])
def test_price_of_a_step(price_at, expected):
    assert value(one(3, 5, 6, price=[10.0, 20.0, 90.0]), price_at=price_at) == expected


def test_a_step_across_the_edge_is_shared_in_proportion():
    got = read(one(0, 8, 16), window=("2014-01-02", "2014-01-06"))  # 3/4 of the first step, 1/4 of the second
    assert got.totals().sum("reviews") == 8.0
    edge = got.dates().set_index("part").loc["across its edge"]
    assert (edge["shared_value"], edge["none"], edge["all"]) == (80.0, 0.0, 160.0)
    assert "shared by time" in got.totals().header.flags[0]


def test_windows_that_adjoin_add_up():
    frame = one(1, 8, 9, 20, 31)
    whole = value(frame, window=("2014-01-01", "2014-01-17"))
    parts = [value(frame, window=w) for w in (("2014-01-01", "2014-01-07"), ("2014-01-07", "2014-01-17"))]
    assert sum(parts) == pytest.approx(whole, rel=1e-12) == 300.0


def test_unknown_starts():
    frame = pd.concat([one(0, 0, 0), one(6, 8, start="2014-01-05").assign(id="b", by="y")])
    options = {"window": ("2014-01-01", "2014-01-09")}
    out = read(frame, **options)
    assert out.totals().sum("reviews") == 2
    assert "left out" in out.totals().header.flags[0]
    assert "60" in out.totals().header.flags[0]
    assert read(frame, unknown_start="window", **options).totals().sum("reviews") == 8
    later = {"window": ("2014-01-03", "2014-01-09")}  # all since the window's start: 6 between 3 and 5 January
    assert read(frame, unknown_start="window", **later).totals().sum("reviews") == 8


def test_first_sight_at_the_end_of_the_window_is_in_it_and_later_is_not():
    frame = pd.concat([one(0, 0, 0, 0), one(6, start="2014-01-09").assign(id="b"), one(4, start="2014-01-13").assign(id="c")])
    dates = read(frame, window=("2014-01-01", "2014-01-09")).dates().set_index("part")["all"]
    assert dates["no start"] == 60.0
    assert dates["no start, first seen after the window"] == 40.0
    half = read(frame, window=("2014-01-05", "2014-01-09"), unknown_start="window").dates().set_index("part")
    assert half.loc["no start, first seen after the window", "shared_value"] == 20.0


def test_window_counters_are_taken_as_they_are():
    got = read(one(3, 5, 2), counter="window", window=("2014-01-01", "2014-01-09"))
    assert got.totals().sum("reviews") == 8  # the last page was read when the window had ended
    assert read(one(3, 5, 2), counter="window").totals().sum("reviews") == 10
    assert read(one(3), counter="window").totals().header.window == ("2014-01-01", "2014-01-02")


def test_sold_counters_need_no_review_share():
    frame = one(3, 5, 9).rename(columns={"n": "sold"})
    got = dme.Listings.from_scrapes(frame, **{k: v for k, v in ROLES.items() if k != "reviews"}, sold="sold")
    assert dme.turnover(got.totals()).kind == "census"


def test_page_caps_are_flagged_and_counted():
    got = read(one(15, 20, 20), page_cap=20)
    entry = got.audit.entries[-1]
    assert (entry.rule, entry.rows, entry.count) == ("page cap reached: there may be more", 1, 5)
    assert any("page cap was reached on 2 page(s)" in flag for flag in got.totals().header.flags)


def test_rules_act_after_the_door():
    frame = pd.concat([one(0, 2), one(0, 3, price=[10.0, 99_999.0]).assign(id="b")])
    assert read(frame).clean(dme.HoldingPrice(cap=10_000)).totals().sum("value") == 20.0
    mended = read(frame).clean(dme.HoldingPrice(cap=10_000, action="median"))
    assert mended.totals().sum("value") == 20.0 + 3 * 10.0
    eur = read(frame).to_currency("EUR", dme.ExchangeRate(0.5, source="test", date="2014-01-01"))
    assert isinstance(eur, type(read(frame)))
    assert eur.dates().set_index("part").loc["total", "shared_value"] == pytest.approx(eur.totals().sum("value"))


def test_daily_rates_are_those_of_the_page_that_shows_the_count():
    rates = {"2014-01-01": 800.0, "2014-01-05": 900.0, "2014-01-09": 700.0}
    got = read(one(0, 2, 5, price=0.01), currency="BTC").to_currency("USD", rates)
    assert got.totals().sum("value") == pytest.approx(0.01 * (2 * 900 + 3 * 700))


def test_groups_follow_the_last_page_of_a_step():
    frame = one(0, 2, 5).assign(goods=["drugs", "drugs", "books"])
    got = read(frame)
    assert got.totals("goods").to_frame().groupby("goods")["reviews"].sum().to_dict() == {"books": 3.0, "drugs": 2.0}
    rule = next(e for e in got.audit if "changed its 'goods'" in e.rule)
    assert (rule.rows, rule.count, rule.value) == (1, 3.0, 30.0)


@pytest.mark.parametrize("column", ["by", "goods"], ids=["vendor", "category"])
def test_a_listing_that_changes_is_said_and_its_steps_go_to_the_end(column):
    frame = one(0, 2, 5, 9).assign(goods="drugs")
    frame[column] = ["old", "old", "new", "new"]
    got = read(frame)
    rule = next(e for e in got.audit if f"changed its {column!r}" in e.rule)
    assert (rule.rows, rule.count, rule.value, rule.value_after) == (1, 3.0, 30.0, 30.0)
    assert got.totals().sum("value") == 90.0
    totals = got.totals().to_frame(vendors=True, names=True) if column == "by" else got.totals("goods").to_frame()
    by = totals.groupby("vendor" if column == "by" else "goods")["reviews"].sum()
    assert by.to_dict() == {"old": 2.0, "new": 7.0}


def test_a_scrape_with_no_rows_is_empty_and_counts_as_an_occasion():
    days = ["2014-01-01", "2014-01-05", "2014-01-07", "2014-01-09"]
    got = read(one(0, 2, 5), scrapes=days)
    table = got.scrapes().set_index("scrape")
    assert table["flag"].tolist() == ["", "", "empty", ""] and table["listings"].tolist() == [1, 1, 0, 1]
    assert table["captured_share"].iloc[2] == 0
    assert got.totals().header.occasions == 4 and got.totals().sum("value") == read(one(0, 2, 5)).totals().sum("value")


# -- captures and scrapes ----------------------------------------------------------------------------------------------


def test_a_scrape_is_read_when_its_pages_are_on_average():
    both = pd.concat([one(0, 1).assign(at=["2014-01-01T06:00", "2014-01-05T12:00"]),
                      one(2).assign(id="b", at=["2014-01-01T18:00"])])
    captures = read(both, seen="at", scrapes=["2014-01-01", "2014-01-05", "2014-01-09"])._captures
    assert captures.read.astype("datetime64[h]").astype(str).tolist() == ["2014-01-01T12", "2014-01-05T12", "2014-01-09T00"]


def test_captures_are_keyed_with_the_scrape_of_single_ones():
    frame = pd.concat([one(0, 1, 2), one(4, start="2014-01-05").assign(id="b"), one(1, 1).assign(id="c")])
    totals = read(frame).totals()
    assert totals.keys["captures"].labels == ("1@2", "2", "3")
    assert totals.header.occasions == 3
    assert totals.groups == ()
    assert [len(totals.columns[c]) for c in ("n_valued", "value")] == [3, 3]
    assert totals.columns["n_valued"].tolist() == [0.0, 0.0, 1.0]


def test_totals_of_parts_add_up(still, tmp_path):
    s = still.scrape(Scraper(interval=5, duration=0, page_failure=0.4), rng=4)
    roles = {"listing": "listing", "scrape": "scrape", "price": "price", "vendor": "vendor", "reviews": "n_reviews",
             "currency": "USD", "window": still.window, "scrapes": s.log["scrape"], "unknown_start": "window"}
    even = s.listings["listing"] % 2 == 0
    parts = [dme.Listings.from_scrapes(s.listings[rows], **roles).totals("category") for rows in (even, ~even)]
    whole = dme.Listings.from_scrapes(s.listings, **roles).totals("category")
    both = parts[0] + parts[1]
    for name in whole.columns:
        np.testing.assert_allclose(both.columns[name], whole.columns[name], rtol=1e-9)
    whole.save(tmp_path / "t.parquet", vendor_names=True)
    assert dme.Totals.load(tmp_path / "t.parquet").header == whole.header


def test_row_order_and_repeated_rows_leave_no_trace(still):
    s = still.scrape(Scraper(interval=5, duration=0, page_failure=0.4), rng=4)
    roles = {"listing": "listing", "scrape": "scrape", "price": "price", "vendor": "vendor", "reviews": "n_reviews",
             "currency": "USD"}
    plain = dme.Listings.from_scrapes(s.listings, **roles)
    mixed = pd.concat([s.listings, s.listings.iloc[:50]]).sample(frac=1, random_state=1)
    again = dme.Listings.from_scrapes(mixed, **roles)
    assert again.totals().sum("value") == pytest.approx(plain.totals().sum("value"), rel=1e-12)
    entry = next(e for e in again.audit if "twice in a scrape" in e.rule)
    assert entry.rows == 50
    pd.testing.assert_frame_equal(again.scrapes(), plain.scrapes())


def test_of_pages_that_repeat_the_largest_count_stays():
    frame = pd.concat([one(0, 5), one(0, 9).iloc[1:], one(0, 7).iloc[1:]])
    for table in (frame, frame[::-1]):
        assert read(table).totals().sum("reviews") == 9
    entry = next(e for e in read(frame).audit if "twice in a scrape" in e.rule)
    assert (entry.rows, entry.count, entry.value, entry.value_after) == (2, 12.0, 120.0, 0.0)


def test_histories_are_those_of_the_scraper(still):
    s = still.scrape(Scraper(interval=5, duration=0, page_failure=0.4), rng=4)
    got = dme.Listings.from_scrapes(s.listings, listing="listing", scrape="scrape", price="price", vendor="vendor",
                                    reviews="n_reviews", currency="USD", scrapes=s.log["scrape"]).histories()
    theirs = s.histories()
    got.index = got.index.astype(int)
    assert (got.loc[theirs.index].to_numpy() == theirs.to_numpy()).all()
    assert dme.coverage.jolly_seber(got.to_numpy()).value > 0


def test_partial_scrapes_are_flagged_by_the_listings_known_alive(still):
    s = still.scrape(Scraper(interval=3, duration=1, page_failure=0.02), rng=5)
    times = np.sort(s.log["scrape"].unique())
    rng = np.random.default_rng(6)
    drop = ((s.listings["scrape"] == times[4]) & (rng.random(len(s.listings)) < 0.8)
            | (s.listings["scrape"] == times[6]) & (rng.random(len(s.listings)) < 0.25)
            | (s.listings["scrape"] == times[-1]) & (rng.random(len(s.listings)) < 0.7))
    table = dme.Listings.from_scrapes(
        s.listings[~drop], listing="listing", scrape="scrape", price="price", vendor="vendor", reviews="n_reviews",
        currency="USD", scrapes=[*times, "2016-01-30T20:00"]).scrapes()
    flags = table["flag"].tolist()
    assert flags[4] == "partial"
    assert flags[6] == "incomplete"
    assert flags[-2:] in (["partial", "empty"], ["empty", "partial"])
    assert sum(f == "" for f in flags) == len(flags) - 4
    lone = pd.concat([s.listings[~drop], s.listings[s.listings["scrape"] == times[3]].iloc[[0]].assign(listing=-1)])
    again = dme.Listings.from_scrapes(lone, listing="listing", scrape="scrape", price="price", vendor="vendor",
                                      reviews="n_reviews", currency="USD", scrapes=[*times, "2016-01-30T20:00"]).scrapes()
    pd.testing.assert_series_equal(again["known_alive"], table["known_alive"])  # seen once: alive at no other scrape
    good = table[table["captured_share"] >= 0.5]
    ends = table[table["captured_share"].isna() & (table["listings"] > 0)]
    assert ends["size_ratio"].tolist() == pytest.approx(
        [ends["listings"].iloc[0] / good["listings"].iloc[0], ends["listings"].iloc[-1] / good["listings"].iloc[-1]])
    # known alive and captured, by hand
    seen = s.listings[~drop].groupby("listing")["scrape"].agg(["min", "max"])
    alive = seen[(seen["min"] < times[4]) & (seen["max"] > times[4])].index
    here = s.listings[~drop & (s.listings["scrape"] == times[4])]["listing"]
    assert table["known_alive"][4] == len(alive)
    assert table["captured_share"][4] == pytest.approx(here.isin(alive).sum() / len(alive))


def test_live_now_drops_what_the_last_good_scrape_did_not_see():
    frame = pd.concat([one(0, 1, 2, 3), one(0, 5, 9).assign(id="gone"), one(0, 2, 4, 6).assign(id="there")])
    assert read(frame).totals().sum("reviews") == 3 + 9 + 6
    got = read(frame, scope="live now")
    assert got.totals().sum("reviews") == 3 + 6
    assert got.audit.entries[-1].rule.startswith("not live now")


def test_scrapes_after_the_window_that_brought_nothing_home_show_nothing():
    days = [f"2014-01-{day:02d}" for day in (1, 5, 9, 20)]
    window = ("2014-01-02", "2014-01-15")
    with pytest.raises(dme.NotIdentifiedError, match="no listing was seen after the window"):
        read(one(0, 2, 5), scrapes=days, window=window, count_captures="after the window")
    got = read(one(0, 2, 5, 6).assign(day=days), window=window, count_captures="after the window")
    assert got.totals().header.occasions == 1


@pytest.mark.parametrize("kind", ["parts", "csv parts", "relation", "lazyframe", "dask"])
def test_tables_elsewhere_are_brought_into_memory(kind, tmp_path):
    frame = pd.concat([one(0, 2, 5, 6), one(1, 4, 4, 9, price=2.5).assign(id="007", by="y")])
    there, _ = elsewhere(pa.Table.from_pandas(frame, preserve_index=False), tmp_path, kind)
    got = read(there)
    assert_same(got.totals(), read(frame).totals())
    assert got.totals().sum("value") == 6 * 10 + 8 * 2.5


def test_a_folder_a_scrape(tmp_path):
    frame = pd.concat([one(0, 2, 5), one(1, 4, 4).assign(id="b", by="y", land=["NL", "NL", "DE"])]).assign(rating=range(6))
    for day, page in frame.groupby("day"):
        (tmp_path / f"day={day:%Y-%m-%d}").mkdir()
        page.drop(columns="day").to_csv(tmp_path / f"day={day:%Y-%m-%d}" / "pages.csv", index=False)
    got = read(tmp_path)
    assert_same(got.totals("land"), read(frame).totals("land"))
    assert "changed its 'land'" in str(got.audit) and "rating" not in str(got.audit)


# -- bad input ---------------------------------------------------------------------------------------------------------


def test_one_scrape_says_what_can_be_said():
    frame = one(3)
    with pytest.raises(dme.NotIdentifiedError, match="no flow"):
        read(frame)
    got = read(frame, unknown_start="window", window=("2013-12-01", "2014-01-01"))
    assert got.totals().sum("reviews") == 3
    assert got.scrapes()["captured_share"].isna().all()
    with pytest.raises(dme.NotIdentifiedError, match="two scrapes"):
        dme.turnover(got.totals(), coverage=dme.ValueChao())


def test_time_zones_are_utc():
    naive = value(one(0, 8, 16), window=("2014-01-02", "2014-01-06"))
    zoned = one(0, 8, 16)
    zoned["day"] = zoned["day"].dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    assert value(zoned, window=("2014-01-02", "2014-01-06")) == naive
    text = one(0, 8, 16)
    text["day"] = ["2014-01-01T01:00:00+01:00", "2014-01-05T00:00:00Z", "2014-01-08T19:00:00-05:00"]
    assert value(text, window=("2014-01-02", "2014-01-06")) == naive


@pytest.mark.parametrize(("change", "options", "message"), [
    ({"n": [1, -2, 3]}, {}, "the count cannot be used"),
    ({"n": [1, np.nan, 3]}, {}, "the count cannot be used"),
    ({"n": [1, 2.5, 3]}, {}, "the count cannot be used"),
    ({"usd": [1.0, np.inf, 3.0]}, {}, "the price cannot be used"),
    ({"usd": [1.0, 1e200, 1e200], "n": [1, 1e200, 1e200]}, {}, "price x count cannot be used in 2 of 3"),
    ({"by": ["x", None, "x"]}, {}, "the vendor is missing"),
    ({"id": ["a", None, "a"]}, {}, "the listing is missing"),
    ({"day": ["2014-01-01", None, "2014-01-09"]}, {}, "the scrape is missing"),
    ({"day": ["2014-01-01", "soon", "2014-01-09"]}, {}, "not a date"),
    ({"day": [1, 2, 3]}, {}, "not a date"),
    ({"cur": ["USD", "USD", "EUR"]}, {"currency": "cur"}, "more than one currency"),
    ({}, {"counter": "daily"}, "counter"), ({}, {"price_at": "last"}, "price_at"), ({}, {"scope": "all"}, "scope"),
    ({}, {"unknown_start": "drop"}, "unknown_start"), ({}, {"unknown_start": "window"}, "not given"),
    ({}, {"page_cap": 0}, "page_cap"), ({}, {"sold": "n"}, "say what is counted"), ({}, {"reviews": None}, "say what is"),
    ({}, {"price": "eur"}, "no column 'eur'"), ({}, {"window": ("2014-02-01", "2014-01-01")}, "ends before"),
    ({}, {"scrapes": ["2014-01-01"]}, "not among scrapes="),
    ({"at": ["2014-01-01", "2014-01-07", "2014-01-06"]}, {"seen": "at"}, "before the page"),
])
def test_bad_pages_are_refused_by_name(change, options, message):
    with pytest.raises(dme.DataError, match=message):
        read(one(1, 2, 3).assign(**change), **options)


def test_an_empty_table_is_refused():
    with pytest.raises(dme.DataError, match="empty"):
        read(one())


def test_captures_beyond_the_scrapes_are_refused_by_the_table_door():
    frame = {"price": [1.0], "reviews": [1], "seller": ["a"], "k": [4]}
    with pytest.raises(dme.DataError, match="captures"):
        dme.Listings(frame, price="price", reviews="reviews", vendor="seller", captures="k", occasions=3, currency="USD")


@pytest.mark.parametrize("seed", range(20))
def test_noise_gives_a_finite_total_or_a_named_error(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 60))
    frame = pd.DataFrame({
        "id": rng.integers(0, 8, n), "day": pd.Timestamp("2014-01-01") + pd.to_timedelta(rng.integers(0, 6, n), unit="D"),
        "usd": np.round(rng.lognormal(3, 2, n), 2), "n": rng.integers(0, 9, n), "by": rng.integers(0, 3, n)})
    try:
        got = read(frame, window=("2014-01-02", "2014-01-05"), unknown_start=str(rng.choice(["exclude", "window"])))
    except dme.NotIdentifiedError:
        assert frame["day"].nunique() == 1
        return
    total = got.dates().set_index("part").loc["total"]
    assert 0 <= total["none"] <= total["shared_value"] <= total["all"] < np.inf
    assert total["shared_value"] == pytest.approx(got.totals().sum("value"))
