"""Intervals of shares and growth under review shares that are hardly known: `python benchmarks/uncertain_shares.py [--json]`.

Every group of vendors has a review share of its own, 0.2 +- 0.05. The exact law of the ratio is drawn: the shares from their
laws, each vendor's own share and unreviewed sales given these and its reviews, then the ratio. The table says which part of
the draws lies beyond either end of the 95 % interval, where 2.5 % are meant: "alike" for growth whose shares are the same in
both windows, "by window" where each window has its own, "share" for the share of one group, "half" for that of a label whose
vendors are under all of the shares.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from typing import Any

import numpy as np

from darkmarket_estimates import ByGroup, Estimate, ReviewRate, Totals, turnover
from darkmarket_estimates.distribution.multiplier import Multiplier

MEAN, ERROR = 0.2, 0.05
VENDORS, GROUPS, SPREADS = (3, 20, 100, 400), (1, 2, 8), (0.0, 0.02, 0.05, 0.1)
VIEWS = ("alike", "by window", "share", "half")
WINDOWS = ("2016-02-01", "2016-03-01"), ("2016-01-01", "2016-02-01")
AT_ONCE = 20_000


def market(n: int, n_groups: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reviews of vendors in two windows, their prices, and their groups; some sell in one window alone."""
    rng = np.random.default_rng(seed)
    reviews = 1 + rng.poisson(6 * rng.lognormal(0, 1, (n, 2)))
    if n >= 20:
        reviews[rng.random((n, 2)) > 0.7] = 0
        reviews[: 2 * n_groups] += 1
    return reviews, rng.lognormal(4, 0.5, (n, 2)), np.arange(n) % n_groups


def table(reviews: np.ndarray, price: np.ndarray, group: np.ndarray, window: int) -> Totals:
    """The cells of one window; every other eight vendors are of another half."""
    sells = np.flatnonzero(reviews[:, window])
    return Totals.from_cells(
        vendor=[f"v{i}" for i in sells], value=(price * reviews)[sells, window], reviews=reviews[sells, window], currency="USD",
        groups={"market": [f"m{group[i]}" for i in sells], "half": [("even", "odd")[i // 8 % 2] for i in sells]},
        window=WINDOWS[window])


def estimate(totals: Totals, spread: float, error: float = ERROR) -> Estimate:
    """Each group with a review share of its own."""
    labels = totals.keys["market"].labels
    rate = ReviewRate(mean=MEAN, standard_error=error, between_vendor_sd=spread or None)
    return turnover(totals, review_rate=ByGroup("market", dict.fromkeys(labels, rate)))


def drawn(
    rng: np.random.Generator, reviews: np.ndarray, price: np.ndarray, group: np.ndarray, spread: float, n: int, *, common: bool
) -> np.ndarray:
    """Sales of each vendor in each window: (n_vendors, 2, n); under a group's share that is common to both windows, or not."""
    rate = ReviewRate(mean=MEAN, standard_error=ERROR, between_vendor_sd=spread or None)
    shares = np.asarray(rate.mean_spec.rvs((int(group.max()) + 1, 1 if common else 2, n), random_state=rng))  # type: ignore[union-attr]
    mean = np.broadcast_to(shares[group], (len(group), shares.shape[1], n))
    if math.isfinite(rate.size):
        check = Multiplier.of_size(MEAN, rate.size)
        a, b = mean * rate.size, (1 - mean) * rate.size
        assert math.isclose(check.alpha, MEAN * rate.size + 2)
        mean = rng.beta(a + 2, b * (a + 1) / a)
    more = rng.poisson(rng.standard_gamma(reviews[:, :, None], (*reviews.shape, n)) * (1 - mean) / mean)
    return price[:, :, None] * (reviews[:, :, None] + more)


def beyond(
    n: int, n_groups: int, spread: float, view: str, draws: int, level: float = 0.95, seed: int = 1
) -> tuple[float, float, tuple[float, float]]:
    """Parts of the draws below and above the interval, and the interval."""
    reviews, price, group = market(n, n_groups)
    tables = [table(reviews, price, group, window) for window in (0, 1)]
    later = estimate(tables[0], spread)
    if view in ("alike", "by window"):
        law = later.ratio(estimate(tables[1], spread, ERROR if view == "alike" else ERROR * (1 + 1e-9)))
    else:
        law = later.share("m0", of="market") if view == "share" else later.share("even", of="half")
    low, high = (float(x) for x in np.asarray(law.quantile([(1 - level) / 2, (1 + level) / 2])))
    rng, counts = np.random.default_rng(seed), np.zeros(2)
    step = max(1, min(draws, AT_ONCE * 20 // n))
    for start in range(0, draws, step):
        sales = drawn(rng, reviews, price, group, spread, min(step, draws - start), common=view != "by window")
        if view in ("alike", "by window"):
            ratio = sales[:, 0].sum(axis=0) / sales[:, 1].sum(axis=0)
        else:
            inside = group == 0 if view == "share" else np.arange(n) // 8 % 2 == 0
            ratio = sales[inside, 0].sum(axis=0) / sales[:, 0].sum(axis=0)
        counts += np.count_nonzero(ratio < low), np.count_nonzero(ratio > high)
    return counts[0] / draws, counts[1] / draws, (low, high)


def cells() -> list[tuple[int, int, float, str]]:
    """Vendors, groups, spread and view of each cell of the table."""
    return [(n, g, s, view) for view, n, g, s in itertools.product(VIEWS, VENDORS, GROUPS, SPREADS)
            if g <= n and not (view == "share" and g == 1) and not (view == "half" and (n < 20 or g == 8))
            and not (view == "by window" and g == 1) and not (g == 8 and s == 0.02)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=200_000)
    parser.add_argument("--level", type=float, default=0.95)
    parser.add_argument("--views", nargs="*", default=VIEWS)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    meant, rows = (1 - args.level) / 2, []
    error = math.sqrt(meant * (1 - meant) / args.draws)
    if not args.json:
        print(f"meant {100 * meant:.2f} %, Monte Carlo error {100 * error:.3f} %\n")
        print("| view | vendors | groups | spread | below | above | interval |\n|---|---|---|---|---|---|---|")
    for n, n_groups, spread, view in cells():
        if view not in args.views:
            continue
        low, high, ends = beyond(n, n_groups, spread, view, args.draws, args.level)
        row: dict[str, Any] = {"view": view, "vendors": n, "groups": n_groups, "spread": spread, "below": low, "above": high}
        rows.append({**row, "errors": max(abs(low - meant), abs(high - meant)) / error})
        if not args.json:
            print(f"| {view} | {n} | {n_groups} | {spread:g} | {100 * low:.2f} % | {100 * high:.2f} % "
                  f"| {ends[0]:.4g} to {ends[1]:.4g} |", flush=True)
    if args.json:
        print(json.dumps({"draws": args.draws, "level": args.level, "table": rows}, indent=1))
    else:
        print(f"\n{len(rows)} cells, the furthest {max(row['errors'] for row in rows):.1f} Monte Carlo errors from what is meant")


if __name__ == "__main__":
    main()
