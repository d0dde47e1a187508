"""Bayesian models: what compression, sampling and calibration give, in one run each.

`python benchmarks/bayes.py speed`: compression and sampling of 2,000,000 vendors.
`python benchmarks/bayes.py plain`: beside the model with a latent effect a vendor: same posterior, effective draws a second.
Both with PyMC's own sampler and with nutpie, where it is installed.
`python benchmarks/bayes.py coverage`: intervals against simulated truths (an hour; --n for fewer).
`python benchmarks/bayes.py sbc`: simulation-based calibration, written to benchmarks/bayes_sbc.json.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special, stats

import darkmarket_estimates as dme
from darkmarket_estimates import bayes
from darkmarket_estimates.bayes import (
    _arviz,
    calibration,
    coordinates,
    diagnostics,
    posterior,
    sampling,
    size_law,
    value_law,
)

SHARE, SPREAD, MEAN = 0.44, 0.13, 40.0
SEED = 2016
POPULATIONS = ("log-normal", "gamma", "pareto", "two kinds")
RATE = dme.ReviewRate(mean=SHARE, between_vendor_sd=SPREAD)


# -- populations ------------------------------------------------------------------------------------------------------


def sales_rate(population: str, p: np.ndarray) -> np.ndarray:
    """Quantiles of the vendors' sales rates, mean about 40."""
    if population in ("log-normal", "two kinds"):
        return MEAN * np.exp(1.5 * stats.norm.ppf(p) - 1.125)
    if population == "gamma":
        return stats.gamma.ppf(p, 0.5, scale=MEAN / 0.5)
    return MEAN / 3 * stats.pareto.ppf(p, 1.5)


def log_values(population: str, sales: np.ndarray) -> list[tuple[Any, np.ndarray, np.ndarray]]:
    """Share, mean and variance of the kinds of log prices of vendors with these sales.

    Small vendors' vary more, so that E[s] E[m] / E[s m] is about 1.3. "two kinds": dear and cheap goods, the latter with a
    fifth of the vendors and more of the largest, as on real markets: the logs have a long lower tail (skewness -0.8).
    """
    log_s = np.log(np.maximum(sales, 1))
    if population == "two kinds":
        cheap, few = special.expit(0.3 * (log_s - 3.0) - 1.4), 0.5 / np.maximum(SHARE * sales, 1.0)
        return [(1 - cheap, np.full(len(sales), 4.5), 0.8 + few), (cheap, np.full(len(sales), 2.2), 1.4 + few)]
    return [(np.ones(len(sales)), 4.0 + 0.02 * log_s, 0.8 + 3.0 / np.maximum(SHARE * sales, 1.0))]


def expected_turnover(population: str) -> float:
    """Of one vendor, by a stratified sum that is dense in the upper tail."""
    t = (np.arange(1_000_000) + 0.5) / 1_000_000
    rate = sales_rate(population, 1 - t**2)
    sales = np.random.default_rng(0).poisson(rate)
    price = sum(share * np.exp(mean + variance / 2) for share, mean, variance in log_values(population, sales))
    return float((2 * t * sales * price).mean())


def market(population: str, n: int, rng: np.random.Generator) -> tuple[dme.Totals, float]:
    """Totals of the vendors with reviews, and what was sold."""
    sales = rng.poisson(sales_rate(population, rng.uniform(size=rng.poisson(n))))
    kinds = log_values(population, sales)
    which = (rng.uniform(size=len(sales)) < kinds[-1][0]) if len(kinds) > 1 else np.zeros(len(sales), dtype=bool)
    mean, variance = (np.where(which, kinds[-1][i], kinds[0][i]) for i in (1, 2))
    price = np.exp(rng.normal(mean, np.sqrt(variance)))
    size = SHARE * (1 - SHARE) / SPREAD**2 - 1
    reviews = rng.binomial(sales, rng.beta(SHARE * size, (1 - SHARE) * size, len(sales)))
    seen = reviews > 0
    r, p = reviews[seen], price[seen]
    totals = dme.Totals.from_cells(vendor=np.arange(len(r)), value=p * r, reviews=r, price_sq_reviews=p**2 * r, currency="USD")
    return totals, float(sales @ price)


