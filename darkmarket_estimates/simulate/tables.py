"""The frames and the truth of a market, read off its record."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from darkmarket_estimates.simulate.record import Record
from darkmarket_estimates.simulate.truth import Truth

if TYPE_CHECKING:
    from darkmarket_estimates.simulate.market import MarketSpec

STATES = ("live", "hidden", "deleted")
LIVE, HIDDEN, DELETED = range(3)


def dates(spec: MarketSpec, time: np.ndarray) -> np.ndarray:
    """Return days since the start as datetime64[us]; infinity and NaN as NaT."""
    result = np.full(time.shape, np.datetime64("NaT", "us"))
    known = np.isfinite(time)
    result[known] = np.datetime64(spec.start, "us") + np.rint(time[known] * 86_400e6).astype("timedelta64[us]")
    return result


def instant(spec: MarketSpec, day: float) -> str:
    """Return a day since the start as ISO text, without a time at midnight."""
    return str(dates(spec, np.array([day]))[0]).removesuffix("T00:00:00.000000")


def named(names: Iterable[str], codes: np.ndarray) -> pd.Index:
    """Return the names of codes, as text also where there are none."""
    return pd.Index(list(names)).take(codes)


def groups(spec: MarketSpec, record: Record, listing: np.ndarray) -> dict[str, np.ndarray | pd.Index]:
    """Return the columns that describe listings."""
    product = record.listings.product[listing]
    vendor = record.products.vendor[product]
    return {
        "listing": listing,
        "vendor": vendor,
        "market": named(spec.markets, record.vendors.market[vendor]),
        "category": named(spec.categories, record.products.category[product]),
        "country": named(spec.countries, record.vendors.country[vendor]),
    }


def in_window(spec: MarketSpec, time: np.ndarray) -> np.ndarray:
    """Whether times lie in the window; it holds its first instant and not its last."""
    low, high = spec.span
    return (time >= low) & (time < high)


def state(spec: MarketSpec, record: Record) -> tuple[np.ndarray, np.ndarray]:
    """Return the listings that were there in the window, and the code in `STATES` of each at its end."""
    low, high = spec.span
    rows = record.listings
    listing = np.flatnonzero((rows.born < high) & (rows.died > low))
    before_end = np.nextafter(high, 0)
    visible = record.visible(listing, np.full(listing.size, before_end))
    return listing, np.where(visible, LIVE, np.where(rows.died[listing] <= before_end, DELETED, HIDDEN))


def listings(spec: MarketSpec, record: Record) -> pd.DataFrame:
    """Return a row a listing that was there in the window."""
    listing, now = state(spec, record)
    last = np.nextafter(np.minimum(record.listings.died[listing], spec.span[1]), 0)
    reviewed = np.concatenate([record.orders.listing[record.orders.reviewed & in_window(spec, record.orders.time)],
                               record.fakes.listing[in_window(spec, record.fakes.time)]])
    return pd.DataFrame({
        **groups(spec, record, listing),
        "price": record.prices.shown_at(record.listings.product[listing], last),
        "reviews": np.bincount(reviewed, minlength=record.listings.product.size)[listing],
        "state": named(STATES, now),
    })


def vendors(spec: MarketSpec, record: Record) -> pd.DataFrame:
    """Return a row a vendor, with both counters and the turnover in the window."""
    n = record.vendors.size.size
    now = in_window(spec, record.orders.time)
    vendor = record.products.vendor[record.orders.product[now]]
    return pd.DataFrame({
        "vendor": np.arange(n),
        "market": named(spec.markets, record.vendors.market),
        "country": named(spec.countries, record.vendors.country),
        "review_share": record.vendors.review_share,
        "orders": np.bincount(vendor, minlength=n),
        "reviews": np.bincount(vendor[record.orders.reviewed[now]], minlength=n),
        "turnover": np.bincount(vendor, (record.orders.price * record.orders.quantity)[now], minlength=n).astype(float),
    })


def sales(spec: MarketSpec, record: Record) -> pd.DataFrame:
    """Return a row an order, over the whole simulated time."""
    orders = record.orders
    return pd.DataFrame({
        "sale": np.arange(orders.time.size),
        "listing": orders.listing,
        "product": orders.product,
        "vendor": record.products.vendor[orders.product],
        "date": dates(spec, orders.time),
        "price": orders.price,
        "quantity": orders.quantity,
        "reviewed": orders.reviewed,
        "in_window": in_window(spec, orders.time),
    })


def review_columns(record: Record) -> dict[str, np.ndarray]:
    """Return genuine and fake reviews together, in order of time; the order of the rows is their id."""
    real, fake = record.orders, record.fakes
    time = np.concatenate([real.time[real.reviewed], fake.time])
    order = np.argsort(time, kind="stable")
    genuine = np.arange(time.size) < time.size - fake.time.size
    return {"review": np.arange(time.size), "time": time[order], "genuine": genuine[order]} | {
        name: np.concatenate([getattr(real, name)[real.reviewed], getattr(fake, name)])[order]
        for name in ("listing", "product", "price")
    }


def reviews(spec: MarketSpec, record: Record) -> pd.DataFrame:
    """Return a row a review, over the whole simulated time."""
    rows = review_columns(record)
    return pd.DataFrame({
        "review": rows["review"],
        "listing": rows["listing"],
        "vendor": record.products.vendor[rows["product"]],
        "date": dates(spec, rows["time"]),
        "price": rows["price"],
        "genuine": rows["genuine"],
        "in_window": in_window(spec, rows["time"]),
    })


def events(spec: MarketSpec, record: Record) -> pd.DataFrame:
    """Return a row an event of a listing's life, in order of time: what happened, to which listing, when."""
    rows, clock = record.listings, record.clock
    ids = np.arange(rows.product.size)
    moved = np.isfinite(rows.died) & (rows.at(clock, rows.product, rows.died) != ids)
    deleted = np.isfinite(rows.died) & ~moved
    steps = np.concatenate([[False], np.diff(record.prices.product) == 0])  # the first step is the birth

    def of_products(product: np.ndarray, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        there = np.isfinite(time)
        return rows.at(clock, product[there], time[there]), time[there]

    holding = record.prices.holding
    parts = {
        "listed": (ids, rows.born),
        "deleted": (ids[deleted], rows.died[deleted]),
        "relisted": (ids[moved], rows.died[moved]),
        "hidden": of_products(record.hidden.item, record.hidden.start),
        "shown": of_products(record.hidden.item, record.hidden.end),
        "holding price set": of_products(holding.item, holding.start),
        "holding price unset": of_products(holding.item, holding.end),
        "price changed": of_products(record.prices.product[steps], record.prices.time[steps]),
    }
    time = np.concatenate([t for _, t in parts.values()])
    order = np.argsort(time, kind="stable")
    kind = np.repeat(np.arange(len(parts)), [t.size for _, t in parts.values()])
    return pd.DataFrame({
        "event": named(parts, kind[order]),
        "listing": np.concatenate([i for i, _ in parts.values()])[order],
        "date": dates(spec, time[order]),
    })


def truth(spec: MarketSpec, record: Record) -> Truth:
    """Return what happened in the window."""
    orders = record.orders
    now = in_window(spec, orders.time)
    price, quantity, reviewed = orders.price[now], orders.quantity[now], orders.reviewed[now]
    value = price * quantity
    total = float(np.round(value.sum(), 2))
    by_vendor = np.bincount(record.products.vendor[orders.product[now]], value, minlength=record.vendors.size.size)
    weight = by_vendor / value.sum() if total else np.zeros(by_vendor.size)
    share = float(weight @ record.vendors.review_share) if total else float("nan")
    fake = int(in_window(spec, record.fakes.time).sum())
    listing, at_end = state(spec, record)
    by_listing = np.bincount(orders.listing[now], value, minlength=record.listings.product.size)[listing]
    n_reviews = int(reviewed.sum()) + fake
    return Truth(
        realised_turnover=total,
        orders=int(now.sum()),
        units=int(quantity.sum()),
        reviewed_orders=int(reviewed.sum()),
        fake_reviews=fake,
        reviewed_turnover=float(value[reviewed].sum()),
        review_share=share,
        spread=float(np.sqrt(weight @ (record.vendors.review_share - share) ** 2)) if total else float("nan"),
        genuine_share=int(reviewed.sum()) / n_reviews if n_reviews else float("nan"),
        units_per_order=total / float(price.sum()) if total else float("nan"),
        listings_live=int((at_end == LIVE).sum()),
        listings_ever=listing.size,
        turnover_live=float(by_listing[at_end == LIVE].sum()),
        turnover_hidden=float(by_listing[at_end == HIDDEN].sum()),
        turnover_deleted=float(by_listing[at_end == DELETED].sum()),
        _expected=spec.expected_turnover,
    )
