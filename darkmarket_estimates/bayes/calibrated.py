"""`calibrate_share`: from markets with both counters to the review share of a market without a sales counter."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from darkmarket_estimates._checks import choice, generator, shown
from darkmarket_estimates.assumptions import ReviewRate
from darkmarket_estimates.bayes import _arviz, diagnostics, sampling
from darkmarket_estimates.bayes.both_counters import FEW_MARKETS, BothCounters, shapes
from darkmarket_estimates.bayes.diagnostics import Checks
from darkmarket_estimates.bayes.fit import lengths
from darkmarket_estimates.bayes.predictive import PredictiveCheck
from darkmarket_estimates.bayes.protocol import Data
from darkmarket_estimates.bayes.share_law import ShareLaw
from darkmarket_estimates.errors import AssumptionError

if TYPE_CHECKING:
    import pandas as pd

REPLICATES = 200


@dataclass(frozen=True, eq=False, kw_only=True)
class CalibratedShare:
    """Posterior of review shares.

    Attributes
    ----------
    spec : BothCounters
    data : Data
    idata : DataTree or InferenceData
        Draws: ``logit_share`` (of each market's turnover-weighted mean), ``spread``, ``between_market_sd``, ``step_sd``.
    checks : Checks
        Rules of convergence, as for `Posterior`.
    entropy : int
    seconds : float
    """

    spec: BothCounters
    data: Data
    idata: Any
    checks: Checks
    entropy: int
    seconds: float

    @cached_property
    def draws(self) -> dict[str, np.ndarray]:
        """Draws of the parameters by name, chains one after the other."""
        return _arviz.flat_draws(self.idata)

    @cached_property
    def target(self) -> ShareLaw:
        """Mean review share of a market that is none of these: a new draw, wider than any of them."""
        return self.spec.target(self.draws)

    @property
    def between_market_sd(self) -> tuple[float, float, float]:
        """Posterior median and 90 % interval of tau, the standard deviation between markets on the logit scale."""
        low, middle, high = np.quantile(self.draws["between_market_sd"], [0.05, 0.5, 0.95])
        return float(middle), float(low), float(high)

    @property
    def between_vendor_sd(self) -> float:
        """Standard deviation of the share between vendors of the target market, at the mean of `target`."""
        mean = self.target.mean()
        return float(np.sqrt(self.draws["spread"].mean() * mean * (1 - mean)))

    @property
    def flags(self) -> tuple[str, ...]:
        """What a reader of any result must know."""
        return (*self.data.flags, *self.checks.flags)

    def review_rate(self, market: str | None = None) -> ReviewRate:
        """The share as an assumption of ``turnover()`` or of a model.

        Parameters
        ----------
        market : str, optional
            One of the calibrating markets: its own share, for its own turnover. By default a new market.
        """
        sources = ", ".join(self.data.coords["market"])
        if market is None:
            return ReviewRate(mean=self.target, between_vendor_sd=self.between_vendor_sd,
                              source=f"both counters of {sources}; a new draw between markets")
        names = list(self.data.coords["market"])
        at = names.index(choice(market, "market", names))
        own = ShareLaw.smoothed(special.expit(self.draws["logit_share"][:, at]), source=market)
        mean = own.mean()
        spread = float(np.sqrt(self.draws["spread"][:, at].mean() * mean * (1 - mean)))
        return ReviewRate(mean=own, between_vendor_sd=spread, source=f"both counters of {market}")

    def to_frame(self, level: float = 0.9) -> pd.DataFrame:
        """A row a market and one for the target.

        Columns: share (posterior mean), low, high (equal tails at `level`), between_vendor_sd, and of the same counts the
        frequentist pooled share, its standard_error (vendors as clusters) and the mean over vendors of a plain
        beta-binomial, which is another population's mean.
        """
        import pandas as pd

        rows = []
        for j, (name, fit) in enumerate(zip(self.data.coords["market"], self.data.own.fits, strict=True)):
            share = special.expit(self.draws["logit_share"][:, j])
            low, high = np.quantile(share, [(1 - level) / 2, (1 + level) / 2])
            spread = np.sqrt(self.draws["spread"][:, j] * share * (1 - share)).mean()
            rows.append((name, share.mean(), low, high, spread, fit.share, fit.standard_error, fit.likelihood_share))
        low, high = self.target.interval(level)
        nan = float("nan")
        rows.append(("(a new market)", self.target.mean(), low, high, self.between_vendor_sd, nan, nan, nan))
        return pd.DataFrame(rows, columns=["market", "share", "low", "high", "between_vendor_sd", "pooled", "standard_error",
                                           "mean_over_vendors"]).set_index("market")

    def classes(self, level: float = 0.9) -> pd.DataFrame:
        """Share by market and size class of vendors: how shares go with size. Columns turnover, share, low, high."""
        import pandas as pd

        shares, _ = shapes(self.draws)
        low, high = np.quantile(shares, [(1 - level) / 2, (1 + level) / 2], axis=0)
        index = pd.MultiIndex.from_product([self.data.coords["market"], self.data.coords["size_class"]],
                                           names=["market", "sales of the vendor"])
        return pd.DataFrame({"turnover": self.data.arrays["weights"].ravel(), "share": shares.mean(axis=0).ravel(),
                             "low": low.ravel(), "high": high.ravel()}, index=index)

    def predictive_check(self, *, rng: int | np.random.Generator | None = None) -> PredictiveCheck:
        """Pooled share, spread between vendors and dependence on size, beside those of replicated counts."""
        n = len(self.draws["between_market_sd"])
        at = np.linspace(0, n - 1, min(n, REPLICATES)).astype(np.int64)
        random = np.random.default_rng((self.entropy, 2)) if rng is None else generator(rng)
        return PredictiveCheck(self.spec.replicate(self.data, {k: v[at] for k, v in self.draws.items()}, random))

    def check(self, on_failure: str = "warn") -> Checks:
        """Apply the named rules of convergence; see `Posterior.check`."""
        return self.checks.act(on_failure)

    def __str__(self) -> str:
        low, high = self.target.interval(0.9)
        middle, least, most = self.between_market_sd
        n = len(self.data.coords["market"])
        few = f": prior-driven below {FEW_MARKETS} markets" if n < FEW_MARKETS else ""
        return (f"Review share of a new market: mean {self.target.mean():.3f}, 90% credible interval {low:.3f} to {high:.3f} "
                f"({n} market(s) with both counters; standard deviation between markets {middle:.2f}, "
                f"{least:.2f} to {most:.2f} on the logit scale{few})")

    def __repr__(self) -> str:
        return f"<CalibratedShare: {self}>"


def calibrate_share(
    counts: Any,
    spec: BothCounters | None = None,
    *,
    draws: int = 1000,
    tune: int | None = None,
    chains: int = 4,
    rng: int | np.random.Generator | np.random.SeedSequence | None = None,
    on_failure: str = "warn",
    cores: int | None = None,
    progress: bool | None = None,
    target_accept: float = 0.95,
) -> CalibratedShare:
    """Fit review shares of markets with both counters.

    Parameters
    ----------
    counts : frame or mapping of columns
        A vendor a row: ``reviews``, ``sales``; ``market`` where there are several; ``value`` (money of the sales, in any one
        currency) where known: the mean is then weighted by money instead of sales.
    spec : BothCounters, optional
        Priors.
    draws, tune, chains, rng, on_failure, cores, progress, target_accept
        As in `fit`.

    Returns
    -------
    CalibratedShare

    Raises
    ------
    DataError, NotIdentifiedError
        Counts that cannot be: more reviews than sales, a market without reviews or with one vendor.

    Warns
    -----
    ConvergenceWarning
    """
    spec = BothCounters() if spec is None else spec
    if not isinstance(spec, BothCounters):
        raise AssumptionError("the model of review shares cannot be read", expected="bayes.BothCounters(...)", got=shown(spec))
    choice(on_failure, "on_failure", ("warn", "raise", "ignore"))
    draws, tune, chains = lengths(draws, tune, chains)
    entropy = int(generator(rng).integers(2**63))
    data = spec.data(counts)
    start = time.perf_counter()
    container = sampling.sample(
        spec.model(data), draws=draws, tune=tune, chains=chains,
        rng=np.random.default_rng(np.random.SeedSequence(entropy).spawn(1)[0]), cores=cores, progress=progress,
        target_accept=target_accept)
    seconds = time.perf_counter() - start
    checks = diagnostics.check_container(container, "nuts")
    out = CalibratedShare(spec=spec, data=data, idata=container, checks=checks, entropy=entropy, seconds=seconds)
    checks.act(on_failure)
    return out
