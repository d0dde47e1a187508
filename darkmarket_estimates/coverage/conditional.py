"""Huggins' estimator: detection explained by covariates, unseen listings by inverse probability."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import chdtrc

from darkmarket_estimates._checks import confidence_level as _level
from darkmarket_estimates._checks import plain_array, same_length
from darkmarket_estimates.coverage.abundance import Abundance
from darkmarket_estimates.coverage.arguments import cluster_codes, cluster_sums, measured, scrapes, whole_array
from darkmarket_estimates.coverage.fit import unequal_scrapes_flag
from darkmarket_estimates.coverage.histories import captures_and_margins
from darkmarket_estimates.coverage.intervals import lognormal_interval
from darkmarket_estimates.coverage.truncated_logit import (
    Design,
    goodness_of_fit,
    maximise,
    moments,
    predictor,
    probabilities,
    sweep,
)
from darkmarket_estimates.errors import DataError

ASSUMPTIONS = (
    "closed: the same listings existed at every scrape",
    "the covariates explain catchability: no unobserved differences in the chance of capture",
    "the chance of capture is the same at every scrape, and scrapes are independent",
    "stable listing ids",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class HugginsFit(Abundance):
    """An `Abundance` with the fitted detection model, one entry a listing where an array is long.

    Attributes
    ----------
    coefficients, coefficient_standard_errors : array of shape (1 + covariates,)
        Intercept first, on the scale of the covariates as given.
    covariance : array of shape (1 + covariates, 1 + covariates)
        Of the coefficients; the inverse information.
    pi, pi_star : array of shape (listings,)
        Chance of capture in one scrape, and in at least one.
    captures, covariates : array
        What was fitted: k, and the covariates of shape (listings, covariates).
    clusters : array of shape (listings,) or None
        Codes 0, 1, ... of the clusters.
    occasions, n_clusters : int
    c_hat : float
        Dispersion of captures between clusters; 1 without clusters.
    log_likelihood : float
        Without the binomial coefficients.
    """

    coefficients: np.ndarray
    coefficient_standard_errors: np.ndarray
    covariance: np.ndarray
    pi: np.ndarray
    pi_star: np.ndarray
    captures: np.ndarray
    covariates: np.ndarray
    clusters: np.ndarray | None
    n_clusters: int
    occasions: int
    c_hat: float
    log_likelihood: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WeightedSums:
    """Inverse-probability sums of one column y over the captured listings; `gradient` is by the coefficients.

    Attributes
    ----------
    seen, total : float
        sum y and sum y / pi*.
    missing_variance : float
        sum y^2 (1 - pi*) / pi*^2: that of which listings were captured.
    gradient : array of shape (coefficients,)
        D = - sum y t pi (1 - pi)^t x / pi*^2.
    """

    seen: float
    total: float
    missing_variance: float
    gradient: np.ndarray


def huggins(
    histories: Any = None, covariates: Any = None, *, captures: Any = None, occasions: int | None = None,
    clusters: Any = None, confidence_level: float = 0.95,
) -> HugginsFit:
    r"""Huggins' estimate :math:`\hat N = \sum 1 / \pi^*_l` with logit :math:`\pi_l = x_l' \beta`.

    :math:`\beta` maximises the likelihood of the capture counts given capture (Huggins 1989; Alho 1990). With
    :math:`\pi^* = 1 - (1 - \pi)^t`, :math:`V = \sum (1 - \pi^*) / \pi^{*2} + D' I^{-1} D`,
    :math:`D = -\sum t \pi (1 - \pi)^t x / \pi^{*2}`.

    Parameters
    ----------
    histories : array, optional
        Capture histories (see `summary`); else `captures` with `occasions`.
    covariates : array of shape (listings, p) or (listings,), optional
        Without an intercept: one is added. None: the intercept alone.
    captures : array of shape (listings,), optional
        Number of scrapes in which each listing was seen, 1..t.
    occasions : int, optional
        Number of scrapes t.
    clusters : array of shape (listings,), optional
        Vendors, say: when their listings are seen together the variance becomes
        :math:`\hat c \sum (1 - \pi^*) / \pi^{*2} + D' I^{-1} (\sum_v S_v S_v') I^{-1} D` with S_v the clusters'
        scores and :math:`\hat c = \max(1, \sum_v (\sum_{l \in v} (k_l - t \pi_l / \pi^*_l) / \pi^*_l)^2 /
        \sum_l \mathrm{var}_l / \pi_l^{*2})`; the coefficients' standard errors are those of the sandwich.
    confidence_level : float

    Returns
    -------
    HugginsFit
        Log-normal interval on the unseen. ``details["goodness_of_fit"]`` tests the capture counts given the covariates;
        it needs three scrapes. A small p-value means unobserved heterogeneity: the value is then too low.

    Raises
    ------
    NotIdentifiedError
        No finite maximum (no recapture, or separation).
    DataError
        Covariates that are constant, collinear or not finite; captures beyond the number of scrapes.

    Examples
    --------
    >>> fit = huggins(captures=[1] * 25 + [2] * 22 + [3] * 13 + [4] * 5 + [5] + [6] * 2, occasions=6)
    >>> round(fit.value, 4), round(float(fit.pi_star[0]), 4)
    (75.4336, 0.9015)
    """
    level = _level(confidence_level)
    k, t, caught = _captures(histories, captures, occasions)
    unequal = unequal_scrapes_flag(caught, np.bincount(k, minlength=t + 1)[1:])
    x = _covariates(covariates, len(k))
    design = Design.of(x)
    gamma, steps = maximise(design, k, t)
    log_likelihood, _, information = sweep(gamma, design, k, t)
    inverse, back = np.linalg.inv(information), design.back
    covariance = back @ inverse @ back.T
    pi, star = np.empty(len(k)), np.empty(len(k))
    for rows, z in design.chunks():
        pi[rows], star[rows], _ = probabilities(predictor(gamma, z), t)
    codes, n_clusters = (None, 0) if clusters is None else cluster_codes(clusters, "clusters", len(k))
    sums = weighted_sums(1.0, x, pi, star, t)
    variance, c_hat, meat = realised_variance(1.0, sums, x, pi, star, k, t, covariance, codes, n_clusters)
    statistic, df, last, observed, expected = goodness_of_fit(gamma, inverse, design, k, t)
    p_value = float(chdtrc(df, statistic)) if df else math.nan
    fit = {"statistic": statistic if df else math.nan, "df": df, "p_value": p_value, "cells_up_to": last,
           "observed": observed, "expected": expected}
    seen, value = len(k), sums.total
    return HugginsFit(
        value=value, standard_error=math.sqrt(variance),
        interval=lognormal_interval(seen, value - seen, variance, level), interval_kind="log-normal",
        confidence_level=level, method="huggins", assumptions=ASSUMPTIONS,
        flags=(*unequal, *_flags(p_value, df, star, k)),
        details={"seen": seen, "occasions": t, "goodness_of_fit": fit, "c_hat": c_hat, "newton_steps": steps,
                 "smallest_pi_star": float(star.min())},
        coefficients=back @ gamma, coefficient_standard_errors=np.sqrt(np.diag(covariance if meat is None else meat)),
        covariance=covariance, pi=pi, pi_star=star, captures=k, covariates=x, clusters=codes, n_clusters=n_clusters,
        occasions=t, c_hat=c_hat, log_likelihood=log_likelihood,
    )


def weighted_sums(y: Any, x: np.ndarray, pi: np.ndarray, star: np.ndarray, t: int) -> WeightedSums:
    """Sum y (a scalar or one entry a listing) with weights 1 / pi*, and the parts of the variance."""
    weight = y / star
    missed = 1 - star
    slope = -weight * t * pi * missed / star
    gradient = np.concatenate([[slope.sum()], slope @ x])
    seen = float(np.sum(y)) if np.ndim(y) else float(y) * len(pi)
    return WeightedSums(
        seen=seen, total=float(weight.sum()), missing_variance=float(weight**2 @ missed), gradient=gradient
    )


def realised_variance(
    y: Any, sums: WeightedSums, x: np.ndarray, pi: np.ndarray, star: np.ndarray, k: np.ndarray, t: int,
    covariance: np.ndarray, codes: np.ndarray | None, n_clusters: int,
) -> tuple[float, float, np.ndarray | None]:
    """Return the variance of (estimate - truth), c_hat, and the clusters' covariance of the coefficients (or None)."""
    if codes is None:
        return sums.missing_variance + float(sums.gradient @ covariance @ sums.gradient), 1.0, None
    mean, spread = moments(pi, star, t)
    weight, residual = y / star, k - mean
    together = np.bincount(codes, weights=residual * weight, minlength=n_clusters)
    expected = float(spread @ weight**2)
    c_hat = max(1.0, float(together @ together) / expected) if expected > 0 else 1.0
    scores = cluster_scores(residual, x, codes, n_clusters)
    meat = covariance @ (scores.T @ scores) @ covariance
    return c_hat * sums.missing_variance + float(sums.gradient @ meat @ sums.gradient), c_hat, meat


