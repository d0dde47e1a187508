"""Coverage estimators: speed, and where each one holds or fails on simulated captures whose truth is known.

``python benchmarks/capture_recapture.py`` prints the speed at 1e6 listings x 30 scrapes (``--large``: 1e7);
``python benchmarks/capture_recapture.py --table`` writes the tables of docs/coverage.md (``--simulations 1000 --seed 1``),
``--life`` its table of life tables alone.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import darkmarket_estimates as dme
from darkmarket_estimates import coverage
from darkmarket_estimates.errors import DataError

DOCS = Path(__file__).resolve().parent.parent / "docs" / "coverage.md"
SITUATIONS = ("equal", "unequal scrapes", "popular seen more", "popular seen less", "unobserved differences",
              "vendors together", "open market")
SCRAPES = (2, 3, 6, 12)
BOUNDS = ("chao2", "value_chao (unequal scrapes)", "value_chao (equal scrapes)")


@dataclass(frozen=True, slots=True)
class Draw:
    """One simulated market and its scrapes; rows are the listings that were seen."""

    histories: np.ndarray
    y: np.ndarray
    z: np.ndarray
    vendor: np.ndarray
    n: float  # listings that exist (open market: live at the last scrape but one)
    value: float


def draw(rng: np.random.Generator, situation: str, t: int, n: int = 3000, vendors: int = 100) -> Draw:
    """Log-normal values (log-sd 1.5); a listing's chance of capture averages near 0.2, or 0.1 with twelve scrapes."""
    z = rng.normal(size=n)
    y = np.exp(4 + 1.5 * z)
    vendor = rng.integers(0, vendors, n)
    eta = np.full((n, t), -2.2 if t == 12 else -1.4)
    if situation == "unequal scrapes":
        eta += np.linspace(-1.5, 1.5, t)
    elif situation in ("popular seen more", "popular seen less"):
        eta += (0.7 if situation == "popular seen more" else -0.7) * z[:, None]
    elif situation == "unobserved differences":
        eta += rng.normal(0, 1, n)[:, None]
    elif situation == "vendors together":
        eta += rng.normal(0, 1, (vendors, t))[vendor]
    seen = rng.random((n, t)) < 1 / (1 + np.exp(-eta))
    live = np.ones((n, t), dtype=bool)
    if situation == "open market":  # 15 % go between scrapes, as many appear
        stay = np.cumprod(rng.random((n, t)) < 0.85, axis=1).astype(bool)
        start = rng.integers(0, t, n) * (rng.random(n) < 1 - 0.85 ** (t - 1))
        live = np.array([np.concatenate([np.zeros(s, dtype=bool), row[: t - s]]) for s, row in zip(start, stay)])
        seen &= live
    at = max(0, t - 2)
    caught = seen.any(axis=1)
    return Draw(seen[caught], y[caught], z[caught], vendor[caught], float(live[:, at].sum()),
                float(y[live[:, at]].sum()))


def count_estimators(d: Draw) -> dict[str, Callable[[], coverage.Abundance]]:
    """Estimators of the number of listings, by name; those on two lists take the last two scrapes."""
    s = coverage.summary(d.histories)
    assert s.together is not None
    pair = int(s.together[-2, -2]), int(s.together[-1, -1]), int(s.together[-2, -1])
    return {
        "petersen": lambda: coverage.petersen(*pair),
        "chapman": lambda: coverage.chapman(*pair),
        "bailey": lambda: coverage.bailey(*pair),
        "schnabel": lambda: coverage.schnabel(s),
        "schumacher_eschmeyer": lambda: coverage.schumacher_eschmeyer(s),
        "m0": lambda: coverage.m0(s),
        "mt": lambda: coverage.mt(s),
        "zero_truncated_poisson": lambda: coverage.zero_truncated_poisson(s),
        "chao2": lambda: coverage.chao2(s),
        "jackknife 1": lambda: coverage.jackknife(s, order=1),
        "jackknife 2": lambda: coverage.jackknife(s, order=2),
        "ice": lambda: coverage.ice(s),
        "ice (good-turing)": lambda: coverage.ice(s, form="good-turing"),
        "huggins": lambda: coverage.huggins(d.histories, d.z),
        "huggins, clusters": lambda: coverage.huggins(d.histories, d.z, clusters=d.vendor),
        "jolly_seber": lambda: coverage.jolly_seber(s),
    }


