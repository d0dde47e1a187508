"""Orders and reviews in continuous time: Poisson streams, thinned while a product is hidden or at a holding price."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from darkmarket_estimates.errors import AssumptionError
from darkmarket_estimates.simulate.spec import Margins, Quantities
from darkmarket_estimates.simulate.timeline import Spells

MOST_ORDERS = 1e8  # about 10 GB


def stream(rng: np.random.Generator, rate: np.ndarray, born: np.ndarray, end: np.ndarray,
           off: Spells) -> tuple[np.ndarray, np.ndarray]:
    """Return (product, time) of a Poisson stream of `rate` a day while a product is on sale, in order of product."""
    expected = rate * (end - born)
    if not expected.sum() <= MOST_ORDERS:
        raise AssumptionError("the market is too large to be simulated", got=f"{expected.sum():,.0f} expected",
                              expected=f"at most {MOST_ORDERS:,.0f} orders in the whole simulated time",
                              fix="fewer orders, or a window that is a larger part of the days")
    number = rng.poisson(expected)
    product = np.repeat(np.arange(rate.size), number)
    time = born[product] + (end - born)[product] * rng.random(product.size)
    on_sale = off.find(product, time) < 0
    return product[on_sale], time[on_sale]


def quantities(rng: np.random.Generator, n: int, law: Quantities | None) -> np.ndarray:
    """Draw the units of each order."""
    return np.ones(n, dtype=np.int64) if law is None else 1 + rng.binomial(law.trials, law.probability, n)


def rake(weight: np.ndarray, total: float, margins: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return factors on `weight` that bring it to `total` and to the shares of each margin (codes, shares).

    Iterative proportional fitting (Deming & Stephan 1940).
    """
    if weight.sum() == 0:
        raise AssumptionError("no listing can carry the margins", expected="reviews in the window",
                              got="none expected", fix="simulate a larger market")
    factor = np.full(weight.shape, total / weight.sum())
    for _ in range(500):
        worst = 0.0
        for codes, shares in margins:
            have = np.bincount(codes, weight * factor, minlength=shares.size)
            if (have[shares > 0] == 0).any():
                raise AssumptionError("a margin has no listing that could carry it", expected="listings in each group",
                                      got=f"none in {int((have[shares > 0] == 0).sum())} of {shares.size} groups",
                                      fix="simulate a larger market")
            step = np.divide(shares * total, have, out=np.zeros(shares.size), where=have > 0)
            worst = max(worst, float(np.abs(step[shares > 0] - 1).max()))
            factor *= step[codes]
        if worst < 1e-9:
            return factor
    raise AssumptionError("the margins contradict each other", expected="shares that one table can have",
                          got=f"a group off by {worst:.1%} after 500 rounds", fix="simulate a larger market")


def apply_margins(margins: Margins, expected: np.ndarray, price: np.ndarray,
                  groups: Mapping[str, tuple[tuple[str, ...], np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Return factors on the order rates and on the prices of products.

    Parameters
    ----------
    expected, price : array of shape (n_products,)
        Expected genuine reviews in the window, and price, before the margins are imposed.
    groups : mapping of "category" and "country" to (names, codes of shape (n_products,))
    """

    def coded(by: Mapping[str, Mapping[str, float]]) -> list[tuple[np.ndarray, np.ndarray]]:
        result = []
        for column, shares in by.items():
            names, codes = groups[column]
            target = np.array([shares.get(name, 0.0) for name in names])
            result.append((codes, target / target.sum()))
        return result

    rate = rake(expected, margins.reviews, coded(margins.reviews_by))
    if margins.value is None:
        return rate, np.ones(price.shape)
    return rate, rake(expected * rate * price, margins.value, coded(margins.value_by))
