r"""Unseen listings in shares and ratios: how a detection model shifts the odds of two parts.

Under `Huggins` a total is :math:`T = \sum_l y_l / \pi_l^*`, a sum over listings: shares of groups add up to 1. With
:math:`f = T / Y` the odds of two parts are those of the seen values times :math:`f_1 / f_2`, whose logarithm has, to first
order, the variance

.. math:: \sum_{i} \frac{\hat c \sum_l y_l^2 (1 - \pi_l^*) / \pi_l^{*2}}{T_i^2}
   + \left(\frac{D_1}{T_1} - \frac{D_2}{T_2}\right)' \Sigma \left(\frac{D_1}{T_1} - \frac{D_2}{T_2}\right)

with D the gradient of T in the coefficients and :math:`\Sigma` their covariance: the coefficients are common to both parts,
the captures of different listings are independent. Vendors that are a random sample (expected) bring the first term
already. Source: the delta method on the variance of `darkmarket_estimates.coverage.closed`'s Huggins-Alho estimator.
"""

from __future__ import annotations

import math

import numpy as np

from darkmarket_estimates.assumptions import Huggins
from darkmarket_estimates.errors import NotSupportedError
from darkmarket_estimates.inference import Model

Part = tuple[Model, np.ndarray]


def check_comparable(model: Model, what: str) -> None:
    """Refuse unseen listings whose part in a share or a ratio is not defined."""
    if model.coverage is not None and not isinstance(model.coverage, Huggins):
        raise NotSupportedError(f"{what} of totals with unseen listings is not offered for a bound or a count times a mean",
                                got=repr(model.coverage),
                                fix="compare the listings seen: leave coverage= out; or coverage=Huggins(...)")
    if model.coverage is not None and any(f.is_range for f in model.factors):
        raise NotSupportedError(f"{what} under a detection model takes no Range", got=repr(model.coverage),
                                fix="compare the listings seen, or state one end of the Range")


def worth(model: Model) -> np.ndarray:
    """Value of each cell, unseen listings included where a detection model stands for them."""
    return model.totals.columns["ht_value"] if isinstance(model.coverage, Huggins) else model.y


def log_odds(first: Part, second: Part) -> tuple[float, float]:
    """Mean and variance of ln(f1 / f2); 0 without a detection model."""
    shift, own, slopes, fits = 0.0, 0.0, [], []
    for sign, (model, cells) in zip((1, -1), (first, second), strict=True):
        columns, fitted = model.totals.columns, model.totals.header.detection
        if not isinstance(model.coverage, Huggins) or fitted is None:
            continue
        m = model.multiplier(cells, model.configuration("middle"))
        total = float(columns["ht_value"][cells] @ m)
        shift += sign * math.log(total / float(model.y[cells] @ m))
        if model.estimand == "realised":
            own += fitted.c_hat * float(columns["ht_missing"][cells] @ m**2) / total**2
        slopes.append(sign * np.array([columns[f"ht_gradient_{j}"][cells] @ m for j in range(len(fitted.covariance))]) / total)
        fits.append(fitted)
    if len(fits) == 2 and fits[0] == fits[1]:  # one fit for both parts
        slopes, fits = [slopes[0] + slopes[1]], fits[:1]
    return shift, own + sum(float(slope @ np.asarray(fit.covariance) @ slope) for slope, fit in zip(slopes, fits, strict=True))
