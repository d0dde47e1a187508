r"""Laws of the mean value of a vendor's reviews, given how many there are.

.. math::
   \ln m &= d + e, \quad E[e^e] = 1, \\
   d &= d_g + d_1 x + d_2 (x - c)_+ + d_3 / r, \quad V = \tau^2 e^{2 k x} + \omega^2 / r

Whatever the law of e, the mean value is :math:`e^d` by its form, and V is the variance of the normal part of e; x is the log
count of the vendor less a constant. The slope changes at c, above which are the vendors that have half of all reviews: they
decide on the total, and a slope that is learnt from all vendors alike would be that of the many small ones.

Log prices of real vendors have a long lower tail and none above: `LowerTail` is an exponentially modified normal law
(Grushka, *Anal. Chem.* 44 (1972), 1733-1738), with the tail below. Under a symmetric law the spread of that tail would pass
for money above. Formulas are written once: for arrays and for tensors, `xp` being `ARRAYS` or ``pytensor.tensor``, or for
arrays with their gradient, as a node of the graph.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
from scipy import special

from darkmarket_estimates.bayes import cells, points

#: What the formulas need, for arrays.
ARRAYS = SimpleNamespace(exp=np.exp, log=np.log, log1p=np.log1p, logaddexp=np.logaddexp)
#: Standard deviation of the rarer component of heavy-tailed log values, in units of the other's.
WIDER = 2.0
#: Below the first the normal law is 1 to the last digit; above the second the series of its hazard is exact to 1e-12.
DEEP, FAR = -8.0, 50.0
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

    def log_likelihood(self, a: Mapping[str, Any], mean: Any, v: Any, p: Mapping[str, Any]) -> Any:
        """Of the cells, multiplicities included, less n ln(2 pi) / 2: `mean` is d and `v` is V of each cell."""
        ...

    def potential(self, a: Mapping[str, Any], mean: Any, v: Any, p: Mapping[str, Any]) -> Any:
        """Their sum, of tensors."""
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

    def potential(self, a: Mapping[str, Any], mean: Any, v: Any, p: Mapping[str, Any]) -> Any:
        """Their sum."""
        import pytensor.tensor as pt

        return self.log_likelihood(a, mean, v, p, pt).sum()

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
        return points.value_points(vendors, centre, bend)

    def log_likelihood(self, a: Mapping[str, Any], mean: Any, v: Any, p: Mapping[str, Any]) -> Any:
        """`exponentially_modified` at the points."""
        b = p["value_lower_tail"]
        e = a["value_log"] - mean + v / 2 - np.log1p(b)
        return a["value_n"] * exponentially_modified(e, np.sqrt(v), b)[0]

    def potential(self, a: Mapping[str, Any], mean: Any, v: Any, p: Mapping[str, Any]) -> Any:
        """Their sum, as one node."""
        from darkmarket_estimates.bayes._density import log_density

        return log_density(lower_tail, (mean, v, p["value_lower_tail"]), (a["value_log"], a["value_n"]))

    def residuals(self, rng: np.random.Generator, v: np.ndarray, p: Mapping[str, float]) -> np.ndarray:
        """Normal less exponential, about the log of their mean."""
        b = p["value_lower_tail"]
        return rng.standard_normal(len(v)) * np.sqrt(v) - b * rng.standard_exponential(len(v)) - v / 2 + np.log1p(b)


class HeavyTails:
    """Log values are normal; a share of the vendors has `WIDER` times the standard deviation."""

    parameters = ("heavy_share",)

    def cells(self, vendors: cells.Vendors, centre: float, bend: float) -> dict[str, np.ndarray]:
        """Points, as no sums suffice."""
        return points.value_points(vendors, centre, bend)

    def log_likelihood(self, a: Mapping[str, Any], mean: Any, v: Any, p: Mapping[str, Any], xp: Any = ARRAYS) -> Any:
        """Two normal laws at the points."""
        rare = p["heavy_share"]
        square = (a["value_log"] - mean + self._shift(v, rare, xp)) ** 2 / v
        each = xp.logaddexp(xp.log1p(-rare) - square / 2, xp.log(rare / WIDER) - square / (2 * WIDER**2))
        return a["value_n"] * (each - xp.log(v) / 2)

    def potential(self, a: Mapping[str, Any], mean: Any, v: Any, p: Mapping[str, Any]) -> Any:
        """Their sum."""
        import pytensor.tensor as pt

        return self.log_likelihood(a, mean, v, p, pt).sum()

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


def lower_tail(mean: Any, v: Any, b: Any, log_m: np.ndarray, n: np.ndarray) -> tuple[Any, ...]:
    """Log likelihood of points under `LowerTail`, and its gradient by d, V and b."""
    sd = np.sqrt(v)
    value, by_e, by_sd, by_b = exponentially_modified(log_m - mean + v / 2 - np.log1p(b), sd, b)
    by_e *= n
    return n @ value, -by_e, by_e / 2 + n * by_sd / (2 * sd), n @ by_b - by_e.sum() / (1 + b)


def exponentially_modified(e: Any, sd: Any, b: Any) -> tuple[Any, Any, Any, Any]:
    r"""Log density of sd Z - b E at e, less that of a constant :math:`1 / \sqrt{2 \pi}`, and its slopes by e, sd and b.

    .. math:: f &= -\ln b + \frac{B^2}{2} + B z + \ln\Phi(-u), \quad z = e / sd, \quad B = sd / b, \quad u = z + B \\
       \frac{\partial f}{\partial e} &= -\frac{z + w}{sd}, \quad
       \frac{\partial f}{\partial sd} = \frac{z^2 - w (B - z)}{sd}, \quad
       \frac{\partial f}{\partial b} = \frac{B w - 1}{b}, \quad w = \frac{\phi(u)}{\Phi(-u)} - u

    The square is taken out of :math:`\Phi`, :math:`\ln\Phi(-u) = -u^2/2 + \ln(erfcx(u/\sqrt 2) / 2)`, so that nothing cancels
    however short the tail: f tends to :math:`-\ln sd - z^2 / 2`. The same erfcx is in w; far out it is
    :math:`(1 - q) / u, q = 2 / u^2 - 10 / u^4 + 74 / u^6 - 706 / u^8 + 8162 / u^{10}`, from the expansion of erfc
    (*NIST Handbook of Mathematical Functions* (2010), 7.12.1), and :math:`B w - 1 = -q - z w`.

    Examples
    --------
    >>> round(float(exponentially_modified(0.3, 0.5, 1e-9)[0]), 6), round(-math.log(0.5) - 0.6**2 / 2, 6)
    (0.513147, 0.513147)
    """
    z, ratio = e / sd, sd / b
    u = z + ratio
    scaled = special.erfcx(np.maximum(u, DEEP) / math.sqrt(2))
    value = np.log(scaled) - z * z / 2
    w = math.sqrt(2 / math.pi) / scaled - u
    rise = ratio * w - 1
    if np.any(deep := u < DEEP):
        long = np.where(deep, ratio, 0.0)  # no overflow where it is not used
        value = np.where(deep, long * (long / 2 + z) + math.log(2), value)
    if np.any(far := u > FAR):
        away = np.maximum(u, FAR)
        t = 1 / away / away  # no overflow of the square
        q = t * (2 - t * (10 - t * (74 - t * (706 - t * 8162))))
        w = np.where(far, (1 - q) / away, w)
        rise = np.where(far, -q - z * w, rise)
    return 0.5 * math.log(math.pi / 2) - np.log(b) + value, -(z + w) / sd, (z * z - w * (ratio - z)) / sd, rise / b
