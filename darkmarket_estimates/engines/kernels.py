"""Sums over coded rows: NumPy for small tables, a compiled pass for large ones, the same sums in the same order."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from darkmarket_estimates.totals import Key, merge_column
from darkmarket_estimates.totals.cells import inverse

#: From so many rows on, of all tables that a process has summed, a compiled pass is made: that takes about as long as NumPy's
#: loops have lost by then.
LARGE = 4_000_000
#: Rows whose products stay in the processor's cache: whole columns of them cost more in page faults than in sums.
BLOCK = 32_768
#: So many cells are in the caches of a core; where there are more, the compiled pass fetches them ahead.
NEAR = 4_096
#: Large tables are added in parts, side by side where compiled, each with sums of its own, which must pay. How many
#: depends on the table alone: every machine adds in the same order.
MOST_PARTS, ROWS_A_PART, ROWS_A_CELL = 8, 1_000_000, 8


def blocks(n: int) -> Iterator[slice]:
    """Slices over `n` rows that fit into the processor's cache."""
    return (slice(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK))


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


def cells(keys: Mapping[str, Key], *, complete: bool = False) -> tuple[dict[str, Key], np.ndarray]:
    """Return the keys of the cells that occur, sorted by their codes, and the cell of each row.

    `complete` says that every label of the last key occurs: where it is the only one, its codes are the cells.
    """
    rows, *others = keys.values()
    n = len(rows.labels)
    distinct, cell = (np.arange(n), rows.codes) if complete and not others else ranks(rows.codes, max(n, 1))
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
    if len(keys) == 1 and all((key.codes[1:] > key.codes[:-1]).all() for key in keys.values()):
        return dict(keys), dict(columns)
    ours, cell = cells(keys)
    n = len(next(iter(ours.values())).codes)
    if n < len(cell):
        return ours, {name: merge_column(name, values, cell, n) for name, values in columns.items()}
    if (np.diff(cell) == 1).all():
        return ours, dict(columns)
    order = inverse(cell)
    return ours, {name: values[order] for name, values in columns.items()}


def in_order(
    keys: dict[str, Key], columns: dict[str, np.ndarray]
) -> tuple[dict[str, Key], dict[str, np.ndarray]]:
    """Put cells in the order of the texts of their labels, where some are in that of numbers; columns in one piece."""
    by_text = {name: key.in_order() for name, key in keys.items()}
    if all(by_text[name] is key for name, key in keys.items()):
        return keys, {name: np.ascontiguousarray(values) for name, values in columns.items()}
    return merged(by_text, columns)


