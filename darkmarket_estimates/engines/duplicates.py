"""Rows that share a listing id."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from darkmarket_estimates.engines.identities import named_listings
from darkmarket_estimates.engines.memory import MemoryTable
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.totals import WITHIN


def words(policy: str) -> str:
    """The line of the audit."""
    return "duplicate listing ids (summed)" if policy == "sum" else f"duplicate listing ids ({policy} kept)"


def apply_policy(table: MemoryTable) -> MemoryTable:
    """Apply the policy of the schema. The audit has its line also where nothing was repeated: parts must add up."""
    schema = table.schema
    if table.listing_as_read is None or schema.duplicates == "keep":
        return table
    codes, n = table.listing_as_read
    times = np.bincount(codes, minlength=n)
    several = bool((times > 1).any())
    if schema.duplicates == "error":
        if several:
            at = int(np.argmax(times[codes] > 1))
            key = named_listings(table.source, schema)
            raise repeated(int((times > 1).sum()), table.source.place(str(schema.listing), at, names=schema.names),
                           key.labels[key.codes[at]], int(times[codes[at]]))
        return table
    if schema.duplicates == "sum":
        return _summed(table, codes, times)
    if not several:
        return table.keep(np.ones(len(codes), dtype=bool), words(schema.duplicates))
    if schema.duplicates == "first":
        order = np.arange(len(codes))
    else:  # ties go to the most money a day, then by name and day: never by row order, which not every engine has
        named = [table.source.labels(column).codes for column in (schema.captures, schema.date) if column is not None]
        order = np.lexsort((*named, table.vendor.codes, -table.unit, -table.price, -table.count))
    first = np.unique(codes[order], return_index=True)[1]
    mask = np.zeros(len(codes), dtype=bool)
    mask[order[first]] = True
    return table.keep(mask, words(schema.duplicates))


def repeated(n: int, where: str, label: str, times: int) -> DataError:
    """The error on listing ids that stand on several rows."""
    return DataError(
        f"{n:,} listing id(s) stand on more than one row", where=where, expected="one row a listing",
        got=f"{label.replace(WITHIN, ' / ')!r} on {times:,} rows",
        fix='say what they are: duplicates="first" (in row order), "largest" (most reviews, then the higher price), '
            '"sum" (parts of one count) or "keep" (rows of their own)',
    )


def _summed(table: MemoryTable, codes: np.ndarray, times: np.ndarray) -> MemoryTable:
    """Parts of one count: the listing gets one price, its mean per review, so that the money stays."""
    n = len(times)
    vendors = np.full(n, -1, dtype=np.int64)
    vendors[codes] = table.vendor.codes
    if (other := vendors[codes] != table.vendor.codes).any():
        place = table.source.place(str(table.schema.listing), int(np.argmax(other)), names=table.schema.names)
        raise DataError("rows of one listing name different vendors", where=place,
                        fix='duplicates="keep", if a listing id is used again by another vendor')
    units = np.ones(n)
    units[codes] = table.unit
    if (other := units[codes] != table.unit).any():  # rates over different days do not add up
        at = int(np.argmax(other))
        raise DataError("rows of one listing have different days of exposure", expected="one number of days a listing",
                        where=table.source.place(str(table.schema.days), at, names=table.schema.names),
                        got=f"{1 / table.unit[at]:g} and {1 / units[codes[at]]:g}",
                        fix='duplicates="largest", or "keep" if the rows follow each other in time')
    exposure = table.unit * table.count
    total, money = np.bincount(codes, exposure, n), np.bincount(codes, table.value, n)
    plain = np.bincount(codes, table.price, n) / np.maximum(times, 1)
    mean = np.divide(money, total, out=plain, where=total > 0)
    several = times[codes] > 1
    price = np.where(several, mean[codes], table.price)
    after = float((table.unit * price * table.count)[several].sum())
    return replace(table, price=price, audit=table.audit.add(table.entry(words("sum"), several, after)))
