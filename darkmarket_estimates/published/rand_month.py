"""The month of Kruithof et al. 2016 as a lattice of cells, and everything printed about it as margins.

Cells are category x country of origin x price; their numbers of orders are the unknowns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from darkmarket_estimates.published.maxent import Margin
from darkmarket_estimates.published.order_values import fit_order_values
from darkmarket_estimates.published.rounding import Rounded

CATEGORIES = ("cannabis", "prescription", "stimulants", "ecstasy", "psychedelics", "other drugs", "alcohol and tobacco")
COUNTRIES = ("US", "UK", "AU", "DE", "NL", "other")
BANDS = (100.0, 1000.0)
#: Prices of one order in USD, inside the bands: none stands near an edge, so that small corrections stay within.
PRICES = np.concatenate([np.geomspace(6, 90, 9), np.geomspace(115, 880, 9), np.geomspace(1120, 9000, 7)])
MILLION = 1e6


@dataclass(frozen=True, slots=True)
class Lattice:
    """All cells, one entry each."""

    category: np.ndarray
    country: np.ndarray
    price: np.ndarray

    @classmethod
    def full(cls) -> Lattice:
        """Build every combination, ordered by country, category and price."""
        country, category, price = (a.ravel() for a in np.meshgrid(COUNTRIES, CATEGORIES, PRICES, indexing="ij"))
        return cls(category, country, price)


def reference(lattice: Lattice, orders: float, money: float, wholesale_share: float) -> np.ndarray:
    """Spread orders evenly over categories and countries, and log-normally over prices.

    The log-normal has the mean order and the wholesale share of the money; nothing else is put in.
    """
    law = fit_order_values(mean=money / orders, threshold=BANDS[1], money_above=wholesale_share)
    edges = np.sqrt(PRICES[1:] * PRICES[:-1])
    weight = np.diff(np.concatenate([[0.0], law.cdf(edges), [1.0]]))
    return orders * weight[np.searchsorted(PRICES, lattice.price)] / (len(CATEGORIES) * len(COUNTRIES))


def margins(lattice: Lattice, figures: Mapping[str, Rounded]) -> list[Margin]:
    """Write every printed figure about the month as a margin, in orders or USD.

    Parameters
    ----------
    lattice : Lattice
    figures : mapping of key to Rounded
        Of the study.
    """
    one, price = np.ones(len(lattice.price)), lattice.price
    total = figures["transactions"], figures["wide_lower_usd"]
    orders = sum(total[0].as_floats()) / 2
    money = sum(total[1].as_floats()) / 2 * MILLION
    found = [Margin("all: orders", one, orders, orders, firm=True),
             Margin("all: money", price, money, money, firm=True)]

    def add(name: str, weight: np.ndarray, figure: Rounded, base: np.ndarray | None = None) -> None:
        found.append(Margin(name, weight, *figure.as_floats(), base))

    def within(column: np.ndarray, *labels: str) -> np.ndarray:
        return np.isin(column, labels).astype(float)

    for category, key in (("cannabis", "cannabis"), ("prescription", "prescription"), ("stimulants", "stimulants"),
                          ("ecstasy", "ecstasy"), ("psychedelics", "psychedelics")):
        share = figures["prescription_share" if key == "prescription" else f"{key}_transactions"]
        add(f"{category}: % of orders", within(lattice.category, category) * 100 / orders, share)
    for category in ("cannabis", "stimulants", "ecstasy"):
        add(f"{category}: % of money", within(lattice.category, category) * price * 100 / money,
            figures[f"{category}_wide"])
    add("prescription, alcohol and tobacco: USD million",
        within(lattice.category, "prescription", "alcohol and tobacco") * price / MILLION,
        figures["wide_lower_usd"] - figures["narrow_lower_usd"])
    for country in COUNTRIES[:-1]:
        add(f"{country}: % of money", within(lattice.country, country) * price * 100 / money,
            figures[f"share_{country.lower()}"])
    add("UK: orders", within(lattice.country, "UK"), figures["transactions_uk"])
    dutch = within(lattice.country, "NL") * price
    for category in ("cannabis", "ecstasy"):
        add(f"NL: {category}, % of Dutch money", within(lattice.category, category) * dutch * 100,
            figures[f"nl_{category}"], dutch)
    add("below USD 100: % of orders", (price < BANDS[0]) * 100 / orders, figures["small_orders"])
    add("above USD 1,000: % of money", (price > BANDS[1]) * price * 100 / money, figures["wholesale_press"])
    return found
