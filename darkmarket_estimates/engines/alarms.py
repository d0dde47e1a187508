"""The alarm on holding prices: one rule that every engine can answer in one pass and that merges over partitions."""

from __future__ import annotations

import numpy as np

from darkmarket_estimates.engines.kernels import blocks

#: A price this many times the 99th percentile of prices with reviews is suspected of being a holding price.
SUSPICIOUS_MULTIPLE = 100
#: Prices are counted in classes of equal leading bits: 8 of the mantissa, 256 classes an octave.
_DROPPED_BITS = 44

FLAG = f"holding price suspected: one price is more than {SUSPICIOUS_MULTIPLE} times the 99th percentile"


def threshold(top: float) -> float:
    """A hundredth of the highest price, rounded down to the edge of its class."""
    return float((np.array([top / SUSPICIOUS_MULTIPLE]).view(np.int64) >> _DROPPED_BITS << _DROPPED_BITS).view(float)[0])


def suspected(n: int, n_positive: int, n_high: int) -> bool:
    """Whether fewer than 1 % of `n` prices are at or above the threshold, and not nearly all others are 0."""
    return 0 < 100 * n_high < n <= 100 * n_positive


def bounds(
    value: np.ndarray, price_sq_reviews: np.ndarray, max_listing_value: np.ndarray, cap: float
) -> tuple[np.ndarray, float]:
    """A price that some row with reviews of each cell reaches, and one that no such row exceeds, from the sums of cells.

    The mean price, weighted by money, sum p^2 r / sum p r, is not above the highest; and p <= p r <= the money of the
    listing, for whole r >= 1. A millionth is left for rounding.
    """
    mean = np.divide(price_sq_reviews, value, out=np.zeros(len(value)), where=value > 0)
    return mean * (1 - 1e-6), min(cap, float(max_listing_value.max(initial=0)) * (1 + 1e-6))


def flags(prices: np.ndarray, counts: np.ndarray) -> tuple[str, ...]:
    """The flag of a header, from the prices of the rows that are sold: those with a count."""
    # Where no price towers over the others, one block has too many prices above a hundredth of the highest. That of a row
    # that is not sold may be higher still, and its hundredth too: fewer are above it.
    edge, high = threshold(float(prices.max(initial=0))), 0
    for rows in blocks(len(prices)):
        high += int(np.count_nonzero((prices[rows] >= edge) & (counts[rows] > 0)))
        if 100 * high >= len(prices):
            return ()
    sold = prices[counts > 0]
    high = int(np.count_nonzero(sold >= threshold(float(sold.max(initial=0)))))
    return (FLAG,) if suspected(len(sold), int(np.count_nonzero(sold > 0)), high) else ()


def histogram(prices: np.ndarray) -> dict[int, int]:
    """Number of prices in each class: small, and exact for the alarm after adding over partitions."""
    classes, times = np.unique(prices.view(np.int64) >> _DROPPED_BITS, return_counts=True)
    return dict(zip(classes.tolist(), times.tolist()))


def flags_of_histogram(counts: dict[int, int]) -> tuple[str, ...]:
    """The flag of a header, from added histograms."""
    if not counts:
        return ()
    edge = np.array([max(counts) << _DROPPED_BITS]).view(float)[0]
    limit = int(np.array([threshold(edge)]).view(np.int64)[0] >> _DROPPED_BITS)
    high = sum(times for price, times in counts.items() if price >= limit)
    n = sum(counts.values())
    return (FLAG,) if suspected(n, n - counts.get(0, 0), high) else ()
