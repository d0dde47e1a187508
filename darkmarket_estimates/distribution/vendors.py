"""Vendors sorted for the inversion of many totals at once: the dominant ones, and classes of like vendors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from darkmarket_estimates.distribution.multiplier import Multiplier

FEW = 64  # of so many vendors each is treated by itself
_N_LARGEST = 512  # at most so many vendors are treated one by one
_DOMINANT = 0.1  # share of the variance of itself and all smaller vendors that makes one dominant
_SIZES, _NUMBERS = 19, 57  # classes by half steps of ln sd, and by unit steps of ln n


@dataclass(frozen=True, slots=True)
class Vendors:
    """Vendors of many totals, each total in the unit of its largest vendor.

    A class of weight c and pair (y, q) stands for vendors with sums c y, c y^2 and c q: the mean and the variance of
    each total stay exact.

    Attributes
    ----------
    large, small : array of shape (n_large, 2), (n_classes, 2)
        y and q of the dominant vendors and of the classes.
    counts : array of shape (n_classes,)
    large_start, small_start : int array of shape (n_totals + 1,)
        Where the rows of each total begin.
    sums : array of shape (n_totals, 3)
        Of y, y^2, q over all vendors.
    unit : array of shape (n_totals,)
    """

    large: np.ndarray
    small: np.ndarray
    counts: np.ndarray
    large_start: np.ndarray
    small_start: np.ndarray
    sums: np.ndarray
    unit: np.ndarray

    def __len__(self) -> int:
        return len(self.unit)


def arrange(y: np.ndarray, q: np.ndarray, start: np.ndarray, multiplier: Multiplier) -> Vendors:
    """Split the vendors of each total into dominant ones and classes.

    Parameters
    ----------
    y, q : array of shape (n_vendors,)
        With q > 0; total by total.
    start : int array of shape (n_totals + 1,)
        Where the vendors of each total begin; no total is empty.
    """
    first, n = start[:-1], len(start) - 1
    owner = np.repeat(np.arange(n), np.diff(start))
    unit = np.maximum(np.maximum.reduceat(np.abs(y), first), np.sqrt(np.maximum.reduceat(q, first)))
    y, q = y / unit[owner], q / unit[owner] ** 2
    between, within = multiplier.variances
    variance = between * y * y + within * q
    sums = np.column_stack([np.add.reduceat(part, first) for part in (y, y * y, q)])
    # A single sale counts like a standard deviation: where few sales are missing the law has jumps of a price.
    weight = np.maximum(variance, (q / np.where(y == 0, np.inf, y)) ** 2)
    near = _nearly_dominant(weight, start)
    order = near[np.lexsort((-weight[near], owner[near]))]
    dominant = order[_dominates(variance[order], weight[order], np.add.reduceat(variance, first), np.diff(start), owner[order])]
    small = np.ones(len(y), dtype=bool)
    small[dominant] = False
    like, counts, of = classes(y[small], q[small], variance[small], owner[small])
    return Vendors(np.column_stack([y[dominant], q[dominant]]), like, counts, _starts(owner[dominant], n),
                   _starts(of, n), sums, unit)


def _starts(owner: np.ndarray, n: int) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=n))])


def _nearly_dominant(weight: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Positions of the vendors that may dominate: of a large total its largest ones, found without sorting the rest."""
    near = np.ones(len(weight), dtype=bool)
    for total in np.flatnonzero(np.diff(start) > 2 * _N_LARGEST):
        rows = slice(start[total], start[total + 1])
        near[rows] = weight[rows] >= np.partition(weight[rows], -_N_LARGEST)[-_N_LARGEST]
    return np.flatnonzero(near)


def _dominates(
    variance: np.ndarray, weight: np.ndarray, total: np.ndarray, size: np.ndarray, owner: np.ndarray
) -> np.ndarray:
    """Which vendors, sorted largest first by total, come before the first that is calm beside those after it; all of a few.

    `total` is the variance, and `size` the number of vendors, of each total; vendors that are not listed are smaller.
    """
    listed = np.bincount(owner, minlength=len(size))
    first = np.cumsum(listed) - listed
    rank = np.arange(len(owner)) - first[owner]
    running = np.cumsum(variance)
    before = (running - variance) - (running - variance)[first][owner]
    rest = np.maximum(total[owner] - before, variance)  # of itself and all smaller ones
    calm = (weight <= _DOMINANT * rest) | (rest <= 1e-9 * total[owner])
    found = np.minimum.reduceat(np.where(calm, rank, len(rank)), first)
    return rank < np.where(size <= FEW, size, np.minimum(np.minimum(found, size), _N_LARGEST))[owner]


def classes(
    y: np.ndarray, q: np.ndarray, variance: np.ndarray, owner: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classes by sign, by size and by number of reviews: their pairs, their weights, and the total each belongs to."""
    if not len(y):
        return np.empty((0, 2)), np.empty(0), np.empty(0, dtype=np.int64)
    largest = np.full(owner[-1] + 1, -np.inf)
    np.maximum.at(largest, owner, variance)
    size = np.minimum((np.log(largest[owner]) - np.log(variance)).astype(np.int64), _SIZES - 1)
    half = _NUMBERS // 2
    number = np.clip(np.rint(np.log(y * y / q)), -half, half).astype(np.int64) + half
    key, of = _coded(((owner * _SIZES + size) * _NUMBERS + number) * 2 + (y < 0))
    first, second, square = (np.bincount(of, weights=part) for part in (y, y * y, q))
    counts = first**2 / second
    return np.column_stack([second / first, square / counts]), counts, key // (2 * _NUMBERS * _SIZES)


def _coded(key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values that occur, sorted, and the place of each key among them; by counting where that is less than sorting."""
    if key.max() > 4 * len(key):
        return np.unique(key, return_inverse=True)
    occurs = np.bincount(key) > 0
    return np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[key]
