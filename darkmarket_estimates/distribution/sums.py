"""Sums of independent laws."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from scipy import fft, interpolate

from darkmarket_estimates.distribution.law import GridLaw, Law, Mixture, PointLaw, ScaledMixture, Shifted
from darkmarket_estimates.distribution.quantiles import quantiles

#: Cells of the common grid, and the probability left out at each end: of laws that are on a grid of their own already, and of
#: mixtures over factors, whose far tails would make the cells wide.
CELLS, LEFT_OUT, LEFT_OUT_OF_MIXTURES = 1 << 14, 1e-9, 1e-6
#: Every so many cells a mixture over factors, which is smooth and dear, is computed; at this many points of its bulk, which may
#: be a small part of the grid, and the probability beyond either end of that.
EVERY, DENSE, BEYOND = 8, 1024, 1e-3
#: Cell widths in a factor of 2, so that sums of nearly the same laws have one grid; spectra that are kept at most.
WIDTHS, MOST_KEPT = 4, 256

#: What sums that have laws in common need not compute again.
Kept = dict[tuple[Hashable, ...], Any]


def _tabulated(law: Law, x: np.ndarray, bulk: np.ndarray) -> np.ndarray:
    """The distribution function at evenly spaced points; between points that are computed by a monotone cubic."""
    if not isinstance(law, Mixture | ScaledMixture):
        return law.cdf(x)
    first, last = np.clip(np.searchsorted(x, bulk), 0, len(x) - 1)
    knots = np.union1d(np.arange(0, len(x), EVERY), np.arange(first, last, max(1, (last - first) // DENSE)))
    return np.clip(interpolate.PchipInterpolator(x[knots], law.cdf(x[knots]))(x), 0.0, 1.0)


def independent_sum(laws: Sequence[Law], kept: Kept | None = None) -> Law:
    """Law of the sum of independent totals.

    The laws are put on one grid, each cell's probability at its centre, and convolved by FFT; the mean and the variance
    are those of the parts, exactly.

    Parameters
    ----------
    laws : sequence of Law
        None gives 0, one is returned as it is.
    kept : dict, optional
        Filled with the ends and the spectra of the laws, for other sums of some of them.

    Examples
    --------
    >>> from darkmarket_estimates.distribution.law import NormalLaw
    >>> total = independent_sum([NormalLaw(10.0, 3.0), NormalLaw(20.0, 4.0)])
    >>> total.mean, total.variance
    (30.0, 25.0)
    >>> round(total.quantile(0.975), 2)
    39.8
    """
    shift = sum(law.mean for law in laws if law.variance == 0)
    wide = [law for law in laws if law.variance > 0]
    if not wide:
        return PointLaw(shift)
    if len(wide) == 1:
        return Shifted(wide[0], shift) if shift else wide[0]
    kept = {} if kept is None else kept
    low, *_, high = _ends(wide, kept).T
    if not (high > low).any():  # each is one number, but for what is left out
        return PointLaw(float(low.sum()) + shift)
    step = float((high - low).sum()) / (CELLS - 2 * len(wide) - 1)
    step = 2.0 ** (math.ceil(WIDTHS * math.log2(step)) / WIDTHS)
    spectrum = np.ones(CELLS // 2 + 1, dtype=complex)
    for law, start in zip(wide, low, strict=True):
        spectrum *= _spectrum(law, start, step, kept)
    mass = np.maximum(fft.irfft(spectrum, CELLS), 0.0)
    # centres add up, and nothing lies below the sum of the lower ends
    points = low.sum() + np.maximum(np.arange(CELLS + 1) - 0.5, 0.0) * step
    cumulative = np.concatenate([[0.0], np.cumsum(mass)])
    cumulative /= cumulative[-1]
    mean, variance = sum(law.mean for law in wide), sum(law.variance for law in wide)
    cells = sum(EVERY if isinstance(law, Mixture | ScaledMixture) else 0.5 for law in wide)  # that an atom may move
    law = GridLaw(points, cumulative, mean, variance, error_bound=cells * step)
    return Shifted(law, shift) if shift else law


def _ends(laws: Sequence[Law], kept: Kept) -> np.ndarray:
    """Where each law begins, its bulk begins and ends, and where it ends, but for what is left out."""
    new = [law for law in laws if ("ends", id(law)) not in kept]
    left_out = np.array([LEFT_OUT_OF_MIXTURES if isinstance(law, Mixture | ScaledMixture) else LEFT_OUT for law in new])
    beyond = np.full(len(new), BEYOND)
    for law, ends in zip(new, quantiles(new, np.column_stack([left_out, beyond, 1 - beyond, 1 - left_out])), strict=True):
        kept["ends", id(law)] = law, ends  # with the law itself, so that no other takes its id
    return np.array([kept["ends", id(law)][1] for law in laws])


def _spectrum(law: Law, start: float, step: float, kept: Kept) -> np.ndarray:
    """Transform of the probabilities of the cells, the first of which has its centre at `start`: there may be an atom."""
    spectra, key = kept.setdefault(("spectra",), {}), (id(law), step)
    found = spectra.get(key)
    if found is None:
        bulk = kept["ends", id(law)][1][1:3]
        found = fft.rfft(np.diff(_tabulated(law, start + (np.arange(CELLS + 1) - 0.5) * step, bulk)))
        if len(spectra) < MOST_KEPT:
            spectra[key] = found
    return found
