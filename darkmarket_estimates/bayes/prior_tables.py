"""What the priors of review shares, detection and trends say before data, in money and shares that can be judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from darkmarket_estimates._checks import generator, integer
from darkmarket_estimates.bayes.detection_law import seen_share
from darkmarket_estimates.bayes.predictive import MOST_DRAWS

if TYPE_CHECKING:
    import pandas as pd


def described(made: dict[str, np.ndarray], observed: dict[str, float], units: dict[str, str]) -> pd.DataFrame:
    """A row a quantity: unit, low, median, high (5, 50, 95 %), observed (NaN where nothing is)."""
    import pandas as pd

    rows = []
    for name, values in made.items():
        low, median, high = np.quantile(values, [0.05, 0.5, 0.95])
        rows.append({"quantity": name, "unit": units.get(name, ""), "low": low, "median": median, "high": high,
                     "observed": observed.get(name, np.nan)})
    return pd.DataFrame(rows).set_index("quantity")


def of_shares(spec: Any, counts: Any, *, draws: int, rng: Any) -> pd.DataFrame:
    """Share of any market, and of the smallest and the largest vendors of one market beside each other."""
    data, random, n = spec.data(counts), generator(rng), integer(draws, "draws", low=10, high=MOST_DRAWS)
    truths = [spec.simulate(random, data)[0] for _ in range(n)]
    first = np.array([truth["logit_share"][0] for truth in truths])
    gap = np.array([truth["class_logit"][0, -1] - truth["class_logit"][0, 0] for truth in truths])
    spread = np.array([np.sqrt(truth["spread"][0] * special.expit(t) * special.expit(-t)) for truth, t in zip(truths, first)])
    fit = data.own.fits[0]
    return described({"review share of a market": special.expit(first), "standard deviation between vendors": spread,
                      "odds of a review, largest over smallest vendors": np.exp(gap)},
                     {"review share of a market": fit.share, "standard deviation between vendors": fit.spread}, {})


def of_detection(spec: Any, counts: Any, *, draws: int, rng: Any) -> pd.DataFrame:
    """Share of listings of average value that is seen, and money of all listings if these were the chances."""
    data, random = spec.data(counts), generator(rng)
    n, t, x = integer(draws, "draws", low=10, high=MOST_DRAWS), data.arrays["counts"].shape[1], data.arrays["x"]
    money = data.arrays["counts"].sum(axis=1) * data.own.mean
    seen, total = np.empty(n), np.empty(n)
    for i in range(n):
        h = spec.spread.draw(random) if spec.law == "logit-normal" else random.beta(*spec.correlation)
        eta = spec.intercept.draw(random) + spec.value_slope.draw(random) * np.append(x, 0.0)
        star = seen_share(spec.law, eta, float(h), np.zeros(t))
        seen[i], total[i] = star[-1], (money / star[:-1]).sum()
    return described({"share seen, average value": seen, "money seen and unseen": total},
                     {"money seen and unseen": float(money.sum())}, {"money seen and unseen": data.totals.currency})


def of_trend(spec: Any, totals: Any, *, draws: int, rng: Any) -> pd.DataFrame:
    """Reviewed turnover of a day in the first and in the last month, and growth."""
    data, random = spec.data(totals), generator(rng)
    n, centre = integer(draws, "draws", low=10, high=MOST_DRAWS), data.own[2]
    y = np.stack([spec.simulate(random, data)[1].arrays["y"] for _ in range(n)]) + centre
    unit = data.totals.header.currency

    def of(y: np.ndarray) -> dict[str, np.ndarray]:
        step = np.exp(np.abs(np.diff(y, axis=1)).mean(axis=1))
        return {"turnover a day, first month": np.exp(y[:, 0]), "turnover a day, last month": np.exp(y[:, -1]),
                "last month over first": np.exp(y[:, -1] - y[:, 0]), "factor from month to month": step}

    seen = {name: float(values[0]) for name, values in of(data.arrays["y"][None] + centre).items()}
    return described(of(y), seen, dict.fromkeys(("turnover a day, first month", "turnover a day, last month"), unit))
