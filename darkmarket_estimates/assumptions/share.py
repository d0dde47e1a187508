"""The review share: its mean, how well it is known, and how vendors and markets differ."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, special, stats

from darkmarket_estimates._checks import is_number, number
from darkmarket_estimates.assumptions.specs import Distribution, Range, centre_of, check_spec
from darkmarket_estimates.errors import AssumptionError, ReviewShareWarning
from darkmarket_estimates.review_share import ReviewShareFit, beta_shape, fit_review_share


@dataclass(frozen=True, slots=True)
class LogitNormal:
    """A share whose logit is normal: for spreads that are stated on the logit scale.

    Parameters
    ----------
    centre : float
        Median of the share, in (0, 1).
    sd : float
        Standard deviation of the logit.
    """

    centre: float
    sd: float

    def __post_init__(self) -> None:
        number(self.centre, "LogitNormal.centre", low=0, high=1, open_low=True, open_high=True)
        number(self.sd, "LogitNormal.sd", low=0, open_low=True)

    @classmethod
    def with_mean(cls, mean: float, sd: float) -> LogitNormal:
        """The law whose mean, not median, is `mean`."""
        # the mean is pulled towards 1/2, so the centre lies beyond it
        def gap(logit: float) -> float:
            return cls(float(special.expit(logit)), sd).mean() - mean

        at = float(special.logit(mean))
        return cls(float(special.expit(optimize.brentq(gap, at - 2 * sd**2 - 1, at + 2 * sd**2 + 1, xtol=1e-13))), sd)

    def cdf(self, x: Any) -> Any:
        """Probability that the share is at most `x`."""
        clipped = np.clip(np.asarray(x, dtype=float), 0.0, 1.0)
        return special.ndtr((special.logit(clipped) - special.logit(self.centre)) / self.sd)

    def ppf(self, p: Any) -> Any:
        """Quantile at probability `p`."""
        return special.expit(special.logit(self.centre) + self.sd * special.ndtri(np.asarray(p, dtype=float)))

    def support(self) -> tuple[float, float]:
        """The open unit interval."""
        return 0.0, 1.0

    def _moment(self, power: int) -> float:
        x, w = np.polynomial.hermite_e.hermegauss(64)
        return float(w @ special.expit(special.logit(self.centre) + self.sd * x) ** power / w.sum())

    def isf(self, p: Any) -> Any:
        """Quantile at upper tail probability `p`."""
        return special.expit(special.logit(self.centre) - self.sd * special.ndtri(np.asarray(p, dtype=float)))

    def pdf(self, x: Any) -> Any:
        """Density of the share."""
        x = np.asarray(x, dtype=float)
        z = (special.logit(x) - special.logit(self.centre)) / self.sd
        return np.exp(-0.5 * z**2) / (math.sqrt(2 * math.pi) * self.sd * x * (1 - x))

    def mean(self) -> float:
        """Mean of the share (Gauss-Hermite quadrature with 64 nodes)."""
        return self._moment(1)

    def var(self) -> float:
        """Variance of the share (Gauss-Hermite quadrature with 64 nodes)."""
        return self._moment(2) - self._moment(1) ** 2

    def std(self) -> float:
        """Standard deviation of the share."""
        return math.sqrt(self.var())


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
        error = number(self.standard_error, "standard_error", low=0)
        if not is_number(self.mean) and (error > 0 or self.between_market_sd is not None):
            raise AssumptionError("standard_error and between_market_sd belong to a mean that is a number",
                                  got=f"mean={self.mean!r}", fix="give the uncertainty once")
        check_spec(self.mean, name, low=0.0, high=1.0, open_low=True)
        if self.between_market_sd is not None:
            number(self.between_market_sd, "between_market_sd", low=0, open_low=True)
            number(self.mean, name, low=0, high=1, open_low=True, open_high=True)
        elif error > 0:
            limit = math.sqrt(float(self.mean) * (1 - float(self.mean)))  # type: ignore[arg-type]
            if error >= limit:
                raise AssumptionError("the standard error is too large for a share", expected=f"below {limit:g}",
                                      got=f"{error:g}", fix="state a Range instead")
        if self.between_vendor_sd is not None:
            spread = number(self.between_vendor_sd, "between_vendor_sd", low=0)
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
        return 0.0 if math.isinf(self.size) else math.sqrt(share * (1 - share) / (self.size + 1))


def as_review_rate(spec: Any) -> ReviewRate:
    """Return any way of stating a review share as a `ReviewRate`."""
    return spec if isinstance(spec, ReviewRate) else ReviewRate(mean=spec)
