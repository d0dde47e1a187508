"""How often intervals hold the truth: populations, one experiment a cell, and a table row a method.

Used by the tests beside it and by benchmarks/interval_coverage.py, which writes docs/coverage-of-intervals.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

from darkmarket_estimates.distribution import confidence, moments
from darkmarket_estimates.distribution.compound_poisson import compound_poisson
from darkmarket_estimates.distribution.law import Hull, LogNormalLaw, NormalLaw
from darkmarket_estimates.distribution.ratios import ratio_expected
from darkmarket_estimates.distribution.realised import realised

LEVEL = 0.95
ENDS = np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2])


@dataclass(frozen=True)
class Population:
    """A law of vendor turnovers with its mean; `tuned` where the tail rule was chosen while looking at it."""

    name: str
    mean: float
    draw: Callable[[np.random.Generator, int], np.ndarray]
    tuned: bool = False


def lognormal(sigma: float) -> Population:
    return Population(f"log-normal, log-sd {sigma:g}", math.exp(sigma**2 / 2),
                      lambda rng, n: rng.lognormal(0, sigma, n), True)


def pareto(index: float) -> Population:
    return Population(f"Pareto {index:g}", index / (index - 1), lambda rng, n: 1 + rng.pareto(index, n), True)


def weibull(shape: float) -> Population:
    return Population(f"Weibull, shape {shape:g}", special.gamma(1 + 1 / shape), lambda rng, n: rng.weibull(shape, n))


def log_gamma(shape: float, scale: float) -> Population:
    return Population(f"log-gamma, shape {shape:g}, scale {scale:g}", (1 - scale) ** -shape,
                      lambda rng, n: np.exp(rng.gamma(shape, scale, n)))


def burr(c: float, k: float) -> Population:
    return Population(f"Burr XII, c {c:g}, k {k:g}", k * special.beta(k - 1 / c, 1 + 1 / c),
                      lambda rng, n: (rng.random(n) ** (-1 / k) - 1) ** (1 / c))


def two_lognormals() -> Population:
    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        large = rng.random(n) < 0.1
        return np.exp(np.where(large, 3 + 0.8 * rng.standard_normal(n), rng.standard_normal(n)))

    mean = 0.9 * math.exp(0.5) + 0.1 * math.exp(3.32)
    return Population("90 % log-normal(0, 1), 10 % log-normal(3, 0.8)", mean, draw)


def lomax(index: float) -> Population:
    return Population(f"Lomax {index:g}", 1 / (index - 1), lambda rng, n: rng.pareto(index, n))


def inverse_gamma(shape: float) -> Population:
    return Population(f"inverse gamma {shape:g}", 1 / (shape - 1), lambda rng, n: 1 / rng.gamma(shape, 1, n))


def resampled(name: str, values: np.ndarray, tuned: bool = False) -> Population:
    values = values[values > 0]
    return Population(name, float(values.mean()), lambda rng, n: rng.choice(values, n), tuned)


def real_vendors(folder: Path) -> dict[str, np.ndarray]:
    """Vendor turnovers of the real markets, without prices of 9,999 (sales a day) or above 10,000 (distinct reviews)."""
    alpha = pd.read_parquet(folder / "alphabay2017" / "listings.parquet").query("price_usd < 9999")
    daily = alpha.price_usd * alpha.n_sold / alpha.days_listed.clip(lower=1)
    agora = pd.read_parquet(folder / "agora2014" / "reviews.parquet").query("price_usd_at_first_seen <= 10000")
    return {
        "AlphaBay 2017 vendors": daily.groupby(alpha.vendor_id).sum().to_numpy(),
        "Agora 2014 vendors": agora.groupby("vendor_id").price_usd_at_first_seen.sum().to_numpy(),
    }


def torrez(folder: Path) -> np.ndarray:
    """(sales, reviews) of the vendors of Torrez with a sale."""
    vendors = pd.read_parquet(folder / "torrez2021" / "vendors.parquet")
    pairs = vendors.loc[vendors.transactions > 0, ["transactions", "feedback_total"]].to_numpy()
    return np.column_stack([pairs[:, 0], np.minimum(pairs[:, 1], pairs[:, 0])])


@dataclass(frozen=True)
class Cell:
    """One experiment: `run` yields (truth, point, {method: (low, high)}) for ever."""

    name: str
    estimand: str
    tuned: bool
    run: Callable[[np.random.Generator], Iterator[tuple[float, float, dict[str, np.ndarray]]]]


def expected_cell(population: Population, n: int) -> Cell:
    """A Poisson number of vendors; the truth is n times the population mean."""

    def run(rng: np.random.Generator) -> Iterator[tuple[float, float, dict[str, np.ndarray]]]:
        while True:
            x = population.draw(rng, max(int(rng.poisson(n)), 2))
            # The library's own laws on a shorter grid (steps of 0.5 % of a standard deviation).
            percentile = compound_poisson(x, n_points=2**12)
            skewness = confidence.skewness(x)
            laws = {"compound-poisson": percentile, "tail": confidence.tail(x),
                    "bca": confidence.accelerated(percentile, float(x.sum()), skewness / 6),
                    "skew-corrected": confidence.skew_corrected(x), "delta": confidence.delta(x)}
            hull = Hull(laws["bca"], laws["tail"])
            many = moments.effective_number(x) >= confidence.MANY_VENDORS
            laws["default by n_eff alone"] = laws["bca"] if many else hull
            laws["default"] = laws["bca"] if many and skewness <= confidence.NEARLY_SYMMETRIC else hull
            yield n * population.mean, float(x.sum()), {name: law.quantile(ENDS) for name, law in laws.items()}

    return Cell(f"{population.name}, {n} vendors", "expected", population.tuned, run)


def share_cell(sigma: float, n: int, in_group: float = 0.1) -> Cell:
    """Share of a random tenth of the vendors; the truth is the tenth."""

    def run(rng: np.random.Generator) -> Iterator[tuple[float, float, dict[str, np.ndarray]]]:
        while True:
            b = rng.lognormal(0, sigma, max(int(rng.poisson(n)), 2))
            a = b * (rng.random(len(b)) < in_group)
            if not 0 < a.sum() < b.sum():
                continue
            percentile, tail = (ratio_expected(a, b, method=method) for method in ("compound-poisson", "tail"))
            skewness = confidence.skewness(a - percentile.value * b)
            laws = {"compound-poisson": percentile, "tail": tail,
                    "bca": confidence.accelerated(percentile.law, percentile.value, skewness / 6)}
            laws["default"] = Hull(laws["bca"], tail)
            yield in_group, percentile.value, {name: each.quantile(ENDS) for name, each in laws.items()}

    return Cell(f"share, log-normal {sigma:g}, {n} vendors", "share", True, run)


def realised_cell(name: str, sales: Callable[[np.random.Generator], np.ndarray], a: float, b: float) -> Cell:
    """Shares Beta(a, b), reviews binomial, a price a vendor; the truth is what was sold."""
    share, spread = a / (a + b), math.sqrt(a * b / (a + b) ** 2 / (a + b + 1))

    def run(rng: np.random.Generator) -> Iterator[tuple[float, float, dict[str, np.ndarray]]]:
        while True:
            sold = sales(rng)
            price = rng.lognormal(4, 1, len(sold))
            reviews = rng.binomial(sold, rng.beta(a, b, len(sold)))
            yield float(price @ sold), *_realised_intervals(price, reviews, share, spread)

    return Cell(f"{name}, Beta({a:g}, {b:g})", "realised", False, run)


def torrez_cell(pairs: np.ndarray, n: int) -> Cell:
    """Real pairs of sales and reviews drawn together, share and spread by moments from all of them."""
    sold, reviewed = pairs.T.astype(float)
    share = reviewed.sum() / sold.sum()
    excess = (reviewed - share * sold) ** 2 - share * (1 - share) * sold
    spread = math.sqrt(excess.sum() / (sold * (sold - 1)).sum())

    def run(rng: np.random.Generator) -> Iterator[tuple[float, float, dict[str, np.ndarray]]]:
        while True:
            chosen = pairs[rng.integers(len(pairs), size=n)]
            price = rng.lognormal(4, 1, n)
            yield float(price @ chosen[:, 0]), *_realised_intervals(price, chosen[:, 1], share, spread)

    return Cell(f"Torrez 2021 vendors, {n}", "realised", True, run)


def _realised_intervals(
    price: np.ndarray, reviews: np.ndarray, share: float, spread: float
) -> tuple[float, dict[str, np.ndarray]]:
    seen = reviews > 0
    y, q = (price * reviews)[seen], (price**2 * reviews)[seen]
    total = float(y.sum()) / share
    deviation = math.sqrt(moments.realised_variance(y, q, share, spread))
    laws = {"default": realised(y, q, share, spread), "delta": NormalLaw(total, deviation),
            "lognormal": LogNormalLaw(total, deviation / total)}
    if moments.beta_shape(share, spread)[0] > 1:
        laws["conservative"] = realised(y, q, share, spread, spread_law="conservative")
    return total, {name: law.quantile(ENDS) for name, law in laws.items()}


def sizes(sigma: float, n: int) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda rng: np.ceil(rng.lognormal(math.log(50), sigma, n)).astype(np.int64)


def pareto_sizes(n: int) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda rng: np.minimum(np.ceil(5 * (1 + rng.pareto(1.0, n))), 10**9).astype(np.int64)


def all_cells(folder: Path | None) -> list[Cell]:
    """Every cell of the published table; those of real vendors only where the data are."""
    cells = [expected_cell(lognormal(s), n) for n in (30, 200, 2000) for s in (1, 1.5, 2)]
    cells += [expected_cell(pareto(1.5), 200)]
    fresh = [weibull(0.4), log_gamma(2, 0.5), burr(1.2, 1.6), two_lognormals()]
    cells += [expected_cell(population, n) for population in fresh for n in (30, 200, 2000)]
    cells += [expected_cell(population, 2000) for population in (lomax(2.1), lomax(3), inverse_gamma(2.3), weibull(0.6))]
    cells += [share_cell(1, 200), share_cell(2, 200), share_cell(2, 2000)]
    cells += [realised_cell(f"log-normal {s:g}, {n} vendors", sizes(s, n), 5.2, 6.8)
              for s, n in ((1, 50), (1.5, 200), (2, 50), (2, 200))]
    cells += [realised_cell("Pareto 1, 200 vendors", pareto_sizes(200), 5.2, 6.8)]
    cells += [realised_cell("log-normal 1.5, 200 vendors", sizes(1.5, 200), a, b)
              for a, b in ((1.5, 3.5), (0.8, 1.2), (20, 26))]
    if folder is not None:
        real = real_vendors(folder)
        cells += [expected_cell(resampled(name, values, name.startswith("Alpha")), n)
                  for name, values in real.items() for n in (50, 200, 1000)]
        cells += [torrez_cell(torrez(folder), n) for n in (50, 200)]
    return cells


def run_cell(cell: Cell, n_runs: int, seed: int) -> pd.DataFrame:
    """One row a method: coverage, its Monte Carlo error, misses on each side, median width / point, verdict."""
    rng = np.random.default_rng([seed, *cell.name.encode()])
    hits: dict[str, list[tuple[bool, bool, float]]] = {}
    runs = cell.run(rng)
    for _ in range(n_runs):
        truth, point, intervals = next(runs)
        for method, (low, high) in intervals.items():
            hits.setdefault(method, []).append((truth < low, truth > high, (high - low) / point))
    rows = []
    for method, outcome in hits.items():
        below, above, width = np.array(outcome, dtype=float).T
        coverage = 1 - below.mean() - above.mean()
        error = math.sqrt(LEVEL * (1 - LEVEL) / n_runs)
        rows.append({"estimand": cell.estimand, "cell": cell.name, "tuned": cell.tuned, "method": method,
                     "runs": n_runs, "coverage": coverage,
                     "mc_error": math.sqrt(max(coverage * (1 - coverage), 1e-9) / n_runs),
                     "truth below": below.mean(), "truth above": above.mean(), "width": float(np.median(width)),
                     "verdict": "fails" if LEVEL - coverage > 3 * error else "holds"})
    return pd.DataFrame(rows)
