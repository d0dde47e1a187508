"""Compression: from one row a vendor and group to the few cells that the likelihood needs.

Counts up to `EXACT` are kept; larger ones share a class 1 % wide, represented by its mean. A negative binomial kernel is
20 % wide, so nothing that a posterior could show is lost. Classes beside a value that keep no moments are as fine while they
are few; `points` has those that do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from darkmarket_estimates.errors import DataError
from darkmarket_estimates.totals import VENDOR, Totals

EXACT = 100
#: Width of the classes in log count: of the count law, and of the count beside a value or a split.
FINE, COARSE = 0.01, 0.1
#: Cells of normal values above which their classes are wide.
CELLS = 4_000
#: Largest count that a float holds with its neighbours apart.
LARGEST = 2.0**53


@dataclass(frozen=True, slots=True, eq=False)
class Vendors:
    """One row a vendor and group that it has reviews in, and one a vendor.

    Attributes
    ----------
    reviews, exposure : array of shape (n_vendors,)
    row_vendor, row_group : int array of shape (n_rows,)
    row_reviews, row_value : array of shape (n_rows,)
        Reviews (above 0) and money of a vendor in a group.
    n_groups : int
    """

    reviews: np.ndarray
    exposure: np.ndarray
    row_vendor: np.ndarray
    row_group: np.ndarray
    row_reviews: np.ndarray
    row_value: np.ndarray
    n_groups: int


def whole_counts(totals: Totals) -> np.ndarray:
    """Return the reviews of every cell, refusing fractions.

    Raises
    ------
    DataError
        Reviews that are not whole numbers, with the ways out; a count beyond 2^53.
    """
    r = totals.columns["reviews"]
    broken = np.abs(r - np.rint(r)) > 1e-6
    if broken.any():
        raise DataError(
            f"{int(broken.sum()):,} cell(s) have reviews that are not whole numbers", where=f"cell {int(np.argmax(broken))}",
            expected="whole reviews: the model is one of counts", got=repr(float(r[np.argmax(broken)])),
            fix="leave days= out and give exposure= to the model; or take a window that no review's dates cross; or use "
                "turnover(), which takes fractions",
        )
    if r.max(initial=0.0) > LARGEST:
        raise DataError("a count is too large to be one", expected="at most 2^53", got=f"{r.max():g}")
    return np.rint(r)


def vendors_of(totals: Totals, group: np.ndarray, n_groups: int, exposure: np.ndarray | None) -> Vendors:
    """Sum the cells of a table by vendor and group.

    Parameters
    ----------
    totals : Totals
    group : int array of shape (n_cells,)
    n_groups : int
    exposure : array of shape (n_labels,), optional
        Of each vendor in the dictionary of the table; 1 by default.

    Raises
    ------
    DataError
        Reviews without money, money that overflows.
    """
    r, y = whole_counts(totals), totals.columns["value"]
    key = totals.keys[VENDOR]
    present = np.zeros(len(key.labels), dtype=bool)
    present[key.codes] = True
    rank = np.cumsum(present) - 1
    code, n = rank[key.codes], int(present.sum())
    packed = group * np.int64(max(n, 1)) + code
    if len(packed) * 2 < n * n_groups:
        pairs, where = np.unique(packed, return_inverse=True)
    else:
        pairs, where = np.arange(n * n_groups), packed
    reviews = np.bincount(where, weights=r, minlength=len(pairs))
    value = np.bincount(where, weights=y, minlength=len(pairs))
    some = reviews > 0
    free = some & (value <= 0)
    if free.any():
        raise DataError(f"{int(free.sum()):,} vendor(s) have reviews that are worth nothing",
                        expected="a price above 0 for every vendor with reviews", got="value 0",
                        fix="drop the listings with a price of 0: listings.clean(HoldingPrice(...)), or leave them out")
    return Vendors(
        reviews=np.bincount(code, weights=r, minlength=n),
        exposure=np.ones(n) if exposure is None else exposure[present],
        row_vendor=pairs[some] % max(n, 1), row_group=pairs[some] // max(n, 1), row_reviews=reviews[some],
        row_value=value[some], n_groups=n_groups,
    )


def classes(counts: np.ndarray, width: float, exact: int = EXACT) -> np.ndarray:
    """Class of each count: the count itself up to `exact`, then one a `width` in log count.

    Examples
    --------
    >>> classes(np.array([0.0, 3.0, 100.0, 101.0, 1e6]), 0.1).tolist()
    [0, 3, 100, 101, 193]
    """
    far = np.floor(np.log(np.maximum(counts, exact) / exact) / width)
    return np.where(counts <= exact, counts, exact + 1 + far).astype(np.int64)


def group_means(key: np.ndarray, *values: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Distinct keys, how often each occurs, and the means of the values within."""
    size = int(key.max(initial=0)) + 1
    if size <= 8 * len(key) + 65_536:  # counting is cheaper than sorting
        n = np.bincount(key, minlength=size)
        found = np.flatnonzero(n)
        return found, n[found], [np.bincount(key, weights=v, minlength=size)[found] / n[found] for v in values]
    found, where, n = np.unique(key, return_inverse=True, return_counts=True)
    return found, n, [np.bincount(where, weights=v) / n for v in values]


