r"""Laws of the mean value of a vendor's reviews, given how many there are.

.. math::
   \ln m &= d + e, \quad E[e^e] = 1, \\
   d &= d_g + d_1 x + d_2 (x - c)_+ + d_3 / r, \quad V = \tau^2 e^{2 k x} + \omega^2 / r

Whatever the law of e, the mean value is :math:`e^d` by its form, and V is the variance of the normal part of e; x is the log
count of the vendor less a constant. The slope changes at c, above which are the vendors that have half of all reviews: they
decide on the total, and a slope that is learnt from all vendors alike would be that of the many small ones.

Log prices of real vendors have a long lower tail and none above: `LowerTail` is an exponentially modified normal law
(Grushka, *Anal. Chem.* 44 (1972), 1733-1738), with the tail below. Under a symmetric law the spread of that tail would pass
for money above. Formulas are written once, for arrays and for tensors: `xp` is `ARRAYS` or ``pytensor.tensor``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
from scipy import special

from darkmarket_estimates.bayes import cells

#: What the formulas need, for arrays.
ARRAYS = SimpleNamespace(exp=np.exp, log=np.log, log1p=np.log1p, sqrt=np.sqrt, logaddexp=np.logaddexp, where=np.where,
                         minimum=np.minimum, maximum=np.maximum, erfc=special.erfc, erfcx=special.erfcx)
#: Standard deviation of the rarer component of heavy-tailed log values, in units of the other's.
WIDER = 2.0
#: Where the asymptotic series of erfcx is exact to 1e-12, and its own derivative loses all digits further on.
FAR = 20.0
#: Parameters of the mean and of the spread, which every law has.
MEAN, SPREAD = ("value_level", "value_slope", "value_bend", "value_few"), ("value_sd", "value_sd_slope", "review_sd")


def log_mean(p: Mapping[str, Any], size: Any, top: Any, few: Any) -> Any:
    """Log mean value without its group: `size` is x, `top` its part above c, and `few` 1 / r of the vendor."""
    return p["value_level"] + p["value_slope"] * size + p["value_bend"] * top + p["value_few"] * few


def variance(p: Mapping[str, Any], size: Any, inverse: Any, xp: Any = ARRAYS) -> Any:
    r"""V: between vendors :math:`\tau^2 e^{2 k x}`, within them :math:`\omega^2 / r`; `size` is x and `inverse` 1 / r."""
    return p["value_sd"] ** 2 * xp.exp(2 * p["value_sd_slope"] * size) + p["review_sd"] ** 2 * inverse


class ValueLaw(Protocol):
    """What the model asks of a law of values."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Parameters of its own."""
        ...

    def cells(self, vendors: cells.Vendors, centre: float, bend: float) -> dict[str, np.ndarray]:
        """Cells of the likelihood, with ``value_group``, ``value_size``, ``value_inverse`` and ``value_n`` among them."""
        ...

    def log_likelihood(self, a: Mapping[str, Any], mean: Any, v: Any, p: Mapping[str, Any], xp: Any = ARRAYS) -> Any:
        """Of the cells, multiplicities included, less n ln(2 pi) / 2: `mean` is d and `v` is V of each cell."""
        ...

    def residuals(self, rng: np.random.Generator, v: np.ndarray, p: Mapping[str, float]) -> np.ndarray:
        """Random e, one for each V."""
        ...


class Normal:
    """Log values are normal."""

    parameters: tuple[str, ...] = ()

    def cells(self, vendors: cells.Vendors, centre: float, bend: float) -> dict[str, np.ndarray]:
        """Sums of ln m and of its square suffice."""
        return cells.value_cells(vendors, centre, bend)

    def log_likelihood(self, a: Mapping[str, Any], mean: Any, v: Any, p: Mapping[str, Any], xp: Any = ARRAYS) -> Any:
        """Quadratic in the sums."""
        centre = mean - v / 2
        square = a["value_square"] - 2 * centre * a["value_sum"] + a["value_n"] * centre**2
        return -(a["value_n"] * xp.log(v) / 2 + square / (2 * v))

    def residuals(self, rng: np.random.Generator, v: np.ndarray, p: Mapping[str, float]) -> np.ndarray:
        """Normal, with mean -V / 2."""
        return rng.standard_normal(len(v)) * np.sqrt(v) - v / 2


