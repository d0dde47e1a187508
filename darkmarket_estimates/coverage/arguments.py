"""Checks of arrays that only this package needs: whole numbers, capture counts, clusters."""

from __future__ import annotations

from typing import Any

import numpy as np

from darkmarket_estimates._checks import float_array, integer, plain_array
from darkmarket_estimates.errors import DataError

#: Largest count that a float holds exactly; more scrapes than anybody made, and finds of one listing than there can be.
MOST, MOST_SCRAPES, MOST_FINDS = 1 << 53, 1_000_000, 10_000_000


def scrapes(x: Any, name: str = "occasions", *, low: int = 2) -> int:
    """Return a number of scrapes; one scrape recaptures nothing and is refused."""
    value = integer(x, name, low=1, high=MOST_SCRAPES)
    if value < low:
        raise DataError(f"{value} scrape(s) do not identify what was missed", where=name,
                        expected=f"{low} scrapes or more", got=str(value), fix="add a scrape, or use another estimator")
    return value


def whole_array(x: Any, name: str, *, low: int = 0, high: int = MOST) -> np.ndarray:
    """Return `x` as int64, one-dimensional and not empty, with entries in [low, high]; else raise `DataError`."""
    raw = plain_array(x, name)
    array = raw if raw.dtype.kind in "iu" and raw.ndim == 1 else float_array(x, name)
    if array.size == 0:
        raise DataError(f"{name} is empty", expected="one entry or more", got="none")
    bad = (array < low) | (array > high)
    if array.dtype.kind == "f":
        bad |= array != np.floor(array)
    if bad.any():
        at = int(bad.argmax())
        limit = f" and <= {high}" if high < MOST else ""
        raise DataError(f"{name} holds {int(bad.sum()):,} value(s) that cannot be used", where=f"entry {at}",
                        expected=f"whole numbers >= {low}{limit}", got=repr(array[at].item()))
    return array.astype(np.int64, copy=False)


def counted(x: Any, name: str) -> np.ndarray:
    """Return whole numbers whose sum, too, a float holds exactly."""
    array = whole_array(x, name)
    total = float(array.sum(dtype=np.float64))
    if total > MOST:
        raise DataError(f"{name} counts more than there can be", expected=f"a sum of at most {MOST:,}", got=f"{total:,.0f}")
    return array


def measured(x: Any, name: str, *, low: float = -1e100, ndim: int = 1, power: int = 1) -> np.ndarray:
    """Return `x` as finite floats whose squares neither overflow nor vanish: 0, or 1e-100 to 1e100 in size.

    With ``power=2`` they are squares themselves, and may be 1e-200 to 1e200.
    """
    array = float_array(x, name, low=low, ndim=ndim)
    size, few, many = np.abs(array), 10.0 ** (-100 * power), 10.0 ** (100 * power)
    bad = (size > many) | ((size < few) & (size > 0))
    if bad.any():
        raise DataError(f"{name} holds a value that no unit explains", where=f"entry {int(bad.argmax())}",
                        expected=f"0, or {few:g} to {many:g} in size", got=repr(float(array.flat[bad.argmax()])),
                        fix="change the unit")
    return array


def cluster_codes(x: Any, name: str, length: int) -> tuple[np.ndarray, int]:
    """Return codes 0..n-1 of the clusters and n; two clusters at least, none missing."""
    labels = plain_array(x, name)
    if labels.shape != (length,):
        raise DataError(f"{name} has the wrong shape", expected=f"one entry a listing ({length:,})",
                        got=f"shape {labels.shape}")
    if labels.dtype.kind == "O":
        missing = np.array([label is None or label != label for label in labels], dtype=bool)
        labels = labels.astype(str)
    else:
        missing = labels != labels
    if missing.any():
        raise DataError(f"{name} is missing for {int(missing.sum()):,} listing(s)", where=f"entry {missing.argmax()}",
                        expected="a cluster for each listing", got="missing",
                        fix="give such listings a cluster of their own")
    if labels.dtype.kind in "iu" and labels.min() >= 0 and labels.max() < 4 * length:  # sorting strings is the slow way
        used = np.bincount(labels) > 0
        codes, n_clusters = (np.cumsum(used) - 1)[labels], int(used.sum())
    else:
        names, codes = np.unique(labels, return_inverse=True)
        n_clusters = len(names)
    if n_clusters < 2:
        raise DataError(f"{name} holds one cluster", expected="two clusters or more", got="1",
                        fix="leave it out, or use a finer one")
    return codes, n_clusters


def cluster_sums(codes: np.ndarray, n_clusters: int, columns: np.ndarray) -> np.ndarray:
    """Sum each column of a (rows, columns) array within clusters."""
    return np.stack([np.bincount(codes, weights=column, minlength=n_clusters) for column in columns.T], axis=1)
