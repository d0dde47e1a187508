"""From cells to listings: whole orders, dealt to vendors of given sizes, at prices that keep the money exact."""

from __future__ import annotations

import numpy as np
from scipy import optimize, special

from darkmarket_estimates.errors import DataError

GOLDEN = (5**0.5 - 1) / 2
#: Prices move by less than this, so that none leaves its band.
LARGEST_CORRECTION = 0.05


def whole(x: np.ndarray) -> np.ndarray:
    """Round a table to whole numbers so that the sum of every run of cells is off by less than one.

    Examples
    --------
    >>> whole(np.array([0.4, 0.4, 0.4, 0.8])).tolist()
    [0, 1, 0, 1]
    """
    return np.diff(np.round(np.cumsum(x)), prepend=0.0).astype(np.int64)


def lognormal_sizes(n: int, spread: float) -> np.ndarray:
    """Shares of `n` vendors, the quantiles of a log-normal with this sd of the logarithm, the largest first."""
    weight = np.exp(spread * special.ndtri(1 - (np.arange(n) + 0.5) / n))
    return weight / weight.sum()


def capped(sizes: np.ndarray, limit: float) -> np.ndarray:
    """Cut shares to `limit` and give what is cut to the others in proportion.

    Examples
    --------
    >>> capped(np.array([0.7, 0.2, 0.1]), 0.5).round(4).tolist()
    [0.5, 0.3333, 0.1667]
    """
    if limit * len(sizes) <= 1:
        raise DataError("no vendor can be that small", expected=f"a limit above {1 / len(sizes):.3g}", got=f"{limit:.3g}")
    at_limit = sizes > limit
    while (sizes > limit * (1 + 1e-12)).any():
        at_limit |= sizes > limit
        rest = sizes[~at_limit]
        sizes = sizes.copy()
        sizes[~at_limit] = rest * (1 - limit * at_limit.sum()) / rest.sum()
        sizes[at_limit] = limit
    return sizes


def spread_for_top(n: int, top_share: float) -> float:
    """Find the sd of the logarithm at which the largest of `n` vendors has this share.

    Raises
    ------
    DataError
        The share is no larger than an even one, or too large.
    """
    if not 1 / n < top_share < 0.9:
        raise DataError("the largest vendor's share fits no size law", expected=f"{1 / n:.3g} to 0.9",
                        got=f"{top_share:.3g}")
    return float(optimize.brentq(lambda s: lognormal_sizes(n, s)[0] - top_share, 0.0, 20.0, xtol=1e-12))


def deal(counts: np.ndarray, price: np.ndarray, block: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, ...]:
    """Deal orders to vendors.

    Within each block (a category) the orders of all prices are mixed evenly; vendors then take runs of the row of
    orders, each as much money as its size says and at least one order: large and small vendors alternate, few sell in
    more than one block, and all sell at all prices.

    Parameters
    ----------
    counts, price, block : arrays of shape (n_cells,)
        Orders, price and block of each cell.
    sizes : array of shape (n_vendors,)
        Shares of the money.

    Returns
    -------
    vendor, cell, orders : arrays of shape (n_listings,)
        Index into `sizes`, index into the cells, and whole orders > 0.
    """
    n, orders = len(sizes), int(counts.sum())
    if orders < n:
        raise DataError("there are fewer orders than vendors", expected=f"at least {n:,}", got=f"{orders:,}")
    cell = np.repeat(np.arange(len(counts)), counts)
    rank = np.arange(orders) - np.repeat(np.cumsum(counts) - counts, counts)
    place = (rank + (cell * GOLDEN) % 1) / counts[cell]
    cell = cell[np.lexsort((place, block[cell]))]
    money = np.cumsum(price[cell])
    turn = np.argsort((np.arange(n) * GOLDEN) % 1)
    ends = np.searchsorted(money, np.cumsum(sizes[turn]) * money[-1])
    steps = np.arange(1, n + 1)
    ends = np.maximum.accumulate(np.maximum(ends, 1) - steps) + steps  # everybody gets at least one order ...
    ends = np.minimum(ends, orders - n + steps)  # ... the last ones too
    ends[-1] = orders
    vendor = turn[np.repeat(np.arange(n), np.diff(ends, prepend=0))]
    pair, number = np.unique(vendor * np.int64(len(counts)) + cell, return_counts=True)
    return pair // len(counts), pair % len(counts), number


def corrected(price: np.ndarray, orders: np.ndarray, blocks: np.ndarray, money: np.ndarray) -> np.ndarray:
    """Move prices as little as possible so that each block has its money.

    Minimises sum n p d^2 over relative changes d subject to sum n p (1 + d) = money in every block.

    Parameters
    ----------
    price, orders : arrays of shape (n_listings,)
    blocks : array of shape (n_blocks, n_listings)
        Membership, 0 or 1; blocks may overlap.
    money : array of shape (n_blocks,)

    Returns
    -------
    array of shape (n_listings,)
    """
    value = price * orders
    theta, *_ = np.linalg.lstsq((blocks * value) @ blocks.T, money - blocks @ value, rcond=1e-10)
    change = theta @ blocks
    if np.abs(change).max() > LARGEST_CORRECTION:
        raise DataError("prices would have to leave their bands", got=f"a change of {np.abs(change).max():.1%}",
                        expected=f"at most {LARGEST_CORRECTION:.0%}")
    return price * (1 + change)
