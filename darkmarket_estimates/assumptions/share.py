"""The review share: its mean, how well it is known, and how vendors and markets differ."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, special, stats

from darkmarket_estimates._checks import is_number, not_nan, number, probabilities, shown, text
from darkmarket_estimates.assumptions.specs import Distribution, Range, centre_of, check_spec
from darkmarket_estimates.errors import AssumptionError, ReviewShareWarning
from darkmarket_estimates.review_share import ReviewShareFit, beta_shape, fit_review_share

#: Standard deviations below it are 0; logits with one above WIDEST are beyond the quadrature of the moments.
SMALLEST, WIDEST = 1e-9, 5.0


@dataclass(frozen=True, slots=True)
class LogitNormal:
    """A share whose logit is normal: for spreads that are stated on the logit scale.

    Parameters
    ----------
    centre : float
        Median of the share, in (0, 1).
    sd : float
        Standard deviation of the logit, ln(share / (1 - share)), at most 5: a wider law knows nothing, and a `Range`
        says so.

    Examples
    --------
    >>> LogitNormal(0.44, 0.5).ppf([0.025, 0.5, 0.975]).round(3).tolist()
    [0.228, 0.44, 0.677]
    """

    centre: float
    sd: float

    def __post_init__(self) -> None:
        number(self.centre, "LogitNormal.centre", low=1e-100, high=1, open_high=True)
        number(self.sd, "LogitNormal.sd", low=SMALLEST, high=WIDEST, fix="of a share that may be anything, state a Range")

    @classmethod
    def with_mean(cls, mean: float, sd: float) -> LogitNormal:
        """The law whose mean, not median, is `mean`; `sd` is that of the logit.

        Examples
        --------
        >>> law = LogitNormal.with_mean(0.2, 1.0)
        >>> round(law.mean(), 6), round(law.centre, 3)
        (0.2, 0.161)
        """
        mean = cls(mean, sd).centre  # checks both
        # the mean is pulled towards 1/2, so the centre lies beyond it
        def gap(logit: float) -> float:
            return _moment(logit, sd, 1) - mean

        at = float(special.logit(mean))
        return cls(float(special.expit(optimize.brentq(gap, at - 2 * sd**2 - 1, at + 2 * sd**2 + 1, xtol=1e-13))), sd)

    def cdf(self, x: Any) -> Any:
        """Probability that the share is at most `x`."""
        clipped = np.clip(not_nan(x, "x"), 0.0, 1.0)
        return special.ndtr((special.logit(clipped) - special.logit(self.centre)) / self.sd)

    def ppf(self, p: Any) -> Any:
        """Quantile at probability `p`."""
        return special.expit(special.logit(self.centre) + self.sd * special.ndtri(probabilities(p)))

    def support(self) -> tuple[float, float]:
        """The open unit interval."""
        return 0.0, 1.0

    def _moment(self, power: int) -> float:
        return _moment(float(special.logit(self.centre)), self.sd, power)

    def isf(self, p: Any) -> Any:
        """Quantile at upper tail probability `p`."""
        return special.expit(special.logit(self.centre) - self.sd * special.ndtri(probabilities(p)))

    def pdf(self, x: Any) -> Any:
        """Density of the share; 0 at the ends of the unit interval and outside it."""
        x = not_nan(x, "x")
        inside = (x > 0) & (x < 1)
        share = np.where(inside, x, 0.5)
        z = (special.logit(share) - special.logit(self.centre)) / self.sd
        return np.where(inside, np.exp(-0.5 * z**2) / (math.sqrt(2 * math.pi) * self.sd * share * (1 - share)), 0.0)

    def mean(self) -> float:
        """Mean of the share (Gauss-Hermite quadrature with 64 nodes)."""
        return self._moment(1)

    def var(self) -> float:
        """Variance of the share (Gauss-Hermite quadrature with 64 nodes)."""
        return self._moment(2) - self._moment(1) ** 2

    def std(self) -> float:
        """Standard deviation of the share."""
        return math.sqrt(self.var())


def _moment(logit: float, sd: float, power: int) -> float:
    """E[expit(logit + sd Z) ** power] for a standard normal Z."""
    x, w = np.polynomial.hermite_e.hermegauss(64)
    return float(w @ special.expit(logit + sd * x) ** power / w.sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRate:
    """Reviews per sale: the turnover-weighted mean share, how well it is known, and how vendors differ.

    Parameters
    ----------
    mean : float, Range or frozen distribution
        The mean review share, in (0, 1]. A distribution is that of the MEAN: a spread between vendors passed here makes
        intervals several times too wide.
    standard_error : float
        Of the mean, where it is a number: the mean then has a Beta law with this mean and standard deviation.
    between_vendor_sd : float or None
        Standard deviation of the share between vendors. None claims nothing and is flagged; 0 claims that all vendors
        are alike.
    between_market_sd : float or None
        Standard deviation between markets, on the logit scale: for a share measured elsewhere. The mean then has a
        logit-normal law with this mean that includes `standard_error`.
    source : str or None
        Where the figure comes from; printed with the result.

    Examples
    --------
    >>> rate = ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.11)
    >>> rate.central
    0.44
    """

    mean: float | Range | Distribution
    standard_error: float = 0.0
    between_vendor_sd: float | None = None
    between_market_sd: float | None = None
    source: str | None = None
    fit: ReviewShareFit | None = None

    def __post_init__(self) -> None:
        name = "the review share"
        error = _spread(self.standard_error, "standard_error")
        text(self.source, "source", optional=True)
        if not isinstance(self.fit, ReviewShareFit | None):
            raise AssumptionError("fit is what from_counts found", got=type(self.fit).__name__, fix="leave it out")
        if not is_number(self.mean) and (error > 0 or self.between_market_sd is not None):
            raise AssumptionError("standard_error and between_market_sd belong to a mean that is a number",
                                  got=f"mean={shown(self.mean)}", fix="give the uncertainty once")
        check_spec(self.mean, name, low=0.0, high=1.0, open_low=True)
        if self.between_market_sd is not None:
            number(self.between_market_sd, "between_market_sd", low=SMALLEST, high=WIDEST,
                   fix="it is on the logit scale; of a share that may be anything, state a Range")
            number(self.mean, name, low=0, high=1, open_low=True, open_high=True)
        if error > 0:
            limit = math.sqrt(float(self.mean) * (1 - float(self.mean)))  # type: ignore[arg-type]
            if error >= limit:
                raise AssumptionError("the standard error is too large for a share", expected=f"below {limit:g}",
                                      got=f"{error:g}", fix="state a Range instead")
        if self.between_vendor_sd is not None:
            spread = _spread(self.between_vendor_sd, "between_vendor_sd")
            limit = math.sqrt(self.central * (1 - self.central))
            if spread > 0 and spread >= limit:
                raise AssumptionError(
                    "the spread between vendors is too large for a share", got=f"{spread:g}",
                    expected=f"below {limit:g}, the spread of shares that are all 0 or 1 with mean {self.central:g}",
                )

    @classmethod
    def from_counts(cls, reviews: Any, sales: Any, value: Any = None, *, source: str | None = None) -> ReviewRate:
        """Fit the share from vendors whose reviews and sales are both known.

        See `review_share.fit_review_share` for the formulas; its diagnostics are kept in `fit`. Carried to another
        market, the standard error is too small: add ``between_market_sd`` with `dataclasses.replace`, or state a Range.

        Parameters
        ----------
        reviews, sales, value : array_like of shape (n_vendors,)
            Counts of a vendor each, and the money of the sales where known.
        source : str, optional
            Where the counts come from.

        Warns
        -----
        ReviewShareWarning
            Shares rise or fall with size, or the mean over vendors is another number.

        Examples
        --------
        >>> rate = ReviewRate.from_counts(reviews=[4, 11, 30, 2], sales=[10, 20, 70, 5])
        >>> round(rate.mean, 4), round(rate.standard_error, 4)
        (0.4476, 0.0275)
        """
        text(source, "source", optional=True)
        fit = fit_review_share(reviews, sales, value)
        for message in fit.warnings:
            warnings.warn(message, ReviewShareWarning, stacklevel=2)
        return cls(mean=fit.share, standard_error=fit.standard_error, between_vendor_sd=fit.spread, fit=fit,
                   source=source or f"fitted from {fit.n_vendors:,} vendors")

    @property
    def mean_spec(self) -> float | Range | Distribution:
        """The mean as a known number, a Range or a distribution, its uncertainty included."""
        if self.between_market_sd is not None:
            m = float(self.mean)  # type: ignore[arg-type]
            return LogitNormal.with_mean(m, math.hypot(self.between_market_sd, self.standard_error / (m * (1 - m))))
        if self.standard_error > 0:
            m = float(self.mean)  # type: ignore[arg-type]
            return stats.beta(*beta_shape(m, self.standard_error))
        return self.mean

    @property
    def is_prior(self) -> bool:
        """Whether the uncertainty of the mean is stated by the analyst rather than estimated from counts."""
        return self.between_market_sd is not None or not is_number(self.mean)

    @property
    def central(self) -> float:
        """The mean share that a point estimate divides by (of a Range: its middle, for second moments only)."""
        return centre_of(self.mean)

    @property
    def size(self) -> float:
        """Beta size s = rho (1 - rho) / sd^2 - 1 at the central share; infinite without spread."""
        spread = self.between_vendor_sd or 0.0
        return math.inf if spread == 0 else self.central * (1 - self.central) / spread**2 - 1

    def spread_at(self, share: float) -> float:
        """Spread between vendors at another mean share, the Beta size kept."""
        mean = number(share, "share", low=0, high=1)
        return 0.0 if math.isinf(self.size) else math.sqrt(mean * (1 - mean) / (self.size + 1))


def _spread(x: Any, name: str) -> float:
    """A standard deviation: 0, or one whose square is more than nothing."""
    deviation = number(x, name, low=0)
    if 0 < deviation < SMALLEST:
        raise AssumptionError(f"{name} is too small to compute with", expected=f"0, or at least {SMALLEST:g}",
                              got=repr(x), fix="write 0")
    return deviation


def as_review_rate(spec: Any) -> ReviewRate:
    """Return any way of stating a review share as a `ReviewRate`."""
    return spec if isinstance(spec, ReviewRate) else ReviewRate(mean=spec)
