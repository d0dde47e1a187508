"""Each mechanism alone: what it does when on, and that it is absent when off."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from darkmarket_estimates.simulate import (
    Category,
    Country,
    Deletion,
    FakeReviews,
    Hiding,
    HoldingPrices,
    LogNormalSizes,
    Margins,
    Market,
    MarketSpec,
    ParetoSizes,
    PriceChanges,
    Quantities,
    Relisting,
    ResampledSizes,
    ReviewShares,
)
from darkmarket_estimates.simulate.orders import rake
from darkmarket_estimates.simulate.products import assign
from darkmarket_estimates.simulate.vendors import draw_review_shares

PLAIN: dict[str, Any] = {"n_vendors": 300, "n_listings": 3_000, "orders": 20_000, "days": 20}


def market(rng: int = 1, **changes: Any) -> Market:
    return MarketSpec(**{**PLAIN, **changes}).simulate(rng)


def off_times(m: Market, begin: str, end: str) -> pd.DataFrame:
    """Spells read off the events: listing, begin, end (end of the simulation where it never ended)."""
    rows = m.events[m.events["event"].isin([begin, end])].sort_values(["listing", "date"], kind="stable")
    starts = rows[rows["event"] == begin].reset_index(drop=True)
    following = rows.groupby("listing")["date"].shift(-1)[rows["event"] == begin].reset_index(drop=True)
    last = pd.Timestamp(m.spec.start) + pd.Timedelta(days=m.spec.days)
    return pd.DataFrame({"listing": starts["listing"], "begin": starts["date"], "end": following.fillna(last)})


def sold_in(m: Market, spells: pd.DataFrame) -> int:
    both = m.sales.merge(spells, on="listing")
    return int(((both["date"] > both["begin"]) & (both["date"] < both["end"])).sum())


def test_with_everything_off_every_order_is_reviewed_at_the_listed_price() -> None:
    m = market()
    assert set(m.events["event"]) == {"listed"}
    assert (m.sales["quantity"] == 1).all() and m.sales["reviewed"].all() and m.reviews["genuine"].all()
    assert (m.vendors["review_share"] == 1).all()
    assert set(m.listings["state"]) == {"live"} and len(m.listings) == 3_000
    price = m.listings.set_index("listing")["price"]
    np.testing.assert_array_equal(m.sales["price"], price.loc[m.sales["listing"]])
    assert (m.events["date"] == pd.Timestamp("2016-01-01")).all()
    floor = (m.listings["price"] * m.listings["reviews"]).sum()
    assert floor == pytest.approx(m.truth.realised_turnover, rel=1e-12)
    assert m.truth.review_share == m.truth.genuine_share == m.truth.units_per_order == 1
    assert m.truth.spread == 0


def test_the_same_numbers_are_drawn_whatever_else_is_switched_on() -> None:
    plain, busy = market(), market(quantities=Quantities(), review_shares=ReviewShares(mean=0.4, sd=0.1),
                                   price_changes=PriceChanges(rate=0.1), relisting=Relisting(rate=0.05),
                                   fake_reviews=FakeReviews(vendors=0.5, ratio=1))
    np.testing.assert_array_equal(plain.sales["date"], busy.sales["date"])
    np.testing.assert_array_equal(plain.sales["product"], busy.sales["product"])


# Sizes


@pytest.mark.parametrize(
    ("sizes", "second"),
    [
        (LogNormalSizes(sd=0.8), np.exp(0.8**2)),
        (ParetoSizes(shape=5.0), (4 / 5) ** 2 * 5 / 3),  # E x^2 = shape / (shape - 2) for a unit minimum
        (ResampledSizes(sizes=(1.0, 2.0, 6.0, 0.0)), (1 + 4 + 36) / 4 / 2.25**2),
    ],
)
def test_sizes_have_mean_one_and_their_own_second_moment(sizes, second) -> None:
    x = sizes.draw(np.random.default_rng(2), 400_000)
    assert x.mean() == pytest.approx(1, abs=4 * x.std() / np.sqrt(x.size))
    assert np.mean(x**2) == pytest.approx(second, abs=4 * np.std(x**2) / np.sqrt(x.size))


def test_log_normal_sizes_have_the_log_sd_and_pareto_sizes_the_tail() -> None:
    x = LogNormalSizes(sd=1.7).draw(np.random.default_rng(3), 100_000)
    assert np.log(x).std() == pytest.approx(1.7, abs=4 * 1.7 / np.sqrt(2 * x.size))
    x = ParetoSizes(shape=1.5).draw(np.random.default_rng(3), 100_000)
    hill = 1 / np.mean(np.log(x / x.min()))
    assert hill == pytest.approx(1.5, abs=4 * 1.5 / np.sqrt(x.size))
    assert set(ResampledSizes(sizes=(1, 3)).draw(np.random.default_rng(3), 99)) == {0.5, 1.5}


def test_vendors_sell_in_proportion_to_their_size() -> None:
    flat, heavy = market(sizes=LogNormalSizes(sd=0)), market(sizes=LogNormalSizes(sd=2))
    mean = flat.truth.orders / 300
    assert flat.vendors["orders"].var() == pytest.approx(mean, rel=4 * np.sqrt(2 / 300))  # Poisson
    assert heavy.vendors["orders"].max() > 10 * flat.vendors["orders"].max()


def test_the_number_of_vendors_is_fixed_or_poisson() -> None:
    small = {"n_vendors": 40, "n_listings": 80, "orders": 10}
    markets = [market(i, random_vendors=True, **small) for i in range(150)]
    numbers = np.array([len(m.vendors) for m in markets])
    assert [len(m.listings) for m in markets] == (2 * numbers).tolist()
    assert numbers.mean() == pytest.approx(40, abs=4 * np.sqrt(40 / 150))
    assert numbers.var(ddof=1) == pytest.approx(40, rel=4 * np.sqrt(2 / 149))
    assert len(market(1, **small).vendors) == 40


# Listings


def test_every_vendor_has_a_listing_and_large_ones_have_more_with_elasticity() -> None:
    flat, steep = market(listing_elasticity=0.0), market(listing_elasticity=1.0)
    for m in (flat, steep):
        assert set(m.listings["vendor"]) == set(range(300))
    sizes = flat.record.vendors.size
    numbers = [np.bincount(m.listings["vendor"], minlength=300) for m in (flat, steep)]
    assert abs(np.corrcoef(sizes, numbers[0])[0, 1]) < 4 / np.sqrt(300)
    expected = 1 + 2_700 * sizes / sizes.sum()
    assert (np.abs(numbers[1] - expected) < 5 * np.sqrt(expected) + 1).all()


def test_popularity_concentrates_orders_within_vendors() -> None:
    def top(m: Market) -> float:
        orders = np.bincount(m.sales["listing"], minlength=3_000)
        frame = pd.DataFrame({"vendor": m.listings["vendor"], "orders": orders})
        return float(frame.groupby("vendor")["orders"].max().sum() / orders.sum())

    assert top(market(popularity_sd=2.0)) > 1.5 * top(market(popularity_sd=0.0))


def test_focus_keeps_a_vendor_in_one_category() -> None:
    categories = {"a": Category(share=0.5, mean_price=10), "b": Category(share=0.5, mean_price=10)}
    one = market(categories=categories, focus=1.0)
    assert (one.listings.groupby("vendor")["category"].nunique() == 1).all()
    any_ = market(categories=categories)
    many = any_.listings.groupby("vendor").filter(lambda g: len(g) >= 15)
    assert (many.groupby("vendor")["category"].nunique() == 2).all()


def test_categories_have_their_shares_and_prices() -> None:
    m = market(n_listings=20_000, categories={"a": Category(share=0.7, mean_price=20, sd=0.5),
                                              "b": Category(share=0.3, mean_price=200, sd=1.0)})
    a, b = (m.listings[m.listings["category"] == c] for c in "ab")
    assert len(a) / 20_000 == pytest.approx(0.7, abs=4 * np.sqrt(0.21 / 20_000))
    for rows, mean, sd in ((a, 20, 0.5), (b, 200, 1.0)):
        assert rows["price"].mean() == pytest.approx(mean, abs=4 * rows["price"].std() / np.sqrt(len(rows)))
        assert np.log(rows["price"]).std() == pytest.approx(sd, abs=4 * sd / np.sqrt(2 * len(rows)))


def test_countries_have_their_shares_sizes_and_prices() -> None:
    countries = {"x": Country(share=0.75), "y": Country(share=0.25, size=3, price=2)}
    m = market(n_vendors=4_000, n_listings=20_000, orders=100_000, countries=countries, sizes=LogNormalSizes(sd=0.5))
    y = m.vendors["country"] == "y"
    assert y.mean() == pytest.approx(0.25, abs=4 * np.sqrt(0.1875 / 4_000))
    per_vendor = m.vendors.groupby("country")["orders"].mean()
    cv2 = np.exp(0.25) - 1 + 0.07  # of a vendor's orders: sizes, and Poisson about 1 / 16 at most
    assert per_vendor["y"] / per_vendor["x"] == pytest.approx(3, rel=4 * np.sqrt(cv2 * (1 / 1_000 + 1 / 3_000)))
    assert m.truth.orders == pytest.approx(100_000, rel=4 * np.sqrt((np.exp(0.25) * 2 - 1) / 4_000))
    price = m.listings.groupby("country")["price"].mean()
    assert price["y"] / price["x"] == pytest.approx(2, rel=4 * np.sqrt((np.e - 1) * (1 / 5_000 + 1 / 15_000)) * 1.3)


def test_markets_share_the_vendors() -> None:
    m = market(n_vendors=2_000, markets={"A": 0.8, "B": 0.2})
    assert (m.vendors["market"] == "A").mean() == pytest.approx(0.8, abs=4 * np.sqrt(0.16 / 2_000))
    assert m.listings.groupby("vendor")["market"].nunique().max() == 1
    assert set(market().listings["market"]) == {"market 1"}


def test_new_listings_are_spread_over_the_time_and_sell_after_their_birth() -> None:
    m = market(new_listings=0.4)
    day = (m.events["date"] - pd.Timestamp("2016-01-01")) / pd.Timedelta(days=1)
    new = day > 0
    assert new.mean() == pytest.approx(0.4, abs=4 * np.sqrt(0.24 / 3_000))
    assert day[new].mean() == pytest.approx(10, abs=4 * 20 / np.sqrt(12 * new.sum()))
    born = m.events.set_index("listing")["date"]
    assert (m.sales["date"].to_numpy() >= born.loc[m.sales["listing"]].to_numpy()).all()


def test_new_vendors_arrive_with_their_first_listing() -> None:
    rng = np.random.default_rng(3)
    born = rng.uniform(0, 10, 40_000)
    weight = rng.lognormal(0, 1, 200)
    arriving = assign(np.random.default_rng(4), born, weight, True)
    at_once = assign(np.random.default_rng(4), born, weight, False)

    def first(vendor: np.ndarray) -> np.ndarray:
        return pd.Series(born).groupby(vendor).min().to_numpy()

    for vendor in (arriving, at_once):
        assert set(vendor) == set(range(200))
    # Arrivals are uniform over the time; without arrivals a vendor's first listing is among the first.
    assert first(arriving).mean() == pytest.approx(5, abs=4 * 10 / np.sqrt(12 * 200))
    assert first(at_once).mean() < 2
    assert abs(np.corrcoef(first(arriving), weight)[0, 1]) < 4 / np.sqrt(200)
    # Later products go to those who are there by their weights: chi-square over the vendors who came in the first half.
    early = first(arriving) < 5
    number = np.bincount(arriving[born > 5], minlength=200)[early]
    expected = number.sum() * weight[early] / weight[early].sum()
    df = early.sum() - 1
    assert ((number - expected) ** 2 / expected).sum() == pytest.approx(df, abs=4 * np.sqrt(2 * df))


# Reviews


def test_review_shares_follow_a_beta_law() -> None:
    law = ReviewShares(mean=0.441, sd=0.134)
    x = draw_review_shares(np.random.default_rng(1), np.ones(100_000), law)
    assert x.mean() == pytest.approx(0.441, abs=4 * 0.134 / np.sqrt(x.size))
    assert x.std() == pytest.approx(0.134, abs=4 * 0.134 / np.sqrt(2 * x.size))


def test_review_shares_depend_on_log_size_through_the_logit() -> None:
    size = np.array([0.0, 0.1, 1.0, 20.0])
    x = draw_review_shares(np.random.default_rng(1), size, ReviewShares(mean=0.3, slope=0.5))
    logit = np.log(0.3 / 0.7) + 0.5 * np.log(size[1:])
    np.testing.assert_allclose(x[1:], 1 / (1 + np.exp(-logit)), rtol=1e-12)
    assert x[0] == pytest.approx(0.3, rel=1e-12)  # a vendor without sales has no log size
    law = ReviewShares(mean=0.3, slope=0.5, sd=0.1)
    many = draw_review_shares(np.random.default_rng(1), np.full(50_000, 20.0), law)
    mean, total = x[3], 0.3 * 0.7 / 0.01 - 1
    assert many.mean() == pytest.approx(mean, abs=4 * many.std() / np.sqrt(many.size))
    assert many.var() == pytest.approx(mean * (1 - mean) / (total + 1), rel=0.04)


def test_reviews_are_a_share_of_the_orders_of_each_vendor() -> None:
    m = market(review_shares=ReviewShares(mean=0.4, sd=0.15))
    v = m.vendors
    v = v[v["orders"] >= 20]
    n, p = v["orders"], v["review_share"]
    z = (v["reviews"] - n * p) / np.sqrt(n * p * (1 - p))
    assert np.mean(z**2) == pytest.approx(1, abs=4 * np.sqrt(2.2 / len(z)))
    assert len(m.reviews) == m.sales["reviewed"].sum() < len(m.sales)
    assert v["review_share"].std() > 0.1


def test_a_slope_moves_the_turnover_weighted_share_away_from_the_mean() -> None:
    up, flat = (market(review_shares=ReviewShares(mean=0.4, slope=s)) for s in (0.3, 0.0))
    assert up.truth.review_share > 0.45
    assert flat.truth.review_share == pytest.approx(0.4, rel=1e-12)
    assert flat.truth.spread == pytest.approx(0, abs=1e-12) and up.truth.spread > 0.01


def test_quantities_are_one_plus_a_binomial() -> None:
    q = market(quantities=Quantities()).sales["quantity"]
    assert q.min() == 1
    assert q.mean() == pytest.approx(1.4, abs=4 * np.sqrt(0.392 / len(q)))
    assert q.var() == pytest.approx(0.392, rel=0.06)
    m = market(quantities=Quantities(trials=3, probability=1.0))
    assert (m.sales["quantity"] == 4).all() and m.truth.units == 4 * m.truth.orders
    assert m.truth.units_per_order == pytest.approx(4, rel=1e-9)


def test_fake_reviews_have_no_order_and_come_from_vendors_who_pad() -> None:
    m = market(fake_reviews=FakeReviews(vendors=0.3, ratio=0.8), review_shares=ReviewShares(mean=0.5))
    fake = m.reviews[~m.reviews["genuine"]]
    padding = m.record.vendors.padding > 0
    assert padding.mean() == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / 300))
    assert set(fake["vendor"]) <= set(np.flatnonzero(padding))
    genuine = m.reviews[m.reviews["genuine"] & padding[m.reviews["vendor"]]]
    assert len(fake) / len(genuine) == pytest.approx(0.8, rel=4 * np.sqrt(1 / len(fake) + 1 / len(genuine)))
    assert m.truth.fake_reviews == len(fake) and m.truth.reviewed_orders == m.sales["reviewed"].sum()
    assert m.truth.genuine_share == pytest.approx(1 - len(fake) / len(m.reviews), rel=1e-12)
    assert m.listings["reviews"].sum() == len(m.reviews)
    plain = market(review_shares=ReviewShares(mean=0.5))
    assert plain.truth.realised_turnover == m.truth.realised_turnover
    assert plain.truth.fake_reviews == 0


# Prices


def test_prices_change_at_their_rate_by_a_factor_of_mean_one() -> None:
    alike = {"all": Category(share=1, mean_price=500, sd=0)}
    m = market(price_changes=PriceChanges(rate=0.2, sd=0.3), categories=alike)
    number = (m.events["event"] == "price changed").sum()
    assert number == pytest.approx(0.2 * 20 * 3_000, abs=4 * np.sqrt(12_000))
    end = m.listings["price"] / 500
    assert end.mean() == pytest.approx(1, abs=4 * end.std() / np.sqrt(3_000))
    # log of a Poisson number (mean 4) of steps with mean -0.045 and sd 0.3
    assert np.log(end).mean() == pytest.approx(-4 * 0.045, abs=4 * np.log(end).std() / np.sqrt(3_000))
    assert np.log(end).std() == pytest.approx(np.sqrt(4 * (0.09 + 0.045**2)), rel=0.06)
    assert (m.sales["price"].round(2) == m.sales["price"]).all()


def test_an_order_pays_the_price_of_its_moment() -> None:
    m = market(price_changes=PriceChanges(rate=0.1, sd=0.3))
    busy = int(m.sales["listing"].mode()[0])
    changes = m.events[(m.events["listing"] == busy) & (m.events["event"] == "price changed")]["date"]
    sold = m.sales[m.sales["listing"] == busy]
    epoch = np.searchsorted(changes, sold["date"])
    assert changes.size > 0 and len(set(epoch)) > 1
    assert (sold["price"].groupby(epoch).nunique() == 1).all()
    assert sold["price"].nunique() == len(set(epoch))
    shown = m.listings.set_index("listing")["price"][busy]
    assert sold["price"].iloc[-1] == shown or epoch.max() < len(changes)


def test_holding_prices_are_shown_and_nothing_is_sold_at_them() -> None:
    law = HoldingPrices(rate=0.05, back=0.2, levels=(9_999.0, 123_456.0))
    m = market(holding_prices=law)
    spells = off_times(m, "holding price set", "holding price unset")
    held = spells[spells["end"] == pd.Timestamp("2016-01-21")]["listing"]
    price = m.listings.set_index("listing")["price"]
    assert set(price.loc[held]) == {9_999.0, 123_456.0}
    assert (price.drop(held) < 9_999).all()
    p = 0.05 / 0.25 * (1 - np.exp(-0.25 * 20))
    assert len(held) == pytest.approx(3_000 * p, abs=4 * np.sqrt(3_000 * p * (1 - p)))
    assert sold_in(m, spells) == 0 and (m.sales["price"] < 9_999).all()
    assert (market().listings["price"] < 9_999).all()


# Lives


def test_deleted_listings_sell_nothing_and_keep_their_row() -> None:
    m = market(deletion=Deletion(rate=0.05))
    p = 1 - np.exp(-0.05 * 20)
    gone = m.events[m.events["event"] == "deleted"]
    assert len(gone) == pytest.approx(3_000 * p, abs=4 * np.sqrt(3_000 * p * (1 - p)))
    assert set(m.listings[m.listings["state"] == "deleted"]["listing"]) == set(gone["listing"])
    after = m.sales.merge(gone, on="listing", suffixes=("", "_deleted"))
    assert (after["date"] <= after["date_deleted"]).all() and len(after) > 0
    assert m.truth.turnover_deleted > 0 and m.truth.turnover_hidden == 0
    assert m.truth.listings_live == 3_000 - len(gone)
    assert market().truth.turnover_deleted == 0


def test_hidden_listings_sell_nothing_until_they_return() -> None:
    m = market(hiding=Hiding(rate=0.1, back=0.3))
    spells = off_times(m, "hidden", "shown")
    hidden = spells[spells["end"] == pd.Timestamp("2016-01-21")]["listing"]
    assert set(m.listings[m.listings["state"] == "hidden"]["listing"]) == set(hidden)
    p = 0.1 / 0.4 * (1 - np.exp(-0.4 * 20))
    assert len(hidden) == pytest.approx(3_000 * p, abs=4 * np.sqrt(3_000 * p * (1 - p)))
    assert sold_in(m, spells) == 0
    shown = (m.events["event"] == "shown").sum()
    assert 0 < shown == (m.events["event"] == "hidden").sum() - len(hidden)
    assert m.truth.turnover_hidden > 0


def test_orders_mean_what_remains_after_all_mechanisms() -> None:
    m = market(orders=60_000, sizes=LogNormalSizes(sd=0), deletion=Deletion(rate=0.05), new_listings=0.5,
               hiding=Hiding(rate=0.1, back=0.3), holding_prices=HoldingPrices(rate=0.1, back=0.3),
               n_listings=30_000, popularity_sd=0.0, days=30, window=(5, 25))
    # Poisson orders, plus 30,000 lives of which a random part is spent on sale (relative sd below 1).
    assert m.truth.orders == pytest.approx(60_000, rel=4 * np.sqrt(1 / 60_000 + 1 / 30_000))
    assert m.truth.orders == m.sales["in_window"].sum() < len(m.sales)


def test_relisting_gives_new_ids_and_changes_no_sale() -> None:
    plain, m = market(), market(relisting=Relisting(rate=0.02))
    moved = m.events[m.events["event"] == "relisted"]
    assert len(moved) == pytest.approx(0.02 * 20 * 3_000, abs=4 * np.sqrt(1_200))
    assert len(m.listings) == 3_000 + len(moved) == m.truth.listings_ever
    assert m.truth.realised_turnover == plain.truth.realised_turnover
    assert m.truth.listings_live == 3_000 and plain.truth.listings_ever == 3_000
    life = m.events[m.events["event"] == "listed"].set_index("listing")["date"].to_frame("born")
    life["died"] = moved.set_index("listing")["date"]
    sold = m.sales.join(life, on="listing")
    assert (sold["date"] >= sold["born"]).all() and not (sold["date"] > sold["died"]).any()
    ids = m.sales.groupby("product")["listing"].nunique()
    assert ids.max() > 1 and (m.sales.groupby("listing")["product"].nunique() == 1).all()
    old = m.listings[m.listings["state"] == "deleted"]
    assert set(old["listing"]) == set(moved["listing"])


# Margins


def test_raking_meets_the_margins_and_keeps_the_odds_ratio() -> None:
    weight = np.array([1.0, 2.0, 3.0, 7.0])
    row, column = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    w = weight * rake(weight, 50.0, [(row, np.array([0.2, 0.8])), (column, np.array([0.6, 0.4]))])
    assert np.bincount(row, w) == pytest.approx([10, 40], rel=1e-8)
    assert np.bincount(column, w) == pytest.approx([30, 20], rel=1e-8)
    assert w[0] * w[3] / (w[1] * w[2]) == pytest.approx(7 / 6, rel=1e-9)
    assert rake(weight, 26.0, []) == pytest.approx(np.full(4, 2.0), rel=1e-12)


def test_margins_count_the_time_on_sale() -> None:
    m = market(margins=Margins(reviews=200_000), review_shares=ReviewShares(mean=0.5, sd=0.1), window=(4, 17),
               new_listings=0.5, deletion=Deletion(rate=0.1), hiding=Hiding(rate=0.1, back=0.05),
               holding_prices=HoldingPrices(rate=0.1, back=0.05))
    assert m.truth.reviewed_orders == pytest.approx(200_000, abs=4 * np.sqrt(200_000))


def test_margins_are_met_in_expectation() -> None:
    categories = {"a": Category(share=0.5, mean_price=10), "b": Category(share=0.5, mean_price=30)}
    countries = {"x": Country(share=0.6), "y": Country(share=0.4)}
    m = market(categories=categories, countries=countries, review_shares=ReviewShares(mean=0.5, sd=0.1),
               margins=Margins(reviews=40_000, value=2e6, reviews_by={"category": {"a": 0.2, "b": 0.8}},
                               value_by={"country": {"x": 3, "y": 1}, "category": {"a": 0.5, "b": 0.5}}))
    rows = m.reviews.merge(m.listings[["listing", "category", "country"]], on="listing")
    assert len(rows) == pytest.approx(40_000, abs=4 * 200)
    assert (rows["category"] == "a").mean() == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / 40_000))
    noise = np.sqrt((rows["price"] ** 2).sum())
    assert rows["price"].sum() == pytest.approx(2e6, abs=4 * noise)
    assert rows["price"][rows["country"] == "y"].sum() == pytest.approx(0.5e6, abs=4 * noise)
    assert rows["price"][rows["category"] == "a"].sum() == pytest.approx(1e6, abs=4 * noise)
