from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from darkmarket_estimates.errors import AssumptionError, DataError, NotIdentifiedError
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
from darkmarket_estimates.simulate.history import STREAMS
from darkmarket_estimates.simulate.lifecycle import births
from darkmarket_estimates.simulate.products import draw_products
from darkmarket_estimates.simulate.vendors import draw_vendors

BUSY: dict[str, Any] = {
    "n_vendors": 120, "n_listings": 1_500, "orders": 6_000, "days": 40, "window": (10, 31.5),
    "markets": {"A": 0.5, "B": 0.5}, "focus": 0.4, "new_listings": 0.5, "random_vendors": True,
    "categories": {"c": Category(share=0.4, mean_price=40), "d": Category(share=0.6, mean_price=90, sd=0.5)},
    "countries": {"NL": Country(share=0.3, size=2, price=1.5), "US": Country(share=0.7)},
    "review_shares": ReviewShares(mean=0.441, sd=0.134, slope=0.08), "quantities": Quantities(),
    "price_changes": PriceChanges(rate=0.05), "holding_prices": HoldingPrices(rate=0.01, back=0.2),
    "deletion": Deletion(rate=0.01), "hiding": Hiding(rate=0.02, back=0.2), "relisting": Relisting(rate=0.01),
    "fake_reviews": FakeReviews(vendors=0.2, ratio=0.3),
}  # fmt: skip


def busy(rng: Any = 1, **changes: Any) -> Market:
    return MarketSpec(**{**BUSY, **changes}).simulate(rng)


def frames(m: Market) -> list[pd.DataFrame]:
    return [m.listings, m.vendors, m.sales, m.reviews, m.events]


@pytest.mark.parametrize("seed", range(3))
def test_truth_is_the_sum_over_sales(seed: int) -> None:
    m, t = busy(seed), busy(seed).truth
    sold = m.sales[m.sales["in_window"]]
    value = sold["price"] * sold["quantity"]
    assert t.realised_turnover == pytest.approx(value.sum(), rel=1e-12)
    assert t.orders == len(sold) and t.units == sold["quantity"].sum()
    assert t.reviewed_orders + (~sold["reviewed"]).sum() == t.orders
    assert t.reviewed_turnover == pytest.approx(value[sold["reviewed"]].sum(), rel=1e-12)
    shares = m.vendors.set_index("vendor")["review_share"].loc[sold["vendor"]].to_numpy()
    assert t.review_share == pytest.approx((shares * value).sum() / value.sum(), rel=1e-12)
    assert t.spread == pytest.approx(np.sqrt(((shares - t.review_share) ** 2 * value).sum() / value.sum()), rel=1e-9)
    assert t.units_per_order == pytest.approx(value.sum() / sold["price"].sum(), rel=1e-12)
    reviews = m.reviews[m.reviews["in_window"]]
    assert len(reviews) == t.reviewed_orders + t.fake_reviews == m.listings["reviews"].sum()
    assert t.genuine_share == pytest.approx(reviews["genuine"].mean(), rel=1e-12)


@pytest.mark.parametrize("column", ["market", "category", "country", "vendor", "listing", "state"])
def test_truth_by_group_adds_up(column: str) -> None:
    m = busy()
    by = m.truth_by(column)
    assert by["turnover"].sum() == pytest.approx(m.truth.realised_turnover, rel=1e-9)
    assert by["orders"].sum() == m.truth.orders and by["reviewed_orders"].sum() == m.truth.reviewed_orders
    assert by["turnover"].is_monotonic_decreasing and by[column].is_unique


def test_truth_by_state_is_the_truth_of_the_states() -> None:
    m = busy()
    by = m.truth_by("state").set_index("state")["turnover"]
    t = m.truth
    assert by["live"] == pytest.approx(t.turnover_live, rel=1e-12)
    assert by["hidden"] == pytest.approx(t.turnover_hidden, rel=1e-12)
    assert by["deleted"] == pytest.approx(t.turnover_deleted, rel=1e-12)
    assert t.turnover_live + t.turnover_hidden + t.turnover_deleted == pytest.approx(t.realised_turnover, rel=1e-12)
    assert t.listings_ever == len(m.listings) and t.listings_live == (m.listings["state"] == "live").sum()