def count_cells(vendors: Vendors, *, truncated: bool) -> dict[str, np.ndarray]:
    """Cells of the count law: distinct (reviews, exposure) with their multiplicities.

    Returns
    -------
    dict
        ``reviews``, ``exposure``, ``count_n`` of shape (n_cells,); ``exposures``, ``vendors_n`` of shape (n_exposures,).
    """
    exposures, at = np.unique(vendors.exposure, return_inverse=True)
    keep = vendors.reviews > 0 if truncated else np.ones(len(vendors.reviews), dtype=bool)
    kind = classes(vendors.reviews[keep], FINE)
    _, n, (r, e) = group_means(kind * len(exposures) + at[keep], vendors.reviews[keep], vendors.exposure[keep])
    return {"reviews": r, "exposure": e, "count_n": n.astype(np.float64), "exposures": exposures,
            "vendors_n": np.bincount(at[keep], minlength=len(exposures)).astype(np.float64)}


def value_cells(vendors: Vendors, centre: float, bend: float = math.inf) -> dict[str, np.ndarray]:
    """Cells of the value law: group, reviews of the row, size of the vendor; sums of ln m and of its square.

    m is the mean price a review; `centre` the log count that sizes are counted from. A cell knows the mean size of its rows
    alone: wide classes move the slope above the bend by a tenth of its standard deviation, and are kept for many groups.
    """
    for width, exact in ((FINE, EXACT), (COARSE, 30)):
        size, log_m, key = value_classes(vendors, centre, bend, width, exact)
        _, n, (group, inverse, x, first, square) = group_means(key, vendors.row_group, 1 / vendors.row_reviews, size,
                                                               log_m, log_m**2)
        if len(n) <= CELLS:
            break
    return {"value_group": np.rint(group).astype(np.int64), "value_inverse": inverse, "value_size": x,
            "value_top": np.maximum(x - bend, 0.0), "value_n": n.astype(np.float64), "value_sum": first * n,
            "value_square": square * n}


def value_classes(
    vendors: Vendors, centre: float, bend: float, width: float, exact: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Size of the vendor, ln m, and class of each row: of group, reviews and vendor, and on which side of the bend."""
    whole = vendors.reviews[vendors.row_vendor]
    size = np.log(whole) - centre
    small, large = classes(vendors.row_reviews, width, exact), classes(whole, width, exact)
    key = (vendors.row_group * (small.max(initial=0) + 1) + small) * (large.max(initial=0) + 1) + large
    return size, np.log(vendors.row_value / vendors.row_reviews), 2 * key + (size > bend)


def split_cells(vendors: Vendors, centre: float) -> dict[str, np.ndarray]:
    r"""Cells of the split of a vendor's reviews over groups, by size of the vendor.

    The Dirichlet-multinomial law of a vendor's split needs :math:`\sum_g \ln\Gamma(r_{vg} + \phi w_g)` over rows, and for
    every size class how many vendors there are (groups without reviews cancel).
    """
    some = vendors.reviews > 0
    kind = np.zeros(len(vendors.reviews), dtype=np.int64)
    kind[some] = classes(vendors.reviews[some], 0.5, 1)
    found, n, (x,) = group_means(kind[some], np.log(vendors.reviews[some]) - centre)
    place = np.zeros(int(kind.max(initial=0)) + 1, dtype=np.int64)
    place[found] = np.arange(len(found))
    size = place[kind[vendors.row_vendor]]
    small = classes(vendors.row_reviews, COARSE, 30)
    key = (vendors.row_group * (small.max(initial=0) + 1) + small) * len(found) + size
    _, rows, (group, r, at) = group_means(key, vendors.row_group, vendors.row_reviews, size)
    _, whole_n, (whole,) = group_means(classes(vendors.reviews[some], FINE), vendors.reviews[some])
    return {"split_size": x, "split_group": np.rint(group).astype(np.int64), "split_reviews": r,
            "split_at": np.rint(at).astype(np.int64), "split_n": rows.astype(np.float64), "whole_reviews": whole,
            "whole_n": whole_n.astype(np.float64), "split_vendors": n.astype(np.float64)}


def log_centre(vendors: Vendors) -> float:
    """Mean log count of vendors with reviews, to one decimal: sizes are counted from it."""
    some = vendors.reviews > 0
    return round(float(np.log(vendors.reviews[some]).mean()), 1) if some.any() else math.nan


def log_bend(vendors: Vendors, centre: float) -> float:
    """Log count, less `centre`, above which are the vendors that have half of all reviews: the slope of values changes there.

    Examples
    --------
    >>> one = np.ones(4)
    >>> log_bend(Vendors(np.array([1.0, 2, 3, 6]), one, one, one, one, one, 1), math.log(3))
    0.0
    """
    ranked = np.sort(vendors.reviews)
    return float(np.log(ranked[np.searchsorted(ranked.cumsum(), ranked.sum() / 2)]) - centre)
