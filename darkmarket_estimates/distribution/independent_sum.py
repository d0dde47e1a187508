r"""Inversion of a sum of independent vendors: characteristic functions multiplied on a grid.

The few dominant vendors enter by their closed form; all others in classes of like vendors, by the logarithm of their
characteristic function on the few frequencies where it is not yet 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import fft, interpolate

from darkmarket_estimates.distribution.compound_poisson import on_grid, split
from darkmarket_estimates.distribution.law import GridLaw
from darkmarket_estimates.distribution.multiplier import Multiplier

FEWEST_POINTS, MOST_POINTS = 2**14, 2**16
LOST_MASS = 1e-6  # multipliers have power tails: a grid that loses less would be too coarse
_N_LARGEST = 512  # at most so many vendors are treated one by one
_DOMINANT = 0.1  # share of the variance of itself and all smaller vendors that makes one dominant
_N_FREQUENCIES = 64
_TURN = 0.5  # radians that the fastest class may turn between two frequencies


@dataclass(frozen=True, slots=True)
class Vendors:
    """Vendors sorted for the inversion: the dominant ones, and classes of like vendors for all others.

    A class of weight c and pair (y, q) stands for vendors with sums c y, c y^2 and c q: the mean and the variance of
    the total stay exact.
    """

    large: np.ndarray  # (n_large, 2): y, q
    small: np.ndarray  # (n_classes, 2): y, q
    counts: np.ndarray  # (n_classes,)
    sums: np.ndarray  # of y, y^2, q over all vendors
    unit: float


def arrange(y: np.ndarray, q: np.ndarray, multiplier: Multiplier) -> Vendors:
    """Split vendors into dominant ones and classes; in the unit of the largest."""
    unit = float(max(np.abs(y).max(), math.sqrt(q.max())))
    y, q = y / unit, q / unit**2
    between, within = multiplier.variances
    variance = between * y * y + within * q
    sums = np.array([y.sum(), y @ y, q.sum()])
    # A single sale counts like a standard deviation: where few sales are missing the law has jumps of a price.
    weight = np.maximum(variance, (q / np.where(y == 0, np.inf, y)) ** 2)
    top = np.argpartition(-weight, min(_N_LARGEST, len(y)) - 1)[:_N_LARGEST]
    top = top[np.argsort(-weight[top])]
    rest = variance.sum() - np.cumsum(variance[top]) + variance[top]  # of itself and all smaller ones
    calm = np.flatnonzero((weight[top] <= _DOMINANT * rest) | (rest <= 1e-9 * variance.sum()))
    n_large = int(calm[0]) if len(calm) else len(top)
    large = top[:n_large]
    small = np.ones(len(y), dtype=bool)
    small[large] = False
    classes, counts = _classes(y[small], q[small], variance[small])
    return Vendors(np.column_stack([y[large], q[large]]), classes, counts, sums, unit)


def _classes(y: np.ndarray, q: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Classes by sign, by size (half steps of ln sd) and by number of reviews (unit steps of ln n)."""
    if not len(y):
        return np.empty((0, 2)), np.empty(0)
    size = np.minimum((np.log(variance.max()) - np.log(variance)).astype(np.int64), 18)
    number = np.clip(np.rint(np.log(y * y / q)), -28, 28).astype(np.int64) + 28
    key = (size * 57 + number) * 2 + (y < 0)
    sums = [np.bincount(key, weights=part, minlength=19 * 57 * 2) for part in (y, y * y, q)]
    used = sums[1] > 0
    first, second, square = (part[used] for part in sums)
    counts = first**2 / second
    return np.column_stack([second / first, square / counts]), counts


