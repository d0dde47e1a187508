"""What an analyst assumes beyond the table: frozen specifications, checked when they are written down.

A number is known, a `Range` is a scenario, a frozen `scipy.stats` distribution is the uncertainty about ONE common value.
Differences between vendors are `ReviewRate.between_vendor_sd`, never a distribution of the common value.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from scipy import special, stats

from darkmarket_estimates._checks import choice, is_number, number
from darkmarket_estimates.errors import AssumptionError, ReviewShareWarning
from darkmarket_estimates.review_share import ReviewShareFit, beta_shape, fit_review_share


@runtime_checkable
class Distribution(Protocol):
    """What is asked of a distribution of a common value; frozen `scipy.stats` distributions have it."""

    def cdf(self, x: Any) -> Any: ...  # noqa: D102
    def ppf(self, p: Any) -> Any: ...  # noqa: D102
    def isf(self, p: Any) -> Any: ...  # noqa: D102
    def pdf(self, x: Any) -> Any: ...  # noqa: D102
    def mean(self) -> Any: ...  # noqa: D102
    def var(self) -> Any: ...  # noqa: D102
    def std(self) -> Any: ...  # noqa: D102
    def support(self) -> Any: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Range:
    """A scenario: the value lies between `low` and `high`, and nothing more is claimed.

    A `Range` gives bounds, never an interval.

    Examples
    --------
    >>> Range(0.57, 1.0)
    Range(low=0.57, high=1.0)
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        low, high = number(self.low, "Range.low"), number(self.high, "Range.high")
        if low > high:
            raise AssumptionError("the ends of a Range are swapped", expected="low <= high", got=f"{low:g}, {high:g}",
                                  fix=f"Range({high:g}, {low:g})")

    @property
    def middle(self) -> float:
        """The middle of the range: a place to stand for second moments, not an estimate."""
        return 0.5 * (self.low + self.high)


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
        logit-normal law around `mean` that includes `standard_error`.
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
            return LogitNormal(m, math.hypot(self.between_market_sd, self.standard_error / (m * (1 - m))))
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
        return centre_of(self.mean_spec if is_number(self.mean) else self.mean)

    @property
    def size(self) -> float:
        """Beta size s = rho (1 - rho) / sd^2 - 1 at the central share; infinite without spread."""
        spread = self.between_vendor_sd or 0.0
        return math.inf if spread == 0 else self.central * (1 - self.central) / spread**2 - 1

    def spread_at(self, share: float) -> float:
        """Spread between vendors at another mean share, the Beta size kept."""
        return 0.0 if math.isinf(self.size) else math.sqrt(share * (1 - share) / (self.size + 1))


@dataclass(frozen=True, slots=True)
class ExchangeRate:
    """Units of the target currency per unit of the present one.

    Parameters
    ----------
    rate : float, Range or frozen distribution
        Known in `Listings.to_currency`; uncertain ones go into `turnover`.
    to : str, optional
        Target currency; needed in `turnover`.
    source, date : str, optional
        Printed with the result.
    """

    rate: float | Range | Distribution
    to: str | None = None
    source: str | None = None
    date: str | None = None

    def __post_init__(self) -> None:
        check_spec(self.rate, "the exchange rate", low=0.0, open_low=True)


