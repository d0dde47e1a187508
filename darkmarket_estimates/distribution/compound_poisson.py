r"""The compound Poisson law of a total: the Poisson bootstrap without a single resample.

Vendors come as a Poisson number of draws from the market that produced the table, so the bootstrap total is
:math:`T = \sum_v w_v x_v` with :math:`w_v \sim Poisson(1)`, whose characteristic function is
:math:`\exp(\sum_v (e^{i t x_v} - 1))`. On a grid this is one FFT, one exponential and one inverse FFT.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import fft

from darkmarket_estimates import _checks as checks
from darkmarket_estimates.distribution.law import GridLaw, Law, PointLaw
from darkmarket_estimates.distribution.polar import polar
from darkmarket_estimates.errors import AssumptionError

FEWEST_POINTS, N_POINTS = 2**12, 2**15
_CELLS_AT_ONCE = 2**18
LOST_MASS = 1e-10
NO_ATOM = 1e-12  # a smaller probability of an empty market is none
_ROUNDING = 1e-14
MANY = 40  # vendors without an atom: exp(-40) < NO_ATOM


def compound_poisson(x: Any, *, n_points: int | None = None) -> Law:
    r"""Law of ``sum(w * x)`` with independent ``w ~ Poisson(1)``.

    Parameters
    ----------
    x : array of shape (n_vendors,)
        Marks, in any unit; they may be signed (a linear form such as a - q b).
    n_points : int, optional
        Length of the grid, a power of 2; by default as long as 1e-3 of the sum of the marks needs, 2^12 to 2^15.

    Returns
    -------
    GridLaw
        With mean ``sum(x)`` and variance ``sum(x**2)``; ``PointLaw(0)`` if no mark differs from 0.

    Raises
    ------
    DataError
        If a mark is not finite.
    AssumptionError
        If `n_points` is no power of 2 from 16 on, or needs more memory than there may be.

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
    if n_points is not None:
        n_points = checks.replicates(n_points, "n_points", low=16, each=128)
        if n_points & (n_points - 1):
            raise AssumptionError("n_points is not a power of 2", expected="4096, 8192, ...", got=str(n_points))
    return compound_poisson_totals(marks, np.array([0, len(marks)]), n_points=n_points)[0]


def compound_poisson_totals(x: np.ndarray, start: np.ndarray, *, n_points: int | None = None) -> list[Law]:
    """Laws of many totals in one pass; `compound_poisson` is that of one.

    Parameters
    ----------
    x : array of shape (n_vendors,)
        Marks, total by total.
    start : int array of shape (n_totals + 1,)
        Where the marks of each total begin.
    n_points : int, optional
        As in `compound_poisson`.

    Returns
    -------
    list of Law

    Examples
    --------
    >>> laws = compound_poisson_totals(np.array([1.0, 1.0, 1.0, 5.0]), np.array([0, 3, 4]))
    >>> [round(law.cdf(4.5), 6) for law in laws]
    [0.815263, 0.367879]
    """
    laws: list[Law] = [PointLaw(0.0)] * (len(start) - 1)
    keep = x != 0
    marks, start = x[keep], np.concatenate([[0], np.cumsum(keep)])[start]
    some = np.flatnonzero(np.diff(start))
    if not len(some):
        return laws
    first = start[:-1][some]
    owner = np.repeat(np.arange(len(some)), np.diff(start)[some])
    peak = np.maximum.reduceat(np.abs(marks), first)
    marks = marks / peak[owner]  # squares of huge or tiny marks would leave the range of floats
    mean, variance = np.add.reduceat(marks, first), np.add.reduceat(marks * marks, first)
    least, most = np.minimum.reduceat(marks, first), np.maximum.reduceat(marks, first)
    low = mean - reach(variance, -least)
    high = mean + reach(variance, most)
    low, high = np.where(least > 0, np.maximum(low, 0.0), low), np.where(most < 0, np.minimum(high, 0.0), high)
    if n_points is None:
        wanted = (high - low) / np.minimum(1e-3 * np.add.reduceat(np.abs(marks), first) / 1.5, np.sqrt(variance) / 64)
        lengths = 2 ** np.ceil(np.log2(np.clip(wanted, FEWEST_POINTS, N_POINTS))).astype(np.int64)
    else:
        lengths = np.full(len(some), n_points)
    step = (high - low) / (lengths - 8)
    step = np.where(step < 1, 1 / np.floor(1 / np.minimum(step, 1.0)), step)  # the largest mark on the grid
    small = np.abs(marks) < step[owner]
    small &= (np.bincount(owner, small, len(some)) >= MANY)[owner]
    tiny = np.where(small, marks, 0.0)
    shift, wander = np.add.reduceat(tiny, first), np.add.reduceat(tiny * tiny, first) / step**2
    origin = np.floor((low - shift) / step).astype(np.int64) - 2
    ends = np.append(first, len(marks))
    bounds = np.where(least > 0, 0.0, -np.inf), np.where(most < 0, 0.0, np.inf)
    for n in np.unique(lengths):
        alike = np.flatnonzero(lengths == n)
        for part in np.array_split(alike, min(len(alike), math.ceil(len(alike) * n / _CELLS_AT_ONCE))):
            rows = np.concatenate([np.arange(ends[i], ends[i + 1]) for i in part.tolist()])
            rows = rows[~small[rows]]
            row = np.searchsorted(part, owner[rows])
            pmf = _probabilities(marks[rows] / step[owner[rows]], row, int(n), limit=1e-4 * variance[part] / step[part] ** 2,
                                 wander=wander[part])
            for i, mass in zip(part.tolist(), pmf, strict=True):
                laws[int(some[i])] = on_grid(
                    mass, int(origin[i]), float(step[i]), float(peak[i]), shift=float(shift[i]), mean=float(mean[i]),
                    variance=float(variance[i]), atom=math.exp(-float(ends[i + 1] - ends[i])),
                    bounds=(float(bounds[0][i]), float(bounds[1][i])))
    return laws


