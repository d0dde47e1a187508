"""Products: what vendors list, with a category, a price, a birth, and a part of the demand of their vendor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from darkmarket_estimates.simulate.spec import Category, Country, named_shares
from darkmarket_estimates.simulate.vendors import Vendors


@dataclass(frozen=True, slots=True)
class Products:
    """Arrays with a row a product; `demand` is its part of all demand of its vendor, `price` that at birth."""

    vendor: np.ndarray
    category: np.ndarray
    born: np.ndarray
    demand: np.ndarray
    price: np.ndarray


def draw_products(rng: Mapping[str, np.random.Generator], vendors: Vendors, born: np.ndarray, *,
                  new_vendors: bool, listing_elasticity: float, popularity_sd: float,
                  categories: Mapping[str, Category], countries: Mapping[str, Country], focus: float) -> Products:
    """Give every birth a vendor, a category, a part of the vendor's demand, and a price."""
    vendor = assign(rng["listing"], born, vendors.size**listing_elasticity, new_vendors)
    shares = named_shares(categories, "categories")
    main = rng["category"].choice(shares.size, vendors.size.size, p=shares)
    category = np.where(rng["category"].random(born.size) < focus, main[vendor],
                        rng["category"].choice(shares.size, born.size, p=shares))
    popularity = np.exp(popularity_sd * rng["popularity"].standard_normal(born.size))
    mean = np.array([c.mean_price for c in categories.values()])[category]
    sd = np.array([c.sd for c in categories.values()])[category]
    level = np.array([c.price for c in countries.values()])[vendors.country[vendor]]
    return Products(
        vendor=vendor,
        category=category,
        born=born,
        demand=popularity / np.bincount(vendor, popularity, minlength=vendors.size.size)[vendor],
        price=mean * level * np.exp(sd * rng["price"].standard_normal(born.size) - sd**2 / 2),
    )


def assign(rng: np.random.Generator, born: np.ndarray, weight: np.ndarray, new_vendors: bool) -> np.ndarray:
    """Return a vendor a product: one founding product each, the others by weight.

    With `new_vendors` a vendor arrives with its founding product, and a product can only go to those who have arrived.
    """
    n_vendors, n_products = weight.size, born.size
    # Somebody must be there when the first product is listed; elsewhere the earliest one is as good as any, and giving
    # it a founder's part of the demand would raise the orders.
    first = int(np.argmin(born)) if new_vendors else 0
    founders = rng.permutation(n_products)
    founders = np.concatenate([[first], founders[founders != first]])[:n_vendors]
    founders = founders[np.argsort(born[founders], kind="stable")] if new_vendors else founders
    order = rng.permutation(n_vendors)  # arrival says nothing about size
    reach = np.cumsum(weight[order])
    arrived = np.searchsorted(born[founders], born, side="right") if new_vendors else np.full(n_products, n_vendors)
    draw = np.searchsorted(reach, rng.random(n_products) * reach[arrived - 1], side="right")
    vendor = order[np.minimum(draw, arrived - 1)]
    vendor[founders] = order
    return vendor