def value_estimators(d: Draw) -> dict[str, Callable[[], coverage.Abundance]]:
    """Estimators of the value, by name."""
    k, first, t = coverage.captures(d.histories)
    return {
        "value_chao (unequal scrapes)": lambda: coverage.value_chao(d.y, k, first, t),
        "value_chao (equal scrapes)": lambda: coverage.value_chao(d.y, k, first, t, form="equal scrapes"),
        "huggins_value (log value)": lambda: coverage.huggins_value(d.y, coverage.huggins(d.histories, d.z)),
        "huggins_value, clusters": lambda: coverage.huggins_value(d.y, coverage.huggins(d.histories, d.z),
                                                                  vendor=d.vendor),
        "huggins_value (no covariate)": lambda: coverage.huggins_value(d.y, coverage.huggins(d.histories)),
        "count_times_mean": lambda: coverage.count_times_mean(d.y, k, t),
    }


@dataclass(slots=True)
class Tally:
    """Sums over simulations of one estimator in one situation."""

    runs: int = 0
    failed: int = 0
    error: float = 0.0  # relative
    unseen: float = 0.0  # share of the unseen that was added
    covered: int = 0
    below: int = 0  # truth below the interval
    above: int = 0

    def add(self, make: Callable[[], coverage.Abundance], truth: float) -> None:
        """Run one estimator once."""
        try:
            est = make()
        except DataError:
            self.failed += 1
            return
        seen = est.details["seen"]
        self.runs += 1
        self.error += est.value / truth - 1
        self.unseen += (est.value - seen) / (truth - seen) if truth > seen else 1.0
        low, high = est.interval or (np.nan, np.nan)
        self.below += truth < low
        self.above += truth > high
        self.covered += low <= truth <= high

    def cell(self, bound: bool, value: bool) -> str:
        """Bias (value: share of the unseen found) and coverage; bold where it falls short by 3 Monte Carlo errors."""
        if self.runs == 0:
            return "refused"
        rate = 1 - self.below / self.runs if bound else self.covered / self.runs
        short = 0.95 - rate > 3 * (0.95 * 0.05 / self.runs) ** 0.5
        first = f"{self.unseen / self.runs:.2f}" if value else f"{100 * self.error / self.runs:+.1f}%"
        misses = "" if bound else f" ({self.below / self.runs:.2f}, {self.above / self.runs:.2f})"
        text = f"{first} {f'**{rate:.3f}**' if short else f'{rate:.3f}'}{misses}"
        return text + (f", refused {self.failed / (self.runs + self.failed):.2f}" if self.failed else "")


def simulate(simulations: int, seed: int, t: int, situation: str) -> tuple[dict[str, Tally], dict[str, Tally]]:
    """Return the tallies of counts and of values over `simulations` draws; the stream depends on seed and cell only."""
    rng = np.random.default_rng([seed, t, SITUATIONS.index(situation)])
    counts: dict[str, Tally] = {}
    values: dict[str, Tally] = {}
    for _ in range(simulations):
        d = draw(rng, situation, t)
        for name, make in count_estimators(d).items():
            counts.setdefault(name, Tally()).add(make, d.n)
        for name, make in value_estimators(d).items():
            values.setdefault(name, Tally()).add(make, d.value)
    return counts, values


def tables(simulations: int, seed: int) -> str:
    """Return the tables as Markdown."""
    parts = [f"Made by `python benchmarks/capture_recapture.py --table --simulations {simulations} --seed {seed}` with version "
             f"{dme.__version__}; Monte Carlo error of a coverage of 0.95: {(0.95 * 0.05 / simulations) ** 0.5:.3f}."]
    for t in SCRAPES:
        cells = {situation: simulate(simulations, seed, t, situation) for situation in SITUATIONS}
        for kind, title in ((0, "Number of listings"), (1, "Value")):
            rows = [f"\n### {title}, {t} scrapes\n", "| estimator | " + " | ".join(SITUATIONS) + " |",
                    "|" + "---|" * (1 + len(SITUATIONS))]
            for name in cells[SITUATIONS[0]][kind]:
                row = [cells[s][kind][name].cell(name in BOUNDS, kind == 1) for s in SITUATIONS]
                rows.append(f"| {name} | " + " | ".join(row) + " |")
            parts.append("\n".join(rows))
    return "\n".join(parts)


DYING = ("alike", "hidden a fifth of the time", "popular pages opened more", "popular pages live longer",
         "two kinds of pages", "vendors leave at once")


