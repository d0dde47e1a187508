"""Monthly turnover as a local level and trend, vendors of several months joined."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from darkmarket_estimates._checks import is_number, number, text
from darkmarket_estimates.assumptions import ExchangeRate
from darkmarket_estimates.bayes.assumed import draw_assumptions
from darkmarket_estimates.bayes.draws_model import groups_of
from darkmarket_estimates.bayes.months import Months, by_month
from darkmarket_estimates.bayes.priors import HalfNormal, Known, Prior, as_prior
from darkmarket_estimates.bayes.protocol import Data, Draws, Outcome, Replicates
from darkmarket_estimates.bayes.trend_law import (
    counter_covariance,
    log_likelihood,
    slope_covariance,
    smoothed,
    vendor_covariance,
    walk_covariance,
)
from darkmarket_estimates.distribution.moments import effective_number
from darkmarket_estimates.errors import NotIdentifiedError, NotSupportedError
from darkmarket_estimates.factors import Factor, resolve
from darkmarket_estimates.totals import Totals

if TYPE_CHECKING:
    import pandas as pd
    import pymc as pm

PARAMETERS = ("level_sd", "slope_sd", "counter_error")
ARRAYS = ("y", "fixed", "walk", "slope", "counter")
#: Effective number of vendors below which their covariance, which is estimated, is too small: 90 % intervals of growth
#: cover 0.81 with some 20 to 35 of them, 0.90 with 120.
FEW_VENDORS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    r"""Local level and trend of log turnover a day, month by month.

    .. math::
        y_t = \ln(Y_t / d_t) + S_{tt} / 2 = \eta_t + e_t, \quad e \sim N(0, S + \kappa^2 C), \quad
        \eta_{t+1} = \eta_t + b_t + \xi_t, \quad b_{t+1} = b_t + \zeta_t

    with :math:`S_{st} = \sum_v y_{vs} y_{vt} / (Y_s Y_t)` (vendors are a sample; those of several months make the errors of
    their months alike) and C the pattern of differenced counters, whose errors are negatively autocorrelated. The
    states are integrated out exactly, three standard deviations are sampled, and the states drawn back.

    Parameters
    ----------
    review_rate : number, distribution or ReviewRate
        Reviews per sale, one for all months: it scales the level and cancels in growth, and is flagged. 1.0 gives
        reviewed turnover.
    genuine_share, units_per_order, market_coverage, exchange_rate
        As in `darkmarket_estimates.turnover`, without Ranges.
    month : str
        Group column of months, written "2016-01".
    level_sd, slope_sd : prior or number
        Standard deviations of :math:`\xi` (the market's own monthly shocks, on the log scale) and :math:`\zeta` (changes of
        the monthly growth rate). A number is a known value.
    counter_error : prior or number
        :math:`\kappa`: error of a counter at a month's end beside the median month's turnover. 0 for dated reviews.
    first_level_sd, first_slope_sd : float
        Prior standard deviations of the first month's level about the mean log turnover, and of its growth a month.

    Notes
    -----
    The estimand is the expected turnover of each month; what was sold in two windows is compared by ``Estimate.ratio``.
    """

    review_rate: Any = None
    genuine_share: Any = None
    units_per_order: Any = None
    market_coverage: Any = None
    exchange_rate: ExchangeRate | None = None
    month: str = "month"
    level_sd: Prior | float = HalfNormal(0.2)  # noqa: RUF009
    slope_sd: Prior | float = HalfNormal(0.05)  # noqa: RUF009
    counter_error: Prior | float = HalfNormal(0.05)  # noqa: RUF009
    first_level_sd: float = 2.0
    first_slope_sd: float = 0.25

    estimands: ClassVar[tuple[str, ...]] = ("expected",)

    def __post_init__(self) -> None:
        for name in PARAMETERS:
            given = getattr(self, name)
            known = is_number(given) and given == 0  # a source that is not there
            object.__setattr__(self, name, Known(0.0) if known else as_prior(given, name, positive=True))
        for name in ("first_level_sd", "first_slope_sd"):
            number(getattr(self, name), name, low=0, open_low=True)
        text(self.month, "month")

    # -- data -------------------------------------------------------------------------------------------------------

    def data(self, totals: Any) -> Data:
        """Marks by vendor and month, and the covariances that have no parameter.

        Raises
        ------
        DataError, NotIdentifiedError
            As `months.by_month`; no review share was stated.
        """
        months = by_month(totals, self.month)
        own = months.totals
        factors = self.factors(own)
        if own.header.counted == "reviews" and not any(f.rate for f in factors):
            raise NotIdentifiedError("reviews alone say nothing about unreviewed sales", got="review_rate=None",
                                     fix="Trend(review_rate=...); 1.0 gives reviewed turnover, whose growth is the same")
        draw_assumptions(factors, np.zeros(own.n_cells, dtype=np.int64), 1, 1)  # refuses Ranges before any work
        money = months.marks.sum(axis=0)
        vendors = vendor_covariance(months.marks)
        log = np.log(money / months.days) + np.diag(vendors) / 2
        arrays = {"y": log - log.mean(), "fixed": self._first(months.t) + vendors, "walk": walk_covariance(months.t),
                  "slope": slope_covariance(months.t), "counter": counter_covariance(months.t, money)}
        flags = ["one review share over all months"] if any(f.rate for f in factors) else []
        n = np.array([effective_number(column) for column in months.marks.T])
        if n.min() < FEW_VENDORS:
            flags.append(f"indicative: effectively {n.min():.1f} vendors in {months.labels[int(n.argmin())]}")
        if np.ptp(np.diff(months.t)) or months.t[1] - months.t[0] != 1:
            flags.append("months are missing: the trend goes on across them")
        return Data(arrays=arrays, coords={"month": months.labels}, totals=own, own=(months, vendors, float(log.mean()), factors),
                    flags=tuple(flags))

    def factors(self, totals: Totals) -> tuple[Factor, ...]:
        """The stated assumptions, laid over the table."""
        return resolve(totals, review_rate=self.review_rate, genuine_share=self.genuine_share,
                       units_per_order=self.units_per_order, market_coverage=self.market_coverage,
                       exchange_rate=self.exchange_rate, measure="money")

    def _first(self, t: np.ndarray) -> np.ndarray:
        return self.first_level_sd**2 + self.first_slope_sd**2 * np.outer(t, t)

    # -- model ------------------------------------------------------------------------------------------------------

    def model(self, data: Data) -> pm.Model:
        """The PyMC model of the three standard deviations."""
        import pymc as pm

        from darkmarket_estimates.bayes._density import log_density

        with pm.Model(coords=data.coords) as model:
            arrays = [pm.Data(name, data.arrays[name]) for name in ARRAYS]
            sds = [getattr(self, name).variable(name) for name in PARAMETERS]
            pm.Potential("log_likelihood", log_density(log_likelihood, sds, arrays))
        return model

    # -- afterwards -------------------------------------------------------------------------------------------------

    def levels(self, data: Data, draws: Draws, rng: np.random.Generator) -> np.ndarray:
        r"""Draws of :math:`\eta`: log expected turnover a day, before the review share, of shape (draws, months)."""
        months, vendors, centre, _ = data.own
        y = data.arrays["y"]
        out = np.empty((len(draws["level_sd"]), len(y)))
        for i, (level_sd, slope_sd, error) in enumerate(zip(*(draws[name] for name in PARAMETERS), strict=True)):
            state = self._first(months.t) + level_sd**2 * data.arrays["walk"] + slope_sd**2 * data.arrays["slope"]
            mean, covariance = smoothed(state, vendors + error**2 * data.arrays["counter"], y)
            values, vectors = np.linalg.eigh(covariance)
            out[i] = mean + vectors @ (np.sqrt(np.maximum(values, 0.0)) * rng.standard_normal(len(y)))
        return out + centre

    def after(self, data: Data, draws: Draws, rng: np.random.Generator, *, estimand: str) -> Outcome:
        """Expected turnover of each month, the days that the table covers, divided by the review share."""
        if estimand != "expected":
            raise NotSupportedError("a trend is one of expected turnover", got=repr(estimand), expected='estimand="expected"',
                                    fix="turnover() of each month, and est.ratio(other), for what was sold")
        months, _, _, factors = data.own
        cell_group, labels = groups_of(months.totals)
        assumed = draw_assumptions(factors, cell_group, len(labels), len(draws["level_sd"]))
        money = np.exp(self.levels(data, draws, rng)) * months.days
        return Outcome(totals=months.totals, draws=money * assumed.multiplier / assumed.share, estimand="expected",
                       factors=factors, shared=assumed.common,
                       currency=None if self.exchange_rate is None else self.exchange_rate.to)

    def replicate(self, data: Data, draws: Draws, rng: np.random.Generator) -> Replicates:
        """Steps between months, and how a step goes with the next, in data made with the draws and their states."""
        _, vendors, centre, _ = data.own
        eta = self.levels(data, draws, rng) - centre
        made = [_statistics(level + rng.multivariate_normal(np.zeros(len(level)), vendors + error**2 * data.arrays["counter"],
                                                            method="eigh"))
                for level, error in zip(eta, draws["counter_error"], strict=True)]
        return Replicates(observed=_statistics(data.arrays["y"]),
                          replicated={name: np.array([one[name] for one in made]) for name in made[0]})

    def simulate(self, rng: np.random.Generator, data: Data) -> tuple[dict[str, Any], Data]:
        """A draw of the prior, and log turnover made with it under the vendors' covariance of the data."""
        truth = {name: float(getattr(self, name).draw(rng)) for name in PARAMETERS}
        arrays = data.arrays
        covariance = arrays["fixed"] + sum(truth[name] ** 2 * arrays[part]
                                           for name, part in zip(PARAMETERS, ARRAYS[2:], strict=True))
        y = rng.multivariate_normal(np.zeros(len(arrays["y"])), covariance, method="eigh")
        return truth, replace(data, arrays={**arrays, "y": y}, totals=None)

    def prior_predictive(self, totals: Any, *, draws: int = 500, rng: Any = None) -> pd.DataFrame:
        """What the priors say before data: money a day, and growth; see `prior_tables.described`."""
        from darkmarket_estimates.bayes.prior_tables import of_trend

        return of_trend(self, totals, draws=draws, rng=rng)

    def log_likelihood(self, data: Data, draws: Draws) -> dict[str, np.ndarray]:
        """Log-likelihood of all months together, which are not independent: (draws, 1)."""
        return {"months": self.quantities(data, draws)["log_likelihood"][:, None]}

    def quantities(self, data: Data, draws: Draws) -> dict[str, np.ndarray]:
        """Mean growth a month from the first month to the last, given the draw, and the log-likelihood."""
        months: Months = data.own[0]
        arrays, growth, values = data.arrays, [], []
        for sds in zip(*(draws[name] for name in PARAMETERS), strict=True):
            values.append(log_likelihood(*sds, *(arrays[name] for name in ARRAYS))[0])
            state = self._first(months.t) + sds[0] ** 2 * arrays["walk"] + sds[1] ** 2 * arrays["slope"]
            mean, _ = smoothed(state, data.own[1] + sds[2] ** 2 * arrays["counter"], arrays["y"])
            growth.append((mean[-1] - mean[0]) / months.t[-1])
        return {"growth": np.array(growth), "log_likelihood": np.array(values)}


def _statistics(y: np.ndarray) -> dict[str, float]:
    step = np.diff(y)
    centred = step - step.mean()
    square = float(centred @ centred)
    found = {"growth, last month over first": float(np.exp(y[-1] - y[0])),
             "standard deviation of monthly steps": float(step.std())}
    if len(step) > 2 and square > 0:
        found["autocorrelation of monthly steps"] = float(centred[1:] @ centred[:-1]) / square
    return found
