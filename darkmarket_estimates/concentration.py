"""How unequal vendors are, and who ranks where: statistics of weights, by a counter-based Poisson bootstrap."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse, stats

from darkmarket_estimates.distribution.resampling import bootstrap, key_of
from darkmarket_estimates.errors import DataError, NotIdentifiedError
from darkmarket_estimates.inference import Model
from darkmarket_estimates.totals import VENDOR

if TYPE_CHECKING:
    import pandas as pd

Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]


def hhi(weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    r"""Herfindahl-Hirschman index :math:`\sum w x^2 / (\sum w x)^2`, a weight w being w vendors of that size.

    Parameters
    ----------
    weights : array of shape (n_resamples, n_vendors)
    x : array of shape (n_vendors,)

    Returns
    -------
    array of shape (n_resamples,)

    Examples
    --------
    >>> hhi(np.ones((1, 4)), np.array([1.0, 1.0, 1.0, 1.0]))
    array([0.25])
    """
    x = np.ldexp(x, -np.frexp(x.max(initial=0.0))[1])  # squares of tiny or huge numbers are no floats
    total = weights @ x
    return np.divide(weights @ x**2, total**2, out=np.full(len(total), np.nan), where=total > 0)


def gini(weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Gini coefficient over vendors with turnover; 0 where all are equal.

    Examples
    --------
    >>> gini(np.ones((1, 4)), np.array([0.5, 0.5, 0.5, 0.5])), gini(np.ones((1, 2)), np.array([1e-9, 1.0])).round(3)
    (array([0.]), array([0.5]))
    """
    order = np.argsort(x)
    w, money = weights[:, order].astype(float), weights[:, order] * x[order]
    n, total = w.sum(axis=1), money.sum(axis=1)
    below = np.cumsum(money, axis=1)
    area = (w * (below - money / 2)).sum(axis=1)
    return np.maximum(1 - 2 * np.divide(area, n * total, out=np.full(len(n), np.nan), where=total > 0), 0.0)


def top(k: int) -> Statistic:
    """Share of the k largest vendors.

    Examples
    --------
    >>> top(1)(np.array([[1, 1], [2, 1]]), np.array([3.0, 1.0]))
    array([0.75      , 0.42857143])
    """

    def share(weights: np.ndarray, x: np.ndarray) -> np.ndarray:
        order = np.argsort(-x)
        w = weights[:, order].astype(float)
        taken = np.minimum(w, np.maximum(k - (np.cumsum(w, axis=1) - w), 0))
        total = w @ x[order]
        return np.divide(taken @ x[order], total, out=np.full(len(total), np.nan), where=total > 0)

    return share


MEASURES: dict[str, Statistic] = {"HHI": hhi, "Gini": gini, "top 1": top(1), "top 5": top(5), "top 10": top(10)}


def resample(model: Model, statistic: Statistic, *, n_resamples: int, seed: int) -> np.ndarray:
    """Values of a statistic of (weights, vendors' turnover) over resamples.

    Parameters
    ----------
    statistic : callable
        Of weights (n, n_vendors) and turnover (n_vendors,); returns n values or n rows.

    Returns
    -------
    array of shape (n_resamples, ...)
    """
    keys, x = _vendors(model)
    return bootstrap(_of(statistic, x), keys, n_resamples=n_resamples, seed=seed)


def concentration(model: Model, *, level: float, n_resamples: int, seed: int) -> pd.DataFrame:
    """Return a row a measure; see `Estimate.concentration`."""
    import pandas as pd

    keys, x = _vendors(model)
    one = np.ones((1, len(x)))
    rows = []
    for name, statistic in MEASURES.items():
        values = bootstrap(_of(statistic, x), keys, n_resamples=n_resamples, seed=seed)
        low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2])
        rows.append({"measure": name, "value": float(statistic(one, x)[0]), "low": float(low), "high": float(high)})
    return pd.DataFrame(rows)


def ranks(model: Model, of: str, *, level: float, n_resamples: int, seed: int) -> pd.DataFrame:
    """Return a row a group; see `Estimate.ranks`."""
    import pandas as pd

    key = model.totals.require_key(of)
    present = np.unique(key.codes)
    everything = np.arange(model.totals.n_cells)
    value = model.y * model.multiplier(everything, model.configuration("middle"))
    vendor = model.totals.keys[VENDOR]
    keys = key_of(vendor.labels)
    column = np.searchsorted(present, key.codes)
    table = sparse.csr_array((value, (vendor.codes, column)), shape=(len(vendor.labels), len(present)))
    sums = bootstrap(lambda w: np.asarray(w.astype(float) @ table), keys, n_resamples=n_resamples, seed=seed)
    point = np.asarray(table.sum(axis=0)).ravel()
    drawn = stats.rankdata(-sums, axis=1)  # rank 1 is the largest; ties share the mean of their ranks
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0, method="closest_observation")
    order = np.argsort(-point, kind="stable")
    mine = stats.rankdata(-point, method="min").astype(int)
    probability = (np.abs(drawn - mine) < 0.5).mean(axis=0)
    return pd.DataFrame({
        of: [key.labels[present[i]] for i in order], "value": point[order], "rank": mine[order],
        "low": low[order].round().astype(int), "high": high[order].round().astype(int),
        "probability": probability[order],
    })


def _of(statistic: Statistic, x: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The statistic as a function of the weights alone."""
    return lambda weights: statistic(weights, x)


def _vendors(model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Keys and turnover of the vendors that have any."""
    everything = np.arange(model.totals.n_cells)
    key = model.totals.keys[VENDOR]
    x = np.bincount(key.codes, model.y * model.multiplier(everything, model.configuration("middle")),
                    minlength=len(key.labels))
    some = np.flatnonzero(x > 0)
    if not len(some):
        raise NotIdentifiedError("concentration of nothing is undefined", got="a total of 0", expected="sales")
    if math.isinf(float(x[some].sum())):
        raise DataError("the total is too large for a float")
    return key_of(key.labels[code] for code in some), x[some]
