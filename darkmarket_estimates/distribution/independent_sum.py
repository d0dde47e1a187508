r"""Inversion of sums of independent vendors, many totals at once: characteristic functions multiplied on grids.

The dominant vendors of a total enter by their closed form; all others in classes of like vendors, by the logarithm of
their characteristic function. Where the product fades within the few frequencies of a coarse grid, the law is smooth
and these frequencies hold all of it; else it has atoms, and each vendor is laid on the fine grid.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import fft

from darkmarket_estimates.distribution.compound_poisson import split
from darkmarket_estimates.distribution.law import GridLaw
from darkmarket_estimates.distribution.multiplier import Multiplier
from darkmarket_estimates.distribution.polar import polar
from darkmarket_estimates.distribution.segments import pick
from darkmarket_estimates.distribution.spectra import products, unit_spectra
from darkmarket_estimates.distribution.splines import through
from darkmarket_estimates.distribution.unit_laws import unit_laws
from darkmarket_estimates.distribution.vendors import Vendors

FEWEST_POINTS, FINE, MOST_POINTS = 2**11, 2**14, 2**16
LOST_MASS = 1e-6  # multipliers have power tails: a grid that loses less would be too coarse
COARSE = 2**10, 2**12  # cells of the grids on which smooth laws are multiplied
FADED = 1e-6  # a transform this small has nothing behind it
_N_FREQUENCIES = 64
_TURN = 0.5  # radians that the fastest class may turn between two frequencies
_CELLS_AT_ONCE = 2**18


@dataclass(frozen=True, slots=True)
class Grids:
    """The cyclic grid of each total, in its own unit: `n_points` cells of width `step`, the first one at `first`."""

    n_points: np.ndarray
    step: np.ndarray
    first: np.ndarray
    shift: np.ndarray  # classes enter about their mean
    mean: np.ndarray
    deviation: np.ndarray
    low: np.ndarray
    high: np.ndarray
    bounds: tuple[np.ndarray, np.ndarray]

    def room(self, totals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far the grids of these totals reach below their means, and above."""
        return self.low[totals] - self.mean[totals], self.high[totals] - self.mean[totals]


def total_laws(vendors: Vendors, multiplier: Multiplier) -> list[GridLaw]:
    """Invert the product of the characteristic functions of each total."""
    grids = _grids(vendors, multiplier, sharp=False)
    laws: dict[int, GridLaw] = {}
    rough = np.arange(len(vendors))
    for n_cells in COARSE:
        for n_points, some in _portions(rough, vendors, grids, n_cells):
            transform, faded = _smooth(vendors, multiplier, grids, some, n_cells)
            laws |= zip(some[faded], _laws(vendors, grids, some[faded], transform[faded], n_points, sharp=False), strict=True)
        rough = np.setdiff1d(rough, [*laws])
    if len(rough):
        grids = _grids(vendors, multiplier, sharp=True)
        for n_points, some in _portions(rough, vendors, grids):
            transform = _rough(vendors, multiplier, grids, some, n_points)
            laws |= zip(some, _laws(vendors, grids, some, transform, n_points, sharp=True), strict=True)
    return [laws[i] for i in range(len(vendors))]


def _grids(vendors: Vendors, multiplier: Multiplier, *, sharp: bool) -> Grids:
    """Grids for laws with atoms, whose places matter to 1e-3 of the total, or for smooth ones."""
    y, square, q = vendors.sums.T
    between, within = multiplier.variances
    laws = unit_laws(multiplier)
    mean, deviation = y / multiplier.share, np.sqrt(between * square + within * q)
    n = len(vendors)
    owner = np.concatenate([np.repeat(np.arange(n), np.diff(s)) for s in (vendors.large_start, vendors.small_start)])
    rows = np.concatenate([vendors.large, vendors.small])
    each = np.concatenate([np.ones(len(vendors.large)), np.maximum(vendors.counts, 1.0)])
    lost, n_large = LOST_MASS / np.bincount(owner)[owner] / each, len(vendors.large)
    number, price, offset = laws.stretched(*vendors.large.T)
    ends = np.concatenate([offset + price * laws.reach(number, lost[:n_large]) - vendors.large[:, 0] / multiplier.share,
                           multiplier.far_end(vendors.small[:, 0], vendors.small[:, 1], lost[n_large:])])

    def over(ufunc: np.ufunc, values: np.ndarray, start: float) -> np.ndarray:
        out = np.full(n, start)
        ufunc.at(out, owner, values)
        return out

    low, high = mean - 8.5 * deviation, mean + 8.5 * deviation
    positive, negative = over(np.minimum, rows[:, 0], np.inf) >= 0, over(np.maximum, rows[:, 0], -np.inf) <= 0
    high = np.where(negative, np.minimum(high, y), np.maximum(high, mean + over(np.maximum, ends, -np.inf)))
    low = np.where(positive, np.maximum(low, y), np.minimum(low, mean + over(np.minimum, ends, np.inf)))
    size = np.bincount(owner, np.abs(rows[:, 0]) * each, n) / multiplier.share
    wanted = (high - low) / np.minimum(1e-3 * size / 1.5 if sharp else np.inf, deviation / 16)
    fewest = np.where(np.diff(vendors.small_start) > 0, FINE, 2 * FEWEST_POINTS) if sharp else FEWEST_POINTS
    n_points = 2 ** np.ceil(np.log2(np.clip(wanted, fewest, MOST_POINTS))).astype(np.int64)
    margin = np.diff(vendors.large_start) + 3  # cells: each vendor's atoms may be rounded down by one
    step = (high - low) / (n_points - 2 * margin)
    small_owner = owner[len(vendors.large):]
    shift = np.bincount(small_owner, vendors.small[:, 0] * vendors.counts, n) / multiplier.share
    first = np.floor((low - shift) / step).astype(np.int64) - margin
    return Grids(n_points, step, first, shift, mean, deviation, low, high,
                 (np.where(positive, y, -np.inf), np.where(negative, y, np.inf)))


