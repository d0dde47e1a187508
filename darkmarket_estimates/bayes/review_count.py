r"""`ReviewCount`: a hierarchical model of review counts and values, fitted on compressed cells.

.. math::
   \eta_v &\sim \text{size law}, \quad r_v \sim Poisson(\eta_v E_v) \text{ (given } r_v \ge 1 \text{ where truncated)} \\
   (r_{vg})_g &\sim DirichletMultinomial(r_v, \phi\, w(x_v)), \quad w_g(x) \propto \exp(a_g + b_g x), \quad x_v = \ln r_v - c \\
   \ln m_{vg} &= d_g + d_1 x_v + d_2 (x_v - c_2)_+ + d_3 / r_v + e, \quad e \sim \text{value law with } E[e^e] = 1

The vendor's rate :math:`\eta_v = \lambda_v \rho_v` is integrated out once a vendor, whatever the number of its groups. The
mean of a value is :math:`e^d`, d all that stands before e, so that :math:`E[y_{vg} | r_v] = r_v w_g(x_v) e^d`; see `value_law`.
The review share is in none of this: reviews do not identify it, and it is drawn from what is stated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from darkmarket_estimates._checks import choice, float_array, kind, shown
from darkmarket_estimates.assumptions import ExchangeRate
from darkmarket_estimates.bayes import cells, count_law
from darkmarket_estimates.bayes.assumed import draw_assumptions
from darkmarket_estimates.bayes.count_priors import CountPriors
from darkmarket_estimates.bayes.cut import realised_draws
from darkmarket_estimates.bayes.draws_model import groups_of
from darkmarket_estimates.bayes.law_coordinates import units
from darkmarket_estimates.bayes.predictive import PredictiveCheck, count_statistics
from darkmarket_estimates.bayes.protocol import Data, Draws, Outcome, Replicates
from darkmarket_estimates.bayes.size_law import SIZE_LAWS, SizeLaw
from darkmarket_estimates.bayes.value_law import MEAN, SPREAD, VALUE_LAWS, ValueLaw
from darkmarket_estimates.errors import AssumptionError, DataError, NotIdentifiedError
from darkmarket_estimates.factors import Factor, resolve
from darkmarket_estimates.totals import VENDOR, Totals

if TYPE_CHECKING:
    import pandas as pd
    import pymc as pm

#: Replicates of the predictive check of an expected total, and vendors in all of them together.
REPLICATES, MOST_REPLICATED = 200, 10_000_000


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CountData:
    """What `ReviewCount` keeps beside the arrays.

    Attributes
    ----------
    vendors : Vendors
    law : FlexibleSizes or GammaSizes
    priors : CountPriors
        Every default filled in.
    centre : float
        Log count that sizes are counted from.
    bend : float
        Size above which are the vendors that have half of all reviews.
    truncated : bool
        Whether vendors without reviews are missing from the table.
    labels : list of tuple of str
        Groups.
    cell_group : array of shape (n_cells,)
    """

    vendors: cells.Vendors
    law: SizeLaw
    priors: CountPriors
    centre: float
    bend: float
    truncated: bool
    labels: list[tuple[str, ...]]
    cell_group: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewCount:
    """Review counts and values of vendors, groups partially pooled.

    Parameters
    ----------
    review_rate : number, distribution, ReviewRate or ByGroup
        Reviews per sale, drawn after sampling: reviews say nothing about it. Not where counts are sales. 1.0 gives
        reviewed turnover.
    genuine_share, units_per_order, market_coverage, exchange_rate
        As in `darkmarket_estimates.turnover`, without Ranges.
    size_law : {"flexible", "gamma"}
        Law of vendors' rates: a mixture on a grid that holds log-normal, Pareto and Gamma sizes; or one Gamma law.
    value_tails : {"lower", "normal", "heavy"}
        Law of log values: normal above with an exponential tail below, as real prices have; normal; or normal with one
        vendor in ten or so of twice the standard deviation.
    zeros : {"auto", "truncated", "counted"}
        Whether vendors without reviews are missing from the table. "auto": they are missing if there is none.
    exposure : mapping of vendor to number, optional
        How long each vendor was seen, in any unit; 1 for vendors that it leaves out. Rates are per unit of it, and the
        expected total is that of the exposures of the table.
    priors : CountPriors
        Those that are None have a default on the scale of the data; `resolve` shows them, `prior_predictive` what they
        mean in money.

    Raises
    ------
    AssumptionError
        An option that does not exist.

    Examples
    --------
    >>> import darkmarket_estimates as dme
    >>> spec = ReviewCount(review_rate=dme.ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.13))
    >>> totals = dme.Totals.from_cells(vendor=["a", "b", "c"], value=[90.0, 400.0, 30.0], reviews=[9, 20, 1], currency="USD")
    >>> spec.resolve(totals).value_level
    Normal(mean=2.9, sd=1.5)
    """

    review_rate: Any = None
    genuine_share: Any = None
    units_per_order: Any = None
    market_coverage: Any = None
    exchange_rate: ExchangeRate | None = None
    size_law: str = "flexible"
    value_tails: str = "lower"
    zeros: str = "auto"
    exposure: Mapping[str, float] | None = None
    priors: CountPriors = field(default_factory=CountPriors)

    def __post_init__(self) -> None:
        choice(self.size_law, "size_law", tuple(SIZE_LAWS))
        choice(self.value_tails, "value_tails", tuple(VALUE_LAWS))
        choice(self.zeros, "zeros", ("auto", "truncated", "counted"))
        if not isinstance(self.priors, CountPriors):
            raise AssumptionError("priors= are no priors of this model", expected="CountPriors(...)", got=kind(self.priors))
        if self.exposure is not None and not isinstance(self.exposure, Mapping):
            raise AssumptionError("exposure= names no vendors", expected="{vendor: days}", got=kind(self.exposure))

    @property
    def estimands(self) -> tuple[str, ...]:
        """Both: realised by the cut, expected through the size law."""
        return "realised", "expected"

    @property
    def values(self) -> ValueLaw:
        """The law of values."""
        return VALUE_LAWS[self.value_tails]

    # -- data -------------------------------------------------------------------------------------------------------

    def data(self, totals: Totals) -> Data:
        """Validate and compress.

        Raises
        ------
        DataError
            No `Totals`; reviews that are no whole numbers; no reviews at all; impossible exposures.
        NotIdentifiedError
            No review share was stated.
        """
        if not isinstance(totals, Totals):
            raise DataError("the model takes totals", got=type(totals).__name__, fix="listings.totals(by=...)")
        factors = self.factors(totals)
        if totals.header.counted == "reviews" and not any(f.rate for f in factors):
            raise NotIdentifiedError("reviews alone say nothing about unreviewed sales", got="review_rate=None",
                                     fix="ReviewCount(review_rate=...); 1.0 gives reviewed turnover")
        draw_assumptions(factors, np.zeros(totals.n_cells, dtype=np.int64), 1, 1)  # refuses Ranges before any work
        cell_group, labels = groups_of(totals)
        vendors = cells.vendors_of(totals, cell_group, len(labels), self._exposure(totals))
        if not vendors.reviews.any():
            raise DataError("there is not one review", expected="at least one vendor with reviews", got="0 reviews",
                            fix="nothing can be learnt from this table: choose a longer window")
        truncated = self.zeros == "truncated" or (self.zeros == "auto" and bool((vendors.reviews > 0).all()))
        priors = self.priors.resolved(vendors)
        law = SIZE_LAWS[self.size_law].covering(float((vendors.reviews / vendors.exposure).max()),
                                                float(vendors.exposure.max()))
        centre = cells.log_centre(vendors)
        own = CountData(vendors=vendors, law=law, priors=priors, centre=centre, bend=cells.log_bend(vendors, centre),
                        truncated=truncated, labels=labels, cell_group=cell_group)
        flags = () if len(vendors.reviews) >= 30 else (f"{len(vendors.reviews)} vendor(s): priors weigh heavily",)
        return self.compressed(own, totals=totals, flags=flags)

    def compressed(self, own: CountData, *, totals: Any = None, flags: tuple[str, ...] = ()) -> Data:
        """Cells of some vendors."""
        counts = cells.count_cells(own.vendors, truncated=own.truncated)
        values = self.values.cells(own.vendors, own.centre, own.bend)
        arrays = {
            **own.law.arrays(counts["reviews"], counts["exposure"], counts["exposures"]),
            "count_n": counts["count_n"], "vendors_n": counts["vendors_n"] * own.truncated,
            **values, "vendor_inverse": np.exp(-values["value_size"] - own.centre),
            **units(own.vendors),
        }
        if len(own.labels) > 1:
            arrays |= cells.split_cells(own.vendors, own.centre)
        coords = {"group": [" / ".join(label) or "(all)" for label in own.labels]}
        return Data(arrays=arrays, coords=coords, totals=totals, own=own, flags=flags)

    def factors(self, totals: Totals) -> tuple[Factor, ...]:
        """The stated assumptions, laid over the table."""
        return resolve(totals, review_rate=self.review_rate, genuine_share=self.genuine_share,
                       units_per_order=self.units_per_order, market_coverage=self.market_coverage,
                       exchange_rate=self.exchange_rate, measure="money")

    def _exposure(self, totals: Totals) -> np.ndarray | None:
        if self.exposure is None:
            return None
        labels = totals.keys[VENDOR].labels
        known = set(labels)
        unknown = [name for name in self.exposure if name not in known]
        if unknown:
            raise DataError(f"exposure= names {len(unknown):,} vendor(s) that are not in the table", got=shown(unknown[0]),
                            expected="vendors as the table spells them", fix="totals.to_frame(vendors=True, names=True)")
        out = float_array([self.exposure.get(name, 1.0) for name in labels], "exposure")
        if not (out > 0).all():
            raise DataError("an exposure is not above 0", where=f"vendor {int(np.argmin(out > 0))}", expected="numbers > 0",
                            got=repr(float(out.min())))
        return out

    def resolve(self, totals: Totals) -> CountPriors:
        """The priors for a table, every default filled in."""
        return self.data(totals).own.priors

    # -- model ------------------------------------------------------------------------------------------------------

    def model(self, data: Data) -> pm.Model:
        """The PyMC model on the cells."""
        return count_law.model(data, data.own.priors, type(data.own.law), self.values)

    def log_likelihood(self, data: Data, draws: Draws) -> dict[str, np.ndarray]:
        """Log likelihood of the cells, multiplicities included: by name of cell, shape (n_draws, n_cells)."""
        return count_law.log_likelihood(data.arrays, draws, data.own.law, self.values)

    # -- after sampling ---------------------------------------------------------------------------------------------

    def after(self, data: Data, draws: Draws, rng: np.random.Generator, *, estimand: str) -> Outcome:
        """Totals by group: realised by the cut, expected through the size law."""
        choice(estimand, "estimand", self.estimands)
        own, totals = data.own, data.totals
        factors = self.factors(totals)
        n_draws = len(next(iter(draws.values())))
        assumed = draw_assumptions(factors, own.cell_group, len(own.labels), n_draws)
        if estimand == "expected":
            money = self.expected(data, draws, rng) * assumed.multiplier / assumed.share
        else:
            columns = totals.columns
            money = realised_draws(totals, columns["value"], columns["price_sq_reviews"], own.cell_group, assumed, rng)
        flags = []
        if estimand == "realised" and any(f.rate is not None and f.rate.between_vendor_sd is None and f.rate.mean != 1
                                          for f in factors):
            flags.append("no spread between vendors assumed")
        if estimand == "expected":
            flags += self._misfits(data, draws, rng)
        return Outcome(totals=totals, draws=money, estimand=estimand, factors=factors, shared=assumed.common,
                       currency=None if self.exchange_rate is None else self.exchange_rate.to, flags=tuple(flags))

    def _misfits(self, data: Data, draws: Draws, rng: np.random.Generator) -> list[str]:
        """Flags of the predictive check: the expected total stands on the laws of sizes and values, the realised one on neither.

        Left out for tables so large that it would take longer than the fit.
        """
        n, n_draws = MOST_REPLICATED // len(data.own.vendors.reviews), len(next(iter(draws.values())))
        if min(n, n_draws) < REPLICATES // 2:
            return []
        at = np.linspace(0, n_draws - 1, min(n, n_draws, REPLICATES)).astype(np.int64)
        return list(PredictiveCheck(self.replicate(data, {k: v[at] for k, v in draws.items()}, rng)).flags)

    def expected(self, data: Data, draws: Draws, rng: np.random.Generator) -> np.ndarray:
        """Draws of the expected reviewed turnover by group, the number of vendors Poisson: (n_draws, n_groups)."""
        return count_law.expected(data, draws, rng)

    def replicate(self, data: Data, draws: Draws, rng: np.random.Generator) -> Replicates:
        """Reviewed turnover, share of the ten largest vendors and count-value dependence, observed and replicated."""
        own, n = data.own, len(next(iter(draws.values())))
        observed = count_statistics(own.vendors)
        made = []
        for s in range(n):
            made.append(count_statistics(self.vendors(data, {k: v[s:s + 1] for k, v in draws.items()}, rng)))
        units = {"reviewed turnover": data.totals.header.currency} if data.totals is not None else {}
        return Replicates(observed=observed, units=units,
                          replicated={k: np.array([m[k] for m in made]) for k in observed})

    def vendors(self, data: Data, draw: Draws, rng: np.random.Generator) -> cells.Vendors:
        """New vendors for one draw of the parameters, as many as in the data."""
        return count_law.simulate(data, draw, rng, self.values)

    # -- simulation -------------------------------------------------------------------------------------------------

    def simulate(self, rng: np.random.Generator, data: Data) -> tuple[dict[str, Any], Data]:
        """A draw of the prior, and vendors made with it."""
        own: CountData = data.own
        names = (*own.law.PARAMETERS, *MEAN, *SPREAD, *self.values.parameters)
        truth = own.priors.draw(rng, names, len(own.labels))
        vendors = self.vendors(data, {k: np.asarray(v)[None] for k, v in truth.items()}, rng)
        return truth, self.compressed(replace(own, vendors=vendors))

    def quantities(self, data: Data, draws: Draws) -> dict[str, np.ndarray]:
        """The expected reviewed turnover (its number of vendors at the posterior mean) and the log likelihood."""
        likelihood = self.log_likelihood(data, draws)
        return {"eta": count_law.mean_reviews(data, draws),
                "total": count_law.expected(data, draws, None).sum(axis=1),
                "log_likelihood": np.sum([part.sum(axis=1) for part in likelihood.values()], axis=0)}

    def prior_predictive(self, totals: Totals, *, draws: int = 500, rng: Any = None) -> pd.DataFrame:
        """What the priors say before the reviews are read, in money and counts; see `predictive.prior_table`."""
        from darkmarket_estimates.bayes.predictive import prior_table

        return prior_table(self, totals, draws=draws, rng=rng)