def coverage(n_simulations: int, n_vendors: int, populations: list[str]) -> None:
    """Share of intervals that hold the truth, one compiled function for all; the table so far after every 25 of each."""
    print(f"{n_vendors} vendors, 90% intervals; (below, above): truth beyond the ends; +-: Monte Carlo standard error")
    spec = bayes.ReviewCount(review_rate=RATE)
    truth = {population: n_vendors * expected_turnover(population) for population in populations}
    found: dict[tuple[str, str], list[tuple[bool, bool, float]]] = {}
    least: dict[str, list[float]] = {population: [] for population in populations}
    model = step = None
    for i in range(n_simulations):
        for population in populations:
            rng = np.random.default_rng((7, i, len(population)))
            totals, sold = market(population, n_vendors, rng)
            data = spec.data(totals)
            if model is None:
                model = spec.model(data)
                step = sampling.compiled_step(model)
            calibration.put(model, data)
            container = sampling.sample(model, draws=400, tune=200, chains=1, rng=rng, progress=False, step=step)
            least[population].append(min(float(v[0]) for v in _arviz.diagnostics(container)["ess_bulk"].values()))
            for estimand, target in (("realised", sold), ("expected", truth[population])):
                post = posterior.finish(spec, data, container, diagnostics.Checks(()), estimand=estimand, confidence_level=0.9,
                                        entropy=i, method="nuts", seconds=0.0)
                add(found.setdefault((population, estimand), []), post.estimate, target)
            add(found.setdefault((population, "expected, turnover()"), []),
                dme.turnover(totals, review_rate=RATE, estimand="expected", confidence_level=0.9), truth[population])
        if (i + 1) % 25 == 0 or i + 1 == n_simulations:
            table(found, least)


def table(found: dict[tuple[str, str], list[tuple[bool, bool, float]]], least: dict[str, list[float]]) -> None:
    """Print what was found; an end of an interval is off by sqrt(0.05 0.95 / draws) in probability."""
    for (population, name), rows in found.items():
        below, above, width = np.array(rows, dtype=float).T
        cover = 1 - below.mean() - above.mean()
        error = math.sqrt(max(cover * (1 - cover), 0.09 / 4) / len(rows))
        print(f"{population:>11} {name:<22} {len(rows)} runs: {cover:.3f} +- {error:.3f} ({below.mean():.3f}, "
              f"{above.mean():.3f}) median width / truth {np.median(width):.3f}")
    for population, ess in least.items():
        print(f"{population:>11} smallest effective sample of a fit: median {np.median(ess):.0f}, least {min(ess):.0f}")
    print(flush=True)


def add(rows: list[tuple[bool, bool, float]], est: dme.Estimate, truth: float) -> None:
    low, high = est.interval
    rows.append((truth < low, truth > high, (high - low) / truth))


# -- speed ------------------------------------------------------------------------------------------------------------


def speed(n: int, target_accept: float, sampler: str | None = None) -> None:
    """Compression and sampling; processor seconds beside wall seconds, for machines that others use too."""
    rng = np.random.default_rng(1)
    sales = rng.poisson(sales_rate("log-normal", rng.uniform(size=int(n * 1.25))))
    reviews = rng.binomial(sales, SHARE)
    reviews = reviews[reviews > 0][:n].astype(float)
    value = reviews * np.exp(4 + rng.normal(size=len(reviews)))
    totals = dme.Totals.from_cells(vendor=np.arange(len(reviews)), value=value, reviews=reviews, currency="USD")
    spec = bayes.ReviewCount(review_rate=RATE)
    with clock(f"{totals.n_vendors:,} vendors: compression"):
        data = spec.data(totals)
    print(f"{data.arrays['count_n'].size:,} cells of counts, {data.arrays['value_n'].size:,} of values")
    name = sampler or ("pymc" if missing("nutpie") else "nutpie")  # as `fit` chooses
    with clock(f"{name}: compilation"):
        run = SAMPLERS[name](spec.model(data), target_accept)
    with clock(f"{name}: 4 x ({sampling.TUNE} + 1,000) iterations, {CORES} processor(s)"):
        container = run(4, CORES)
    checks = diagnostics.check_container(container, "nuts")
    print(checks.to_frame().to_string(index=False))
    for estimand in ("realised", "expected"):
        with clock(f"{estimand} total"):
            post = posterior.finish(spec, data, container, checks, estimand=estimand, confidence_level=0.95, entropy=1,
                                    method="nuts", seconds=0.0)
        print(post.estimate)


