"""An estimate over thousands of groups beside one group at a time: `python benchmarks/groups.py [--groups 5000] [--json]`.

Market x month x category x country: the intervals of all groups, the shares of every label of a column, the budget, and
the table. One group at a time is `turnover()` of the group's own totals; it is timed on some groups, scaled, and its
numbers are compared. Seconds are of the processor, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
from scipy import stats

import darkmarket_estimates as dme
from darkmarket_estimates import ByGroup, ReviewRate, Totals, turnover

COMPARED = 40
COLUMNS = ("market", "month", "category", "country")
RATE = ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.11)
ASSUMPTIONS = {
    "known mean share": {"review_rate": ReviewRate(mean=0.44, between_vendor_sd=0.11)},
    "uncertain share": {"review_rate": RATE},
    "uncertain share and coverage": {"review_rate": RATE, "market_coverage": stats.beta(80, 20)},
    "shares by market": {"review_rate": ByGroup("market", {
        f"market {i}": ReviewRate(mean=0.4 + 0.01 * i, standard_error=0.02, between_vendor_sd=0.11) for i in range(10)})},
    "expected, BCa": {"review_rate": 0.44, "estimand": "expected", "interval": "bca"},
    "expected, default": {"review_rate": 0.44, "estimand": "expected"},
}


def table(n_groups: int, vendors_per_group: float = 12.0, seed: int = 1) -> Totals:
    """Cells of some vendors in each group; sizes log-normal, every vendor in several groups."""
    rng = np.random.default_rng(seed)
    n = int(n_groups * vendors_per_group)
    group, vendor = rng.integers(0, n_groups, n), rng.integers(0, max(n // 6, 1), n)
    size = np.asarray(rng.lognormal(0, 1.5, max(n // 6, 1)))
    reviews = 1 + rng.poisson(3 * size[vendor])
    price = rng.lognormal(4, 1, n)
    market, month, category, country = group % 10, group // 10 % 5, group // 50 % 10, group // 500
    groups = {name: [f"{name} {i}" for i in codes]
              for name, codes in zip(COLUMNS, (market, month, category, country), strict=True)}
    return Totals.from_cells(vendor=[f"v{v}" for v in vendor], value=price * reviews, reviews=reviews, groups=groups,
                             currency="USD")


def timed(call: Callable[[], object]) -> tuple[float, object]:
    """Seconds of the processor, and the answer."""
    start = time.process_time()
    answer = call()
    return time.process_time() - start, answer


def measure(totals: Totals, options: dict[str, object]) -> dict[str, float]:
    """Seconds of each view, and of one group at a time; the largest relative difference between the two."""
    whole, est = timed(lambda: turnover(totals, **options))  # type: ignore[arg-type]
    assert isinstance(est, dme.Estimate)
    groups = est.rows[:-1]
    some = groups[:: max(1, len(groups) // COMPARED)]
    models = [est.model.restrict(row.cells) for row in some]
    single, found = timed(lambda: [model.interval_of(np.arange(model.totals.n_cells), 0.95) for model in models])
    apart = 0.0
    for row, one in zip(some, found, strict=True):  # type: ignore[call-overload]
        if row.interval is not None:
            apart = max(apart, *(abs(a / b - 1) if b else abs(a) for a, b in zip(row.interval, one, strict=True)))
    by_group = any(f.cells is not None for f in est.model.factors)  # realised shares then have no law
    shares = 0.0 if by_group else timed(lambda: est.shares("month"))[0]
    return {"groups": len(groups), "intervals_s": whole, "shares_s": shares,
            "budget_s": timed(est.budget)[0], "table_s": timed(est.to_frame)[0],
            "one_at_a_time_s": single * len(groups) / len(some), "largest_difference": apart}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, default=5000)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    totals = table(args.groups)
    results = {}
    for name, options in ASSUMPTIONS.items():
        results[name] = measure(totals, options)
    if args.json:
        print(json.dumps(results, indent=1))
        return
    print(f"{totals.n_cells:,} cells of {totals.n_vendors:,} vendors\n")
    print("| assumptions | groups | intervals | shares of a column | budget | table | one at a time, scaled | difference |")
    print("|---|---|---|---|---|---|---|---|")
    for name, r in results.items():
        print(f"| {name} | {r['groups']:,} | {r['intervals_s']:.1f} s | {r['shares_s']:.1f} s | {r['budget_s']:.2f} s "
              f"| {r['table_s']:.2f} s | {r['one_at_a_time_s']:.1f} s | {r['largest_difference']:.0e} |")
    worst = max(r["largest_difference"] for r in results.values())
    if worst > 1e-9:
        raise SystemExit(f"the numbers differ by {worst:.1e}")


if __name__ == "__main__":
    main()
