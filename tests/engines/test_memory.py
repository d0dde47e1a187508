"""Rules on whole listings in the reference engine, beside the same worked out row by row in Python."""

import statistics
from collections import defaultdict

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from darkmarket_estimates import DataError, HoldingPrice, Listings
from darkmarket_estimates.engines import kernels
from darkmarket_estimates.engines.medians import reached

COLUMNS = {"price": "price", "reviews": "reviews", "vendor": "seller", "listing": "id", "currency": "USD", "duplicates": "keep"}


def rows(seed, n=400, n_listings=90, vendors_of_a_listing=1):
    """Few prices, so that many stand exactly at a multiple of a median."""
    rng = np.random.default_rng(seed)
    listing = rng.integers(0, n_listings, n)
    return pd.DataFrame({
        "id": [f"l{i}" for i in listing],
        "price": rng.choice([0.0, 1, 2, 3, 4, 5, 10, 20, 100], n, p=[.02, *[.14] * 6, .1, .04]),
        "reviews": rng.integers(0, 5, n), "seller": [f"s{i % 7}" for i in listing + rng.integers(0, vendors_of_a_listing, n)]})


def by_hand(frame, rule):
    """The rows that stay, with the price that each then has."""
    mine = defaultdict(list)
    for at, (listing, price) in enumerate(zip(frame["id"], frame["price"])):
        mine[listing].append((at, price))
    found = {}
    for listing in mine.values():
        under = [p for _, p in listing if rule.cap is None or p <= rule.cap]
        least, most = 0, np.inf if rule.cap is None else rule.cap
        if under and len(under) >= rule.min_observations:
            own = statistics.median(under)
            least = 0 if rule.lower_multiple is None else rule.lower_multiple * own
            most = most if rule.upper_multiple is None else min(most, rule.upper_multiple * own)
        accepted = [p for _, p in listing if least <= p <= most]
        for at, p in listing:
            if least <= p <= most:
                found[at] = p
            elif rule.action == "median" and accepted:
                found[at] = statistics.median(accepted)
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rule", [
    {"upper_multiple": 2}, {"lower_multiple": 0.5}, {"upper_multiple": 1.5, "lower_multiple": 0.4, "min_observations": 4},
    {"cap": 50, "upper_multiple": 2.5, "min_observations": 1}, {"cap": 15, "lower_multiple": 0.25}, {"cap": 15},
    {"cap": 3, "upper_multiple": 2, "lower_multiple": 0.5}], ids=str)
@pytest.mark.parametrize("action", ["drop", "median"])
def test_rules_are_those_by_hand(rule, action, seed):
    frame = rows(seed)
    rule = HoldingPrice(**rule, action=action)
    cleaned = Listings(frame, **COLUMNS).clean(rule)
    want = by_hand(frame, rule)
    found = cleaned.to_frame()
    assert dict(zip(found["row"].tolist(), found["price"].tolist())) == want
    assert len(want) < len(frame) or action == "median"
    assert cleaned.totals().sum("value") == sum(p * frame["reviews"][at] for at, p in want.items())


def test_only_listings_that_a_multiple_can_touch_get_a_median():
    """And each that it does touch: prices at the limit, above it by one float, and too few of them."""
    above = np.nextafter(20.0, 21)
    price = np.array([10, 10, 20, 10, 10, above, 1, 9, 1, 5, 5, 5, 100.0])
    listing = np.array([0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 4, 4, 4])
    use = np.arange(len(price)) < 12
    upper, lower = HoldingPrice(upper_multiple=2, min_observations=3), HoldingPrice(lower_multiple=0.5, min_observations=2)
    assert reached(upper, price, listing, use, 6).tolist() == [False, True, False, False, False, False]
    assert reached(lower, price, listing, use, 6).tolist() == [False, True, True, False, False, False]
    assert not reached(HoldingPrice(cap=5, action="median"), price, listing, use, 6).any()
    huge = HoldingPrice(upper_multiple=10, min_observations=1)
    assert not reached(huge, np.array([1.7e308, 1.6e308]), np.zeros(2, dtype=int), np.ones(2, dtype=bool), 1).any()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("vendors", [1, 3])
@pytest.mark.parametrize("rule", [None, HoldingPrice(cap=4), HoldingPrice(upper_multiple=2)], ids=str)
def test_sums_over_listings_are_those_by_hand(vendors, rule, seed, monkeypatch):
    """Where each listing lies in one cell, its rows are known without looking for pairs; some listings lose every row."""
    frame = rows(seed, n=300, vendors_of_a_listing=vendors)
    pairs = []
    ranks = kernels.ranks
    monkeypatch.setattr(kernels, "ranks", lambda codes, size: pairs.append(size) or ranks(codes, size))
    table = Listings(frame, **COLUMNS)
    kept = (table if rule is None else table.clean(rule))
    totals = kept.totals()
    money = defaultdict(float)
    for row, value in zip(*(kept.to_frame()[name].tolist() for name in ("row", "value"))):
        money[frame["seller"][row], frame["id"][row]] += value
    assert totals.sum("n_listings") == len(money)
    assert totals.sum("listing_value_sq") == sum(v * v for v in money.values())
    for vendor, most in zip(totals.keys["vendor"].take(), totals.columns["max_listing_value"]):
        assert most == max(v for (seller, _), v in money.items() if seller == vendor)
    assert any(size > 100 for size in pairs) is (vendors > 1)  # pairs of a vendor and a listing


@pytest.mark.parametrize("kind", ["parquet", "relation"])
def test_a_market_that_a_rule_empties_is_still_one_that_was_read(kind, tmp_path):
    from tests.engines.tables_elsewhere import assert_parity

    table = pa.table({"id": list("abc"), "price": [1.0, 2.0, 9_000.0], "reviews": [1, 2, 3], "seller": list("xyz"),
                      "market": ["A", "A", "B"]})
    want = assert_parity(table, tmp_path, kind, lambda t: t.clean(HoldingPrice(cap=100)), {}, **COLUMNS, market="market")
    assert want.header.markets == ("A", "B")


def test_exposures_that_no_float_can_divide_are_refused_without_a_warning():
    frame = pd.DataFrame({"id": ["a"], "price": [1.0], "reviews": [1], "seller": ["s"], "days": [1e-310]})
    with pytest.raises(DataError, match="price x reviews"):
        Listings(frame, **COLUMNS, days="days")