@contextlib.contextmanager
def clock(what: str) -> Iterator[None]:
    wall, processor = time.perf_counter(), sum(os.times()[:4])  # children too
    yield
    print(f"{what}: {time.perf_counter() - wall:.1f} s, {sum(os.times()[:4]) - processor:.1f} s of processor", flush=True)


# -- samplers ---------------------------------------------------------------------------------------------------------

CORES = min(4, os.cpu_count() or 1)
#: Runs `chains` chains of 1,000 draws on some processors.
Run = Callable[[int, int], Any]


def with_pymc(model: Any, target_accept: float = 0.9) -> Run:
    """PyMC's own NUTS as `fit` runs it, compiled."""
    step = sampling.compiled_step(model, target_accept)
    sampling.sample(model, draws=2, tune=2, chains=1, rng=np.random.default_rng(0), progress=False, step=step)
    return lambda chains, cores: sampling.sample(model, draws=1000, chains=chains, cores=cores, progress=False,
                                                 rng=np.random.default_rng(1), step=step)


def with_nutpie(model: Any, target_accept: float = 0.9) -> Run:
    """The same NUTS outside Python, as `fit` runs it where nutpie is installed: the search for the mode is in both."""
    with sampling.quiet():
        standard = coordinates.standardised(model)
        density = standard.density(mode="FAST_COMPILE")
        standard.place(density)
        compiled = sampling.nutpie_compiled(standard)
    sampling.by_nutpie(compiled, draws=2, tune=2, chains=1, cores=1, seed=0)

    def run(chains: int, cores: int) -> Any:
        standard.place(density)
        return sampling.by_nutpie(compiled, draws=1000, tune=sampling.TUNE, chains=chains, cores=cores, seed=1,
                                  target_accept=target_accept)
    return run


def plainly_with_pymc(model: Any, target_accept: float = 0.9) -> Run:
    """PyMC's NUTS as it comes."""
    import pymc as pm

    with sampling.quiet(), model:
        step = pm.NUTS(target_accept=target_accept)
    options = {"model": model, "step": step, "progressbar": False, "compute_convergence_checks": False}

    def run(chains: int, cores: int) -> Any:
        with sampling.quiet():
            return pm.sample(draws=1000, tune=1000, chains=chains, cores=1, random_seed=1, **options)
    with sampling.quiet():
        pm.sample(draws=2, tune=2, chains=1, cores=1, random_seed=0, **options)
    return run


def plainly_with_nutpie(model: Any, target_accept: float = 0.9) -> Run:
    """Nutpie's NUTS as it comes."""
    import nutpie

    with sampling.quiet():
        compiled = nutpie.compile_pymc_model(model)
    nutpie.sample(compiled, draws=2, tune=2, chains=1, seed=0, progress_bar=False)
    return lambda chains, cores: nutpie.sample(compiled, draws=1000, tune=1000, chains=chains, cores=cores, seed=1,
                                               target_accept=target_accept, progress_bar=False)


SAMPLERS: dict[str, Callable[..., Run]] = {"pymc": with_pymc, "nutpie": with_nutpie}
PLAINLY: dict[str, Callable[..., Run]] = {"pymc": plainly_with_pymc, "nutpie": plainly_with_nutpie}


def missing(sampler: str) -> bool:
    """Whether a sampler is not installed, which is printed."""
    absent = importlib.util.find_spec(sampler) is None
    if absent:
        print(f"{sampler}: not installed")
    return absent


# -- beside the plain model -------------------------------------------------------------------------------------------

VALUES = (*value_law.MEAN, *value_law.SPREAD)
#: Log-normal sizes as the limit of the flexible law: exponential tails of no length.
NO_TAILS = bayes.CountPriors(upper_tail=0.01, lower_tail=0.01)
SPECS = {"Gamma": bayes.ReviewCount(review_rate=RATE, size_law="gamma", value_tails="normal"),
         "log-normal": bayes.ReviewCount(review_rate=RATE, value_tails="normal", priors=NO_TAILS)}