def sums(
    cell: np.ndarray, n_cells: int, price: np.ndarray, count: np.ndarray, unit: np.ndarray | None,
    first: np.ndarray | None, per_listing: np.ndarray | None,
) -> dict[str, np.ndarray]:
    """Return the columns of a `Totals` over `n_cells` cells.

    They may be every second number of an array: `in_order` puts them in one piece.

    Parameters
    ----------
    cell : int array of shape (n,)
        Cell of each row.
    price, count : float arrays of shape (n,)
        Counts may be whole numbers too.
    unit : float array of shape (n,) or None
        None where each is 1.
    first, per_listing : float arrays of shape (n,) or None
        Whether a row is the first of its listing in its cell, and the listing's money there; None where every row is
        a listing of its own.
    """
    kernel = _kernel(n_cells, count, unit, first) if _summed(len(cell)) >= LARGE else None
    added: Callable[..., np.ndarray] = _interpreted if kernel is None else functools.partial(_by_kernel, kernel)

    def part(start: int, end: int) -> np.ndarray:
        rows = slice(start, end)
        return added(n_cells, *(None if x is None else x[rows] for x in (cell, price, count, unit, first, per_listing)))

    n_parts = max(1, min(MOST_PARTS, len(cell) // ROWS_A_PART, len(cell) // (ROWS_A_CELL * max(n_cells, 1))))
    edges = np.linspace(0, len(cell), n_parts + 1).astype(int).tolist()
    with ThreadPoolExecutor(min(n_parts, os.cpu_count() or 1)) as pool:
        parts = iter((map if kernel is None or n_parts == 1 else pool.map)(part, edges, edges[1:]))
        table = next(parts)
        for other in parts:  # in their order, while the later ones are made
            _merge(table, other)
    found = _columns(table) if kernel is None else dict(zip(_NAMES, np.ascontiguousarray(table[:len(_NAMES)])))
    if unit is None:
        found["rate_sq_reviews"] = found["reviews"]
    return found


_NAMES = ("n_listings", "reviews", "value", "price_sq_reviews", "rate_sq_reviews", "listing_value_sq",
          "max_listing_value")
#: Row of a table of sums that is none; the others are in the order of the names where compiled.
LARGEST = _NAMES.index("max_listing_value")


def _merge(table: np.ndarray, other: np.ndarray) -> None:
    """Add a table of sums to another: in one run over the memory, and then the one row that is no sum."""
    with np.errstate(over="ignore", invalid="ignore"):
        np.maximum(table[LARGEST], other[LARGEST], out=other[LARGEST])
        table += other
        table[LARGEST] = other[LARGEST]


def _interpreted(
    n_cells: int, cell: np.ndarray, price: np.ndarray, count: np.ndarray, unit: np.ndarray | None,
    first: np.ndarray | None, per_listing: np.ndarray | None,
) -> np.ndarray:
    """The sums of some rows by NumPy, of shape (7, n_cells), as `_columns` reads them: in blocks.

    Two sums are one of complex numbers, which takes little more time than either.
    """
    table = np.zeros((len(_NAMES), n_cells))
    sold, squares = table[:4].reshape(2, -1).view(np.complex128)
    n_listings, rates, largest = table[4:]
    if first is None:
        n_listings[:] = np.bincount(cell, minlength=n_cells)
    largest[:] = -np.inf
    products, pairs = np.empty(BLOCK), np.empty(BLOCK, dtype=np.complex128)
    with np.errstate(over="ignore", invalid="ignore"):  # sums that left the range of floats are refused later
        for rows in blocks(len(cell)):
            where, n, worth = cell[rows], count[rows], price[rows]
            value, pair = products[:len(where)], pairs[:len(where)]
            pair.real = n
            if unit is not None:
                u = unit[rows]
                worth = u * worth
                np.add.at(rates, where, u * u * n)
            np.multiply(worth, pair.real, out=value)
            pair.imag = value
            if unit is not None:
                pair.real *= u
            np.add.at(sold, where, pair)
            np.multiply(worth, value, out=pair.real)
            if first is not None and per_listing is not None:
                listed, value = first[rows], per_listing[rows]
                np.add.at(n_listings, where, listed)
                np.multiply(listed * value, value, out=pair.imag)
            else:
                np.multiply(value, value, out=pair.imag)
            np.add.at(squares, where, pair)
            np.maximum.at(largest, where, value)
    return table


def _columns(table: np.ndarray) -> dict[str, np.ndarray]:
    """The sums that `_interpreted` made, by name."""
    (reviews, value), (price_sq, listing_sq) = ((x.real, x.imag) for x in table[:4].reshape(2, -1).view(np.complex128))
    return dict(zip(_NAMES, (table[4], reviews, value, price_sq, table[5], listing_sq, table[LARGEST])))


def _by_kernel(
    kernel: Callable[..., None], n_cells: int, cell: np.ndarray, price: np.ndarray, count: np.ndarray,
    *columns: np.ndarray | None,
) -> np.ndarray:
    """The same by a compiled pass, of shape (8, n_cells)."""
    table = _cache_lines(n_cells)
    table[:, LARGEST] = -np.inf
    kernel(np.ascontiguousarray(cell, np.int64), np.ascontiguousarray(price, float),
           np.ascontiguousarray(count, np.int64 if _is_whole(count) else float),
           *(None if x is None else np.ascontiguousarray(x, float) for x in columns), table)
    return table.T


def _cache_lines(n: int) -> np.ndarray:
    """Zeros of shape (n, 8), each row one cache line: two lines a row would double the misses."""
    room = np.zeros(8 * n + 7)
    start = -room.ctypes.data // 8 % 8
    return room[start:start + 8 * n].reshape(n, 8)


def _is_whole(count: np.ndarray) -> bool:
    """Whether the compiled pass takes counts as they come."""
    return count.dtype.kind == "i"


_rows = 0


def _summed(n: int) -> int:
    """Rows that this process has been asked to sum, with these."""
    global _rows
    _rows += n
    return _rows


def _kernel(
    n_cells: int, count: np.ndarray, unit: np.ndarray | None, first: np.ndarray | None
) -> Callable[..., None] | None:
    """The compiled pass for these columns, or None where there is none."""
    return compiled(_is_whole(count), unit is not None, first is not None, n_cells > NEAR)


@functools.cache
def compiled(*kind: bool) -> Callable[..., None] | None:
    """A compiled pass of this `Kind`, or None where LLVM is not installed or does not load."""
    try:
        from darkmarket_estimates.engines.compiled import Kind, load

        return load(Kind(*kind))
    except Exception:  # optional: a broken installation is none
        return None
