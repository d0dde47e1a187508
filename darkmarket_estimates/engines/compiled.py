"""The compiled pass over coded rows. Imported only where numba is; kept on disk after its first use."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

#: Columns of a table of sums: one cache line a cell, the last column idle.
WIDTH = 8

_FLOATS = numba.types.Array(numba.float64, 1, "C", readonly=True)
_CODES = numba.types.Array(numba.int64, 1, "C", readonly=True)
_SIGNATURE = numba.void(_CODES, *5 * [_FLOATS], numba.float64[::1])


def accumulate(
    cell: np.ndarray, price: np.ndarray, count: np.ndarray, unit: np.ndarray, first: np.ndarray,
    per_listing: np.ndarray, table: np.ndarray,
) -> None:
    """Add rows to a flat table of 8 sums a cell; arrays of length 0 where every unit is 1 or every row a listing.

    Indices are unsigned: a signed one is tested for wrapping around at every use, which costs as much as the sums.
    """
    repeated, rates = len(first) > 0, len(unit) > 0
    for i in range(len(cell)):
        at = np.uint64(cell[i]) * np.uint64(WIDTH)
        n = count[i]
        worth = price[i]
        if rates:
            u = unit[i]
            worth *= u
            table[at + np.uint64(4)] += u * u * n
            value = worth * n
            n *= u
        else:
            value = worth * n
        listed = first[i] if repeated else 1.0
        whole = per_listing[i] if repeated else value
        table[at] += listed
        table[at + np.uint64(1)] += n
        table[at + np.uint64(2)] += value
        table[at + np.uint64(3)] += worth * value
        table[at + np.uint64(5)] += listed * whole * whole
        if whole > table[at + np.uint64(6)]:
            table[at + np.uint64(6)] = whole


def load() -> Any:
    """The pass as machine code, from disk where one of this version is kept and the disk can be written to."""
    try:
        return numba.njit(_SIGNATURE, nogil=True, cache=True)(accumulate)
    except (RuntimeError, OSError):  # no folder for it
        return numba.njit(_SIGNATURE, nogil=True)(accumulate)
