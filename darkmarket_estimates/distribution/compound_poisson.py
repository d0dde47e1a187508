r"""The compound Poisson law of a total: the Poisson bootstrap without a single resample.

Vendors come as a Poisson number of draws from the market that produced the table, so the bootstrap total is
:math:`T = \sum_v w_v x_v` with :math:`w_v \sim Poisson(1)`, whose characteristic function is
:math:`\exp(\sum_v (e^{i t x_v} - 1))`. On a grid this is one FFT, one exponential and one inverse FFT.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import fft, optimize

from darkmarket_estimates import _checks as checks
from darkmarket_estimates.distribution.law import GridLaw, Law, PointLaw

N_POINTS = 2**15
LOST_MASS = 1e-10
NO_ATOM = 1e-12  # a smaller probability of an empty market is none
MANY = 40  # vendors without an atom: exp(-40) < NO_ATOM


def compound_poisson(x: Any, *, n_points: int = N_POINTS) -> Law:
    r"""Law of ``sum(w * x)`` with independent ``w ~ Poisson(1)``.

    Parameters
    ----------
    x : array of shape (n_vendors,)
        Marks, in any unit; they may be signed (a linear form such as a - q b).
    n_points : int
        Length of the grid, a power of 2.

    Returns
    -------
    GridLaw
        With mean ``sum(x)`` and variance ``sum(x**2)``; ``PointLaw(0)`` if no mark differs from 0.

    Raises
    ------
    DataError
        If a mark is not finite.

    Notes
    -----
    *Range.* By Bennett's inequality P(T - m > t) <= exp(-(V/b^2) h(bt/V)), h(u) = (1+u) ln(1+u) - u, with b the
    largest mark, and P(m - T > t) <= exp(-t^2 / 2V) for marks >= 0: both hold for a compound Poisson law, because
    its cumulant function is the sum of e^{sx} - 1 and (e^y - 1 - y) / y^2 increases. The grid spans what these leave
    at 1e-10; this also bounds aliasing.

    *Grid.* Splitting a mark over its two neighbours keeps the mean and adds a variance of up to a quarter of a squared
    step. Where that adds up to more than 1e-4 of the variance (thousands of vendors, so the law is smooth), marks are
    split over three points: at (k + f) steps, |f| <= 1/2, with weights (f^2-f)/2, 1-f^2, (f^2+f)/2, which keep mean
    and variance; the modulus of this split's transform is 1 - f^2 (1 - f^2) (1 - cos)^2 <= 1 (squared), so it stays
    stable although a weight is negative. Marks below one step enter by their sum (a shift) and their sum of squares
    (unit steps up and down). The largest mark lies on the grid, so equal marks give their Poisson law exactly.

    References
    ----------
    Bennett (1962), J. Am. Stat. Assoc. 57, 33-45; Embrechts & Frei (2009), Math. Methods Oper. Res. 69, 497-508 (the
    Fourier method against recursion).

    Examples
    --------
    >>> law = compound_poisson([1.0, 1.0, 1.0])  # three equal vendors: Poisson(3)
    >>> round(law.cdf(4.5), 6), round(law.quantile(0.975), 1)
    (0.815263, 7.0)
    """
    marks = checks.float_array(x, "x")
    marks = marks[marks != 0]
    if len(marks) == 0:
        return PointLaw(0.0)
    peak = float(np.abs(marks).max())
    marks = marks / peak  # squares of huge or tiny marks would leave the range of floats
    mean, variance = float(marks.sum()), float(marks @ marks)
    low = mean - reach(variance, -float(marks.min()))
    high = mean + reach(variance, float(marks.max()))
    if marks.min() > 0:
        low = max(low, 0.0)
    if marks.max() < 0:
        high = min(high, 0.0)
    step = (high - low) / (n_points - 8)
    if step < 1:
        step = 1 / math.floor(1 / step)  # the largest mark on the grid
    small = np.abs(marks) < step
    if small.sum() < MANY:
        small[:] = False
    shift, wander = float(marks[small].sum()), float(marks[small] @ marks[small]) / step**2
    positions = marks[~small] / step
    first = math.floor((low - shift) / step) - 2
    counts = split(positions, n_points, limit=1e-4 * variance / step**2)
    counts[1] += wander / 2
    counts[-1] += wander / 2
    exponent = fft.rfft(counts)
    exponent -= exponent[0].real
    pmf = np.roll(fft.irfft(np.exp(exponent), n_points), -(first % n_points))
    return on_grid(pmf, first, step, peak, shift=shift, mean=mean, variance=variance, atom=math.exp(-len(marks)),
                   bounds=(0.0 if marks.min() > 0 else -math.inf, 0.0 if marks.max() < 0 else math.inf))


def reach(variance: float, largest: float, lost_mass: float = LOST_MASS) -> float:
    """Distance t above the mean with P(T - mean > t) <= lost_mass by Bennett's inequality, jumps up to `largest`."""
    goal = -math.log(lost_mass)
    gaussian = math.sqrt(2 * variance * goal)
    if largest <= 0:
        return gaussian
    ratio = goal * largest**2 / variance
    upper = ratio + math.sqrt(2 * ratio)  # h(u) >= u^2 / (2 + 2u/3) makes this an upper end
    root = optimize.brentq(lambda u: (1 + u) * math.log1p(u) - u - ratio, 0.0, upper + 1e-12)
    return max(gaussian, root * variance / largest)