def dying(rng: np.random.Generator, situation: str, n: int = 3000, vendors: int = 100) -> tuple[float, dict[str, np.ndarray]]:
    """A market of 90 days in which pages live 100 days on average, and four crawls: the true share seen, and what was."""
    days = np.array([20.0, 45.0, 65.0, 90.0])
    z = rng.normal(size=n)
    vendor = rng.integers(0, vendors, n)
    life = np.full(n, 100.0)
    if situation == "popular pages live longer":
        life *= np.exp(0.5 * z)
    elif situation == "two kinds of pages":
        life = np.where(rng.random(n) < 0.5, 30.0, 170.0)
    clock = rng.exponential(size=vendors)[vendor] if situation == "vendors leave at once" else rng.exponential(size=n)
    died = life * clock
    eta = np.full(n, 0.4) + (0.7 * z if situation == "popular pages opened more" else 0)
    chance = 1 / (1 + np.exp(-eta)) * (0.8 if situation == "hidden a fifth of the time" else 1)
    caught = (died[:, None] > days) & (rng.random((n, 4)) < chance[:, None])
    row = np.repeat(np.arange(n), rng.poisson(2 * np.exp(z - 0.5)))
    sold, y = 90 * rng.random(len(row)), np.exp(rng.normal(4, 0.5, len(row)))
    happened = sold < died[row]
    row, sold, y = row[happened], sold[happened], y[happened]
    seen = (caught[row] & (days >= sold[:, None])).any(axis=1)
    known = np.flatnonzero(caught.any(axis=1))
    opened = np.full(4, float((1 / (1 + np.exp(-eta))).mean()))
    return float(y[seen].sum() / y.sum()), {
        "histories": caught[known], "times": days, "y": y[seen], "sold": sold[seen],
        "listing": np.searchsorted(known, row[seen]), "opened": opened}


def life_tables(simulations: int, seed: int) -> str:
    """Return the table of life tables as Markdown: error of the total, and coverage of the share."""
    made = (f"Made by `python benchmarks/capture_recapture.py --life --simulations {simulations} --seed {seed}` with version "
            f"{dme.__version__}; Monte Carlo error of a coverage of 0.95: {(0.95 * 0.05 / simulations) ** 0.5:.3f}.")
    rows = ["| | share seen | from the logs | without logs |", "|---|---|---|---|"]
    for situation in DYING:
        rng = np.random.default_rng([seed, DYING.index(situation)])
        shares, tallies = 0.0, (Tally(), Tally())
        for _ in range(simulations):
            truth, data = dying(rng, situation)
            shares += truth
            for tally, opened in zip(tallies, (data["opened"], None), strict=True):
                est = coverage.life_table(**{**data, "opened": opened})
                low, high = est.interval or (np.nan, np.nan)
                tally.runs += 1
                tally.error += truth / est.value - 1  # of the total
                tally.below += truth < low
                tally.above += truth > high
                tally.covered += low <= truth <= high
        cells = [tally.cell(False, False) for tally in tallies]
        rows.append(f"| {situation} | {shares / simulations:.2f} | {cells[0]} | {cells[1]} |")
    return "\n".join([made, "", *rows])


def write(mark: str, body: str) -> None:
    """Replace what stands between two marks in the docs page."""
    head, rest = DOCS.read_text(encoding="utf-8").split(f"<!-- {mark}: begin -->\n")
    tail = rest.split(f"<!-- {mark}: end -->")[1]
    DOCS.write_text(f"{head}<!-- {mark}: begin -->\n{body}\n<!-- {mark}: end -->{tail}", encoding="utf-8")


def speed(n: int, t: int = 30) -> None:
    """Print seconds and peak memory for n listings in t scrapes."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, 2))
    p = (1 / (1 + np.exp(2 - 0.7 * x[:, 0] + 0.3 * x[:, 1]))).astype(np.float32)
    h = np.empty((n, t), dtype=bool)
    for j in range(t):
        np.less(rng.random(n, dtype=np.float32), p, out=h[:, j])
    h[~h.any(axis=1), 0] = True
    del p
    y = np.exp(x[:, 0])
    packed = np.packbits(h, axis=1)
    k, first, _ = coverage.captures(h)
    vendor = rng.integers(0, max(2, n // 300), n)

    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6

    fits: list[coverage.HugginsFit] = []
    print(f"{n:,} listings x {t} scrapes; memory before {peak():.2f} GB")
    for name, run in (
        ("summary, bool", lambda: coverage.summary(h)),
        ("summary, packed", lambda: coverage.summary(packed, occasions=t)),
        ("compare (without huggins)", lambda: coverage.compare(packed, occasions=t)),
        ("value_chao, vendors", lambda: coverage.value_chao(y, k, first, t, vendor=vendor)),
        ("huggins, 2 covariates", lambda: coverage.huggins(packed, x, occasions=t)),
        ("huggins, 2 covariates, clusters", lambda: coverage.huggins(packed, x, occasions=t, clusters=vendor)),
        ("huggins_value, vendors", lambda: coverage.huggins_value(y, fits[-1], vendor=vendor)),
    ):
        start = time.perf_counter()
        result = run()
        print(f"{name:34s} {time.perf_counter() - start:7.2f} s   peak {peak():.2f} GB")
        if isinstance(result, coverage.HugginsFit):
            fits[:] = [result]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--life", action="store_true")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.table:
        write("tables", tables(options.simulations, options.seed))
    if options.table or options.life:
        write("life", life_tables(options.simulations, options.seed))
    else:
        speed(10_000_000 if options.large else 1_000_000)


if __name__ == "__main__":
    main()
