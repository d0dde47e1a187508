"""The synthetic month: labelled, whole, and it gives the published tables back through the pipeline."""

import numpy as np
import pytest

import darkmarket_estimates as dme
from darkmarket_estimates import published
from darkmarket_estimates.errors import NotSupportedError


@pytest.fixture(scope="module")
def month():
    return published.reconstruct("kruithof2016")


def test_it_says_that_it_is_synthetic(month):
    assert month.frame.attrs["synthetic"] is True and month.frame.attrs["note"].startswith("SYNTHETIC")
    assert month.frame["synthetic"].all() and month.frame["synthetic"].dtype == bool
    assert month.frame["vendor"].str.startswith("synthetic").all()
    assert month.frame["listing"].str.startswith("synthetic").all() and month.frame["listing"].is_unique


def test_all_margins_hold_at_once(month):
    assert month.conflicts == () and month.contradiction == ()
    assert month.margins["holds"].all() and len(month.margins) == 26
    assert ((month.margins["low"] * (1 - 4e-5) <= month.margins["reached"])
            & (month.margins["reached"] <= month.margins["high"] * (1 + 4e-5))).all()


@pytest.mark.parametrize(("margin", "low", "high"), [
    ("cannabis: % of orders", 32.5, 33.5), ("prescription: % of orders", 18.5, 19.5), ("ecstasy: % of money", 15.5, 16.5),
    ("prescription, alcohol and tobacco: USD million", 2.1, 2.3), ("US: % of money", 35.85, 35.95),
    ("UK: orders", 20_000, np.inf),
    ("NL: ecstasy, % of Dutch money", 45, 50), ("below USD 100: % of orders", 45, 50),
    ("above USD 1,000: % of money", 22.5, 27.5),
    ("largest vendor: USD", 205_500 * 2105 / 1855, 206_500 * 2115 / 1845), ("NL: vendors", 225, 225),
])
def test_margins_are_those_that_were_printed(month, margin, low, high):
    row = month.margins.set_index("margin").loc[margin]
    assert (row.low, row.high) == pytest.approx((low, high), rel=1e-9)


def test_reviews_are_whole_and_positive(month):
    assert month.frame["reviews"].dtype.kind == "i" and (month.frame["reviews"] > 0).all()
    assert month.frame["reviews"].sum() == 95_000
    assert not month.frame["price_usd"].isin([100.0, 1000.0]).any() and (month.frame["price_usd"] > 0).all()


def test_the_pipeline_gives_the_tables_back(month):
    """Counted anew from `Listings`, not from the reconstruction's own report."""
    figures = published.get("kruithof2016").by_key
    listings = month.listings()

    def shares(by, column="value", **options):
        frame = listings.totals(by=by, **options).to_frame()
        frame = frame.groupby(frame.columns[0])[column].sum()
        return 100 * frame / frame.sum()

    def inside(value, key):
        low, high = figures[key].value.as_floats()
        return low <= value <= high

    assert listings.totals().sum("value") == pytest.approx(14.2e6, rel=4e-5)
    for country in ("US", "UK", "AU", "DE", "NL"):
        assert inside(shares("country")[country], f"share_{country.lower()}")
    for category in ("cannabis", "stimulants", "ecstasy"):
        assert inside(shares("category")[category], f"{category}_wide")
        assert inside(shares("category", "reviews")[category], f"{category}_transactions")
    bands = listings.totals(bands=[100, 1000]).to_frame().set_index("price_band")
    assert inside(100 * bands["reviews"].iloc[0] / bands["reviews"].sum(), "small_orders")
    assert inside(100 * bands["value"].iloc[-1] / bands["value"].sum(), "wholesale_press")
    vendors = month.frame.groupby("country")["vendor"].nunique()
    assert vendors[["US", "UK", "DE", "NL"]].tolist() == [890, 338, 225, 225]
    assert month.frame.loc[month.frame.country == "UK", "reviews"].sum() > 20_000
    money = (month.frame.price_usd * month.frame.reviews).groupby(month.frame.vendor).sum()
    rate = figures["narrow_upper_eur"].value / figures["narrow_upper_usd"].value
    low, high = (figures["top_vendor_eur"].value / rate).as_floats()
    assert low <= money.max() <= high and money.idxmax() == "synthetic US 1"
    assert money.nlargest(2).iloc[1] < 0.9 * money.max()


