"""`fit`: from a table and a model to a posterior."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from darkmarket_estimates._checks import choice, generator, integer, number, shown
from darkmarket_estimates._checks import confidence_level as check_level
from darkmarket_estimates.bayes import diagnostics, sampling
from darkmarket_estimates.bayes.posterior import Posterior, finish
from darkmarket_estimates.bayes.protocol import Spec
from darkmarket_estimates.errors import AssumptionError

#: Iterations of a chain, and chains, that no memory holds.
MOST_DRAWS, MOST_CHAINS = 100_000_000, 10_000


def lengths(draws: Any, tune: Any, chains: Any) -> tuple[int, int | None, int]:
    """Draws, iterations before them and chains as whole numbers, else `AssumptionError`."""
    return (integer(draws, "draws", low=4, high=MOST_DRAWS),
            None if tune is None else integer(tune, "tune", low=0, high=MOST_DRAWS),
            integer(chains, "chains", low=1, high=MOST_CHAINS))


def fit(
    totals: Any,
    spec: Spec,
    *,
    draws: int = 1000,
    tune: int | None = None,
    chains: int = 4,
    rng: int | np.random.Generator | np.random.SeedSequence | None = None,
    estimand: str | None = None,
    confidence_level: float = 0.95,
    method: str = "nuts",
    on_failure: str = "warn",
    cores: int | None = None,
    progress: bool | None = None,
    target_accept: float = 0.95,
) -> Posterior:
    """Fit a Bayesian model.

    Parameters
    ----------
    totals : Totals
        Or whatever `spec` takes.
    spec : Spec
        `ReviewCount`, `Detection`, `Trend`, or a model of your own with the methods of `bayes.protocol.Spec`.
    draws, chains : int
    tune : int, optional
        Iterations before, which are dropped. By default 400; 1,000 where the posterior has no mode with a curvature that
        the sampler could begin with.
    rng : int, Generator, SeedSequence or None
        The same `rng` gives the same draws; the result records the entropy.
    estimand : str, optional
        The model's default (the first of ``spec.estimands``) if not given.
    confidence_level : float
        Of the intervals of the estimate, which have equal tails.
    method : {"nuts", "laplace", "advi"}
        The last two are approximations for a first look: their estimate carries a flag that says so.
    on_failure : {"warn", "raise", "ignore"}
        What a broken rule of `Posterior.check` does. The estimate is flagged in any case.
    cores : int, optional
        Processes for the chains.
    progress : bool, optional
        Show a progress bar; by default only in a terminal.
    target_accept : float
        Of NUTS.

    Returns
    -------
    Posterior

    Raises
    ------
    DataError, NotIdentifiedError
        The table cannot be used; see the model.
    ConvergenceError
        A rule is broken and ``on_failure="raise"``.
    KeyboardInterrupt
        Stopped: nothing is kept.

    Warns
    -----
    ConvergenceWarning
        A rule is broken.
    """
    if not isinstance(spec, Spec):
        raise AssumptionError("the model cannot be fitted", got=shown(spec), expected="a model such as ReviewCount(...)",
                              fix="see bayes.protocol.Spec for the methods of a model")
    choice(method, "method", sampling.METHODS)
    choice(on_failure, "on_failure", ("warn", "raise", "ignore"))
    draws, tune, chains = lengths(draws, tune, chains)
    level = check_level(confidence_level)
    target = number(target_accept, "target_accept", low=0.5, high=1, open_high=True)
    estimand = choice(spec.estimands[0] if estimand is None else estimand, "estimand", spec.estimands)
    entropy = int(generator(rng).integers(2**63))
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(entropy).spawn(2)]
    data = spec.data(totals)
    start = time.perf_counter()
    with sampling.quiet():
        model = spec.model(data)
    if not model.free_RVs:
        raise AssumptionError("every parameter of the model is known", fix="leave one prior to be learnt about")
    if method == "nuts":
        container = sampling.sample(model, draws=draws, tune=tune, chains=chains, rng=streams[0], cores=cores,
                                    progress=progress, target_accept=target)
    elif method == "laplace":
        container = sampling.laplace(model, draws=draws * chains, rng=streams[0])
    else:
        container = sampling.advi(model, draws=draws * chains, rng=streams[0], progress=progress)
    seconds = time.perf_counter() - start
    checks = diagnostics.check_container(container, method)
    out = finish(spec, data, container, checks, estimand=estimand, confidence_level=level, entropy=entropy, method=method,
                 seconds=seconds)
    if method == "nuts":
        checks.act(on_failure)
    return out