def total_law(vendors: Vendors, multiplier: Multiplier) -> GridLaw:
    """Invert the product of the characteristic functions on a grid."""
    y, square, q = map(float, vendors.sums)
    between, within = multiplier.variances
    mean, variance = y / multiplier.share, between * square + within * q
    deviation = math.sqrt(variance)
    everyone = np.concatenate([vendors.large, vendors.small])
    each = np.concatenate([np.ones(len(vendors.large)), np.maximum(vendors.counts, 1.0)])
    low, high = mean - 8.5 * deviation, mean + 8.5 * deviation
    ends = multiplier.far_end(everyone[:, 0], everyone[:, 1], LOST_MASS / len(everyone) / each)
    positive, negative = everyone[:, 0].min() >= 0, everyone[:, 0].max() <= 0
    high = min(high, y) if negative else max(high, mean + float(ends.max()))
    low = max(low, y) if positive else min(low, mean + float(ends.min()))
    n_points = FEWEST_POINTS
    size = float(np.abs(everyone[:, 0]) @ each) / multiplier.share
    while n_points < MOST_POINTS and 1.5 * (high - low) / n_points > 1e-3 * size:
        n_points *= 2
    margin = len(vendors.large) + 3  # cells: each vendor's atoms may be rounded down by one
    step = (high - low) / (n_points - 2 * margin)
    shift = float(vendors.small[:, 0] @ vendors.counts) / multiplier.share  # classes enter about their mean
    first = math.floor((low - shift) / step) - margin
    transform = _small_transform(vendors, multiplier, step, n_points)
    for pair in vendors.large:
        positions, mass = multiplier.masses(pair[0], pair[1], step, low - mean, high - mean)
        transform *= fft.rfft(split(positions / step, n_points, mass, limit=math.inf))  # no negative mass at an atom
    pmf = np.roll(fft.irfft(transform, n_points), -(first % n_points))
    bounds = (y if positive else -math.inf, y if negative else math.inf)
    law = on_grid(pmf, first, step, vendors.unit, shift=shift, mean=mean, variance=variance, bounds=bounds,
                  lost_mass=LOST_MASS)
    prices = np.abs(everyone[:, 1] / everyone[:, 0])
    if len(vendors.small) and np.ptp(prices) <= 1e-9 * prices.max():
        # One price for all: the law has steps of that price, which the classes' transform smooths.
        return replace(law, error_bound=law.error_bound + float(prices.max()) * vendors.unit / 2)
    return law


def _small_transform(vendors: Vendors, multiplier: Multiplier, step: float, n_points: int) -> np.ndarray:
    """Characteristic function of the classes about their mean, on the frequencies of the grid."""
    out = np.ones(n_points // 2 + 1, dtype=np.complex128)
    if not len(vendors.counts):
        return out
    y, q = vendors.small.T
    between, within = multiplier.variances
    deviation = math.sqrt(float(vendors.counts @ (between * y * y + within * q)))
    nyquist = math.pi / step
    if deviation < 3 * step:  # too narrow for the grid: only the variance matters, by unit steps up and down
        return out * np.exp((deviation / step) ** 2 * (np.cos(np.linspace(0, math.pi, len(out))) - 1))
    fastest = max(deviation, float(np.abs(q / y).max()))  # one sale turns the transform by its price x frequency
    last = min(8.0 / deviation, nyquist)
    grid = np.linspace(0.0, nyquist, len(out))
    while True:
        n = max(_N_FREQUENCIES, math.ceil(2 * last * fastest / _TURN))
        # Dense at 0, where the far tail is made.
        t = grid if n >= len(out) else last * np.linspace(0.0, 1.0, n) ** 2
        log = vendors.counts @ multiplier.log_transform(y, q, t)
        if t is grid or last >= nyquist or log.real[-1] < -18.0:
            break
        last = min(last * 1.5, nyquist)
    if t is grid:  # few sales of any price are missing: the law has atoms, whose transform does not fade
        return np.exp(np.conj(log))
    n = int(np.searchsorted(grid, last, side="right"))
    out[n:] = 0.0
    out[:n] = np.exp(interpolate.CubicSpline(t, log)(grid[:n]))
    return np.conj(out)  # numpy's forward transform has exp(-i t x)
