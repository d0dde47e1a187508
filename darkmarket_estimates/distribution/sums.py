"""Sums of independent laws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import fft, interpolate

from darkmarket_estimates.distribution.law import GridLaw, Law, Mixture, PointLaw, ScaledMixture, Shifted
from darkmarket_estimates.distribution.quantiles import quantiles

#: Cells of the common grid, and the probability left out at each end.
CELLS, LEFT_OUT = 1 << 14, 1e-9
#: Every so many cells a mixture over factors, which is smooth and dear, is computed.
EVERY = 8


def _tabulated(law: Law, x: np.ndarray) -> np.ndarray:
    """The distribution function at evenly spaced points; between points that are computed by a monotone cubic."""
    if not isinstance(law, Mixture | ScaledMixture):
        return law.cdf(x)
    knots = x[::EVERY]
    return np.clip(interpolate.PchipInterpolator(knots, law.cdf(knots))(x), 0.0, 1.0)


def independent_sum(laws: Sequence[Law]) -> Law:
    """Law of the sum of independent totals.

    The laws are put on one grid, each cell's probability at its centre, and convolved by FFT; the mean and the variance
    are those of the parts, exactly.

    Parameters
    ----------
    laws : sequence of Law
        None gives 0, one is returned as it is.

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
    low, high = quantiles(wide, np.array([LEFT_OUT, 1 - LEFT_OUT])).T
    step = float((high - low).sum()) / (CELLS - len(wide) - 1)
    spectrum = np.ones(CELLS // 2 + 1, dtype=complex)
    edges = np.arange(CELLS + 1) * step
    for law, start in zip(wide, low, strict=True):
        spectrum *= fft.rfft(np.diff(_tabulated(law, start + edges)))
    mass = np.maximum(fft.irfft(spectrum, CELLS), 0.0)
    # centres add up: the sum of n cell centres lies n half steps above the sum of the left edges
    points = low.sum() + (np.arange(CELLS + 1) + 0.5 * (len(wide) - 1)) * step
    cumulative = np.concatenate([[0.0], np.cumsum(mass)])
    cumulative /= cumulative[-1]
    mean, variance = sum(law.mean for law in wide), sum(law.variance for law in wide)
    law = GridLaw(points, cumulative, mean, variance, error_bound=0.5 * len(wide) * step)
    return Shifted(law, shift) if shift else law
