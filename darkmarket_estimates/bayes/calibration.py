"""Simulation-based calibration: whether the sampler returns the parameters that data were made with, as often as it says.

Talts, Betancourt, Simpson, Vehtari and Gelman, arXiv:1804.06788. A draw of the prior, data made with it, a posterior: the
rank of the true value among the draws of the posterior is uniform if the code is right. It proves the code, not the model.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from darkmarket_estimates._checks import generator, integer
from darkmarket_estimates._version import __version__
from darkmarket_estimates.bayes import _arviz, sampling
from darkmarket_estimates.bayes.protocol import Data, Draws, Spec
from darkmarket_estimates.plots import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Bins of the test of uniform ranks.
BINS = 10


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Calibration:
    """Ranks of true values.

    Attributes
    ----------
    ranks : mapping of name to int array of shape (n_simulations,)
        Number of thinned draws below the true value.
    n_draws : int
        Thinned draws a simulation: ranks run from 0 to this number.
    entropy : int
    divergences : int
        Over all simulations.
    """

    ranks: dict[str, np.ndarray]
    n_draws: int
    entropy: int
    divergences: int = 0

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
                "n_draws": self.n_draws, "divergences": self.divergences, "p_values": self.p_values(),
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
    thin: int = 5,
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
        Of the one chain a simulation.
    thin : int
        Every `thin`-th draw is ranked against, so that they are nearly independent.

    Returns
    -------
    Calibration
    """
    generators = generator(rng)
    entropy = int(generators.integers(2**63))
    n = integer(n_simulations, "n_simulations", low=1)
    streams = np.random.SeedSequence(entropy).spawn(n)
    model = step = None
    ranks: dict[str, list[int]] = {}
    divergences = 0
    for i, seed in enumerate(streams):
        random = np.random.default_rng(seed)
        truth, data = spec.simulate(random, template)
        if model is None:
            with sampling.quiet():
                model = spec.model(data)
            step = sampling.compiled_step(model, target_accept)
        else:
            put(model, data)
        container = sampling.sample(model, draws=draws, tune=tune, chains=1, rng=random, cores=1, progress=False, step=step)
        divergences += int(_arviz.dataset(container, "sample_stats")["diverging"].sum())
        posterior = {k: v[::thin] for k, v in _arviz.flat_draws(container).items()}
        for name, rank in _ranks(spec, data, truth, posterior, random).items():
            ranks.setdefault(name, []).append(rank)
        if sampling.showing(progress):
            print(f"\r{i + 1:,} of {n:,} simulations", end="\n" if i + 1 == n else "", flush=True)
    n_draws = len(range(0, draws, integer(thin, "thin", low=1)))
    return Calibration(ranks={k: np.array(v) for k, v in ranks.items()}, n_draws=n_draws, entropy=entropy,
                       divergences=divergences)


def put(model: Any, data: Data) -> None:
    """Put other data into a model that was built for data of the same kind."""
    import pymc as pm

    pm.set_data(dict(data.arrays), model=model)


def _ranks(
    spec: Spec, data: Data, truth: dict[str, Any], draws: Draws, rng: np.random.Generator
) -> dict[str, int]:
    """Rank of every scalar parameter and every derived quantity."""
    true = {name: np.asarray(value, dtype=np.float64)[None] for name, value in truth.items()}
    values = {**true, **spec.quantities(data, true)}
    drawn = {**draws, **spec.quantities(data, draws)}
    out = {}
    for name, value in values.items():
        if name not in drawn:
            continue
        flat, sample = np.atleast_1d(value[0]).ravel(), drawn[name].reshape(len(drawn[name]), -1)
        if np.ptp(sample) == 0:
            continue  # a known value
        for j, one in enumerate(flat):
            label = name if len(flat) == 1 else f"{name}[{j}]"
            ties = int((sample[:, j] == one).sum())
            out[label] = int((sample[:, j] < one).sum()) + int(rng.integers(ties + 1))
    return out
