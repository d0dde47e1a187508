"""Who sells and what: vendors and listings as codes, within their market."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from darkmarket_estimates.engines import kernels
from darkmarket_estimates.engines.schema import Schema
from darkmarket_estimates.engines.source import Source
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.totals import MISSING, WITHIN, Key
from darkmarket_estimates.totals.cells import inverse

VENDOR_FIX = "vendors are the unit of uncertainty: give each unknown one an id of its own, or leave the rows out and say so"
LISTING_FIX = "leave listing= out"


class ListingCodes(NamedTuple):
    """The listing of each row as one of `n` codes in no order: sums by listing need no name of a listing.

    Some of the codes may have no row.
    """

    codes: np.ndarray
    n: int

    def take(self, rows: np.ndarray) -> ListingCodes:
        """Of some of the rows."""
        return ListingCodes(self.codes[rows], self.n)


def vendors(source: Source, schema: Schema, market: Key | None) -> Key:
    """The vendor of each row; vendors that are numbers may be in their own order.

    Raises
    ------
    DataError
        A vendor is missing.
    """
    read = source.codes if market is None else source.labels
    vendor = _named(source, schema, read(schema.vendor), schema.vendor, "the vendor", VENDOR_FIX)
    return vendor if market is None or schema.vendor_scope != "market" else within(market, vendor)


def listings(source: Source, schema: Schema, market: Key | None) -> ListingCodes:
    """The listing of each row.

    Raises
    ------
    DataError
        A listing is missing.
    """
    assert schema.listing is not None
    quick = source.distinct(schema.listing)
    if quick is None:
        key = named_listings(source, schema)
        return ListingCodes(key.codes, len(key.labels))
    codes, n = quick
    if market is None:
        return ListingCodes(codes, n)
    at = np.empty(n, dtype=np.int64)
    at[codes] = market.codes
    if (at[codes] == market.codes).all():  # most tables: no id stands in two markets
        return ListingCodes(codes, n)
    pairs, codes = kernels.ranks(market.codes * np.int64(n) + codes, len(market.labels) * n)
    return ListingCodes(codes, len(pairs))


def named_listings(source: Source, schema: Schema) -> Key:
    """The same with their names, market first, in the order of these.

    Raises
    ------
    DataError
        A listing is missing.
    """
    assert schema.listing is not None
    key = _named(source, schema, source.labels(schema.listing), schema.listing, "the listing", LISTING_FIX)
    return key if schema.market is None else within(source.labels(schema.market), key)


def _named(source: Source, schema: Schema, key: Key, column: str, role: str, fix: str) -> Key:
    """The key, of which no row lacks a label."""
    if MISSING in key.labels:
        absent = key.codes == key.labels.index(MISSING)
        place = source.place(column, int(np.argmax(absent)), names=schema.names)
        raise missing_identity(role, int(absent.sum()), place, fix)
    return key


def missing_identity(role: str, n: int, where: str, fix: str) -> DataError:
    """The error on rows without a vendor or a listing."""
    return DataError(f"{role} is missing in {n:,} row(s)", where=where,
                     expected=f"every row names its {role.split()[-1]}", got="missing", fix=fix)


def check_markets(market: Key, column: str) -> Key:
    """Refuse the one character that stands between a market and a vendor: two pairs could be one text."""
    bad = next((text for text in market.labels if WITHIN in text), None)
    if bad is not None:
        raise DataError("the name of a market holds the separator of keys", where=f"column {column!r}", got=repr(bad),
                        expected=f"names without {WITHIN!r}", fix="rename that market")
    return Key(market.codes, tuple(market.labels))


def within(outer: Key, inner: Key) -> Key:
    """The pairs that occur, as one key with sorted labels; no outer label holds the separator."""
    width = max(len(inner.labels), 1)
    pairs, codes = kernels.ranks(outer.codes * np.int64(width) + inner.codes, max(len(outer.labels), 1) * width)
    starts = np.searchsorted(pairs, np.arange(len(outer.labels) + 1) * width).tolist()
    inners, theirs, labels = (pairs % width).tolist(), tuple(inner.labels), []
    for text, start, end in zip(outer.labels, starts, starts[1:]):
        prefix = f"{text}{WITHIN}"
        labels += [prefix + theirs[i] for i in inners[start:end]]
    if not any(b.startswith(a) for a, b in zip(outer.labels, outer.labels[1:])):
        return Key(codes, tuple(labels))  # sorted as pairs, sorted as texts
    order = sorted(range(len(labels)), key=labels.__getitem__)
    return Key(inverse(np.array(order))[codes], tuple(labels[i] for i in order))
