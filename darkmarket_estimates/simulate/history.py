"""Draw the history of a market: each mechanism from its own stream, so that switching one leaves the others alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from darkmarket_estimates.simulate.lifecycle import births, next_event, spells
from darkmarket_estimates.simulate.orders import apply_margins, quantities, stream
from darkmarket_estimates.simulate.prices import holding_prices, price_path
from darkmarket_estimates.simulate.products import draw_products
from darkmarket_estimates.simulate.record import Listings, Orders, Record
from darkmarket_estimates.simulate.spec import Hiding, HoldingPrices
from darkmarket_estimates.simulate.timeline import Clock, Spells
from darkmarket_estimates.simulate.vendors import draw_vendors

if TYPE_CHECKING:
    from darkmarket_estimates.simulate.market import MarketSpec

STREAMS = ("number", "birth", "market", "country", "size", "review_share", "fakes", "listing", "category", "popularity",
           "price", "deletion", "hiding", "holding", "change", "relisting", "order", "quantity", "review", "fake")


def draw_history(spec: MarketSpec, rng: np.random.Generator) -> Record:
    """Draw everything that happens on a market."""
    streams = dict(zip(STREAMS, rng.spawn(len(STREAMS))))
    clock, days = Clock(spec.days), spec.days
    n_vendors = max(1, streams["number"].poisson(spec.n_vendors)) if spec.random_vendors else spec.n_vendors
    n_products = max(n_vendors, round(spec.n_listings * n_vendors / spec.n_vendors))

    vendors = draw_vendors(streams, n_vendors, sizes=spec.sizes, markets=spec.markets, countries=spec.countries,
                           review_shares=spec.review_shares, fakes=spec.fake_reviews)
    born = births(streams["birth"], n_products, days, spec.new_listings)
    products = draw_products(streams, vendors, born, new_vendors=spec.new_vendors, focus=spec.focus,
                             listing_elasticity=spec.listing_elasticity, popularity_sd=spec.popularity_sd,
                             categories=spec.categories, countries=spec.countries)

    def switch(name: str, law: Hiding | HoldingPrices | None) -> Spells:
        if law is None:
            return Spells.none(clock)
        return spells(streams[name], clock, law.rate, law.back, born, end, spec.fixed_counts)

    last = np.full(n_products, float(days))
    died = next_event(streams["deletion"], 0.0 if spec.deletion is None else spec.deletion.rate, born, last,
                      spec.fixed_counts)
    end = np.minimum(died, days)
    hidden, holding = switch("hiding", spec.hiding), switch("holding", spec.holding_prices)
    off = hidden.union(holding)

    low, high = spec.span
    share = vendors.review_share[products.vendor]
    rate = vendors.size[products.vendor] * products.demand * (spec.orders / (spec.n_vendors * spec.selling_days))
    price = products.price
    if spec.margins is not None:
        until = np.minimum(end, high)  # a spell without return is endless, its product is not
        on_sale = np.maximum(until - np.maximum(born, low), 0) - off.length(n_products, low, until)
        groups = {"category": (tuple(spec.categories), products.category),
                  "country": (tuple(spec.countries), vendors.country[products.vendor])}
        more, dearer = apply_margins(spec.margins, rate * share * np.maximum(on_sale, 0), price, groups)
        rate, price = rate * more, price * dearer

    prices = price_path(streams["change"], price, born, end, spec.price_changes, holding,
                        holding_prices(streams["holding"], holding.item.size, spec.holding_prices))
    moves = np.repeat(np.arange(n_products), streams["relisting"].poisson(
        (0.0 if spec.relisting is None else spec.relisting.rate) * (end - born)))
    moved = born[moves] + (end - born)[moves] * streams["relisting"].random(moves.size)
    listings = Listings.of_products(clock, born, died, moves, moved)

    def placed(name: str, pace: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        product, time = stream(streams[name], pace, born, end, off)
        order = np.argsort(time, kind="stable")  # last: searches are several times faster in order of product
        columns = product, listings.at(clock, product, time), time, prices.at(product, time)
        product, listing, time, charged = (column[order] for column in columns)
        return product, listing, time, charged

    orders = placed("order", rate)
    n = orders[0].size
    fakes = placed("fake", rate * share * vendors.padding[products.vendor])
    m = fakes[0].size
    return Record(
        clock=clock, vendors=vendors, products=products, prices=prices, hidden=hidden, listings=listings,
        orders=Orders(*orders, quantity=quantities(streams["quantity"], n, spec.quantities),
                      reviewed=streams["review"].random(n) < share[orders[0]]),
        fakes=Orders(*fakes, quantity=np.zeros(m, dtype=np.int64), reviewed=np.ones(m, dtype=bool)),
    )