def cluster_scores(residual: np.ndarray, x: np.ndarray, codes: np.ndarray, n_clusters: int) -> np.ndarray:
    """Scores S_v of the clusters, shape (clusters, coefficients)."""
    first = np.bincount(codes, weights=residual, minlength=n_clusters)[:, None]
    if x.shape[1] == 0:
        return first
    return np.concatenate([first, cluster_sums(codes, n_clusters, residual[:, None] * x)], axis=1)


def _captures(
    histories: Any, captures: Any, occasions: int | None
) -> tuple[np.ndarray, int, np.ndarray | None]:
    if (histories is None) == (captures is None):
        raise DataError("give either histories or captures", expected="one of the two",
                        got="neither" if histories is None else "both")
    if histories is not None:
        k, caught = captures_and_margins(histories, occasions)
        return k, len(caught), caught
    t = scrapes(occasions)
    return whole_array(captures, "captures", low=1, high=t), t, None


def _covariates(covariates: Any, length: int) -> np.ndarray:
    if covariates is None:
        return np.empty((length, 0))
    raw = plain_array(covariates, "covariates")
    x = measured(raw, "covariates", ndim=2 if raw.ndim != 1 else 1)
    same_length(captures=np.empty(length, dtype=bool), covariates=x)
    return x if x.ndim == 2 else x[:, None]


def _flags(p_value: float, df: int, star: np.ndarray, k: np.ndarray) -> tuple[str, ...]:
    flags = []
    if df == 0:
        flags.append("heterogeneity cannot be tested with these scrapes")
    elif p_value < 0.05:
        flags.append(f"capture counts do not fit the covariates (p = {p_value:.2g}): probably too low")
    if star.min() < 0.05:
        flags.append("some listings had less than 1 chance in 20 to be seen: a few weights carry the estimate")
    if (k > 1).sum() < 10:
        flags.append("fewer than 10 listings were seen twice: unstable")
    return tuple(flags)
