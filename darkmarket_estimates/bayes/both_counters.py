"""The review share of a market without a sales counter, learnt from markets that print reviews and sales."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from darkmarket_estimates._checks import beta_shapes, generator, integer, shown
from darkmarket_estimates.bayes.bases import around_mean, contrasts
from darkmarket_estimates.bayes.counters import read
from darkmarket_estimates.bayes.predictive import MOST_DRAWS
from darkmarket_estimates.bayes.priors import HalfNormal, Normal, Prior, as_prior
from darkmarket_estimates.bayes.protocol import Data, Draws, Outcome, Replicates
from darkmarket_estimates.bayes.share_by_size import (
    SMALLEST_SPREAD,
    cell_log_likelihood,
    log_likelihood,
    logits_with_mean,
    mean_logit,
    pooled_logits,
    size_classes,
)
from darkmarket_estimates.bayes.share_law import ShareLaw
from darkmarket_estimates.errors import DataError, NotSupportedError
from darkmarket_estimates.review_share import ReviewShareFit, fit_review_share

if TYPE_CHECKING:
    import pandas as pd
    import pymc as pm

#: Below this number of markets the spread between markets is what its prior says.
FEW_MARKETS = 5
CELLS = ("vendor_market", "vendor_class", "vendor_reviews", "vendor_sales", "multiplicity")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pooled:
    """What `BothCounters` keeps of the markets beside the cells: the frequentist fit of each."""

    fits: tuple[ReviewShareFit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BothCounters:
    r"""Review shares of markets with both counters; the target market is a new draw.

    .. math::
        r_v \mid s_v \sim BetaBin(s_v, p_{mb}, \varphi_m), \quad \sum_b W_{mb}\, p_{mb} = \rho_m, \quad
        logit\,\rho_m \sim N(\mu, \tau), \quad logit\,\rho_{target} \sim N(\mu, \tau)

    with b the vendor's size class (half a decade of sales), :math:`W_{mb}` that class's part of the market's turnover,
    and :math:`logit\,p_{mb}` a random walk over classes: :math:`\rho_m` is the **turnover-weighted mean**
    share. Shares that rise or fall with size therefore do not bias it, where the mean over vendors of a plain beta-binomial
    would be the mean of another population.

    Parameters
    ----------
    centre : Normal
        Prior of :math:`\mu`, on the logit scale. The default puts 95 % of markets' shares in 0.05 to 0.95.
    between_market_sd : prior or number
        Of :math:`\tau`, the standard deviation between markets on the logit scale. A number is a known value.
    step_sd : prior or number
        Of the walk's step from one size class to the next, on the logit scale: a share may go from 0.44 to 0.48.
    spread : (float, float)
        Beta prior of :math:`\varphi_m`, the correlation of two sales of one vendor: the standard deviation between
        vendors is :math:`\sqrt{\varphi \rho (1 - \rho)}`.

    Notes
    -----
    Input of `fit`: a frame or mapping with the columns ``reviews`` and ``sales``, a vendor a row, and where known
    ``market`` and ``value`` (money of the sales, which then weighs the mean). The result is a share and no turnover:
    use `calibrate_share`.
    """

    centre: Normal = Normal(0.0, 1.5)  # noqa: RUF009
    between_market_sd: Prior | float = HalfNormal(0.5)  # noqa: RUF009
    step_sd: Prior | float = 0.15
    spread: tuple[float, float] = (1.0, 9.0)

    def __post_init__(self) -> None:
        if not isinstance(self.centre, Normal):
            raise DataError("the prior of centre cannot be read", expected="Normal(mean, sd)", got=shown(self.centre))
        for name in ("between_market_sd", "step_sd"):
            object.__setattr__(self, name, as_prior(getattr(self, name), name, positive=True))
        object.__setattr__(self, "spread", beta_shapes(self.spread, "spread"))

    def _prior(self, name: str) -> Any:
        return getattr(self, name)

    @property
    def estimands(self) -> tuple[str, ...]:
        """Refused: a share is no turnover."""
        raise NotSupportedError("review shares of other markets are no turnover", got="bayes.fit(counts, BothCounters())",
                                fix="bayes.calibrate_share(counts), and its review_rate() in turnover() or ReviewCount()")

    # -- data -------------------------------------------------------------------------------------------------------

    def data(self, totals: Any) -> Data:
        """Validate vendors' counts and compress them to distinct (market, class, reviews, sales).

        Raises
        ------
        DataError, NotIdentifiedError
            What `review_share.fit_review_share` refuses, in any market.
        """
        labels, r, s, money = read(totals)
        names, market = np.unique(labels, return_inverse=True)
        fits = []
        for code, name in enumerate(map(str, names)):
            own = market == code
            try:
                fits.append(fit_review_share(r[own], s[own], None if money is s else money[own]))
            except DataError as error:
                error.args = (f"market {name!r}: {error}",)
                raise
        flags = []
        if len(names) < FEW_MARKETS:
            flags.append(f"the spread between markets comes from its prior: {len(names)} market(s) with both counters, "
                         f"{FEW_MARKETS} or more would tell")
        return _compress(market, r, s, money, names=tuple(map(str, names)), own=Pooled(fits=tuple(fits)), totals=totals,
                         flags=tuple(flags))

    # -- model ------------------------------------------------------------------------------------------------------

    def model(self, data: Data) -> pm.Model:
        """The PyMC model: mu is integrated out, so that no ridge joins it to the markets' shares; see `share_by_size`."""
        import pymc as pm

        from darkmarket_estimates.bayes._density import log_density

        weights = data.arrays["weights"]
        m, classes = weights.shape
        # logit shares have covariance tau^2 I + sd^2 11': independent in orthonormal contrasts, the first their mean
        rotation, first = contrasts(m), np.eye(m)[0]
        with pm.Model(coords=data.coords) as model:
            cells = [pm.Data(name, data.arrays[name]) for name in CELLS]
            pooled, error = (pm.Data(name, data.arrays[name]) for name in ("pooled_logit", "pooled_error"))
            pm.Data("weights", weights)  # the same in every data set of one model
            tau = self._prior("between_market_sd").variable("between_market_sd")
            step_sd = self._prior("step_sd").variable("step_sd")
            spread = pm.Beta("spread", *self.spread, dims="market")
            # w is nearly standard normal whatever tau: the pooled shares, as normal, make the map; the density stays exact
            w = pm.Flat("level", shape=m, initval=np.zeros(m))
            sds = pm.math.sqrt(tau**2 + m * self.centre.sd**2 * first)
            pull = sds**2 / (sds**2 + error**2)
            seen = pm.math.dot(rotation.T, pooled - self.centre.mean)
            level = self.centre.mean + (rotation * (pull * seen + pm.math.sqrt(pull) * error * w)).sum(axis=1)
            logits = level[:, None] + np.zeros((m, classes))
            if classes > 1:
                within = pm.Flat("within", shape=(m, classes - 1), initval=np.zeros((m, classes - 1)))
                logits = logits + (around_mean(weights) * within[:, None, :]).sum(axis=2)
            logits = pm.Deterministic("class_logit", logits, dims=("market", "size_class"))
            p = pm.math.sigmoid(logits)
            rho = (weights * p).sum(axis=1)
            odds = pm.math.log(rho) + pm.math.log(1 - rho)
            theta = pm.Deterministic("logit_share", pm.math.log(rho) - pm.math.log(1 - rho), dims="market")
            z = (rotation * (theta - self.centre.mean)[:, None]).sum(axis=0) / sds
            steps = (logits[:, 1:] - logits[:, :-1]) / step_sd
            prior = (0.5 * pm.math.log(pull) - 0.5 * z**2 - pm.math.log(sds)).sum() - 0.5 * (steps**2).sum()
            prior += (pm.math.log((weights * p * (1 - p)).sum(axis=1)) - odds).sum() - m * (classes - 1) * pm.math.log(step_sd)
            pm.Potential("prior", prior)
            pm.Potential("log_likelihood", log_density(log_likelihood, (logits, spread), cells))
        return model

    # -- afterwards -------------------------------------------------------------------------------------------------

    def target(self, draws: Draws) -> ShareLaw:
        r"""Law of the mean share of a market that is none of these: a new draw :math:`N(\mu, \tau)`.

        Given a draw of the markets' logits and :math:`\tau`, :math:`\mu` is normal with precision
        :math:`s_0^{-2} + M \tau^{-2}` and the new market's logit is normal around its mean.
        """
        theta, tau = draws["logit_share"], draws["between_market_sd"]
        precision = self.centre.sd**-2 + theta.shape[1] / tau**2
        mean = (self.centre.mean / self.centre.sd**2 + theta.sum(axis=1) / tau**2) / precision
        return ShareLaw(mean, np.sqrt(1 / precision + tau**2), "markets with both counters, a new market")

    def prior_target(self, n: int = 4000, rng: np.random.Generator | int | None = None) -> ShareLaw:
        """Law of the share of any market before data."""
        n = integer(n, "n", low=1, high=MOST_DRAWS)
        tau = self._prior("between_market_sd").draw(generator(rng), n)
        return ShareLaw(np.full(n, self.centre.mean), np.hypot(self.centre.sd, tau), "prior")

    def after(self, data: Data, draws: Draws, rng: np.random.Generator, *, estimand: str) -> Outcome:
        """Refused, as `estimands`."""
        raise NotSupportedError("review shares of other markets are no turnover", fix="bayes.calibrate_share(counts)")

    def replicate(self, data: Data, draws: Draws, rng: np.random.Generator) -> Replicates:
        """Pooled share, spread between vendors and dependence on size, of counts made with the draws."""
        cells = data.arrays
        p, size = shapes(draws)
        n = cells["multiplicity"].astype(np.int64)
        at = np.repeat(np.arange(len(n)), n)
        market, size_class, s = (cells[name][at] for name in ("vendor_market", "vendor_class", "vendor_sales"))
        found: dict[str, list[float]] = {}
        for i in range(len(p)):
            mean, k = p[i][market, size_class], size[i][market]
            r = rng.binomial(s.astype(np.int64), rng.beta(mean * k, (1 - mean) * k)).astype(np.float64)
            for name, value in _statistics(r, s).items():
                found.setdefault(name, []).append(value)
        return Replicates(observed=_statistics(cells["vendor_reviews"][at], s),
                          replicated={name: np.array(values) for name, values in found.items()})

    def simulate(self, rng: np.random.Generator, data: Data) -> tuple[dict[str, Any], Data]:
        """A draw of the prior, and reviews made with it for the same vendors' sales."""
        cells = data.arrays
        m, classes = cells["weights"].shape
        tau = float(self._prior("between_market_sd").draw(rng))
        theta = rng.normal(self.centre.draw(rng), tau, m)
        step_sd = float(self._prior("step_sd").draw(rng))
        logits = logits_with_mean(theta, step_sd * rng.normal(size=(m, classes - 1)), cells["weights"])
        truth = {"between_market_sd": tau, "logit_share": theta, "spread": rng.beta(*self.spread, m), "class_logit": logits,
                 "step_sd": step_sd}
        p, size = shapes({name: np.asarray(value)[None] for name, value in truth.items()})
        at = np.repeat(np.arange(len(cells["vendor_sales"])), cells["multiplicity"].astype(np.int64))
        market, size_class, s = (cells[name][at] for name in ("vendor_market", "vendor_class", "vendor_sales"))
        mean, k = p[0][market, size_class], size[0][market]
        r = rng.binomial(s.astype(np.int64), rng.beta(mean * k, (1 - mean) * k))
        arrays = {"weights": cells["weights"], "vendor_market": market, "vendor_class": size_class,
                  "vendor_reviews": r.astype(np.float64), "vendor_sales": s, "multiplicity": np.ones(len(at))}
        return truth, replace(data, arrays=arrays | pooled_logits(**arrays), totals=None)

    def prior_predictive(self, counts: Any, *, draws: int = 500, rng: Any = None) -> pd.DataFrame:
        """What the priors say before data: shares by market, vendor and size; see `prior_tables.described`."""
        from darkmarket_estimates.bayes.prior_tables import of_shares

        return of_shares(self, counts, draws=draws, rng=rng)

    def log_likelihood(self, data: Data, draws: Draws) -> dict[str, np.ndarray]:
        """Log-likelihood of distinct vendors, multiplicities and binomial coefficients included: (draws, cells)."""
        cells = data.arrays
        p, size = shapes(draws)
        at, r, s = cells["vendor_market"], cells["vendor_reviews"], cells["vendor_sales"]
        ways = special.gammaln(s + 1) - special.gammaln(r + 1) - special.gammaln(s - r + 1)
        values = [cell_log_likelihood(p[i][at, cells["vendor_class"]], size[i][at], r, s) + ways for i in range(len(p))]
        return {"vendors": np.stack(values) * cells["multiplicity"]}

    def quantities(self, data: Data, draws: Draws) -> dict[str, np.ndarray]:
        """Turnover-weighted mean share of the markets, and the log-likelihood."""
        cells = [data.arrays[name] for name in CELLS]
        values = [log_likelihood(logits, spread, *cells)[0]
                  for logits, spread in zip(draws["class_logit"], draws["spread"], strict=True)]
        theta = mean_logit(draws["class_logit"], data.arrays["weights"])
        return {"mean_share": special.expit(theta).mean(axis=1), "log_likelihood": np.array(values)}