def split(positions: np.ndarray, n_points: int, weights: np.ndarray | float = 1.0, limit: float = 0.0) -> np.ndarray:
    """Put atoms at real positions on a cyclic grid of unit steps, keeping mass and mean.

    The variance may grow by at most `limit`; if two neighbours would add more, three keep it exactly.
    """
    nearest = np.rint(positions)
    f = positions - nearest
    index = nearest.astype(np.int64) % n_points
    square, side = f * f, np.abs(f)
    if float(np.sum((side - square) * weights)) > limit:
        side = square
    counts = np.bincount(index, weights=(1 - side) * weights, minlength=n_points)
    counts += np.roll(np.bincount(index, weights=(side + f) / 2 * weights, minlength=n_points), 1)
    counts += np.roll(np.bincount(index, weights=(side - f) / 2 * weights, minlength=n_points), -1)
    return counts


def on_grid(
    pmf: np.ndarray, first: int, step: float, unit: float, *, mean: float, variance: float, shift: float = 0.0,
    atom: float = 0.0, bounds: tuple[float, float] = (-math.inf, math.inf), lost_mass: float = LOST_MASS,
) -> GridLaw:
    """Law with the mass `pmf` on cells of width `step` about ``shift + (first + k) * step``, times `unit`.

    `atom` is the exact probability of 0 (no vendor drawn): it stays a jump, the rest is spread over the cells.
    """
    edges = (first - 0.5 + np.arange(len(pmf) + 1)) * step + shift
    mass = pmf.copy()
    if atom > NO_ATOM:
        mass[-first] -= atom
    cumulative = np.concatenate([[0.0], np.cumsum(mass)])
    if atom > NO_ATOM:
        at = int(np.searchsorted(edges, 0.0))
        level = np.interp(0.0, edges, cumulative)
        edges = np.concatenate([edges[:at], [0.0, 0.0], edges[at:]])
        cumulative = np.concatenate([cumulative[:at], [level, level + atom], cumulative[at:] + atom])
    cumulative = np.clip(np.maximum.accumulate(cumulative), 0.0, 1.0)
    cumulative[-1] = 1.0
    return GridLaw(np.clip(edges, *bounds) * unit, cumulative, mean * unit, variance * unit * unit,
                   error_bound=1.5 * step * unit, lost_mass=lost_mass)
