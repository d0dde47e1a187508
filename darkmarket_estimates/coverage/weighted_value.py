"""Value seen and unseen by inverse probability (Horvitz-Thompson), with probabilities from `huggins`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from darkmarket_estimates._checks import choice, same_length
from darkmarket_estimates._checks import confidence_level as _level
from darkmarket_estimates.coverage.abundance import Abundance
from darkmarket_estimates.coverage.arguments import cluster_codes, measured
from darkmarket_estimates.coverage.conditional import HugginsFit, cluster_scores, realised_variance, weighted_sums
from darkmarket_estimates.coverage.intervals import lognormal_interval
from darkmarket_estimates.coverage.truncated_logit import moments
from darkmarket_estimates.errors import AssumptionError


def huggins_value(
    y: Any, fit: HugginsFit, *, vendor: Any = None, estimand: str = "realised", confidence_level: float | None = None
) -> Abundance:
    r"""Total value :math:`\hat V = \sum y_l / \pi^*_l` over the listings seen.

    Realised: :math:`\sum y^2 (1 - \pi^*) / \pi^{*2} + D' I^{-1} D`, :math:`D = -\sum y t \pi (1 - \pi)^t x / \pi^{*2}`;
    the two terms are uncorrelated because the score has mean 0 given capture. With vendors:
    :math:`\hat c \sum y^2 (1 - \pi^*) / \pi^{*2} + D' I^{-1} (\sum_v S_v S_v') I^{-1} D`. Expected:
    :math:`\sum_v (\sum_{l \in v} (y_l / \pi^*_l + D' I^{-1} s_l))^2`, s the scores.

    Parameters
    ----------
    y : array of shape (listings,)
        Value of each listing of the fit, in the same order, >= 0.
    fit : HugginsFit
        From `huggins`.
    vendor : array of shape (listings,), optional
        Clusters; those of the fit when it has any and none are given.
    estimand : {"realised", "expected"}
        Total of the listings that exist, or the expectation over markets like this one (vendors, or listings without
        any vendor, a Poisson sample).
    confidence_level : float, optional
        That of the fit when not given.

    Returns
    -------
    Abundance
        Value in the currency of `y`. Log-normal interval on what was not seen (realised) or on the total (expected).

    Examples
    --------
    >>> from darkmarket_estimates.coverage.conditional import huggins
    >>> fit = huggins(captures=[1, 1, 1, 2, 2, 3], occasions=3)
    >>> est = huggins_value([10, 20, 30, 40, 50, 60], fit)
    >>> round(est.value / fit.value, 6)
    35.0
    """
    if not isinstance(fit, HugginsFit):
        raise AssumptionError("fit is not a fitted detection model", expected="the result of huggins(...)",
                              got=type(fit).__name__)
    choice(estimand, "estimand", ("realised", "expected"))
    level = fit.confidence_level if confidence_level is None else _level(confidence_level)
    y = measured(y, "y", low=0)
    same_length(y=y, fit=fit.captures)
    codes, n = (fit.clusters, fit.n_clusters) if vendor is None else cluster_codes(vendor, "vendor", len(y))
    sums = weighted_sums(y, fit.covariates, fit.pi, fit.pi_star, fit.occasions)
    c_hat = 1.0
    if estimand == "realised":
        variance, c_hat, _ = realised_variance(
            y, sums, fit.covariates, fit.pi, fit.pi_star, fit.captures, fit.occasions, fit.covariance, codes, n)
    else:
        variance = _expected_variance(y, fit, fit.covariance @ sums.gradient, codes, n)
    floor = sums.seen if estimand == "realised" else 0.0
    return Abundance(
        value=sums.total, standard_error=math.sqrt(variance),
        interval=lognormal_interval(floor, sums.total - floor, variance, level), interval_kind="log-normal",
        confidence_level=level, method=f"huggins value ({estimand})", quantity="value", flags=fit.flags,
        assumptions=(*fit.assumptions, "one capture reveals all of a listing's value"),
        details={"seen": sums.seen, "unseen": sums.total - sums.seen, "c_hat": c_hat, "gradient": sums.gradient,
                 "missing_variance": sums.missing_variance,
                 "share_unseen": 1 - sums.seen / sums.total if sums.total > 0 else 0.0},
    )


def _expected_variance(
    y: np.ndarray, fit: HugginsFit, direction: np.ndarray, codes: np.ndarray | None, n: int
) -> float:
    """Sum over clusters of the squared influence y / pi* + D' I^-1 s."""
    residual = fit.captures - moments(fit.pi, fit.pi_star, fit.occasions)[0]
    if codes is None:
        influence = y / fit.pi_star + residual * (direction[0] + fit.covariates @ direction[1:])
    else:
        scores = cluster_scores(residual, fit.covariates, codes, n)
        influence = np.bincount(codes, weights=y / fit.pi_star, minlength=n) + scores @ direction
    return float(influence @ influence)
