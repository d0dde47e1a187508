"""What every law offers, and how a distribution function is inverted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, overload, runtime_checkable

import numpy as np

from darkmarket_estimates._checks import not_nan, probabilities


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
        points = not_nan(x, "x")
        values = np.clip(self._cdf(points.ravel()), 0.0, 1.0).reshape(points.shape)
        return float(values) if points.ndim == 0 else values

    @overload
    def quantile(self, p: float) -> float: ...
    @overload
    def quantile(self, p: np.ndarray | Sequence[float]) -> np.ndarray: ...
    def quantile(self, p: Any) -> Any:
        """Smallest x with P(T <= x) >= p, a float for a scalar, else an array of the shape of `p`."""
        levels = probabilities(p)
        values = self._quantile(levels.ravel()).reshape(levels.shape)
        return float(values) if levels.ndim == 0 else values


def known(law: Law) -> bool:
    """Whether a law is one number."""
    return law.is_known if isinstance(law, BaseLaw) else law.variance == 0


def invert(
    cdf: Callable[[np.ndarray], np.ndarray], p: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Smallest x in [low, high] with ``cdf(x) >= p``, to about 1e-14 of the bracket's larger end; see `invert_each`."""
    return invert_each(lambda x, _: cdf(x), p, low, high)


def invert_each(
    cdf: Callable[[np.ndarray, np.ndarray], np.ndarray], p: np.ndarray, low: np.ndarray, high: np.ndarray,
    ends: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """Quantiles of many distribution functions at once: ``cdf(x, which)`` is asked for those still open.

    `ends` are the values at `low` and `high` where they are known.

    Inverse quadratic interpolation where three points allow it, else bisection, which is safe at jumps and flats
    (Chandrupatla 1997, *Advances in Engineering Software* 28, 145-149). Each is found by itself, so that its digits do
    not depend on the others. The bracket must hold the answer; the upper end is returned where the two meet.
    """
    every = np.arange(len(p))
    a, b = high.astype(np.float64), low.astype(np.float64)
    at_low, at_high = ends or (cdf(b, every), cdf(a, every))
    above, below = at_high - p, at_low - p
    a = np.where(below >= 0, b, a)
    upper = a.copy()
    size = np.maximum(np.abs(a), np.abs(b))
    some = np.flatnonzero((above >= 0) & (np.abs(b - a) > 1e-14 * size))
    # the newest point, the one across the crossing, and the one before; their heights above the level
    a, b, fa, fb, p = a[some], b[some], above[some], below[some], p[some]
    # within a narrow bracket the function is nearly straight
    t = np.where(fa - fb < 0.1, fa / np.where(fa > fb, fa - fb, 1.0), 0.5)
    for _ in range(200):
        if not len(some):
            break
        least = np.minimum(5e-15 * np.maximum(np.abs(a), np.abs(b)) / np.abs(b - a), 0.5)
        x = a + np.clip(t, least, 1 - least) * (b - a)
        f = cdf(x, some) - p
        same = (f >= 0) == (fa >= 0)
        c, fc = np.where(same, a, b), np.where(same, fa, fb)
        b, fb = np.where(same, b, a), np.where(same, fb, fa)
        a, fa = x, f
        upper[some] = np.where(fa >= 0, a, b)
        t = _interpolated(a, b, c, fa, fb, fc)
        wide = np.abs(b - a) > 1e-14 * np.maximum(np.abs(a), np.abs(b))
        if not wide.all():
            some, t = some[wide], t[wide]
            a, b, fa, fb, p = (values[wide] for values in (a, b, fa, fb, p))
    return upper


def _interpolated(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, fa: np.ndarray, fb: np.ndarray, fc: np.ndarray
) -> np.ndarray:
    """Fraction of the way from a to b at which the parabola of x in f through three points crosses 0; else one half."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
        t = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
        monotone = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi)
    return np.where(monotone & np.isfinite(t), t, 0.5)
