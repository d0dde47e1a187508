"""Cubic splines through complex values at knots that are dense at 0: ``last * linspace(0, 1, n) ** 2``."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import interpolate

MOST_KEPT = 256  # knots of a spline whose matrix is kept


def through(t: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Values at `x` of the spline through values at the knots `t`."""
    if len(t) > MOST_KEPT:
        return interpolate.CubicSpline(t, y)(x)
    at = np.minimum((np.sqrt(x / t[-1]) * (len(t) - 1)).astype(np.int64), len(t) - 2)
    return _hermite(x - t[at], t[at + 1] - t[at], at, y, _slopes(y, t[-1]))


def _hermite(beyond: np.ndarray, width: np.ndarray, at: np.ndarray, y: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """The cubic between two knots, by their values and slopes."""
    s = beyond / width
    return ((1 + 2 * s) * (1 - s) ** 2 * y[at] + s**2 * (3 - 2 * s) * y[at + 1]
            + width * s * (1 - s) * ((1 - s) * slope[at] - s * slope[at + 1]))


def _slopes(y: np.ndarray, last: float) -> np.ndarray:
    both = _slopes_of(len(y)) @ np.column_stack([y.real, y.imag]) / last
    return both[:, 0] + 1j * both[:, 1]


@functools.lru_cache(maxsize=32)
def _slopes_of(n: int) -> np.ndarray:
    """Matrix that takes values at ``linspace(0, 1, n) ** 2`` to the slopes there of the spline through them."""
    knots = np.linspace(0.0, 1.0, n) ** 2
    return interpolate.CubicSpline(knots, np.eye(n))(knots, 1)


@dataclass(frozen=True, slots=True)
class Curves:
    """Many such splines, laid end to end; one of them is asked at many places.

    Attributes
    ----------
    last : array of shape (n_curves,)
        The last knot of each.
    start : int array of shape (n_curves + 1,)
        Where the knots of each begin.
    value, slope : complex array
        At all knots.
    """

    last: np.ndarray
    start: np.ndarray
    value: np.ndarray
    slope: np.ndarray

    @classmethod
    def of(cls, last: Sequence[float] | np.ndarray, values: Sequence[np.ndarray]) -> Curves:
        """From the last knot of each and its values at the knots, at most `MOST_KEPT` of them."""
        start = np.cumsum([0, *map(len, values)])
        slopes = [_slopes(each, end) for each, end in zip(values, last, strict=True)]
        return cls(np.asarray(last, dtype=np.float64), start, np.concatenate(values), np.concatenate(slopes))

    def at(self, x: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Values at places from 0 to the last knot, shape (n, n_places); row i is of the curve ``which[i]``.

        Examples
        --------
        >>> line = 2j * np.linspace(0, 1, 9) ** 2
        >>> Curves.of([1.0, 3.0], [line, line]).at(np.array([[0.25, 0.5], [1.5, 3.0]]), np.array([0, 1])).imag
        array([[0.5, 1. ],
               [1. , 2. ]])
        """
        steps = (np.diff(self.start)[which] - 1)[:, None]
        part = np.minimum(x / self.last[which][:, None], 1.0)
        at = np.minimum((np.sqrt(part) * steps).astype(np.int64), steps - 1)
        unit = self.last[which][:, None] / steps**2
        return _hermite(part * unit * steps**2 - at**2 * unit, (2 * at + 1) * unit, at + self.start[which][:, None],
                        self.value, self.slope)