def test_vendors_carry_both_counters() -> None:
    m = busy()
    sold = m.sales[m.sales["in_window"]]
    n = len(m.vendors)
    np.testing.assert_array_equal(m.vendors["orders"], np.bincount(sold["vendor"], minlength=n))
    np.testing.assert_array_equal(m.vendors["reviews"], np.bincount(sold["vendor"], sold["reviewed"], minlength=n))
    assert m.vendors["turnover"].sum() == pytest.approx(m.truth.realised_turnover, rel=1e-12)


def test_genuine_reviews_are_the_reviewed_orders() -> None:
    m = busy()
    for column in ("listing", "vendor", "date", "price"):
        real = m.reviews[m.reviews["genuine"]][column].to_numpy()
        np.testing.assert_array_equal(real, m.sales[m.sales["reviewed"]][column].to_numpy())
    assert m.reviews["review"].is_unique and m.reviews["date"].is_monotonic_increasing
    assert m.sales["date"].is_monotonic_increasing and m.events["date"].is_monotonic_increasing


def test_the_window_holds_its_first_instant_and_not_its_last() -> None:
    m = busy()
    assert m.window == ("2016-01-11", "2016-02-01T12:00:00.000000")
    inside = (m.sales["date"] >= m.window[0]) & (m.sales["date"] < m.window[1])
    assert (inside == m.sales["in_window"]).all() and 0 < inside.sum() < len(inside)
    inside = (m.reviews["date"] >= m.window[0]) & (m.reviews["date"] < m.window[1])
    assert (inside == m.reviews["in_window"]).all()
    born = m.events[m.events["event"] == "listed"].set_index("listing")["date"]
    assert set(m.listings["listing"]) == set(born[born < m.window[1]].index) - set(
        m.events[m.events["event"].isin(["deleted", "relisted"]) & (m.events["date"] < m.window[0])]["listing"])


def test_state_and_price_are_those_at_the_end_of_the_window() -> None:
    m = busy()
    end = pd.Timestamp(m.window[1])
    past = m.events[m.events["date"] < end]
    gone = set(past[past["event"].isin(["deleted", "relisted"])]["listing"])
    last = past[past["event"].isin(["hidden", "shown"])].groupby("listing")["event"].last()
    state = m.listings.set_index("listing")["state"]
    assert set(state[state == "deleted"].index) == gone & set(state.index)
    there = last[[i for i in last.index if i not in gone]]
    assert (state.loc[there.index] == there.map({"hidden": "hidden", "shown": "live"})).all()
    held = past[past["event"].str.startswith("holding")].groupby("listing")["event"].last()
    price = m.listings.set_index("listing")["price"]
    assert (price.loc[held[held == "holding price set"].index.intersection(price.index)] >= 9_999).all()


def test_listings_are_unique_and_their_groups_those_of_the_vendor() -> None:
    m = busy()
    assert m.listings["listing"].is_unique
    both = m.listings.merge(m.vendors, on="vendor", suffixes=("", "_vendor"))
    assert (both["market"] == both["market_vendor"]).all() and (both["country"] == both["country_vendor"]).all()
    assert not {"orders", "sales", "turnover", "quantity"} & set(m.listings.columns)


def test_same_rng_same_bytes() -> None:
    for rng in (lambda: 5, lambda: np.random.SeedSequence(5), lambda: np.random.default_rng(5)):
        for a, b in zip(frames(busy(rng())), frames(busy(5))):
            pd.testing.assert_frame_equal(a, b, check_exact=True)
        assert busy(rng()).truth == busy(5).truth
    assert busy(6).truth != busy(5).truth
    generator = np.random.default_rng(5)
    assert busy(generator).truth != busy(generator).truth  # a generator moves on


@pytest.mark.parametrize(("market", "turnover", "orders", "reviews", "events"), [
    (lambda: Market.small(7), 1492667.87, 13904, 5880, 4927), (lambda: Market.small(8), 1518575.96, 14687, 6191, 4965),
    (lambda: busy(0), 804570.19, 6755, 6966, 7546), (lambda: busy(1), 661268.68, 5535, 4967, 6963),
], ids=["small 7", "small 8", "busy 0", "busy 1"])  # fmt: skip
def test_a_seed_gives_the_market_that_it_always_gave(
    market: Any, turnover: float, orders: int, reviews: int, events: int
) -> None:
    """Version 0.1.0, on Python 3.11 (NumPy 2.4) and 3.13 (NumPy 2.5)."""
    m = market()
    assert m.truth.realised_turnover == pytest.approx(turnover, abs=1e-6)
    assert (m.truth.orders, len(m.reviews), len(m.events)) == (orders, reviews, events)