class ByGroup:
    """An assumption that differs between the groups of a column.

    Parameters
    ----------
    column : str
        A column of the totals (`by=`).
    values : mapping of label to assumption
        One for every label that occurs.

    Examples
    --------
    >>> ByGroup("market", {"Hansa": 0.5, "AlphaBay": Range(0.5, 1)})
    ByGroup('market', {'Hansa': 0.5, 'AlphaBay': Range(low=0.5, high=1)})
    """

    __slots__ = ("column", "values")

    def __init__(self, column: str, values: Mapping[Any, Any]) -> None:
        if not isinstance(column, str):
            raise AssumptionError("ByGroup needs a column name", got=repr(column))
        if not isinstance(values, Mapping) or not values:
            raise AssumptionError("ByGroup needs a value a label", expected="a non-empty mapping", got=repr(values),
                                  fix='ByGroup("market", {"Hansa": 0.5, "AlphaBay": Range(0.5, 1)})')
        object.__setattr__(self, "column", column)
        object.__setattr__(self, "values", {str(label): value for label, value in values.items()})

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("ByGroup is frozen")

    def __repr__(self) -> str:
        return f"ByGroup({self.column!r}, {self.values!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByGroup) and (self.column, self.values) == (other.column, other.values)

    def __hash__(self) -> int:
        return hash((self.column, tuple(self.values)))

    column: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingPrice:
    """Which prices are not prices: sellers out of stock raise a price out of reach instead of delisting.

    A part that is not given does not act. The cap comes first; medians are taken over the rows of a listing that
    pass the cap. A price of 0 is legal.

    Parameters
    ----------
    cap : float, optional
        Prices above it are refused; in the listings' present currency.
    upper_multiple, lower_multiple : float, optional
        Prices above (below) this multiple of the listing's own median price are refused; need ``listing=``.
    min_observations : int
        Rows of a listing below which the multiples do not act.
    action : {"drop", "median"}
        Drop the row with its reviews, or value its reviews at the listing's median of accepted prices (a listing
        without one is dropped).
    """

    cap: float | None = None
    upper_multiple: float | None = None
    lower_multiple: float | None = None
    min_observations: int = 2
    action: str = "drop"

    def __post_init__(self) -> None:
        if self.cap is None and self.upper_multiple is None and self.lower_multiple is None:
            raise AssumptionError("a HoldingPrice rule without a part does nothing",
                                  fix="HoldingPrice(cap=10_000), or upper_multiple=, lower_multiple=")
        if self.cap is not None:
            number(self.cap, "cap", low=0, open_low=True)
        if self.upper_multiple is not None:
            number(self.upper_multiple, "upper_multiple", low=1)
        if self.lower_multiple is not None:
            number(self.lower_multiple, "lower_multiple", low=0, high=1)
        if not is_number(self.min_observations) or self.min_observations < 1:
            raise AssumptionError("min_observations is out of range", expected="a whole number >= 1",
                                  got=repr(self.min_observations))
        choice(self.action, "action", ("drop", "median"))

    @property
    def uses_median(self) -> bool:
        """Whether the rule asks for the listing's own median."""
        return self.upper_multiple is not None or self.lower_multiple is not None or self.action == "median"

    def __str__(self) -> str:
        parts = [] if self.cap is None else [f"price > {self.cap:,.10g}"]
        parts += [] if self.upper_multiple is None else [f"price > {self.upper_multiple:g} x the listing's median"]
        parts += [] if self.lower_multiple is None else [f"price < {self.lower_multiple:g} x the listing's median"]
        return f"holding price ({self.action}): " + " or ".join(parts)


def is_distribution(x: Any) -> bool:
    """Whether `x` can stand for the uncertainty about a common value."""
    return isinstance(x, Distribution) and not isinstance(x, type)


def centre_of(spec: float | Range | Distribution) -> float:
    """The value that a point estimate uses: the number, the mean, or the middle of a Range (second moments only)."""
    if isinstance(spec, Range):
        return spec.middle
    return float(spec) if is_number(spec) else float(spec.mean())  # type: ignore[union-attr,arg-type]


def check_spec(
    spec: Any, name: str, *, low: float, high: float = math.inf, open_low: bool = False, open_high: bool = False
) -> None:
    """Raise `AssumptionError` unless `spec` is a number, Range or distribution inside the interval."""
    limits: dict[str, Any] = {"low": low, "high": high, "open_low": open_low, "open_high": open_high}
    if isinstance(spec, Range):
        number(spec.low, f"{name} (Range.low)", **limits)
        number(spec.high, f"{name} (Range.high)", **limits)
    elif is_number(spec):
        number(spec, name, **limits)
    elif is_distribution(spec):
        inside = f"a distribution on {'(' if open_low else '['}{low:g}, {high:g}{')' if open_high else ']'}"
        try:
            moments = (float(spec.mean()), float(spec.var()))
        except TypeError as error:
            raise AssumptionError(f"{name}: the distribution has no parameters", expected="a frozen distribution",
                                  got=repr(spec), fix="write scipy.stats.beta(44, 56), not scipy.stats.beta") from error
        if not all(map(math.isfinite, moments)) or moments[1] <= 0:
            raise AssumptionError(f"{name}: the distribution has no usable mean and variance",
                                  expected="a finite mean and a variance > 0",
                                  got=f"mean {moments[0]:g}, variance {moments[1]:g}",
                                  fix="write a known value as a number")
        outside = float(spec.cdf(low)) + (1.0 - float(spec.cdf(high)) if math.isfinite(high) else 0.0)
        if not outside <= 1e-9:  # also catches NaN
            raise AssumptionError(f"{name}: the distribution reaches outside its range", expected=inside,
                                  got=f"probability {outside:.3g} outside",
                                  fix="use a distribution with that support, such as beta, truncnorm or lognorm")
    else:
        raise AssumptionError(f"{name} cannot be read", got=repr(spec),
                              expected="a number (known), a Range (scenario) or a frozen scipy.stats distribution")


def as_review_rate(spec: Any) -> ReviewRate:
    """Return any way of stating a review share as a `ReviewRate`."""
    return spec if isinstance(spec, ReviewRate) else ReviewRate(mean=spec)