def _compress(
    market: np.ndarray, r: np.ndarray, s: np.ndarray, money: np.ndarray, *, names: tuple[str, ...], own: Any, totals: Any,
    flags: tuple[str, ...],
) -> Data:
    """Distinct vendors with at least one sale, and the part of each market's money in each size class."""
    sold = s > 0
    market, r, s, money = market[sold], r[sold], s[sold], money[sold]
    size_class, classes = size_classes(s)
    m, n = len(names), len(classes)
    weights = np.bincount(market * n + size_class, weights=money, minlength=m * n).reshape(m, n)
    cells, counts = np.unique(np.stack([market, size_class, r.astype(np.int64), s.astype(np.int64)]), axis=1,
                              return_counts=True)
    arrays = {"weights": weights / weights.sum(axis=1, keepdims=True), "vendor_market": cells[0], "vendor_class": cells[1],
              "vendor_reviews": cells[2].astype(np.float64), "vendor_sales": cells[3].astype(np.float64),
              "multiplicity": counts.astype(np.float64)}
    return Data(arrays=arrays | pooled_logits(**arrays), coords={"market": names, "size_class": classes}, totals=totals,
                own=own, flags=flags)


def shapes(draws: Draws) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the classes, of shape (draws, markets, classes), and sizes of their Beta laws, of shape (draws, markets)."""
    spread = np.clip(draws["spread"], SMALLEST_SPREAD, 1 - SMALLEST_SPREAD)  # as the likelihood
    return special.expit(draws["class_logit"]), (1 - spread) / spread


def _statistics(r: np.ndarray, s: np.ndarray) -> dict[str, float]:
    pooled = float(r.sum() / s.sum())
    pairs = float((s * (s - 1)).sum())
    excess = float(((r - pooled * s) ** 2 - pooled * (1 - pooled) * s).sum())
    top = s >= np.sort(s)[-max(1, len(s) // 10)]
    return {"pooled share": pooled, "spread between vendors": math.sqrt(max(0.0, excess / pairs)) if pairs else 0.0,
            "pooled share, largest tenth": float(r[top].sum() / s[top].sum()), "mean share over vendors": float((r / s).mean())}
