"""Opening a table in memory: every row is checked against its schema before a sum is made."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from darkmarket_estimates.audit import Audit
from darkmarket_estimates.engines import identities, kernels
from darkmarket_estimates.engines.duplicates import apply_policy
from darkmarket_estimates.engines.memory import MemoryTable
from darkmarket_estimates.engines.plan import unusable
from darkmarket_estimates.engines.schema import Schema
from darkmarket_estimates.engines.source import Source
from darkmarket_estimates.errors import DataError

#: What each role allows, and what to do about the rest: (expected, fix).
PRICE = ("finite numbers >= 0",
         "drop or mend those rows yourself, and say so: a missing price is not a price of 0")
COUNT = ("whole numbers >= 0", "counts are counts: fill a missing one only if you know that it is 0")
DAYS = ("finite numbers > 0", "leave out listings without exposure, and say so")
MONEY = ("below 1e308", "no price is that high: drop the row, and say so")
CAPTURED = "a listing in the table was seen at least once, and at most once a scrape"
#: The ends of the positive floats.
_LEAST, _MOST = 5e-324, np.finfo(float).max


def open_table(source: Source, schema: Schema) -> MemoryTable:
    """Check a source against its schema and load what the schema names.

    Raises
    ------
    DataError
        The first thing that is wrong, with its row.
    """
    source.require(schema.columns)
    n = len(source)
    price = source.numbers(schema.price, "the price")
    _refuse(source, schema, schema.price, price, "the price", *PRICE)
    if schema.count is None:
        count = np.ones(n)
    else:
        count = source.counts(schema.count, schema.counted)
        _refuse(source, schema, schema.count, count, schema.counted, *COUNT, whole=True)
    unit = np.broadcast_to(1.0, (n,))  # without days: ones that take no room
    if schema.days is not None:
        days = source.numbers(schema.days, "days")
        _refuse(source, schema, schema.days, days, "days", *DAYS, low=_LEAST)
        with np.errstate(over="ignore"):  # refused below
            unit = 1.0 / days
    market = None if schema.market is None else source.labels(schema.market)
    vendor = identities.vendors(source, schema, market)
    listing = None if schema.listing is None else identities.listings(source, schema, market)
    markets = () if market is None else identities.check_markets(market, str(schema.market)).labels
    if schema.currency_column is not None:
        schema = replace(schema, currency=one_currency(schema, source.labels(schema.currency_column).labels))
    _check_captures(source, schema)
    table = MemoryTable(source, schema, None, price, count, unit, vendor, listing, markets, schema.currency, (), Audit())
    most = float(price.max()) * float(count.max()) * (1.0 if schema.days is None else float(unit.max()))
    if not math.isfinite(most):
        _refuse(source, schema, schema.price, table.value, "price x " + schema.counted, *MONEY, shown=price)
    if not math.isfinite(most * n) and not math.isfinite(table.money()):
        raise DataError("the money of all rows is too large for a float", where=f"column {schema.price!r}",
                        expected="a sum below 1e308", got=f"prices up to {price.max():g}", fix=MONEY[1])
    return apply_policy(replace(table, audit=Audit((table.entry_of_all("rows read"),))))


def one_currency(schema: Schema, currencies: tuple[str, ...]) -> str:
    """The currency of the table, else raise `DataError`."""
    if len(currencies) > 1:
        raise DataError("the table is in more than one currency", where=f"column {schema.currency_column!r}",
                        expected="one", got=", ".join(currencies[:5]) + (", ..." if len(currencies) > 5 else ""),
                        fix="make one Listings a currency, convert each with to_currency, and add the totals")
    return currencies[0]


def _refuse(
    source: Source, schema: Schema, column: str, values: np.ndarray, role: str, expected: str, fix: str, *,
    low: float = 0.0, high: float = _MOST, whole: bool = False, shown: np.ndarray | None = None,
) -> None:
    """Raise `DataError` on the first value that is not from `low` to `high`, or not `whole`. NaN is neither."""

    def usable(x: np.ndarray) -> np.ndarray:
        return (x >= low) & (x <= high) & (x == np.floor(x) if whole else True)

    least, most = (float(end) for end in (values.min(), values.max()))
    if low <= least and most <= high and (not whole or source.is_whole(column) or all(
            usable(values[rows]).all() for rows in kernels.blocks(len(values)))):
        return
    bad = ~usable(values)
    at = int(np.argmax(bad))
    value = float((values if shown is None else shown)[at])
    raise unusable(role, int(bad.sum()), len(source) if source.ordered else None,
                   source.place(column, at, names=schema.names), expected, "missing" if math.isnan(value) else repr(value),
                   fix)


def _check_captures(source: Source, schema: Schema) -> None:
    if schema.captures is None:
        return
    seen = source.numbers(schema.captures, "captures")
    _refuse(source, schema, schema.captures, seen, "captures", captures_expected(schema), CAPTURED, low=1.0,
            high=float(schema.occasions or _MOST), whole=True)


def captures_expected(schema: Schema) -> str:
    """What numbers of captures there can be, in words."""
    return f"whole numbers from 1 to occasions={schema.occasions}"
