"""Whether the sampler can be believed: named rules, each a flag when it is broken."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from darkmarket_estimates._checks import choice
from darkmarket_estimates.bayes import _arviz
from darkmarket_estimates.errors import DataError, StatisticalWarning

if TYPE_CHECKING:
    import pandas as pd

#: Rank-normalised split R-hat (Vehtari, Gelman, Simpson, Carpenter and Bürkner, *Bayesian Analysis* 16 (2021)).
MAX_R_HAT = 1.01
#: Effective draws in the bulk and in the tails, over all chains.
MIN_ESS = 400
#: Energy fraction of missing information (Betancourt 2016).
MIN_E_BFMI = 0.3
CHAINS = 4


class ConvergenceWarning(StatisticalWarning):
    """Chains that have not mixed: the posterior cannot be used as it is."""


class ConvergenceError(DataError):
    """The same as an error; `.checks` holds what was computed."""

    checks: Checks


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One rule.

    Attributes
    ----------
    rule : {"r-hat", "ess-bulk", "ess-tail", "divergences", "e-bfmi", "chains", "approximation"}
    value, limit : float
    where : str
        The parameter, or the chain, that is worst.
    passed : bool
    """

    rule: str
    value: float
    limit: float
    where: str
    passed: bool


@dataclass(frozen=True, slots=True)
class Checks:
    """All rules."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether no rule is broken."""
        return all(c.passed for c in self.checks)

    @property
    def flags(self) -> tuple[str, ...]:
        """Broken rules as the estimate carries them."""
        return tuple(f"not converged: rule {c.rule!r}: {c.value:.3g} where {c.limit:.3g} is the limit ({c.where})"
                     if c.rule != "approximation" else f"approximate posterior: {c.where}, not checked against NUTS"
                     for c in self.checks if not c.passed)

    def to_frame(self) -> pd.DataFrame:
        """A row a rule: rule, value, limit, where, passed."""
        import pandas as pd

        return pd.DataFrame([{"rule": c.rule, "value": c.value, "limit": c.limit, "where": c.where, "passed": c.passed}
                             for c in self.checks])

    def act(self, on_failure: str) -> Checks:
        """Raise `ConvergenceError`, warn with `ConvergenceWarning`, or neither."""
        import warnings

        choice(on_failure, "on_failure", ("raise", "warn", "ignore"))
        if not self.passed and on_failure != "ignore":
            text = "; ".join(self.flags)
            if on_failure == "raise":
                error = ConvergenceError(text, fix="more tune= and draws=, or priors that rule out what cannot be")
                error.checks = self
                raise error
            warnings.warn(text, ConvergenceWarning, stacklevel=3)
        return self


def check_container(container: Any, method: str) -> Checks:
    """Apply every rule to a container with a posterior (and sample_stats, where NUTS made it)."""
    if method != "nuts":
        return Checks((Check(rule="approximation", value=0.0, limit=0.0, where=method, passed=False),))
    found = []
    limits = (("r-hat", "r_hat", MAX_R_HAT), ("ess-bulk", "ess_bulk", MIN_ESS), ("ess-tail", "ess_tail", MIN_ESS))
    posterior = _arviz.dataset(container, "posterior")
    moving = [str(v) for v in posterior.data_vars if float(np.ptp(posterior[v].to_numpy())) > 0]
    if not moving:
        where = "no draw differs from another"
        return Checks((Check(rule="r-hat", value=math.inf, limit=MAX_R_HAT, where=where, passed=False),))
    n_chains = int(posterior.sizes["chain"])
    figures = _arviz.diagnostics(container, moving)
    for rule, kind, limit in limits:
        flat = [(float(v), f"{name}[{i}]" if len(values) > 1 else name)
                for name, values in figures[kind].items() for i, v in enumerate(values.ravel())]
        bad = [(v, name) for v, name in flat if not np.isfinite(v)]
        value, where = bad[0] if bad else (max if rule == "r-hat" else min)(flat)
        passed = np.isfinite(value) and (value <= limit if rule == "r-hat" else value >= limit)
        found.append(Check(rule=rule, value=value, limit=limit, where=where, passed=bool(passed)))
    found.append(Check(rule="chains", value=n_chains, limit=CHAINS, where="chains run", passed=n_chains >= CHAINS))
    if "sample_stats" in _arviz.group_names(container):
        stats = _arviz.dataset(container, "sample_stats")
        if "diverging" in stats:
            n = int(stats["diverging"].sum())
            found.append(Check(rule="divergences", value=n, limit=0, where="transitions", passed=n == 0))
        if "energy" in stats:
            energy = stats["energy"].transpose(*_arviz.SAMPLE).to_numpy()
            fraction = e_bfmi(energy)
            at = int(np.argmin(fraction))
            found.append(Check(rule="e-bfmi", value=float(fraction[at]), limit=MIN_E_BFMI, where=f"chain {at + 1}",
                               passed=bool(fraction[at] >= MIN_E_BFMI)))
    return Checks(tuple(found))


def e_bfmi(energy: np.ndarray) -> np.ndarray:
    r"""Estimated Bayesian fraction of missing information of each chain: :math:`\sum (E_i - E_{i-1})^2 / \sum (E_i - \bar E)^2`.

    Parameters
    ----------
    energy : array of shape (n_chains, n_draws)

    Examples
    --------
    >>> e_bfmi(np.array([[1.0, 2.0, 1.0, 2.0]]))
    array([3.])
    """
    variation = ((energy - energy.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    steps = (np.diff(energy, axis=1) ** 2).sum(axis=1)
    return np.divide(steps, variation, out=np.full(len(energy), np.inf), where=variation > 0)
