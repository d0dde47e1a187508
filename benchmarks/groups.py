"""An estimate over thousands of groups beside one group at a time: `python benchmarks/groups.py [--groups 5000] [--json]`.

Market x month x category x country: the intervals of all groups, the shares of every label of a column, the budget, and
the table. One group at a time is `turnover()` of the group's own totals; it is timed on some groups, scaled, and its
numbers are compared. Then what else a table of groups is asked for, on `--few` groups: growth between two windows and a
budget of every group, shares of a column with a label each; and `--vendors` vendors in all groups, with the sum of two
halves of them and the peak of the memory. Seconds are of the processor, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import stats

import darkmarket_estimates as dme
from darkmarket_estimates import ByGroup, Huggins, Listings, Range, ReviewRate, Totals, ValueChao, turnover
from darkmarket_estimates.totals.cells import Key, concatenate

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
    "a range of the share": {"review_rate": Range(0.4, 0.5), "market_coverage": stats.beta(80, 20)},
    "delta": {"review_rate": RATE, "interval": "delta"},
}


def table(
    n_groups: int, vendors_per_group: float = 12.0, seed: int = 1, *, window: tuple[str, str] = ("2016-01-01", "2016-02-01")
) -> Totals:
    """Cells of some vendors in each group; sizes log-normal, every vendor in several groups."""
    rng = np.random.default_rng(seed)
    n = int(n_groups * vendors_per_group)
    group, vendor = rng.integers(0, n_groups, n), rng.integers(0, max(n // 6, 1), n)
    size = np.asarray(rng.lognormal(0, 1.5, max(n // 6, 1)))
    reviews = 1 + rng.poisson(3 * size[vendor])
    price = rng.lognormal(4, 1, n)
    return Totals.from_cells(vendor=[f"v{v}" for v in vendor], value=price * reviews, reviews=reviews, groups=labels(group),
                             currency="USD", window=window)


def labels(group: np.ndarray) -> dict[str, list[str]]:
    """Market, month, category and country of each cell."""
    codes = group % 10, group // 10 % 5, group // 50 % 10, group // 500
    return {name: [f"{name} {i}" for i in column] for name, column in zip(COLUMNS, codes, strict=True)}


def captured(n_groups: int, listings_per_group: int = 60, occasions: int = 4, seed: int = 1) -> Listings:
    """Listings of each group, some of which no scrape saw."""
    rng = np.random.default_rng(seed)
    n = n_groups * listings_per_group
    price, captures = rng.lognormal(4, 1, n), rng.binomial(occasions, 0.4, n)
    frame = pd.DataFrame({
        "price": price, "reviews": 1 + rng.poisson(3, n), "seller": [f"v{v}" for v in rng.integers(0, n // 12, n)],
        "id": np.arange(n), "captures": captures, "first": rng.integers(1, occasions + 1, n),
        **labels(rng.integers(0, n_groups, n))})[captures > 0]
    return Listings(frame, price="price", reviews="reviews", vendor="seller", listing="id", currency="USD",
                    captures="captures", occasions=occasions, first_scrape="first")


def many_labels(n_labels: int, n_vendors: int = 10_000, seed: int = 1) -> Totals:
    """Cells of vendors that sell from several of many cities."""
    rng = np.random.default_rng(seed)
    n = 6 * n_vendors
    reviews, price = 1 + rng.poisson(3 * rng.lognormal(0, 1.5, n)), rng.lognormal(4, 1, n)
    return Totals.from_cells(vendor=[f"v{v}" for v in rng.integers(0, n_vendors, n)], value=price * reviews, reviews=reviews,
                             groups={"city": [f"city {i}" for i in rng.integers(0, n_labels, n)]}, currency="USD")


def many_vendors(n_vendors: int, n_groups: int, seed: int = 1) -> Totals:
    """One cell a vendor, large groups and small ones."""
    rng = np.random.default_rng(seed)
    group = np.minimum((n_groups * rng.random(n_vendors) ** 2).astype(np.int64), n_groups - 1)
    reviews, price = 1 + rng.poisson(3 * rng.lognormal(0, 1.5, n_vendors)), rng.lognormal(4, 1, n_vendors)
    return Totals.from_cells(vendor=np.arange(n_vendors), value=price * reviews, reviews=reviews, groups=labels(group),
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
    shares_s, shares = timed(lambda: est.shares("month"))
    first = shares.iloc[0]  # type: ignore[attr-defined]
    if (alone := est.share(first.month, of="month").interval) is not None:
        apart = max(apart, *(abs(a / b - 1) for a, b in zip((first.low, first.high), alone, strict=True)))
    return {"groups": len(groups), "intervals_s": whole, "shares_s": shares_s, "budget_s": timed(est.budget)[0],
            "table_s": timed(est.to_frame)[0], "one_at_a_time_s": single * len(groups) / len(some), "largest_difference": apart}


def views(n_groups: int) -> dict[str, float]:
    """Seconds of what else a table of groups is asked for."""
    out = {}
    later, first = (table(n_groups, seed=seed, window=window) for seed, window in (
        (2, ("2016-02-01", "2016-03-01")), (1, ("2016-01-01", "2016-02-01"))))
    for name in ("uncertain share and coverage", "expected, BCa"):
        pair = [turnover(totals, **ASSUMPTIONS[name]) for totals in (later, first)]  # type: ignore[arg-type]
        out[f"growth of every group: {name}"], found = timed(lambda pair=pair: pair[0].ratios(pair[1], progress=False))
        row = found.iloc[0]  # type: ignore[attr-defined]
        names = {column: row[column] for column in COLUMNS}
        one = pair[0].group(**names).ratio(pair[1].group(**names))
        if one.interval is None or not np.allclose((row.low, row.high), one.interval, rtol=1e-9):
            raise SystemExit(f"growth of {names} differs from that of the group alone")
        out[f"budget of every group: {name}"] = timed(lambda pair=pair: pair[0].budget(by_group=True, progress=False))[0]
    cities = many_labels(n_groups)
    for name in ("uncertain share", "expected, BCa"):
        est = turnover(cities, **ASSUMPTIONS[name])  # type: ignore[arg-type]
        out[f"shares of a column with so many labels: {name}"] = timed(lambda est=est: est.shares("city"))[0]
    listings = captured(n_groups)
    bound, model = ValueChao(), Huggins(["log price"])
    seen, fitted = listings.totals(by=COLUMNS), listings.totals(by=COLUMNS, assumptions=[model])
    out["unseen listings: a lower bound"] = timed(lambda: turnover(seen, review_rate=RATE, coverage=bound))[0]
    out["unseen listings: a detection model"] = timed(lambda: turnover(fitted, review_rate=RATE, coverage=model))[0]
    return out


def large(n_vendors: int, n_groups: int) -> dict[str, float]:
    """Seconds and gigabytes of an estimate from millions of vendors."""
    totals = many_vendors(n_vendors, n_groups)
    out = {f"{n_vendors:,} vendors in {n_groups:,} groups: {name}": timed(lambda name=name: turnover(
        totals, **ASSUMPTIONS[name]))[0] for name in ("known mean share", "uncertain share", "expected, default")}
    key = totals.keys["vendor"]
    halves = [Key(np.arange(len(part)), part) for part in (key.labels[::2], key.labels[1::2])]
    out[f"{n_vendors:,} names in two halves become one dictionary"] = timed(lambda: concatenate(*halves, ordered=False))[0]
    out["peak of the memory, GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, default=5000)
    parser.add_argument("--few", type=int, default=1000, help="groups of the other views")
    parser.add_argument("--vendors", type=int, default=2_000_000, help="0 leaves them out")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    totals = table(args.groups)
    results: dict[str, dict[str, float]] = {name: measure(totals, options) for name, options in ASSUMPTIONS.items()}
    worst = max(r["largest_difference"] for r in results.values())
    others = views(args.few) | (large(args.vendors, args.groups) if args.vendors else {})
    if args.json:
        print(json.dumps({**results, "others": others}, indent=1))
    else:
        print(f"{totals.n_cells:,} cells of {totals.n_vendors:,} vendors\n")
        print("| assumptions | groups | intervals | shares of a column | budget | table | one at a time, scaled | difference |")
        print("|---|---|---|---|---|---|---|---|")
        for name, r in results.items():
            print(f"| {name} | {r['groups']:,} | {r['intervals_s']:.1f} s | {r['shares_s']:.1f} s | {r['budget_s']:.2f} s "
                  f"| {r['table_s']:.2f} s | {r['one_at_a_time_s']:.1f} s | {r['largest_difference']:.0e} |")
        print(f"\n| of {args.few:,} groups | |\n|---|---|")
        for name, seconds in others.items():
            print(f"| {name} | {seconds:.1f}{'' if 'GB' in name else ' s'} |")
    if worst > 1e-9:
        raise SystemExit(f"the numbers differ by {worst:.1e}")


if __name__ == "__main__":
    main()
