"""Everything that happened on a simulated market, as arrays: the tables, the truth and the scrapers read it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from darkmarket_estimates.simulate.prices import PricePath
from darkmarket_estimates.simulate.products import Products
from darkmarket_estimates.simulate.timeline import Clock, Spells
from darkmarket_estimates.simulate.vendors import Vendors


@dataclass(frozen=True, slots=True)
class Listings:
    """Pages: a product has one listing id, and a further one each time it is relisted. A row a listing, by id."""

    product: np.ndarray
    born: np.ndarray
    died: np.ndarray
    _by_product: np.ndarray

    @classmethod
    def of_products(cls, clock: Clock, born: np.ndarray, died: np.ndarray, product: np.ndarray,
                    moved: np.ndarray) -> Listings:
        """Split the life of products at the times they moved to a new id; ids count up in order of birth."""
        product = np.concatenate([np.arange(born.size), product])
        start = np.concatenate([born, moved])
        by_id = np.argsort(start, kind="stable")
        product, start = product[by_id], start[by_id]
        order = np.argsort(clock.key(product, start), kind="stable")
        ends = died[product]
        same = product[order][1:] == product[order][:-1]
        ends[order[:-1][same]] = start[order[1:][same]]
        return cls(product, start, ends, order)

    def at(self, clock: Clock, product: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Return the id under which a product is listed at a time."""
        start = clock.key(self.product, self.born)[self._by_product]
        return self._by_product[np.searchsorted(start, clock.key(product, time), side="right") - 1]


@dataclass(frozen=True, slots=True)
class Orders:
    """A row an order (or a fake review), in order of time."""

    product: np.ndarray
    listing: np.ndarray
    time: np.ndarray
    price: np.ndarray
    quantity: np.ndarray
    reviewed: np.ndarray


@dataclass(frozen=True, slots=True)
class Record:
    """The whole history, times in days since the start of the simulation."""

    clock: Clock
    vendors: Vendors
    products: Products
    prices: PricePath
    hidden: Spells
    listings: Listings
    orders: Orders
    fakes: Orders

    def visible(self, listing: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Whether a listing's page can be opened at a time."""
        rows = self.listings
        there = (rows.born[listing] <= time) & (time < rows.died[listing])
        return there & (self.hidden.find(rows.product[listing], time) < 0)