def plain_model(totals: dme.Totals, spec: bayes.ReviewCount) -> Any:
    """The same priors with a latent log rate a vendor and a normal value a vendor: nothing is compressed.

    Rates are centred, as most vendors' reviews say much about them (non-centred, log-normal rates mix thirty times worse).
    That a vendor has a review at all has no closed form under log-normal rates: 40 nodes of Gauss and Hermite.
    """
    import pymc as pm
    import pytensor.tensor as pt

    priors: Any = spec.resolve(totals)
    own = spec.data(totals).own
    r = own.vendors.reviews
    log_m = np.log(own.vendors.row_value / own.vendors.row_reviews)
    with pm.Model() as model:
        if spec.size_law == "gamma":
            shape, mean = priors.size_shape.variable("size_shape"), priors.size_mean.variable("size_mean")
            rate = pm.Gamma("rate", alpha=shape, beta=shape / mean, shape=len(r))
            none = pt.exp(-shape * pt.log1p(mean / shape))
        else:
            centre, sd = priors.size_centre.variable("size_centre"), priors.size_sd.variable("size_sd")
            rate = pt.exp(pm.Normal("log_rate", centre, sd, shape=len(r)))
            x, weight = np.polynomial.hermite_e.hermegauss(40)
            none = (weight / weight.sum() * pt.exp(-pt.exp(centre + sd * x))).sum()
        pm.Poisson("reviews", rate, observed=r)
        pm.Potential("truncated", -len(r) * pt.log1p(-none))
        p = {name: getattr(priors, name).variable(name) for name in VALUES}
        x = np.log(r) - own.centre
        v = value_law.variance(p, x, 1 / r, pt)
        pm.Normal("log_m", value_law.log_mean(p, x, np.maximum(x - own.bend, 0), 1 / r) - v / 2, pt.sqrt(v), observed=log_m)
    return model


def parameters(draws: dict[str, np.ndarray], *, compressed: bool) -> dict[str, np.ndarray]:
    """Draws of what both models have; the kernel of the grid is a part of the spread of log rates."""
    out = {name: draws[name] for name in ("size_shape", "size_mean", "size_centre", "size_sd", *VALUES) if name in draws}
    if compressed and "size_sd" in out:
        out["size_sd"] = np.hypot(out["size_sd"], math.sqrt(special.polygamma(1, size_law.SHAPE)))
        out["size_centre"] = out["size_centre"] + special.digamma(size_law.SHAPE) - math.log(size_law.SHAPE)
    return out


def plain(sizes: list[int], laws: list[str], target_accept: float) -> None:
    """Effective draws a second of processor by number of vendors, and whether the posteriors are one."""
    for law in laws:
        for size in sizes:
            totals = market(law.lower(), int(size * 1.26), np.random.default_rng(3))[0]
            print(f"{law} sizes, {totals.n_vendors:,} vendors")
            spec = SPECS[law]
            models = {"compressed": spec.model(spec.data(totals)), "latent effect a vendor": plain_model(totals, spec)}
            for sampler in SAMPLERS:
                if not missing(sampler):
                    beside(sampler, models, target_accept)


def beside(sampler: str, models: dict[str, Any], target_accept: float) -> None:
    """Both models with one sampler, four chains each on one processor."""
    figures = []
    for name, model in models.items():
        run = (SAMPLERS if name == "compressed" else PLAINLY)[sampler](model, target_accept)
        start = time.process_time()
        container = run(4, 1)
        seconds = time.process_time() - start
        draws = parameters(_arviz.flat_draws(container), compressed=name == "compressed")
        found = _arviz.diagnostics(container, list(draws))
        ess, worst = ({k: float(v[0]) for k, v in found[kind].items()} for kind in ("ess_bulk", "r_hat"))
        figures.append((draws, ess, seconds))
        print(f"  {sampler:<7} {name:<24} {seconds:7.1f} processor s, smallest effective sample {min(ess.values()):7.0f}: "
              f"{min(ess.values()) / seconds:8.2f} a second; largest R-hat {max(worst.values()):.3f}", flush=True)
    (a, ea, sa), (b, eb, sb) = figures
    gaps = {k: abs(a[k].mean() - b[k].mean()) for k in a}
    errors = max(gaps[k] / math.hypot(a[k].std() / math.sqrt(ea[k]), b[k].std() / math.sqrt(eb[k])) for k in a)
    print(f"  {sampler:<7} posterior means differ by at most {errors:.1f} Monte Carlo errors, "
          f"{max(gaps[k] / b[k].std() for k in a):.3f} posterior sd; effective draws a second: "
          f"{min(ea.values()) / sa / (min(eb.values()) / sb):.1f} times", flush=True)


