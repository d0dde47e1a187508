r"""Coordinates for the laws of sizes and of values in which their posteriors have no bent ridges.

Log rates are :math:`c + s Z + u E_1 - l E_2`. Reviews tell where the visible vendors lie and how far apart, and hardly how
that spread is divided between body and tails: in c, s, u, l themselves the posterior is a thin curved sheet. It is sampled in
:math:`(m, t, \xi_u, \xi_l)`,

.. math::
    c &= m - u + w \arctan(l / w), \qquad s = e^t \sqrt{(q + \sqrt{q^2 + 4 \delta^2}) / 2}, \\
    q &= 1 - y^2, \qquad y^2 = e^{-2t} [u^2 + l^2 / (1 + l^2 / v^2)]

so that m is nearly the mean log rate and :math:`e^t` nearly its standard deviation, as far as they are seen: a long lower tail
is one of vendors without reviews, so that it moves both less and less. The second root keeps s positive whatever t. Tails are
:math:`u = h \Phi(\xi)` below a bound h, else :math:`a [\phi(\xi) + \xi \Phi(\xi)]`: a tail that may be absent then falls off
like a normal law in :math:`\xi`, where its logarithm would fall off like an exponential one. Log values have a normal part
beside a lower tail b and the scatter :math:`\omega^2 / r` of single reviews, so that the former is sampled by t with
:math:`y^2 = e^{-2t} [b^2 + \omega^2 \overline{1/r}]` in the same way. The Jacobian determinant is
:math:`s\,(1 + y^2 / \sqrt{q^2 + 4 \delta^2})\; du/d\xi_u\; dl/d\xi_l`; whatever w, v, a and :math:`\delta`, the priors are those
of c, s, u and l, and so is the posterior.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from darkmarket_estimates.bayes.priors import HalfNormal, Known, LogNormal, Normal, Prior

#: Smallest body beside tails that make up all of the spread, in units of it: the root of this.
DELTA = 0.05
#: Lengths of a lower tail beyond which it moves the mean and the spread of visible log rates no more.
MEAN_REACH, SPREAD_REACH = 1.5, 0.9
#: Unit of a tail without a bound, in units of its prior.
UNIT = 1 / 3


def body_and_tails(priors: Mapping[str, Prior]) -> dict[str, Any]:
    """Variables size_centre, size_sd, upper_tail and lower_tail of the model in context.

    A known centre or body leaves no ridge: then each parameter is a variable of its own.
    """
    import pymc as pm
    import pytensor.tensor as pt

    centre, sd = priors["size_centre"], priors["size_sd"]
    if isinstance(centre, Known) or isinstance(sd, Known):
        return {name: prior.variable(name) for name, prior in priors.items()}
    tails = {name: positive(name, priors[name]) for name in ("upper_tail", "lower_tail")}
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


def positive(name: str, prior: Prior) -> Any:
    """Variable of a positive parameter that the data may not tell from 0, of the model in context."""
    import pymc as pm
    import pytensor.tensor as pt

    if isinstance(prior, Known):
        return prior.variable(name)
    x = pm.Flat(f"{name}_", initval=0.0)
    phi, density = pt.erfc(-x / math.sqrt(2)) / 2, pt.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    if isinstance(prior, HalfNormal) and prior.high < math.inf:
        value, slope = prior.high * phi, math.log(prior.high) + pt.log(density)
    else:
        scale = UNIT * _middle(prior)
        value, slope = scale * (density + x * phi), math.log(scale) + pt.log(phi)
    pm.Potential(f"{name}_prior", prior.log_density(value) + slope)
    return pm.Deterministic(name, value)


def _middle(prior: Prior) -> float:
    """A value in the middle of a prior."""
    if isinstance(prior, Normal):
        return prior.mean
    if isinstance(prior, LogNormal):
        return prior.median
    return prior.value if isinstance(prior, Known) else prior.sd
