"""Variances of a total in closed form: the delta method's half of the work, and the parts of the budget.

Per vendor ``v``: ``y`` is the reviewed value (sum of price x reviews) and ``q`` the sum of price^2 x reviews. Review
shares differ between vendors with mean ``share`` and variance ``spread**2``.
"""

from __future__ import annotations

import math

import numpy as np

from darkmarket_estimates.review_share import beta_shape


def sum_product(x: np.ndarray, y: np.ndarray) -> float:
    """Sum of x y over the vendors, added in pairs by this thread alone.

    The threads of a dot product cost more than they save here, most of all where other work has the processors, and its
    rounding depends on their number.
    """
    return float((x * y).sum())


def realised_variance(y: np.ndarray, q: np.ndarray, share: float, spread: float) -> float:
    r"""Mean squared error of ``sum(y) / share`` about the realised total.

    .. math:: \hat V = \frac{\sigma^2 \sum y_v^2 + \rho (\rho - m_2) \sum q_v}{\rho^2 m_2}, \quad m_2 = \rho^2 + \sigma^2

    Unbiased under any law of vendor sizes and any law of shares with these two moments. Derivation: given the sales
    :math:`S_v`, :math:`E y_v^2 = m_2 S_v^2 + E[\rho_v (1 - \rho_v)] \sum p^2 N` and :math:`E q_v = \rho \sum p^2 N`,
    while the squared error is :math:`\sum S_v^2 \sigma^2 / \rho^2 + E[\rho_v (1 - \rho_v)] \sum p^2 N / \rho^2`;
    eliminate :math:`S_v^2` and :math:`\sum p^2 N`. With Beta shares this is
    :math:`b (a + b) / (a^2 (a + 1)) \sum (y_v^2 + a q_v)`.

    Parameters
    ----------
    y, q : array of shape (n_vendors,)
        Reviewed value and sum of price^2 x reviews; ``y`` may be signed (a linear form of groups).
    share, spread : float
        Mean review share in (0, 1] and its standard deviation between vendors.

    Returns
    -------
    float
        In the square of the currency of ``y``.
    """
    second = share**2 + spread**2
    return float((spread**2 * sum_product(y, y) + share * (share - second) * q.sum()) / (share**2 * second))


def realised_parts(
    y: np.ndarray, q: np.ndarray, share: float, spread: float, spread_law: str = "default"
) -> tuple[float, float]:
    r"""Variances of the predictive law, split into (spread between vendors, unreviewed sales).

    :math:`\frac{b (a + b)}{a^3} \sum y^2` and :math:`\frac{b (a + b)(a + 1)}{a^3} \sum q`: the moments of the Beta
    multiplier :math:`\rho^* \sim Beta(a + 2, b (a + 1) / a)` and of negative binomial unreviewed sales given it.
    ``spread_law="conservative"``, :math:`Beta(a + 1, b)` with a > 1, has :math:`\frac{b (a + b)}{a^2 (a - 1)} \sum y^2` and
    :math:`\frac{b (a + b)}{a (a - 1)} \sum q`. Without spread the first is 0 and the second :math:`(1 - \rho) / \rho^2 \sum q`.
    """
    if spread == 0:
        return 0.0, float((1 - share) / share**2 * q.sum())
    a, b = beta_shape(share, spread)
    if spread_law == "conservative":
        between = b * (a + b) / (a**2 * (a - 1))
        return between * sum_product(y, y), float(between * a * q.sum())
    between = b * (a + b) / a**3
    return between * sum_product(y, y), float(between * (a + 1) * q.sum())


def expected_variance(x: np.ndarray) -> float:
    """Variance ``sum(x**2)`` of a total of vendor marks when their number is Poisson."""
    return sum_product(x, x)


def fixed_number_factor(x: np.ndarray, n_vendors: int) -> float:
    r"""Factor on the standard error when the number of vendors is fixed: :math:`\sqrt{n/(n-1) (1 - X^2/(n \sum x^2))}`.

    ``n_vendors`` counts the vendors without a sale too.
    """
    total, square = float(x.sum()), sum_product(x, x)
    if n_vendors < 2 or square == 0:
        return math.nan
    return math.sqrt(max(0.0, n_vendors / (n_vendors - 1) * (1 - total**2 / (n_vendors * square))))


def effective_number(x: np.ndarray) -> float:
    """Effective number of vendors ``sum(x)**2 / sum(x**2)``; 0 for a total of 0."""
    peak = float(np.abs(x).max(initial=0.0))
    if peak == 0:
        return 0.0
    scaled = x / peak  # squares of huge values would overflow
    return float(scaled.sum() ** 2 / sum_product(scaled, scaled))