def test_a_market_and_its_specification_are_frozen() -> None:
    m = busy()
    with pytest.raises(dataclasses.FrozenInstanceError):
        m.truth = None  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        m.spec.days = 3  # type: ignore[misc]
    assert repr(m).startswith(f"Market({m.truth.listings_ever:,} listings, {len(m.vendors)} vendors, ")
    assert set(m.truth.to_dict()) > {"realised_turnover", "expected_turnover", "review_share"}


def test_expected_turnover_is_a_product_of_means() -> None:
    # orders x (0.4 * 40 + 0.6 * 90) x (0.6 * 1.5 + 0.7) / 1.3 x 1.4 units; NL weighs by vendors x size.
    assert busy().truth.expected_turnover == pytest.approx(6_000 * 70 * 1.6 / 1.3 * 1.4, rel=1e-12)
    assert MarketSpec(orders=10).expected_turnover == pytest.approx(500, rel=1e-12)


@pytest.mark.statistical
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"random_vendors": False, "new_listings": 0.0, "window": None},
        {"sizes": ParetoSizes(shape=3.0), "listing_elasticity": 1.0},
        {"sizes": LogNormalSizes(sd=0.5), "relisting": None, "fixed_counts": True},
    ],
)
def test_turnover_is_the_expected_one_on_average(changes: dict[str, Any]) -> None:
    truths = [busy(i, **changes).truth for i in range(150)]
    total, orders = (np.array([getattr(t, name) for t in truths]) for name in ("realised_turnover", "orders"))
    expected = MarketSpec(**{**BUSY, **changes}).expected_turnover
    assert total.mean() == pytest.approx(expected, abs=4 * total.std() / np.sqrt(150))
    assert orders.mean() == pytest.approx(6_000, abs=4 * orders.std() / np.sqrt(150))


@pytest.mark.statistical
def test_reviewed_turnover_over_the_mean_share_is_unbiased_without_a_slope() -> None:
    error = []
    for i in range(150):
        t = busy(i, review_shares=ReviewShares(mean=0.441, sd=0.134)).truth
        error.append(t.reviewed_turnover / 0.441 - t.realised_turnover)
    assert abs(np.mean(error)) < 4 * np.std(error) / np.sqrt(150)
    assert np.std(error) > 0


@pytest.mark.statistical
def test_the_earliest_listing_has_no_more_demand_than_others() -> None:
    """Five vendors with ten listings: orders that the demand and the days on sale imply, without their Poisson noise."""
    spec = MarketSpec(n_vendors=5, n_listings=10, new_listings=1.0, sizes=LogNormalSizes(sd=0.3))
    rng, implied = np.random.default_rng(3), np.empty(8_000)
    streams = dict.fromkeys(STREAMS, rng)
    for i in range(implied.size):
        vendors = draw_vendors(streams, 5, sizes=spec.sizes, markets=spec.markets, countries=spec.countries,
                               review_shares=None, fakes=None)
        born = births(rng, 10, spec.days, spec.new_listings)
        products = draw_products(streams, vendors, born, new_vendors=False, focus=0.0, categories=spec.categories,
                                 countries=spec.countries, listing_elasticity=0.5, popularity_sd=1.0)
        days = float((vendors.size[products.vendor] * products.demand * (spec.days - born)).sum())
        implied[i] = days / (spec.n_vendors * spec.selling_days)
    assert implied.mean() == pytest.approx(1, abs=4 * implied.std() / np.sqrt(implied.size))


def test_no_closed_form_under_margins_or_arrivals() -> None:
    for changes in ({"margins": Margins(reviews=500)}, {"new_vendors": True}):
        m = busy(**changes)
        with pytest.raises(NotIdentifiedError, match="no closed form"):
            _ = m.truth.expected_turnover
        assert "expected_turnover" not in m.truth.to_dict()


@pytest.mark.parametrize("changes", [{"orders": 0}, {"n_vendors": 1, "n_listings": 1, "orders": 1},
                                     {"window": (0, 1e-3), "orders": 1}, {"deletion": Deletion(rate=50)},
                                     {"sizes": ResampledSizes(sizes=(0, 0, 5))}])
