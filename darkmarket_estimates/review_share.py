"""The review share from vendors whose reviews and sales are both known: a ratio estimate and its diagnostics."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, special

from darkmarket_estimates._checks import float_array, same_length
from darkmarket_estimates.errors import DataError, NotIdentifiedError


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewShareFit:
    """A review share fitted from counts.

    Attributes
    ----------
    share : float
        Turnover-weighted mean review share: reviews per sale, pooled (by value where values were given).
    standard_error : float
        Of `share`, vendors as clusters.
    spread : float
        Standard deviation of the share between vendors, by moments.
    n_vendors, n_without_sales : int
        Vendors given, and among them those without a sale (they carry no information on the share, and change nothing).
    likelihood_share, likelihood_shape : float, (float, float)
        Mean and shape (a, b) of the beta-binomial fitted by maximum likelihood: every vendor counts alike, so it is
        the mean of another population (vendors, not money). A diagnostic, not an estimate of turnover.
    slope, slope_statistic, slope_p_value : float
        Slope of the logit share on log sales in a beta-binomial regression, its likelihood ratio (1 df) and p-value.
    """

    share: float
    standard_error: float
    spread: float
    n_vendors: int
    n_without_sales: int
    likelihood_share: float
    likelihood_shape: tuple[float, float]
    slope: float
    slope_statistic: float
    slope_p_value: float

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user must know before the share is carried to another market."""
        found = []
        if self.slope_p_value < 0.05:
            direction = "rise" if self.slope > 0 else "fall"
            found.append(
                f"review shares {direction} with vendor size (slope {self.slope:+.3f} on log sales, likelihood ratio "
                f"{self.slope_statistic:.1f}, p = {self.slope_p_value:.2g}): a mean over vendors is the wrong mean, the "
                "pooled share is used"
            )
        if abs(self.likelihood_share - self.share) > self.standard_error > 0:
            found.append(
                f"the beta-binomial mean over vendors ({self.likelihood_share:.3f}) differs from the pooled share "
                f"({self.share:.3f}) by more than one standard error ({self.standard_error:.3f})"
            )
        return tuple(found)


def beta_shape(share: float, spread: float) -> tuple[float, float]:
    r"""Shape (a, b) of the Beta law with this mean and standard deviation.

    :math:`s = \rho (1 - \rho) / \sigma^2 - 1`, :math:`a = \rho s`, :math:`b = (1 - \rho) s`; both are infinite when
    the spread is 0.
    """
    if spread == 0:
        return math.inf, math.inf
    size = share * (1 - share) / spread**2 - 1
    return share * size, (1 - share) * size


