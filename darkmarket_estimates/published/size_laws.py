"""Named laws of positive amounts with a mean and a shape: log-normal, gamma, Weibull."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from darkmarket_estimates._checks import choice, not_nan, number


def _weibull(x: Any, s: float) -> Any:
    with np.errstate(divide="ignore", over="ignore"):
        return np.exp((np.log(np.asarray(x, dtype=float)) + special.gammaln(1 + s)) / s)


def _logs(x: Any, s: float) -> Any:
    with np.errstate(divide="ignore"):
        return np.log(np.asarray(x, dtype=float)) / s


@dataclass(frozen=True, slots=True)
class Family:
    """Functions of x > 0 and a shape, at mean 1; a wider law has a larger shape.

    Attributes
    ----------
    cdf, sf : callable
        Share of amounts at most x, and above x.
    money : callable
        Share of the money in amounts above x: the integral of t f(t) over t > x.
    """

    cdf: Callable[[Any, float], Any]
    sf: Callable[[Any, float], Any]
    money: Callable[[Any, float], Any]


#: Shape: sigma of the log-normal, the coefficient of variation of the gamma, 1 / c of the Weibull.
FAMILIES: Mapping[str, Family] = {
    "lognormal": Family(
        lambda x, s: special.ndtr(_logs(x, s) + s / 2),
        lambda x, s: special.ndtr(-_logs(x, s) - s / 2),
        lambda x, s: special.ndtr(s / 2 - _logs(x, s)),
    ),
    "gamma": Family(
        lambda x, s: special.gammainc(s**-2, np.asarray(x) * s**-2),
        lambda x, s: special.gammaincc(s**-2, np.asarray(x) * s**-2),
        lambda x, s: special.gammaincc(s**-2 + 1, np.asarray(x) * s**-2),
    ),
    "weibull": Family(
        lambda x, s: -np.expm1(-_weibull(x, s)),
        lambda x, s: np.exp(-_weibull(x, s)),
        lambda x, s: special.gammaincc(1 + s, _weibull(x, s)),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeLaw:
    """A law of amounts.

    Parameters
    ----------
    family : {"lognormal", "gamma", "weibull"}
    mean : float
        In a currency.
    shape : float
        Sigma of the log-normal, coefficient of variation of the gamma, 1 / c of the Weibull.

    Examples
    --------
    >>> law = SizeLaw(family="lognormal", mean=75, shape=0.9711)
    >>> round(float(law.sf(200)), 3), round(float(law.money_above(200)), 3)
    (0.067, 0.3)
    """

    family: str
    mean: float
    shape: float

    def __post_init__(self) -> None:
        choice(self.family, "family", tuple(FAMILIES))
        number(self.mean, "mean", low=1e-100, high=1e100)
        number(self.shape, "shape", low=1e-3, high=100)

    def cdf(self, x: Any) -> Any:
        """Return the share of amounts at most `x`."""
        return FAMILIES[self.family].cdf(self._scaled(x), self.shape)

    def sf(self, x: Any) -> Any:
        """Return the share of amounts above `x`."""
        return FAMILIES[self.family].sf(self._scaled(x), self.shape)

    def money_above(self, x: Any) -> Any:
        """Return the share of the money in amounts above `x`."""
        return FAMILIES[self.family].money(self._scaled(x), self.shape)

    def _scaled(self, x: Any) -> np.ndarray:
        """Amounts over the mean; below 0 is no amount, and 0 stands for it."""
        return np.maximum(not_nan(x, "x"), 0.0) / self.mean