def _probabilities(
    positions: np.ndarray, row: np.ndarray, n_points: int, *, limit: np.ndarray, wander: np.ndarray
) -> np.ndarray:
    """Probabilities on the cyclic grid of each total, from cell 0 on."""
    n = len(limit)
    nearest = np.rint(positions)
    f = positions - nearest
    square, side = f * f, np.abs(f)
    side = np.where((np.bincount(row, side - square, n) > limit)[row], square, side)
    cell, base = nearest.astype(np.int64), row * n_points
    cells = np.concatenate([(cell + i) % n_points + base for i in (-1, 0, 1)])
    mass = np.concatenate([(side - f) / 2, 1 - side, (side + f) / 2])
    # where every mark is smaller than a cell nothing is counted, and the count would be one of whole numbers
    counts = np.bincount(cells, mass, n * n_points).astype(np.float64, copy=False).reshape(n, n_points)
    counts[:, 1] += wander / 2
    counts[:, -1] += wander / 2
    exponent = fft.rfft(counts, axis=1)
    modulus = np.exp(exponent.real - exponent[:, :1].real)
    return fft.irfft(polar(modulus, exponent.imag), n_points, axis=1, overwrite_x=True)


def reach(variance: Any, largest: Any, lost_mass: float = LOST_MASS) -> Any:
    """Distance t above the mean with P(T - mean > t) <= lost_mass by Bennett's inequality, jumps up to `largest`."""
    goal = -math.log(lost_mass)
    gaussian = np.sqrt(2 * variance * goal)
    jump = np.maximum(largest, 1e-300)
    ratio = goal * jump**2 / variance
    u = ratio + np.sqrt(2 * ratio)  # h(u) >= u^2 / (2 + 2u/3) makes this an upper end
    for _ in range(60):  # h is convex: Newton's steps from above stay above
        near = ((1 + u) * np.log1p(u) - u - ratio) / np.maximum(np.log1p(u), 1e-300)
        u = u - near
        if np.all(np.abs(near) <= 1e-14 * u):
            break
    return np.where(np.asarray(largest) > 0, np.maximum(gaussian, u * variance / jump), gaussian)


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
    """Law with mass on cells of width `step` about ``shift + k * step``, times `unit`; `pmf` is cyclic, the first k `first`.

    `atom` is the exact probability of 0 (no vendor drawn): it stays a jump, the rest is spread over the cells.
    """
    n = len(pmf)
    jump = atom > NO_ATOM
    edges, cumulative = np.empty(n + 1 + 2 * jump), np.zeros(n + 1 + 2 * jump)
    plain = edges[: n + 1]
    plain[:] = np.arange(n + 1)
    plain += first - 0.5
    plain *= step
    plain += shift
    begin = first % n
    mass = np.concatenate([pmf[begin:], pmf[:begin]])
    if jump:
        mass[-first] -= atom
    if mass.min() > -_ROUNDING:  # of the transform: nothing that a running maximum would have to level out
        np.maximum(mass, 0.0, out=mass)
    np.cumsum(mass, out=cumulative[1 : n + 1])
    if jump:
        at = int(np.searchsorted(plain, 0.0))
        level = np.interp(0.0, plain, cumulative[: n + 1])
        edges[at + 2 :], cumulative[at + 2 :] = plain[at:].copy(), cumulative[at : n + 1] + atom
        edges[at : at + 2], cumulative[at : at + 2] = 0.0, (level, level + atom)
    if mass.min() < 0:
        np.maximum.accumulate(cumulative, out=cumulative)
    np.clip(cumulative, 0.0, 1.0, out=cumulative)
    cumulative[-1] = 1.0
    np.clip(edges, *bounds, out=edges)
    edges *= unit
    return GridLaw(edges, cumulative, mean * unit, variance * unit * unit, error_bound=1.5 * step * unit, lost_mass=lost_mass)