def fit_review_share(reviews: Any, sales: Any, value: Any = None) -> ReviewShareFit:
    r"""Fit the review share from counts, a vendor each.

    .. math::
        \hat\rho = \frac{\sum w_v r_v}{\sum w_v s_v}, \quad
        se^2 = \frac{n}{n-1} \frac{\sum w_v^2 (r_v - \hat\rho s_v)^2}{(\sum w_v s_v)^2}, \quad
        \hat\sigma^2 = \max\left(0, \frac{\sum w_v^2 [(r_v - \hat\rho s_v)^2 - \hat\rho (1 - \hat\rho) s_v]}
        {\sum w_v^2 s_v (s_v - 1)}\right)

    with :math:`w_v` the mean price (1 without `value`), and n the vendors with :math:`w_v s_v > 0`: the others leave the
    sums, and with them the answer, as they are. Source: the ratio estimator of Cochran, *Sampling Techniques*
    (1977), chapter 6, with vendors as clusters; the spread from :math:`E (r - \rho s)^2 = s (s - 1) \sigma^2 + s \rho
    (1 - \rho)`.

    Parameters
    ----------
    reviews, sales : array_like of shape (n_vendors,)
        Counts; reviews cannot exceed sales.
    value : array_like of shape (n_vendors,), optional
        Money of the sales (price x sales) in any one currency: the share is then weighted by money.

    Returns
    -------
    ReviewShareFit

    Raises
    ------
    DataError
        Negative, fractional or non-finite counts; a vendor with more reviews than sales; unequal lengths.
    NotIdentifiedError
        Fewer than two vendors with a sale (of value, where that is given), or no review at all.
    """
    r, s = float_array(reviews, "reviews", low=0), float_array(sales, "sales", low=0)
    same_length(reviews=r, sales=s)
    for name, counts in (("reviews", r), ("sales", s)):
        fractional = counts != np.floor(counts)
        if fractional.any():
            at = int(np.argmax(fractional))
            raise DataError(f"{name} are not whole numbers", where=f"entry {at}", expected="counts",
                            got=repr(float(counts[at])))
    if (r > s).any():
        at = int(np.argmax(r > s))
        raise DataError(
            f"{int((r > s).sum()):,} vendor(s) have more reviews than sales", where=f"entry {at}",
            expected="reviews <= sales", got=f"{r[at]:g} reviews, {s[at]:g} sales",
            fix="check that both counters cover the same period; leave such vendors out, and say so",
        )
    weight = np.ones_like(s)
    if value is not None:
        money = float_array(value, "value", low=0)
        same_length(sales=s, value=money)
        if (money[s == 0] > 0).any():
            at = int(np.argmax((s == 0) & (money > 0)))
            raise DataError("a vendor without sales has money from sales", where=f"entry {at}", expected="0",
                            got=repr(float(money[at])))
        weight = np.divide(money, s, out=np.zeros_like(s), where=s > 0)
    sold = s > 0
    n = int((weight * s > 0).sum())
    if n < 2:
        raise NotIdentifiedError("a review share needs at least two vendors with sales" + ("" if value is None else " of value"),
                                 got=f"{n} such vendor(s)",
                                 fix="state the share: ReviewRate(mean=..., between_vendor_sd=...) or Range(low, high)")
    if (weight @ r) == 0:
        raise NotIdentifiedError("no vendor has a review: the review share would be 0 and turnover infinite",
                                 expected="at least one review", fix="check the column given as reviews")
    share = float((weight @ r) / (weight @ s))
    residual = weight * (r - share * s)
    standard_error = math.sqrt(n / (n - 1) * float(residual @ residual)) / float(weight @ s)
    pairs = float((weight**2) @ (s * (s - 1)))
    excess = float((residual @ residual) - share * (1 - share) * (weight**2 @ s))
    # sigma^2 cannot exceed rho (1 - rho), the variance of shares that are all 0 or 1.
    spread = math.sqrt(min(max(0.0, excess / pairs), share * (1 - share) * (1 - 1e-9))) if pairs > 0 else 0.0
    shape, slope, statistic = _beta_binomial(r[sold], s[sold])
    return ReviewShareFit(
        share=share, standard_error=standard_error, spread=spread, n_vendors=len(s), n_without_sales=int((~sold).sum()),
        likelihood_share=shape[0] / (shape[0] + shape[1]), likelihood_shape=shape, slope=slope,
        slope_statistic=statistic, slope_p_value=float(special.chdtrc(1, statistic)),
    )


def _beta_binomial(r: np.ndarray, s: np.ndarray) -> tuple[tuple[float, float], float, float]:
    """Maximum likelihood: shape (a, b) with one mean, then slope of the logit mean on log s and its likelihood ratio."""
    log_s = np.log(s)
    centred = log_s - log_s.mean()

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        mean = special.expit(theta[0] + (theta[2] * centred if len(theta) == 3 else 0.0))
        size = math.exp(theta[1])
        a, b = mean * size, (1 - mean) * size
        # betaln of the binomial coefficient is constant and left out
        value = np.sum(special.betaln(r + a, s - r + b) - special.betaln(a, b))
        both = special.digamma(s + size) - special.digamma(size)
        by_a = special.digamma(r + a) - special.digamma(a) - both
        by_b = special.digamma(s - r + b) - special.digamma(b) - both
        by_logit = size * mean * (1 - mean) * (by_a - by_b)
        gradient = [np.sum(by_logit), np.sum(a * by_a + b * by_b), np.sum(centred * by_logit)]
        return -float(value) / len(r), -np.array(gradient[: len(theta)]) / len(r)

    pooled = np.clip(r.sum() / s.sum(), 1e-6, 1 - 1e-6)
    start = np.array([special.logit(pooled), 2.0])
    precise = {"ftol": 1e-16, "gtol": 1e-10, "maxiter": 500}
    bounds = [(-25.0, 25.0), (-8.0, 16.0), (-5.0, 5.0)]
    flat = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds[:2], options=precise)
    mean, size = float(special.expit(flat.x[0])), math.exp(flat.x[1])
    if np.ptp(log_s) == 0:
        return (mean * size, (1 - mean) * size), 0.0, 0.0
    sloped = optimize.minimize(loss, np.append(flat.x, 0.0), jac=True, method="L-BFGS-B", bounds=bounds, options=precise)
    statistic = max(0.0, 2 * len(r) * (float(flat.fun) - float(sloped.fun)))
    return (mean * size, (1 - mean) * size), float(sloped.x[2]), statistic
