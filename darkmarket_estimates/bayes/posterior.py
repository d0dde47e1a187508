"""`Posterior`: what `fit` returns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from darkmarket_estimates._checks import choice, generator, integer
from darkmarket_estimates._checks import confidence_level as check_level
from darkmarket_estimates.bayes import _arviz
from darkmarket_estimates.bayes.diagnostics import Checks
from darkmarket_estimates.bayes.draws_model import estimate_from
from darkmarket_estimates.bayes.predictive import PredictiveCheck
from darkmarket_estimates.bayes.protocol import Data, Outcome, Replicates, Spec
from darkmarket_estimates.errors import AssumptionError
from darkmarket_estimates.estimate import Estimate

#: Entries up to which log likelihoods are kept, and vendors x replicates of a default predictive check.
MOST_LIKELIHOODS, MOST_VENDORS = 20_000_000, 20_000_000


@dataclass(frozen=True, eq=False, kw_only=True)
class Posterior:
    """A fitted model.

    Attributes
    ----------
    spec : Spec
    data : Data
    container : DataTree or InferenceData
        The draws as the sampler made them; `idata` has everything else beside them.
    outcome : Outcome
        Joint draws of the totals by group.
    estimate : Estimate
        With value, interval, shares, growth and the rest, from the joint draws.
    checks : Checks
    method : {"nuts", "laplace", "advi"}
    entropy : int
        Of the random numbers: ``rng`` as it was used.
    confidence_level : float
    seconds : float
        Of compiling and sampling.
    """

    spec: Spec
    data: Data
    container: Any
    outcome: Outcome
    estimate: Estimate
    checks: Checks
    method: str
    entropy: int
    confidence_level: float
    seconds: float

    @property
    def draws(self) -> dict[str, np.ndarray]:
        """Draws of the parameters by name, chains one after the other: shape (n_draws, ...)."""
        return _arviz.flat_draws(self.container)

    @cached_property
    def idata(self) -> Any:
        """Everything in the container of the installed ArviZ.

        Groups: posterior, sample_stats (of NUTS), constant_data (the cells), log_likelihood (of the cells, where the model
        has one and it is not huge), posterior_predictive (statistics of replicated data) and observed_data (the same of
        the data).
        """
        return _arviz.with_groups(self.container, {**self._constants(), **self._likelihood(), **self._predictive()})

    def check(self, on_failure: str = "warn") -> Checks:
        """Apply the named rules of convergence.

        "r-hat" at most 1.01, "ess-bulk" and "ess-tail" at least 400, no "divergences", "e-bfmi" at least 0.3, four
        "chains"; "approximation" for what NUTS did not draw. A broken rule is a flag of the estimate.

        Parameters
        ----------
        on_failure : {"warn", "raise", "ignore"}

        Returns
        -------
        Checks
            ``.passed``, ``.flags``, ``.to_frame()``.

        Raises
        ------
        ConvergenceError
        """
        return self.checks.act(on_failure)

    def predictive_check(
        self, n_replicates: int | None = None, *, rng: int | np.random.Generator | np.random.SeedSequence | None = None
    ) -> PredictiveCheck:
        """Statistics of the data beside those of data that the fitted model makes.

        Parameters
        ----------
        n_replicates : int, optional
            200 by default, fewer for millions of vendors.
        rng : int, Generator, SeedSequence or None
            By default that of the fit.

        Returns
        -------
        PredictiveCheck
            ``.to_frame()``, ``.plot()``, ``.flags``.
        """
        return PredictiveCheck(self._replicates(n_replicates, rng))

    def _replicates(self, n: int | None, rng: Any) -> Replicates:
        draws = self.draws
        total = len(next(iter(draws.values())))
        if n is None:
            size = getattr(getattr(self.data.own, "vendors", None), "reviews", ())
            n = int(np.clip(MOST_VENDORS // max(len(size), 1), 20, 200))
        n = min(integer(n, "n_replicates", low=1), total)
        at = np.linspace(0, total - 1, n).astype(np.int64)
        random = np.random.default_rng((self.entropy, 2)) if rng is None else generator(rng)
        return self.spec.replicate(self.data, {k: v[at] for k, v in draws.items()}, random)

    def with_estimand(self, estimand: str, *, confidence_level: float | None = None) -> Posterior:
        """The same draws of the parameters, asked another question: nothing is sampled again."""
        choice(estimand, "estimand", self.spec.estimands)
        level = self.confidence_level if confidence_level is None else check_level(confidence_level)
        return finish(self.spec, self.data, self.container, self.checks, estimand=estimand, confidence_level=level,
                      entropy=self.entropy, method=self.method, seconds=self.seconds)

    def with_review_rate(self, review_rate: Any) -> Posterior:
        """The same draws with another review share, which no sampling depends on.

        Raises
        ------
        AssumptionError
            A model without one.
        """
        if not hasattr(self.spec, "review_rate"):
            raise AssumptionError("this model has no review share", got=type(self.spec).__name__)
        spec = replace(self.spec, review_rate=review_rate)  # type: ignore[type-var]
        return finish(spec, replace(self.data, own=spec.data(self.data.totals).own), self.container, self.checks,
                      estimand=self.outcome.estimand, confidence_level=self.confidence_level, entropy=self.entropy,
                      method=self.method, seconds=self.seconds)

    def save(self, path: str | Path, *, vendor_key: str | None = None, vendor_names: bool = False) -> None:
        """Write to one file: a zip of netCDF, Parquet and JSON, no pickle. Written whole or not at all.

        Parameters
        ----------
        path : path
        vendor_key, vendor_names
            As in `Totals.save`: vendors are anonymous unless asked for.
        """
        from darkmarket_estimates.bayes.files import write

        write(self, Path(path), vendor_key=vendor_key, vendor_names=vendor_names)

    @staticmethod
    def load(path: str | Path) -> Posterior:
        """Read what `save` wrote."""
        from darkmarket_estimates.bayes.files import read

        return read(Path(path))

    def __repr__(self) -> str:
        return f"<Posterior of {type(self.spec).__name__} by {self.method}: {self.estimate}>"

    # -- groups of the container ------------------------------------------------------------------------------------

    def _constants(self) -> dict[str, Any]:
        dims, coords = {}, dict(self.data.coords)
        for name, values in self.data.arrays.items():
            dims[name] = tuple(f"{name}_{axis}" for axis in range(values.ndim))
            coords |= {d: np.arange(n) for d, n in zip(dims[name], values.shape, strict=True)}
        return {"constant_data": _arviz.dataset_of(self.data.arrays, dims, coords)}

    def _likelihood(self) -> dict[str, Any]:
        likelihood = getattr(self.spec, "log_likelihood", None)
        sizes = _arviz.dataset(self.container, "posterior").sizes
        n = sizes["chain"] * sizes["draw"]
        if likelihood is None or n * sum(map(np.size, self.data.arrays.values())) > MOST_LIKELIHOODS:
            return {}
        values = {name: v.reshape(sizes["chain"], sizes["draw"], -1)
                  for name, v in likelihood(self.data, self.draws).items()}
        dims = {name: (*_arviz.SAMPLE, f"{name}_cell") for name in values}
        coords = self._sampling() | {f"{name}_cell": np.arange(v.shape[2]) for name, v in values.items()}
        return {"log_likelihood": _arviz.dataset_of(values, dims, coords)}

    def _predictive(self) -> dict[str, Any]:
        made = self._replicates(None, None)
        n = len(next(iter(made.replicated.values())))
        names = {name: name.replace(" ", "_").replace("-", "_") for name in made.replicated}
        values = {names[k]: np.asarray(v)[None] for k, v in made.replicated.items()}
        coords = {"chain": [0], "draw": np.arange(n)}
        seen = {names[k]: np.asarray(v) for k, v in made.observed.items()}
        return {"posterior_predictive": _arviz.dataset_of(values, dict.fromkeys(values, _arviz.SAMPLE), coords),
                "observed_data": _arviz.dataset_of(seen, dict.fromkeys(seen, ()), {})}

    def _sampling(self) -> dict[str, Any]:
        posterior = _arviz.dataset(self.container, "posterior")
        return {name: posterior[name].to_numpy() for name in _arviz.SAMPLE}


def finish(
    spec: Spec, data: Data, container: Any, checks: Checks, *, estimand: str, confidence_level: float, entropy: int,
    method: str, seconds: float,
) -> Posterior:
    """Everything after sampling, from random numbers of its own."""
    rng = np.random.default_rng(np.random.SeedSequence(entropy).spawn(2)[1])
    outcome = spec.after(data, _arviz.flat_draws(container), rng, estimand=estimand)
    estimate = estimate_from(outcome, confidence_level=confidence_level, entropy=entropy, flags=(*data.flags, *checks.flags))
    return Posterior(spec=spec, data=data, container=container, outcome=outcome, estimate=estimate, checks=checks,
                     method=method, entropy=entropy, confidence_level=confidence_level, seconds=seconds)
