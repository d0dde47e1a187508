"""Whole orders, dealt to vendors, at corrected prices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkmarket_estimates.errors import DataError
from darkmarket_estimates.published.dealing import capped, corrected, deal, lognormal_sizes, spread_for_top, whole


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 50), min_size=1, max_size=60))
def test_whole_keeps_every_run(x):
    x = np.array(x)
    n = whole(x)
    assert (n >= 0).all() and n.dtype == np.int64
    difference = np.concatenate([[0.0], np.cumsum(n) - np.cumsum(x)])
    assert difference.max() - difference.min() < 1 + 1e-6


def test_sizes():
    sizes = lognormal_sizes(890, spread_for_top(890, 0.0461))
    assert sizes[0] == pytest.approx(0.0461, rel=1e-9) and sizes.sum() == pytest.approx(1)
    assert (np.diff(sizes) < 0).all()
    np.testing.assert_allclose(np.diff(np.log(lognormal_sizes(3, 2.0))), -2 * 0.967421566101701, rtol=1e-9)  # ndtri(5/6)
    with pytest.raises(DataError, match="no size law"):
        spread_for_top(10, 0.1)


def test_capped():
    sizes = lognormal_sizes(100, 2.0)
    for limit in (0.5, 0.05, 0.0101):
        cut = capped(sizes, limit)
        assert cut.sum() == pytest.approx(1) and cut.max() <= limit * (1 + 1e-9) and (np.diff(cut) <= 0).all()
        free = cut < limit * (1 - 1e-9)
        np.testing.assert_allclose(cut[free] / sizes[free], (cut[free] / sizes[free])[0])  # in proportion
    assert (capped(sizes, 0.9) == sizes).all()
    with pytest.raises(DataError, match="that small"):
        capped(sizes, 0.009)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_dealing_loses_nothing(seed):
    rng = np.random.default_rng(seed)
    cells, n = int(rng.integers(1, 30)), int(rng.integers(1, 40))
    counts = rng.integers(0, 20, cells)
    counts[0] += n
    price, block = rng.uniform(5, 500, cells), rng.integers(0, 3, cells)
    vendor, cell, orders = deal(counts, price, block, lognormal_sizes(n, 1.0) if n > 1 else np.ones(1))
    assert (np.bincount(cell, weights=orders, minlength=cells) == counts).all()
    assert set(vendor) == set(range(n)) and (orders > 0).all()
    assert len({*zip(vendor.tolist(), cell.tolist())}) == len(vendor)


def test_vendors_get_the_money_of_their_size():
    counts, price = np.full(20, 500), np.geomspace(10, 100, 20)
    sizes = lognormal_sizes(50, 1.0)
    vendor, cell, orders = deal(counts, price, np.repeat([0, 1], 10), sizes)
    money = np.bincount(vendor, weights=orders * price[cell])
    np.testing.assert_allclose(money, sizes * money.sum(), atol=2 * price.max())


def test_vendors_sell_at_all_prices_of_their_category():
    counts, price = np.full(10, 400), np.geomspace(10, 100, 10)
    vendor, cell, _ = deal(counts, price, np.zeros(10), np.full(20, 0.05))
    assert min(len(set(cell[vendor == v])) for v in range(20)) == 10


def test_prices_are_mixed_even_where_each_occurs_once():
    price = np.geomspace(10, 1000, 100)
    vendor, cell, _ = deal(np.ones(100, dtype=int), price, np.zeros(100), np.full(5, 0.2))
    assert min(price[cell[vendor == v]].max() / price[cell[vendor == v]].min() for v in range(5)) > 5


def test_large_and_small_vendors_alternate():
    """Two categories of equal money: neither has all the large vendors."""
    vendor, cell, _ = deal(np.full(20, 500), np.full(20, 10.0), np.repeat([0, 1], 10), lognormal_sizes(100, 1.5))
    first, second = (len(set(vendor[(cell < 10) == left])) for left in (True, False))
    assert 0.5 < first / second < 2


@pytest.mark.parametrize("sizes", [[0.98, 0.01, 0.01], [0.01, 0.98, 0.01], [0.01, 0.01, 0.98]])
def test_one_order_for_everybody(sizes):
    vendor, _, orders = deal(np.array([3]), np.array([5.0]), np.zeros(1), np.array(sizes))
    assert sorted(vendor) == [0, 1, 2] and orders.tolist() == [1, 1, 1]


def test_too_few_orders():
    with pytest.raises(DataError, match="fewer orders than vendors"):
        deal(np.array([3]), np.ones(1), np.zeros(1), np.full(4, 0.25))


def test_corrected_prices_give_each_block_its_money():
    rng = np.random.default_rng(1)
    price, orders = rng.uniform(10, 100, 40), rng.integers(1, 9, 40)
    blocks = np.array([np.arange(40) < 20, np.arange(40) % 2 == 0, np.ones(40)], dtype=float)
    money = blocks @ (price * orders) * np.array([1.003, 0.998, 1.001])
    new = corrected(price, orders, blocks, money)
    np.testing.assert_allclose(blocks @ (new * orders), money, rtol=1e-10)
    assert np.abs(new / price - 1).max() < 0.02
    with pytest.raises(DataError, match="leave their bands"):
        corrected(price, orders, blocks, money * 1.2)