class LowerTail:
    r"""Log values are normal above, with an exponential tail below.

    .. math:: e = \sqrt{V} Z - b E - V / 2 + \ln(1 + b)

    with Z standard normal and E exponential with mean 1: :math:`E[e^{-b E}] = 1 / (1 + b)`. With b to 0 it is the normal law.
    """

    parameters = ("value_lower_tail",)

    def cells(self, vendors: cells.Vendors, centre: float, bend: float) -> dict[str, np.ndarray]:
        """Points, as no sums suffice."""
        return cells.value_points(vendors, centre, bend)

    def log_likelihood(self, a: Mapping[str, Any], mean: Any, v: Any, p: Mapping[str, Any], xp: Any = ARRAYS) -> Any:
        """`exponentially_modified` at the points."""
        b = p["value_lower_tail"]
        e = a["value_log"] - mean + v / 2 - xp.log1p(b)
        return a["value_n"] * exponentially_modified(e, xp.sqrt(v), b, xp)

    def residuals(self, rng: np.random.Generator, v: np.ndarray, p: Mapping[str, float]) -> np.ndarray:
        """Normal less exponential, about the log of their mean."""
        b = p["value_lower_tail"]
        return rng.standard_normal(len(v)) * np.sqrt(v) - b * rng.standard_exponential(len(v)) - v / 2 + np.log1p(b)


class HeavyTails:
    """Log values are normal; a share of the vendors has `WIDER` times the standard deviation."""

    parameters = ("heavy_share",)

    def cells(self, vendors: cells.Vendors, centre: float, bend: float) -> dict[str, np.ndarray]:
        """Points, as no sums suffice."""
        return cells.value_points(vendors, centre, bend)

    def log_likelihood(self, a: Mapping[str, Any], mean: Any, v: Any, p: Mapping[str, Any], xp: Any = ARRAYS) -> Any:
        """Two normal laws at the points."""
        rare = p["heavy_share"]
        square = (a["value_log"] - mean + self._shift(v, rare, xp)) ** 2 / v
        each = xp.logaddexp(xp.log1p(-rare) - square / 2, xp.log(rare / WIDER) - square / (2 * WIDER**2))
        return a["value_n"] * (each - xp.log(v) / 2)

    def residuals(self, rng: np.random.Generator, v: np.ndarray, p: Mapping[str, float]) -> np.ndarray:
        """Of one of two spreads each, about the log of their mean."""
        rare = p["heavy_share"]
        noise = rng.standard_normal(len(v)) * np.sqrt(v) * np.where(rng.uniform(size=len(v)) < rare, WIDER, 1.0)
        return noise - self._shift(v, rare, ARRAYS)

    @staticmethod
    def _shift(v: Any, rare: Any, xp: Any) -> Any:
        """Log of the mean of exp(noise)."""
        return xp.logaddexp(xp.log1p(-rare) + v / 2, xp.log(rare) + WIDER**2 * v / 2)


#: By the name of the option.
VALUE_LAWS: dict[str, ValueLaw] = {"lower": LowerTail(), "normal": Normal(), "heavy": HeavyTails()}


def exponentially_modified(e: Any, sd: Any, b: Any, xp: Any = ARRAYS) -> Any:
    r"""Log density of sd Z - b E at e, less that of a constant :math:`1 / \sqrt{2 \pi}`.

    .. math:: -\ln b + \frac{B^2}{2} + B z + \ln\Phi(-u), \quad z = e / sd, \quad B = sd / b, \quad u = z + B

    Above u = 0 the square is taken out of :math:`\Phi`, :math:`\ln\Phi(-u) = -u^2/2 + \ln(erfcx(u/\sqrt 2) / 2)`, so that
    nothing cancels: for b to 0 it tends to :math:`-\ln sd - z^2 / 2`.

    Examples
    --------
    >>> round(float(exponentially_modified(0.3, 0.5, 1e-9)), 6), round(-math.log(0.5) - 0.6**2 / 2, 6)
    (0.513147, 0.513147)
    """
    z, ratio = e / sd, sd / b
    u = z + ratio
    above, below = xp.maximum(u, 0.0) / math.sqrt(2), xp.minimum(u, 0.0) / math.sqrt(2)
    far = xp.where(u < 0, ratio, 0.0)  # no overflow where it is not used
    near = -(z**2) / 2 + log_erfcx(above, xp) - math.log(2)
    return 0.5 * math.log(2 * math.pi) - xp.log(b) + xp.where(u < 0, far * (far / 2 + z) + xp.log1p(-xp.erfc(-below) / 2), near)


def log_erfcx(x: Any, xp: Any = ARRAYS) -> Any:
    r"""Log of :math:`e^{x^2} erfc(x)` for x of 0 or more, with a derivative that keeps its digits however large x is.

    .. math:: erfcx(x) \sim \frac{1}{x \sqrt\pi} \left(1 - \frac{1}{2 x^2} + \frac{3}{4 x^4} - \frac{15}{8 x^6}
       + \frac{105}{16 x^8} - \frac{945}{32 x^{10}}\right)

    Source: *NIST Handbook of Mathematical Functions* (2010), 7.12.1.
    """
    far = xp.maximum(x, FAR)
    y = 0.5 / far**2
    series = xp.log1p(-y * (1 - 3 * y * (1 - 5 * y * (1 - 7 * y * (1 - 9 * y))))) - xp.log(far * math.sqrt(math.pi))
    return xp.where(x > FAR, series, xp.log(xp.erfcx(xp.minimum(x, FAR))))
