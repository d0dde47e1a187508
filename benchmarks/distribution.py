"""Speed of the total's law against resampling: `python benchmarks/distribution.py [--json]`.

Both sides see the same vendor totals in one run. scipy.stats.bootstrap (percentile) resamples a fixed number of
vendors, the compound Poisson law a Poisson number: nearly the same interval. How many resamples scipy needs is
computed, not guessed: the Monte Carlo error of its 2.5 % quantile, sqrt(p (1 - p) / n) / density, shall equal the
larger of our grid's error bound and 0.1 % of the total. It is timed at a feasible number and scaled linearly.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable

import numpy as np
from scipy import stats

from darkmarket_estimates.distribution import confidence
from darkmarket_estimates.distribution.compound_poisson import compound_poisson
from darkmarket_estimates.distribution.factors import nodes
from darkmarket_estimates.distribution.moments import beta_shape
from darkmarket_estimates.distribution.realised import realised, realised_uncertain_share

LEVEL = 0.025
FEASIBLE = 5e7  # vendor draws that scipy is timed with


def best(call: Callable[[], object], repeats: int = 5) -> float:
    """Shortest of some runs, in seconds."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def against_scipy(n: int, sigma: float) -> dict[str, float]:
    rng = np.random.default_rng(1)
    x = rng.lognormal(0, sigma, n)
    law = compound_poisson(x)
    ours = best(lambda: compound_poisson(x).quantile([LEVEL, 1 - LEVEL]))
    q = law.quantile(LEVEL)
    width = 0.01 * math.sqrt(law.variance)
    density = (law.cdf(q + width) - law.cdf(q - width)) / (2 * width)
    accuracy = max(law.error_bound, 1e-3 * law.mean)
    needed = math.ceil(LEVEL * (1 - LEVEL) / (density * accuracy) ** 2)
    timed = int(min(max(FEASIBLE / n, 50), needed))
    start = time.perf_counter()
    result = stats.bootstrap((x,), np.sum, n_resamples=timed, batch=max(1, int(2e6 / n)), method="percentile",
                             confidence_level=1 - 2 * LEVEL, rng=rng)
    seconds = time.perf_counter() - start
    return {"vendors": n, "log_sd": sigma, "ours_ms": 1e3 * ours, "error_bound": law.error_bound / law.mean,
            "accuracy": accuracy / law.mean, "resamples_needed": needed, "resamples_timed": timed,
            "scipy_s": seconds * needed / timed, "ratio": seconds * needed / timed / ours,
            "low": q / law.mean, "scipy_low": float(result.confidence_interval.low) / law.mean}


def own(n: int) -> dict[str, float]:
    rng = np.random.default_rng(2)
    price, reviews = rng.lognormal(4, 1, n), np.ceil(rng.lognormal(2, 2, n))
    y, q, ends = price * reviews, price**2 * reviews, [LEVEL, 1 - LEVEL]
    share, spread = 0.441, 0.134
    m, w = nodes(stats.beta(*beta_shape(share, 0.0117)))
    size = share * (1 - share) / spread**2 - 1
    return {
        "vendors": n,
        "realised_ms": 1e3 * best(lambda: realised(y, q, share, spread).quantile(ends)),
        "realised_no_spread_ms": 1e3 * best(lambda: realised(y, q, share, 0.0).quantile(ends)),
        "realised_uncertain_share_ms": 1e3 * best(lambda: realised_uncertain_share(y, q, m, w, size).quantile(ends)),
        "bca_ms": 1e3 * best(lambda: confidence.bca(y).quantile(ends)),
        "tail_ms": 1e3 * best(lambda: confidence.tail(y).quantile(ends)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = [against_scipy(n, sigma) for n, sigma in ((300, 2.0), (5000, 1.0), (5000, 2.0), (200_000, 2.0))]
    more = [own(n) for n in (300, 5000, 200_000)]
    if args.json:
        print(json.dumps({"against_scipy": rows, "own": more}, indent=1))
        return
    print("| vendors | log-sd | ours | scipy, scaled | resamples needed (timed) | accuracy / total | ratio |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        print(f"| {row['vendors']:,} | {row['log_sd']:g} | {row['ours_ms']:.1f} ms | {row['scipy_s']:.3g} s "
              f"| {row['resamples_needed']:,} ({row['resamples_timed']:,}) | {row['accuracy']:.1e} "
              f"| {row['ratio']:,.0f} |")
    print("\n| vendors | " + " | ".join(key[:-3].replace("_", " ") for key in more[0] if key != "vendors") + " |")
    print("|---|" + "---|" * (len(more[0]) - 1))
    for row in more:
        times = " | ".join(f"{value:.1f} ms" for key, value in row.items() if key != "vendors")
        print(f"| {row['vendors']:,} | {times} |")


if __name__ == "__main__":
    main()
