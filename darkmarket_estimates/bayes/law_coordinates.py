r"""Coordinates for the laws of sizes and of values in which their posteriors have no bent ridges.

Log rates are :math:`c + s Z + u E_1 - l E_2`. Reviews tell where the visible vendors lie and how far apart, and hardly how
that spread is divided between body and tails: in c, s, u, l themselves the posterior is a thin curved sheet. It is sampled in
:math:`(m, t, \xi_u, \xi_l)`,

.. math::
    c &= m - u + w \arctan(l / w), \qquad s = e^t \sqrt{(q + \sqrt{q^2 + 4 \delta^2}) / 2}, \\
    q &= 1 - y^2, \qquad y^2 = e^{-2t} [u^2 + l^2 / (1 + l^2 / v^2)]

so that m is nearly the mean log rate and :math:`e^t` nearly its standard deviation, as far as they are seen: a long lower tail
is one of vendors without reviews, so that it moves both less and less. The second root keeps s positive whatever t. Log values
have a normal part beside a lower tail b and the scatter :math:`\omega^2 / r` of single reviews, so that the former is sampled by
t with :math:`y^2 = e^{-2t} [b^2 + \omega^2 \overline{1/r}]` in the same way. A tail or scatter that may be absent is

.. math:: u = a [\sqrt{1 + 2 R(\xi)} - 1], \quad R = S(\xi) - S(\xi - 2 M), \quad S(\xi) = \phi(\xi) + \xi \Phi(\xi), \quad
   (1 + h / a)^2 = 1 + 4 M

with h its bound; without one the second S is 0. Towards 0 it then falls off like a normal law in :math:`\xi`, where its
logarithm would fall off like an exponential one. Above it :math:`\xi` is like the square of u: the likelihood of a tail that
is not there falls off with its sixth power, by the third cumulant (that of a scatter with its fourth, by the variance), and
would be a wall in u itself, before which steps are small. That is so where a is a length that the data can just tell from 0:
a root of the number of vendors, see `units`. The Jacobian determinant is
:math:`s\,(1 + y^2 / \sqrt{q^2 + 4 \delta^2})\; du/d\xi_u\; dl/d\xi_l`; whatever w, v, a and :math:`\delta`, the priors are those
of c, s, u and l, and so is the posterior.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from darkmarket_estimates.bayes.cells import Vendors
from darkmarket_estimates.bayes.priors import HalfNormal, Known, LogNormal, Normal, Prior

#: Smallest body beside tails that make up all of the spread, in units of it: the root of this.
DELTA = 0.05
#: Lengths of a lower tail beyond which it moves the mean and the spread of visible log rates no more.
MEAN_REACH, SPREAD_REACH = 1.5, 0.9
#: Longest a, in units of a half-normal prior: where data say nothing, such a prior is nearly normal in the coordinate.
LONGEST = 2.0
#: a of each parameter, in standard deviations of log counts or log values and a root of the data: so that its posterior is
#: nearly normal where it is absent. A lower tail of sizes, of vendors without reviews, is seen last.
UPPER, LOWER, VALUE, REVIEW = 1.2, 5.0, 0.57, 1.0


def units(vendors: Vendors) -> dict[str, np.ndarray]:
    r"""The a of each coordinate, and the mean of 1 / r over rows: data of the model, so that one graph serves all tables.

    The third cumulant tells a tail b of n values with standard deviation s from 0 where :math:`n (b / s)^6 / 3` is of order 1;
    their variance a scatter :math:`\omega` where :math:`N (\omega / s)^4 / 4` is, N being the sum of squares of 1 / r about its
    regression on the log count, which `value_sd_slope` has.
    """
    if not len(vendors.row_reviews):
        return dict.fromkeys(("upper_tail_unit", "lower_tail_unit", "value_lower_tail_unit", "review_sd_unit", "mean_inverse"),
                             np.array(1.0))
    log_r = np.log(vendors.reviews[vendors.reviews > 0])
    log_m, inverse = np.log(vendors.row_value / vendors.row_reviews), 1 / vendors.row_reviews
    size, few = (v - v.mean() for v in (np.log(vendors.reviews[vendors.row_vendor]), inverse))
    left = few @ few - (size @ few) ** 2 / max(size @ size, 1e-300)
    return {"upper_tail_unit": _unit(UPPER * log_r.std(), len(log_r), 6),
            "lower_tail_unit": _unit(LOWER * log_r.std(), len(log_r), 4),
            "value_lower_tail_unit": _unit(VALUE * log_m.std(), len(log_m), 6),
            "review_sd_unit": _unit(REVIEW * log_m.std(), left, 4), "mean_inverse": np.array(inverse.mean())}


def _unit(scale: Any, n: Any, power: int) -> np.ndarray:
    """Scale over a root of n; without limit where the data have no spread."""
    return np.array(scale * n ** (-1 / power) if min(scale, n) > 1e-6 else math.inf)


def body_and_tails(priors: Mapping[str, Prior], a: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """Variables size_centre, size_sd, upper_tail and lower_tail of the model in context.

    A known centre or body leaves no ridge: then each parameter is a variable of its own.
    """
    import pymc as pm
    import pytensor.tensor as pt

    centre, sd = priors["size_centre"], priors["size_sd"]
    if isinstance(centre, Known) or isinstance(sd, Known):
        return {name: prior.variable(name) for name, prior in priors.items()}
    tails = {name: positive(name, priors[name], a.get(f"{name}_unit", math.inf)) for name in ("upper_tail", "lower_tail")}
    upper, lower = tails.values()
    first = {name: _middle(prior) for name, prior in priors.items()}
    mean = pm.Flat("size_mean_", initval=first["size_centre"] + first["upper_tail"] - first["lower_tail"])
    c = mean - upper + MEAN_REACH * pt.arctan(lower / MEAN_REACH)
    spread = math.hypot(*(first[name] for name in ("size_sd", "upper_tail", "lower_tail")))
    s = beside("size_sd", sd, upper**2 + lower**2 / (1 + (lower / SPREAD_REACH) ** 2), "size_spread_", spread)
    pm.Potential("size_prior", centre.log_density(c))
    return {"size_centre": pm.Deterministic("size_centre", c), "size_sd": s, **tails}


def beside(name: str, prior: Prior, square: Any, coordinate: str, first: float) -> Any:
    """Variable s of the model in context, sampled by the log of the root of s^2 + `square`: of a spread that is seen as one.

    `square` is made of other variables, `coordinate` the name of the log and `first` the spread that it begins with.
    """
    import pymc as pm
    import pytensor.tensor as pt

    if isinstance(prior, Known):
        return prior.variable(name)
    t = pm.Flat(coordinate, initval=math.log(first))
    part = square * pt.exp(-2 * t)
    root = pt.sqrt((1 - part) ** 2 + 4 * DELTA**2)
    log_s = t + 0.5 * pt.log((1 - part + root) / 2)
    pm.Potential(f"{name}_prior", prior.log_density(pt.exp(log_s)) + log_s + pt.log1p(part / root))
    return pm.Deterministic(name, pt.exp(log_s))


def positive(name: str, prior: Prior, unit: Any = math.inf) -> Any:
    """Variable of a positive parameter that the data may not tell from 0, of the model in context; `unit` is a."""
    import pymc as pm
    import pytensor.tensor as pt

    if isinstance(prior, Known):
        return prior.variable(name)
    x = pm.Flat(f"{name}_", initval=0.0)
    a = pt.minimum(unit, LONGEST * _middle(prior))
    ramp, slope = _ramp(x, pt), _normal_cdf(x, pt)
    if isinstance(prior, HalfNormal) and prior.high < math.inf:
        middle = ((1 + prior.high / a) ** 2 - 1) / 4
        ramp = ramp - _ramp(x - 2 * middle, pt)
        away = abs(x - middle)  # the slope is the same on both sides of the middle: nothing cancels far above
        slope = _normal_cdf(middle - away, pt) - _normal_cdf(-middle - away, pt)
    root = pt.sqrt(1 + 2 * ramp)
    value = a * 2 * ramp / (1 + root)
    pm.Potential(f"{name}_prior", prior.log_density(value) + pt.log(a * slope / root))
    return pm.Deterministic(name, value)


def _normal_cdf(x: Any, pt: Any) -> Any:
    return pt.erfc(-x / math.sqrt(2)) / 2


def _ramp(x: Any, pt: Any) -> Any:
    """S: the integral of the normal distribution function."""
    return pt.exp(-(x**2) / 2) / math.sqrt(2 * math.pi) + x * _normal_cdf(x, pt)


def _middle(prior: Prior) -> float:
    """A value in the middle of a prior."""
    if isinstance(prior, Normal):
        return prior.mean
    if isinstance(prior, LogNormal):
        return prior.median
    return prior.value if isinstance(prior, Known) else prior.sd
