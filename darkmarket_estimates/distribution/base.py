"""What every law offers, and how a distribution function is inverted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, overload, runtime_checkable

import numpy as np

from darkmarket_estimates.errors import AssumptionError, DataError


@runtime_checkable
class Law(Protocol):
    """What every law offers; `cdf` and `quantile` take a scalar (and give a float) or an array."""

    @property
    def mean(self) -> float:
        """Expectation."""
        ...

    @property
    def variance(self) -> float:
        """Variance."""
        ...

    def cdf(self, x: Any) -> Any:
        """P(T <= x)."""
        ...

    def quantile(self, p: Any) -> Any:
        """Smallest x with P(T <= x) >= p."""
        ...


class BaseLaw:
    """Scalars in, floats out; checks in one place. A law writes `_cdf` and `_quantile` for flat arrays."""

    __slots__ = ()

    @property
    def is_known(self) -> bool:
        """Whether it is one number."""
        return bool(self.variance == 0)  # type: ignore[attr-defined]

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    @overload
    def cdf(self, x: float) -> float: ...
    @overload
    def cdf(self, x: np.ndarray | Sequence[float]) -> np.ndarray: ...
    def cdf(self, x: Any) -> Any:
        """P(T <= x), a float for a scalar, else an array of the shape of `x`."""
        points = np.asarray(x, dtype=np.float64)
        if np.isnan(points).any():
            raise DataError("x is not a number", expected="numbers", got="NaN")
        values = np.clip(self._cdf(points.ravel()), 0.0, 1.0).reshape(points.shape)
        return float(values) if points.ndim == 0 else values

    @overload
    def quantile(self, p: float) -> float: ...
    @overload
    def quantile(self, p: np.ndarray | Sequence[float]) -> np.ndarray: ...
    def quantile(self, p: Any) -> Any:
        """Smallest x with P(T <= x) >= p, a float for a scalar, else an array of the shape of `p`."""
        levels = np.asarray(p, dtype=np.float64)
        inside = (levels >= 0) & (levels <= 1)  # False for NaN
        if not inside.all():
            raise AssumptionError("p is not a probability", expected="numbers in [0, 1]",
                                  got=repr(float(levels[~inside].ravel()[0])))
        values = self._quantile(levels.ravel()).reshape(levels.shape)
        return float(values) if levels.ndim == 0 else values


def known(law: Law) -> bool:
    """Whether a law is one number."""
    return law.is_known if isinstance(law, BaseLaw) else law.variance == 0


def invert(
    cdf: Callable[[np.ndarray], np.ndarray], p: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Smallest x in [low, high] with ``cdf(x) >= p``, to about 1e-13 of the bracket's larger end.

    Bisection and false position take turns: the first is safe at jumps and flats, the second fast elsewhere. The
    bracket must hold the answer; the upper end is returned where the two meet.
    """
    low, high = low.astype(np.float64), high.astype(np.float64)
    below, above = cdf(low), cdf(high)
    high = np.where(below >= p, low, high)
    for turn in range(200):
        width = high - low
        open_ = width > 1e-13 * np.maximum(np.abs(low), np.abs(high))  # of the present bracket: a first one may be huge
        if not open_.any():
            break
        fraction = np.full(p.shape, 0.5)
        rise = above - below
        if turn % 2:
            np.divide(p - below, rise, out=fraction, where=rise > 0)
            # A step just beyond the estimate closes the bracket from the other side too.
            fraction = np.clip(fraction + np.where(turn % 4 == 1, 1e-9, -1e-9), 0.0, 1.0)
        middle = low + fraction * width
        middle = np.where(open_, middle, high)
        at = cdf(middle)
        enough = at >= p
        high, above = np.where(enough, middle, high), np.where(enough, at, above)
        low, below = np.where(enough, low, middle), np.where(enough, below, at)
    return high
