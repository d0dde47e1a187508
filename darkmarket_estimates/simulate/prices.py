"""The price of a product at any time: steps of mean 1 on its first price, and holding prices on top."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from darkmarket_estimates.simulate.spec import HoldingPrices, PriceChanges
from darkmarket_estimates.simulate.timeline import Clock, Spells


@dataclass(frozen=True, slots=True)
class PricePath:
    """Steps (product, time, price) sorted by product and time; the first step of a product is its birth."""

    clock: Clock
    product: np.ndarray
    time: np.ndarray
    price: np.ndarray
    holding: Spells
    holding_price: np.ndarray

    def at(self, product: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Return the price that an order is charged, in cents precisely."""
        step = np.searchsorted(self.clock.key(self.product, self.time), self.clock.key(product, time), side="right")
        return self.price[step - 1]

    def shown_at(self, product: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Return the price on the page, holding prices included."""
        spell = self.holding.find(product, time)
        price = self.at(product, time)
        price[spell >= 0] = self.holding_price[spell[spell >= 0]]
        return price


def price_path(rng: np.random.Generator, first: np.ndarray, born: np.ndarray, end: np.ndarray, law: PriceChanges | None,
               holding: Spells, holding_price: np.ndarray) -> PricePath:
    """Draw the price changes; each multiplies by a log-normal factor of mean 1, so that the expected price stays."""
    n, clock = first.size, holding.clock
    changes = np.zeros(n, dtype=np.int64) if law is None else rng.poisson(law.rate * (end - born))
    product = np.repeat(np.arange(n), changes + 1)
    birth = np.cumsum(changes + 1) - changes - 1  # the row of a product's first step
    time = born[product] + (end - born)[product] * rng.random(product.size)
    time[birth] = born
    time = time[np.argsort(clock.key(product, time), kind="stable")]
    sd = 0.0 if law is None else law.sd
    steps = sd * rng.standard_normal(product.size) - sd**2 / 2
    level = np.cumsum(steps)
    price = np.maximum(np.round(first[product] * np.exp(level - level[birth][product]), 2), 0.01)
    return PricePath(clock, product, time, price, holding, holding_price)


def holding_prices(rng: np.random.Generator, n: int, law: HoldingPrices | None) -> np.ndarray:
    """Draw a holding price a spell."""
    return np.empty(0) if law is None else rng.choice(np.array(law.levels), n)
