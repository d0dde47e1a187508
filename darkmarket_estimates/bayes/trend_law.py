r"""A local level and trend of log turnover, its states integrated out: a Gaussian law whose covariance is a sum.

.. math::
    \eta_{t+1} = \eta_t + b_t + \xi_t, \quad b_{t+1} = b_t + \zeta_t, \qquad y_t = \eta_t + e_t

Seen from its first month :math:`\eta` has covariance :math:`s_0^2 11' + s_b^2 tt' + \sigma_\xi^2 A_1 + \sigma_\zeta^2 A_2`,
and the errors of y have :math:`S + \kappa^2 C`: S of the vendors that make the months (known), C of counters that are read
with an error at each month's end, so that what one month gains the next one loses. Source: Durbin and Koopman, *Time
Series Analysis by State Space Methods* (2012), sections 3.2 and 4.13.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import linalg


def walk_covariance(t: np.ndarray) -> np.ndarray:
    r"""Covariance :math:`A_1 = \min(s, t)` of a random walk with unit steps that starts at 0; t whole months."""
    return np.minimum(t[:, None], t).astype(np.float64)


def slope_covariance(t: np.ndarray) -> np.ndarray:
    r"""Covariance :math:`A_2 = \sum_{u=1}^{m-1} (s - u)(t - u)`, m = min(s, t), of a walk whose slope takes unit steps."""
    s, m = t[:, None] + 0 * t, np.minimum(t[:, None], t)
    k = np.maximum(m - 1, 0)
    return (s * t * k - (s + t) * k * (k + 1) / 2 + k * (k + 1) * (2 * k + 1) / 6).astype(np.float64)


def counter_covariance(t: np.ndarray, money: np.ndarray) -> np.ndarray:
    r"""Covariance of :math:`(\epsilon_{t+1} - \epsilon_t) / Y_t` for errors with the size of the median month's money.

    An error at the end of a month raises it and lowers the next: 2 on the diagonal, -1 beside it where months follow each
    other.
    """
    follows = np.abs(t[:, None] - t) == 1
    pattern = 2 * np.eye(len(t)) - follows
    scale = np.median(money) / money
    return pattern * np.outer(scale, scale)


def vendor_covariance(marks: np.ndarray) -> np.ndarray:
    r"""Covariance of log monthly turnover when vendors are a Poisson sample: :math:`\sum_v y_{vs} y_{vt} / (Y_s Y_t)`.

    A vendor of many months makes their errors alike, and so their ratio more certain than either.

    Parameters
    ----------
    marks : array of shape (vendors, months)
    """
    share = marks / marks.sum(axis=0)
    return share.T @ share


def log_likelihood(
    level_sd: float, slope_sd: float, counter_error: float, y: np.ndarray, fixed: np.ndarray, walk: np.ndarray,
    slope: np.ndarray, counter: np.ndarray,
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    r"""Gaussian log-likelihood with the states integrated out, and its gradient by the three standard deviations.

    :math:`V = fixed + \sigma_\xi^2 A_1 + \sigma_\zeta^2 A_2 + \kappa^2 C`;
    :math:`\partial / \partial \sigma = \sigma\, tr[(\alpha \alpha' - V^{-1}) A]`, :math:`\alpha = V^{-1} y`.

    Parameters
    ----------
    y : array of shape (months,)
        Log turnover less its prior mean.
    fixed : array of shape (months, months)
        Covariance of what has no parameter: first level, first slope, vendors.
    walk, slope, counter : arrays of shape (months, months)
    """
    sds, parts = (float(level_sd), float(slope_sd), float(counter_error)), (walk, slope, counter)
    covariance = fixed + sum(sd**2 * part for sd, part in zip(sds, parts, strict=True))
    factor = linalg.cho_factor(covariance, lower=True, check_finite=False)
    inverse = linalg.cho_solve(factor, np.eye(len(y)), check_finite=False)
    alpha = inverse @ y
    value = -0.5 * float(y @ alpha) - float(np.log(np.diag(factor[0])).sum()) - 0.5 * len(y) * math.log(2 * math.pi)
    middle = np.outer(alpha, alpha) - inverse
    by_level, by_slope, by_error = (np.asarray(sd * float((middle * part).sum())) for sd, part in zip(sds, parts, strict=True))
    return value, by_level, by_slope, by_error


def smoothed(state: np.ndarray, noise: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Mean and covariance of the states given y: :math:`K V^{-1} y` and :math:`K - K V^{-1} K`, V = state + noise."""
    factor = linalg.cho_factor(state + noise, lower=True, check_finite=False)
    gain = linalg.cho_solve(factor, state, check_finite=False).T
    covariance = state - gain @ state
    return gain @ y, (covariance + covariance.T) / 2