def _portions(
    totals: np.ndarray, vendors: Vendors, grids: Grids, n_cells: int | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    """Totals with grids of one length, in portions that fit the memory."""
    for n_points in np.unique(grids.n_points[totals]):
        alike = totals[grids.n_points[totals] == n_points]
        cells = np.diff(vendors.large_start)[alike] * (n_cells or n_points) + n_points
        for some in np.split(alike, np.flatnonzero(np.diff(np.cumsum(cells) // _CELLS_AT_ONCE)) + 1):
            yield int(n_points), some


# -- transforms ---------------------------------------------------------------------------------------------------------


def _smooth(
    vendors: Vendors, multiplier: Multiplier, grids: Grids, totals: np.ndarray, n_cells: int
) -> tuple[np.ndarray, np.ndarray]:
    """Transforms on a coarse grid with the period of the fine one, 0 from where they fade, and whether they do."""
    step = grids.step[totals] * grids.n_points[totals] / n_cells
    out = np.ones((len(totals), n_cells // 2 + 1), dtype=np.complex128)
    rows, start = pick(vendors.large_start, totals)
    if len(rows):
        total = np.repeat(np.arange(len(totals)), np.diff(start))
        spectra, centre = unit_spectra(vendors.large[rows], multiplier, grids.room(totals[total]), step[total], n_cells,
                                       sharp=False)
        some = np.diff(start) > 0
        out[some] = products(spectra, np.append(start[:-1][some], len(rows)))
        turn = (np.bincount(total, centre, len(totals)) / (step * n_cells)) % 1.0
        out *= polar(1.0, -2 * math.pi * turn[:, None] * np.arange(out.shape[1]))
    for i, at in enumerate(totals):
        if vendors.small_start[at + 1] > vendors.small_start[at]:
            out[i] *= _classes_transform(vendors, multiplier, int(at), float(step[i]), n_cells)
    large = np.abs(out) > FADED
    gap = _first_gap(large)
    blocks = np.zeros(len(totals), dtype=bool)
    if len(rows):
        blocks[total[~unit_laws(multiplier).single(*vendors.large[rows].T)]] = True
    # what returns after a gap is the echo of blocks of counts, or the law has atoms at multiples of a price
    returns = out.shape[1] - np.argmax(large[:, ::-1], axis=1) > gap
    last = np.where(returns & ~blocks, 0, gap)
    out[np.arange(out.shape[1]) >= last[:, None]] = 0.0
    return out, last > 0


def _first_gap(large: np.ndarray, width: int = 16) -> np.ndarray:
    """Where the first `width` frequencies in a row have faded, in the lower half; 0 for nowhere."""
    runs = np.cumsum(large, axis=1)
    gap = (runs[:, width:] == runs[:, :-width])[:, : large.shape[1] // 2]
    return np.where(gap.any(axis=1), np.argmax(gap, axis=1) + 1, 0)


def _rough(vendors: Vendors, multiplier: Multiplier, grids: Grids, totals: np.ndarray, n_points: int) -> np.ndarray:
    """Transforms on the fine grid: every count that matters is an atom."""
    out = np.ones((len(totals), n_points // 2 + 1), dtype=np.complex128)
    rows, start = pick(vendors.large_start, totals)
    total, step = np.repeat(np.arange(len(totals)), np.diff(start)), grids.step[totals]
    between, within = multiplier.variances
    single = unit_laws(multiplier).single(*vendors.large[rows].T)
    if single.any():
        spectra, _ = unit_spectra(vendors.large[rows[single]], multiplier, grids.room(totals[total[single]]),
                                  step[total[single]], n_points, sharp=True)
        some, begin = np.unique(total[single], return_index=True)
        out[some] = products(spectra, np.append(begin, len(spectra)))
    for i, (y, q) in zip(total[~single], vendors.large[rows[~single]], strict=True):
        low, high = (end[totals[i]] - grids.mean[totals[i]] for end in (grids.low, grids.high))
        positions, mass = multiplier.masses(y, q, step[i], low, high)
        # no negative mass at an atom; a vendor narrower than a cell keeps its variance instead
        limit = math.inf if between * y * y + within * q > step[i] ** 2 else 0.0
        out[i] *= fft.rfft(split(positions / step[i], n_points, mass, limit=limit))
    for i, at in enumerate(totals):
        if vendors.small_start[at + 1] > vendors.small_start[at]:
            out[i] *= _classes_transform(vendors, multiplier, int(at), float(step[i]), n_points)
    return out


def _classes_transform(
    vendors: Vendors, multiplier: Multiplier, total: int, step: float, n_points: int
) -> np.ndarray:
    """Transform of a total's classes about their mean, on the frequencies of a grid."""
    rows = slice(vendors.small_start[total], vendors.small_start[total + 1])
    (y, q), counts = vendors.small[rows].T, vendors.counts[rows]
    out = np.ones(n_points // 2 + 1, dtype=np.complex128)
    between, within = multiplier.variances
    deviation = math.sqrt(float(counts @ (between * y * y + within * q)))
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
        # a sum, not a product of the algebra library: its threads cost more than the product
        log = (counts[:, None] * multiplier.log_transform(y, q, t)).sum(axis=0)
        if t is grid or last >= nyquist or log.real[-1] < -18.0:
            break
        last = min(last * 1.5, nyquist)
    if t is grid:  # few sales of any price are missing: the law has atoms, whose transform does not fade
        return np.exp(np.conj(log))
    n = int(np.searchsorted(grid, last, side="right"))
    out[n:] = 0.0
    out[:n] = np.exp(through(t, log, grid[:n]))
    return np.conj(out)  # numpy's forward transform has exp(-i t x)


# -- laws ---------------------------------------------------------------------------------------------------------------


def _laws(
    vendors: Vendors, grids: Grids, totals: np.ndarray, transform: np.ndarray, n_points: int, *, sharp: bool
) -> Iterator[GridLaw]:
    """Laws from transforms; those of smooth laws may be cut short."""
    first, step, unit = (part[totals][:, None] for part in (grids.first, grids.step, vendors.unit))
    used = int(np.flatnonzero(transform.any(axis=0)).max(initial=0)) + 1
    turn = (np.arange(used) * first) & (n_points - 1)  # the grid begins at its first cell
    mass = fft.irfft(transform[:, :used] * polar(1.0, 2 * math.pi / n_points * turn), n_points, axis=1)
    cumulative = np.zeros((len(totals), n_points + 1))
    np.cumsum(mass, axis=1, out=cumulative[:, 1:])
    np.maximum.accumulate(cumulative, axis=1, out=cumulative)
    np.clip(cumulative, 0.0, 1.0, out=cumulative)
    cumulative[:, -1] = 1.0
    points = np.arange(n_points + 1) + (first - 0.5)
    points *= step
    points += grids.shift[totals][:, None]
    np.clip(points, *(b[totals][:, None] for b in grids.bounds), out=points)
    points *= unit
    width = grids.step[totals]
    # a cell and a half where there are atoms; the curvature within a cell where there are none
    bound = (1.5 * width if sharp else width**2 / grids.deviation[totals]) * vendors.unit[totals]
    bound = bound + _price_steps(vendors, totals)
    mean, variance = grids.mean[totals] * vendors.unit[totals], (grids.deviation[totals] * vendors.unit[totals]) ** 2
    for i in range(len(totals)):
        yield GridLaw(points[i], cumulative[i], float(mean[i]), float(variance[i]), float(bound[i]), LOST_MASS)


def _price_steps(vendors: Vendors, totals: np.ndarray) -> np.ndarray:
    """Half a price where all vendors have one price: the law has steps of it, which classes smooth."""
    out = np.zeros(len(totals))
    for i, total in enumerate(totals):
        small = slice(vendors.small_start[total], vendors.small_start[total + 1])
        if small.stop > small.start:
            large = slice(vendors.large_start[total], vendors.large_start[total + 1])
            prices = np.abs(np.concatenate([rows[:, 1] / rows[:, 0] for rows in (vendors.large[large], vendors.small[small])]))
            if np.ptp(prices) <= 1e-9 * prices.max():
                out[i] = float(prices.max()) * vendors.unit[total] / 2
    return out