def test_now_with_intervals(month):
    totals = month.listings().totals(by="country")
    estimate = dme.turnover(totals, review_rate=dme.ReviewRate(mean=0.5687, between_vendor_sd=0.134))
    assert estimate.floor == pytest.approx(14.2e6, rel=4e-5)
    low, high = estimate.interval
    assert low < estimate.value < high and estimate.value == pytest.approx(14.2e6 / 0.5687, rel=1e-4)
    scenario = dme.turnover(totals, review_rate=dme.Range(12.0 / 21.1, 1))
    assert scenario.bounds == pytest.approx((14.2e6, 14.2e6 * 21.1 / 12.0), rel=4e-5)


def test_no_random_numbers(month):
    again = published.reconstruct("kruithof2016")
    assert again.frame.equals(month.frame)


@pytest.mark.parametrize(("key", "printed", "named"), [
    ("share_us", "75.9", "US: % of money"), ("nl_cannabis", "70", "NL: cannabis, % of Dutch money"),
    ("wholesale_press", "80", "above USD 1,000: % of money"),
])
def test_margins_that_cannot_hold_together_are_reported(key, printed, named):
    month = published.reconstruct(published.get("kruithof2016").with_figure(key, printed))
    bad = month.margins[~month.margins["holds"]]
    assert named in bad["margin"].tolist()
    row = bad.set_index("margin").loc[named]
    assert f"{row.low:.6g}" in month.conflicts[0] and f"{row.reached:.6g}" in month.conflicts[0]
    assert "together" in month.conflicts[-1] and named in month.contradiction and len(month.contradiction) > 1
    assert month.frame["reviews"].sum() == 95_000 and month.frame["synthetic"].all()


def test_the_contradiction_of_shares_has_its_number():
    month = published.reconstruct(published.get("kruithof2016").with_figure("share_us", "75.9"))
    reached = month.margins.set_index("margin").loc["US: % of money", "reached"]
    others = [16.1, 10.6, 8.4, 7.8]
    assert reached == pytest.approx(100 - sum(others), abs=4 * 0.05 + 0.05)


@pytest.mark.parametrize(("key", "printed"), [("share_us", "28.7"), ("share_uk", "25.7"), ("top_vendor_eur", "400,000")])
def test_the_largest_vendor_stays_the_largest(key, printed):
    month = published.reconstruct(published.get("kruithof2016").with_figure(key, printed))
    assert month.conflicts == ()


def test_margins_that_hold_only_at_the_ends_of_their_intervals():
    """33 + 27.5 + 18 + 12 + 11 = 101.5 % of orders, which their rounding allows to be 100."""
    month = published.reconstruct(published.get("kruithof2016").with_figure("prescription_share", "27.5"))
    assert month.conflicts == ()


@pytest.mark.parametrize(("key", "printed", "blamed"), [
    ("cannabis_wide", "48.8", {"cannabis: % of money", "stimulants: % of money", "ecstasy: % of money"}),
    ("prescription_share", "29.6", {"all: orders", "cannabis: % of orders", "prescription: % of orders"}),
])
def test_only_what_cannot_hold_is_off(key, printed, blamed):
    month = published.reconstruct(published.get("kruithof2016").with_figure(key, printed))
    assert blamed <= set(month.contradiction)
    off = set(month.margins[~month.margins["holds"]]["margin"])
    assert 1 <= len(off) <= 2 and off <= set(month.contradiction) and "all: money" not in off


def test_a_changed_figure_is_followed(month):
    other = published.reconstruct(published.get("kruithof2016").with_figure("share_nl", "7.1"))
    assert other.conflicts == () and not other.frame.equals(month.frame)
    money = other.frame.price_usd * other.frame.reviews
    assert 7.05 <= 100 * money[other.frame.country == "NL"].sum() / money.sum() <= 7.15


def test_other_studies_printed_too_little():
    with pytest.raises(NotSupportedError, match="kruithof2016"):
        published.reconstruct("soska2015")


def test_the_largest_change_of_a_price_is_small(month):
    from darkmarket_estimates.published.rand_month import PRICES

    nearest = PRICES[np.abs(np.log(month.frame.price_usd.to_numpy()[:, None] / PRICES)).argmin(axis=1)]
    assert np.abs(month.frame.price_usd / nearest - 1).max() < 0.05
