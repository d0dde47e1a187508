"""Sums over coded rows: NumPy for small tables, one compiled pass for large ones, the same sums in the same order."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from darkmarket_estimates.totals import Key, merge_column

#: From so many rows on, compiling a loop (most of a second) pays.
LARGE = 10_000_000


def ranks(packed: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct codes below `size`, sorted, and the rank of each entry; counted where that beats sorting."""
    if size <= 4 * len(packed) + 1024:
        occurs = np.zeros(size, dtype=bool)
        occurs[packed] = True
        distinct = np.flatnonzero(occurs)
        if len(distinct) == size:
            return distinct, packed
        rank = np.empty(size, dtype=np.int64)
        rank[distinct] = np.arange(len(distinct))
        return distinct, rank[packed]
    distinct, rank = np.unique(packed, return_inverse=True)
    return distinct, rank


def cells(keys: Mapping[str, Key]) -> tuple[dict[str, Key], np.ndarray]:
    """Return the keys of the cells that occur, sorted by their codes, and the cell of each row."""
    rows, *others = keys.values()
    distinct, cell = ranks(rows.codes, max(len(rows.labels), 1))
    codes = [distinct]
    for key in others:
        width = max(len(key.labels), 1)
        distinct, cell = ranks(cell * np.int64(width) + key.codes, len(codes[0]) * width)
        codes = [*(c[distinct // width] for c in codes), distinct % width]
    return {name: Key(c, key.labels) for (name, key), c in zip(keys.items(), codes)}, cell


def merged(
    keys: Mapping[str, Key], columns: Mapping[str, np.ndarray]
) -> tuple[dict[str, Key], dict[str, np.ndarray]]:
    """Merge rows that may already be cells: where each is its own, they are only put in order."""
    ours, cell = cells(keys)
    n = len(next(iter(ours.values())).codes)
    if n < len(cell):
        return ours, {name: merge_column(name, values, cell, n) for name, values in columns.items()}
    order = np.empty(n, dtype=np.int64)
    order[cell] = np.arange(n)
    return ours, {name: values[order] for name, values in columns.items()}


def sums(
    cell: np.ndarray, n_cells: int, price: np.ndarray, count: np.ndarray, unit: np.ndarray | None,
    first: np.ndarray | None, per_listing: np.ndarray | None,
) -> dict[str, np.ndarray]:
    """Return the columns of a `Totals` over `n_cells` cells.

    Parameters
    ----------
    cell : int array of shape (n,)
        Cell of each row.
    price, count : float arrays of shape (n,)
    unit : float array of shape (n,) or None
        None where each is 1.
    first, per_listing : float arrays of shape (n,) or None
        Whether a row is the first of its listing in its cell, and the listing's money there; None where every row is
        a listing of its own.
    """
    if len(cell) >= LARGE and (kernel := compiled()) is not None:
        nothing = np.empty(0)
        one, whole = (nothing, nothing) if first is None or per_listing is None else (first, per_listing)
        table = _cache_lines(n_cells)
        table[:, 6] = -np.inf
        kernel(cell, price, count, nothing if unit is None else unit, one, whole, table)
        if unit is None:
            table[:, 4] = table[:, 1]
        return dict(zip(_NAMES, np.ascontiguousarray(table[:, :7].T)))
    with np.errstate(over="ignore", invalid="ignore"):  # sums that left the range of floats are refused later
        worth = price if unit is None else unit * price
        value = worth * count
        whole = value if per_listing is None else per_listing
        rows = {"reviews": count if unit is None else unit * count, "value": value, "price_sq_reviews": worth * value,
                "listing_value_sq": whole * whole if first is None else first * whole * whole, "max_listing_value": whole}
        if first is not None:
            rows["n_listings"] = first
        if unit is not None:
            rows["rate_sq_reviews"] = unit * unit * count
        found = {name: merge_column(name, values, cell, n_cells) for name, values in rows.items()}
    if first is None:
        found["n_listings"] = np.bincount(cell, minlength=n_cells).astype(float)
    if unit is None:
        found["rate_sq_reviews"] = found["reviews"].copy()
    return {name: found[name] for name in _NAMES}


def _cache_lines(n: int) -> np.ndarray:
    """Zeros of shape (n, 8), each row one cache line: two lines a row would double the misses."""
    room = np.zeros(8 * n + 7)
    start = -room.ctypes.data // 8 % 8
    return room[start:start + 8 * n].reshape(n, 8)


_NAMES = ("n_listings", "reviews", "value", "price_sq_reviews", "rate_sq_reviews", "listing_value_sq",
          "max_listing_value")


@functools.cache
def compiled() -> Callable[..., Any] | None:
    """The compiled pass, or None where numba is not installed or does not load."""
    try:
        import numba
    except Exception:  # optional: a broken installation is none
        return None

    @numba.njit(nogil=True)
    def accumulate(cell, price, count, unit, first, per_listing, table):
        repeated, rates = len(first) > 0, len(unit) > 0
        for i in range(len(cell)):
            row = table[cell[i]]
            n = count[i]
            worth = price[i]
            if rates:
                u = unit[i]
                worth *= u
                row[4] += u * u * n
                value = worth * n
                n *= u
            else:
                value = worth * n
            listed = first[i] if repeated else 1.0
            whole = per_listing[i] if repeated else value
            row[0] += listed
            row[1] += n
            row[2] += value
            row[3] += worth * value
            row[5] += listed * whole * whole
            if whole > row[6]:
                row[6] = whole

    return accumulate
