"""Simulation-based calibration: whether the sampler returns the parameters that data were made with, as often as it says.

Talts, Betancourt, Simpson, Vehtari and Gelman, arXiv:1804.06788. A draw of the prior, data made with it, a posterior: the
rank of the true value among the draws of the posterior is uniform if the code is right. It proves the code, not the model.

Ranks among draws that go with each other crowd the ends although nothing is wrong: L draws worth m independent ones have
ranks like m draws, each written L / m times. So a chain is run until the quantity that mixes worst is worth as many
independent draws as its true value is ranked among (algorithm 2 there).
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from darkmarket_estimates._checks import generator, integer
from darkmarket_estimates._version import __version__
from darkmarket_estimates.bayes import _arviz, sampling
from darkmarket_estimates.bayes.fit import MOST_DRAWS
from darkmarket_estimates.bayes.protocol import Data, Draws, Spec
from darkmarket_estimates.plots import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Simulations, each with a stream of random numbers of its own.
MOST = 1_000_000
#: Bins of the test of uniform ranks.
BINS = 10
#: A chain is at most this many times as long as the first one, and a little longer than its predecessor says it must be.
LONGEST, MARGIN = 16, 1.2


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Calibration:
    """Ranks of true values.

    Attributes
    ----------
    ranks : mapping of name to int array of shape (n_simulations,)
        Number of ranked draws below the true value.
    n_draws : int
        Ranked draws of a simulation: ranks run from 0 to this number.
    entropy : int
    divergences : int
        Over all simulations, in the chains that were ranked.
    short : int
        Simulations whose longest chain was worth fewer independent draws than were ranked.
    """

    ranks: dict[str, np.ndarray]
    n_draws: int
    entropy: int
    divergences: int = 0
    short: int = 0

    @property
    def n_simulations(self) -> int:
        """Number of simulations."""
        return len(next(iter(self.ranks.values())))

    def p_values(self) -> dict[str, float]:
        r"""P-value of :math:`\chi^2` on ten bins of the ranks, by name."""
        out = {}
        for name, ranks in self.ranks.items():
            bins = min(BINS, max(2, self.n_simulations // 5))
            counts = np.bincount(ranks * bins // (self.n_draws + 1), minlength=bins)
            share = np.diff(np.ceil(np.arange(bins + 1) * (self.n_draws + 1) / bins))
            out[name] = float(stats.chisquare(counts, share / share.sum() * len(ranks)).pvalue)
        return out

    @property
    def passed(self) -> bool:
        """Whether no parameter is rejected at 1 % over all of them (Bonferroni)."""
        return min(self.p_values().values()) > 0.01 / len(self.ranks)

    def to_frame(self) -> pd.DataFrame:
        """A row a quantity: mean rank as a fraction (1/2 if unbiased), share within the central 90 %, p."""
        import pandas as pd

        p = self.p_values()
        rows = []
        for name, ranks in self.ranks.items():
            # a rank is a step from r / (n + 1) to (r + 1) / (n + 1): the part of it inside, so that uniform ranks give 0.9
            inside = np.minimum(ranks + 1, 0.95 * (self.n_draws + 1)) - np.maximum(ranks, 0.05 * (self.n_draws + 1))
            rows.append({"quantity": name, "mean_rank": float((ranks + 0.5).mean()) / (self.n_draws + 1),
                         "central_90": float(np.clip(inside, 0.0, 1.0).mean()), "p": p[name]})
        return pd.DataFrame(rows).set_index("quantity")

    def plot(self, name: str, ax: Axes | None = None) -> Axes:
        """Histogram of the ranks of one quantity with the band that uniform ranks stay in with 99 %."""
        ax = style.axes(ax, 5.0, 3.4)
        ranks, n = self.ranks[name], self.n_simulations
        ax.hist((ranks + 0.5) / (self.n_draws + 1), bins=np.linspace(0, 1, BINS + 1).tolist(), color=style.INTERVAL, alpha=0.6)
        low, high = stats.binom(n, 1 / BINS).ppf([0.005, 0.995])
        ax.axhspan(low, high, color=style.BOUNDS, alpha=0.3)
        ax.set_xlabel(f"rank of the true {name}")
        style.tidy(ax)
        return ax

    def record(self, *, command: str = "") -> dict[str, Any]:
        """Ranks, seed, version and the command that made them, as JSON holds them."""
        return {"version": __version__, "command": command, "entropy": self.entropy, "n_simulations": self.n_simulations,
                "n_draws": self.n_draws, "divergences": self.divergences, "short": self.short,
                "p_values": self.p_values(),
                "ranks": {k: v.tolist() for k, v in self.ranks.items()}}

    def save(self, path: str | Path, *, command: str = "") -> None:
        """Write the `record` as JSON, whole or not at all."""
        path, record = Path(path), self.record(command=command)
        part = path.with_name(path.name + ".part")
        part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        os.replace(part, path)


def calibrate(
    spec: Spec,
    template: Data,
    *,
    n_simulations: int = 200,
    draws: int = 500,
    tune: int = 500,
    ranked: int = 100,
    rng: int | np.random.Generator | np.random.SeedSequence | None = None,
    target_accept: float = 0.9,
    progress: bool | None = None,
) -> Calibration:
    """Run simulation-based calibration with one compiled function.

    Parameters
    ----------
    spec : Spec
    template : Data
        From ``spec.data(totals)``: gives size and scale; its values play no part.
    n_simulations : int
    draws, tune : int
        Of the one chain of a simulation. Where it is worth fewer than `ranked` independent draws (the least bulk effective
        sample of all ranked quantities) it is run again, longer in proportion, up to 16 times.
    ranked : int
        Draws that each true value is ranked among, taken evenly from the chain.

    Returns
    -------
    Calibration
        ``short`` counts the simulations whose longest chain did not suffice.
    """
    generators = generator(rng)
    entropy = int(generators.integers(2**63))
    n, kept = integer(n_simulations, "n_simulations", low=1, high=MOST), integer(ranked, "ranked", low=1, high=MOST_DRAWS)
    first = integer(draws, "draws", low=max(kept, 4), high=MOST_DRAWS)  # of fewer than four draws no effective sample is known
    tune = integer(tune, "tune", low=0, high=MOST_DRAWS)
    streams = np.random.SeedSequence(entropy).spawn(n)
    model = step = None
    ranks: dict[str, list[int]] = {}
    divergences = short = 0
    for i, seed in enumerate(streams):
        random = np.random.default_rng(seed)
        truth, data = spec.simulate(random, template)
        if model is None:
            with sampling.quiet():
                model = spec.model(data)
            step = sampling.compiled_step(model, target_accept)
        else:
            put(model, data)
        true = {name: np.asarray(value, dtype=np.float64)[None] for name, value in truth.items()}
        true |= spec.quantities(data, true)
        chain = _chain(spec, data, model, step, set(true), draws=first, tune=tune, ranked=kept, rng=random)
        short += chain.worth < kept
        divergences += chain.divergences
        for name, rank in _ranks(true, chain.drawn, random).items():
            ranks.setdefault(name, []).append(rank)
        if sampling.showing(progress):
            print(f"\r{i + 1:,} of {n:,} simulations", end="\n" if i + 1 == n else "", flush=True)
    return Calibration(ranks={k: np.array(v) for k, v in ranks.items()}, n_draws=kept, entropy=entropy,
                       divergences=divergences, short=short)


@dataclass(frozen=True, slots=True, eq=False)
class _Chain:
    """Ranked draws by name, what the chain that they come from was worth, and its divergent transitions."""

    drawn: dict[str, np.ndarray]
    worth: float
    divergences: int


def _chain(
    spec: Spec, data: Data, model: Any, step: Any, names: set[str], *, draws: int, tune: int, ranked: int,
    rng: np.random.Generator,
) -> _Chain:
    """Run a chain, and a longer one where it is worth too little, and take the ranked draws evenly from it."""
    length = draws
    while True:
        container = sampling.sample(model, draws=length, tune=tune, chains=1, rng=rng, cores=1, progress=False, step=step)
        posterior = _arviz.flat_draws(container)
        drawn = {name: v for name, v in (posterior | spec.quantities(data, posterior)).items() if name in names}
        worth = effective(drawn)
        if worth >= ranked or length == LONGEST * draws:
            at = ((np.arange(ranked) + 0.5) * length / ranked).astype(np.int64)
            divergences = int(_arviz.dataset(container, "sample_stats")["diverging"].sum())
            return _Chain({name: v[at] for name, v in drawn.items()}, worth, divergences)
        length = min(LONGEST * draws, math.ceil(MARGIN * length * ranked / worth))


def put(model: Any, data: Data) -> None:
    """Put other data into a model that was built for data of the same kind."""
    import pymc as pm

    pm.set_data(dict(data.arrays), model=model)


def effective(draws: Draws) -> float:
    """Least bulk effective sample, over every scalar that moves, of one chain; 1 at least.

    Source: Vehtari, Gelman, Simpson, Carpenter and Bürkner, *Bayesian Analysis* 16 (2021), section 4.2.

    Examples
    --------
    >>> x = np.random.default_rng(1).normal(size=400)
    >>> effective({"free": x, "held for ten draws each": np.repeat(x[:40], 10)}) < 60 < effective({"free": x})
    True
    """
    moving = {name: v[None] for name, v in draws.items() if np.ptp(v.reshape(len(v), -1), axis=0).max() > 0}
    if not moving:
        return 1.0
    dims = {name: (*_arviz.SAMPLE, *(f"{name}_{j}" for j in range(v.ndim - 2))) for name, v in moving.items()}
    container = _arviz.container_of({"posterior": _arviz.dataset_of(moving, dims, {})})
    found = np.concatenate([v.ravel() for v in _arviz.diagnostics(container)["ess_bulk"].values()])
    return float(np.where(found >= 1, found, 1.0).min())


def _ranks(true: Draws, drawn: Draws, rng: np.random.Generator) -> dict[str, int]:
    """Rank of every scalar among its draws; of draws equal to it, any number is below."""
    out = {}
    for name, sample in drawn.items():
        flat, sample = np.atleast_1d(true[name][0]).ravel(), sample.reshape(len(sample), -1)
        if (sample == flat).all():
            continue  # a known value
        for j, one in enumerate(flat):
            label = name if len(flat) == 1 else f"{name}[{j}]"
            ties = int((sample[:, j] == one).sum())
            out[label] = int((sample[:, j] < one).sum()) + int(rng.integers(ties + 1))
    return out