def test_nearly_empty_markets_are_markets(changes: dict[str, Any]) -> None:
    m = busy(3, **{"random_vendors": False, **changes})
    assert m.truth.orders == m.sales["in_window"].sum()
    assert m.truth_by("country")["turnover"].sum() == pytest.approx(m.truth.realised_turnover)
    assert list(m.listings.columns) == list(busy().listings.columns)
    for f, g in zip(frames(m), frames(busy())):
        pd.testing.assert_series_equal(f.dtypes, g.dtypes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_vendors": 0}, "n_vendors"),
        ({"n_listings": 10}, "n_listings"),
        ({"orders": -1}, "orders"),
        ({"orders": float("nan")}, "orders"),
        ({"days": 0}, "days"),
        ({"window": (5, 5)}, "last day of window"),
        ({"window": (0, 41)}, "last day of window"),
        ({"window": (-1, 5)}, "first day of window"),
        ({"window": 7}, "window is not a pair"),
        ({"start": "soon"}, "start is not a date"),
        ({"start": "NaT"}, "start is not a date"),
        ({"start": 5}, "start is not a date"),
        ({"focus": 1.2}, "focus"),
        ({"new_listings": True}, "new_listings"),
        ({"popularity_sd": -1}, "popularity_sd"),
        ({"listing_elasticity": 9}, "listing_elasticity"),
        ({"markets": {"A": 0.5}}, "do not add up"),
        ({"markets": {}}, "markets"),
        ({"markets": "A"}, "markets"),
        ({"categories": {"c": 1.0}}, "categories"),
        ({"countries": {"NL": Category(share=1, mean_price=1)}}, "countries"),
        ({"sizes": 2.0}, "sizes"),
        ({"deletion": 0.01}, "deletion"),
        ({"hiding": Deletion(rate=1)}, "hiding"),
        ({"margins": Margins(reviews=1, reviews_by={"category": {"c": 1}})}, "margin by category"),
    ],
)
def test_bad_specifications_say_what_is_wrong(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AssumptionError, match=message):
        busy(**changes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LogNormalSizes(sd=-1), "sd"),
        (lambda: ParetoSizes(shape=1), "shape"),
        (lambda: ResampledSizes(sizes=()), "sizes"),
        (lambda: ResampledSizes(sizes=(0, 0)), "sizes"),
        (lambda: ResampledSizes(sizes=(1, -1)), "sizes"),
        (lambda: Category(share=1, mean_price=0), "mean_price"),
        (lambda: Country(share=2), "share"),
        (lambda: Country(share=1, size=0), "size"),
        (lambda: ReviewShares(mean=0), "mean"),
        (lambda: ReviewShares(mean=0.5, sd=0.5), "sd is too large"),
        (lambda: ReviewShares(mean=1, sd=0.1), "sd is too large"),
        (lambda: Quantities(trials=1.5), "trials"),
        (lambda: Quantities(probability=2), "probability"),
        (lambda: PriceChanges(rate=-1), "rate"),
        (lambda: HoldingPrices(rate=1, back=1, levels=()), "levels"),
        (lambda: Hiding(rate=1, back=-1), "back"),
        (lambda: FakeReviews(vendors=2, ratio=1), "vendors"),
        (lambda: Relisting(rate=float("inf")), "rate"),
        (lambda: Margins(reviews=0), "reviews"),
        (lambda: Margins(reviews=1, value_by={"category": {"c": 1}}), "value_by"),
        (lambda: Margins(reviews=1, reviews_by={"size": {"c": 1}}), "margin"),
    ],
)
def test_bad_mechanisms_say_what_is_wrong(make: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        make()


def test_other_bad_calls() -> None:
    with pytest.raises(DataError, match="no such group"):
        busy().truth_by("price")
    with pytest.raises(AssumptionError, match="rng"):
        busy("seven")
    with pytest.raises(AssumptionError, match="too large to be simulated"):
        busy(window=(0, 1e-6))  # the orders are those of the window
    with pytest.raises(AssumptionError, match="nothing can be bought"):
        busy(deletion=Deletion(rate=1e6), new_listings=0)
    with pytest.raises(AssumptionError, match="no listing can carry the margins"):
        busy(margins=Margins(reviews=10), n_vendors=1, n_listings=1, random_vendors=False, new_listings=0,
             deletion=Deletion(rate=1))
    with pytest.raises(AssumptionError, match="no listing that could carry it"):
        busy(margins=Margins(reviews=10, reviews_by={"country": {"NL": 1, "US": 1}}), n_vendors=1, n_listings=1,
             random_vendors=False, deletion=None, hiding=None, holding_prices=None, new_listings=0)