def calibrated_models() -> dict[str, tuple[Any, Any, dict[str, int]]]:
    """Every model with data that give size and scale, and the draws of a simulation."""
    rng = np.random.default_rng(11)
    captures = bayes.CaptureCounts(value=np.repeat(np.exp(np.linspace(1, 6, 8)), 40), occasions=4,
                                   captures=np.tile([1, 2, 3, 4], 80))
    # less wide than the defaults, under which half of the markets have no listing that is seen twice
    seen = {"intercept": bayes.Normal(-0.5, 0.7), "value_slope": bayes.Normal(0.0, 0.5), "spread": bayes.HalfNormal(0.7)}
    sales = np.ceil(rng.lognormal(3, 1.2, 120))
    counts = {"market": np.repeat(["a", "b", "c"], 40), "sales": sales, "reviews": rng.binomial(sales.astype(int), 0.4)}
    size = rng.lognormal(6, 0.8, 300)
    months = [(f"2016-{m + 1:02d}", f"v{i}", y) for m in range(10)
              for i, y in enumerate(size * rng.lognormal(0, 0.5, 300)) if rng.uniform() < 0.7]
    month, vendor, money = (list(column) for column in zip(*months, strict=True))
    monthly = dme.Totals.from_cells(vendor=vendor, value=money, reviews=[1] * len(month), groups={"month": month},
                                    currency="USD", window=("2016-01-01", "2016-11-01"))
    models: list[tuple[str, Any, Any]] = [
        ("Detection, beta", bayes.Detection(law="beta", **seen), captures),
        ("Detection, logit-normal", bayes.Detection(law="logit-normal", **seen), captures),
        ("Trend", bayes.Trend(review_rate=1.0), monthly),
        ("ReviewCount", bayes.ReviewCount(review_rate=RATE), market("log-normal", 200, np.random.default_rng(11))[0]),
        ("BothCounters", bayes.BothCounters(), counts),
    ]
    # as long as most data sets need until every ranked quantity is worth 100 independent draws
    options = {"Trend": {"draws": 600, "tune": 300}}
    return {name: (spec, data, options.get(name, {"draws": 300, "tune": 200})) for name, spec, data in models}


def sbc(n: int, names: list[str], seed: int, path: Path) -> None:
    """Simulation-based calibration, a record a model."""
    models = calibrated_models()
    for name in names or list(models):
        spec, given, options = models[name]
        start = time.perf_counter()
        result = bayes.calibrate(spec, spec.data(given), n_simulations=n, rng=seed, **options)
        print(f"{name}: {n} simulations in {time.perf_counter() - start:.0f} s, {result.divergences} divergent transitions, "
              f"{result.short} too short")
        print(result.to_frame().round(3).to_string())
        print("passed" if result.passed else "REJECTED", flush=True)
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        record = result.record(command=f'python benchmarks/bayes.py sbc --n {n} --models "{name}" --seed {seed}')
        known[name if seed == SEED else f"{name}, seed {seed}"] = record
        path.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("speed", "plain", "coverage", "sbc"))
    parser.add_argument("--n", type=int, default=None)
    parser.add_argument("--laws", nargs="+", default=list(SPECS), choices=list(SPECS))
    parser.add_argument("--target-accept", type=float, default=0.9)
    parser.add_argument("--sampler", choices=tuple(SAMPLERS), help="of `speed`; nutpie by default where it is installed")
    parser.add_argument("--vendors", type=int, default=300)
    parser.add_argument("--populations", nargs="+", default=list(POPULATIONS), choices=POPULATIONS)
    parser.add_argument("--seed", type=int, default=SEED, help="of `sbc`")
    parser.add_argument("--models", nargs="+", default=[], help="of `sbc`; all by default")
    args = parser.parse_args()
    if args.part == "speed":
        speed(args.n or 2_000_000, args.target_accept, args.sampler)
    elif args.part == "plain":
        plain([args.n] if args.n else [2000, 5000], args.laws, args.target_accept)
    elif args.part == "coverage":
        coverage(args.n or 400, args.vendors, args.populations)
    else:
        sbc(args.n or 200, args.models, args.seed, Path(__file__).with_name("bayes_sbc.json"))


if __name__ == "__main__":
    main()
