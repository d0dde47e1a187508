"""The reference engine: a table in memory as arrays of prices, counts and codes. Every rule is written here first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from darkmarket_estimates._version import __version__
from darkmarket_estimates.assumptions import HoldingPrice
from darkmarket_estimates.audit import Audit, Entry
from darkmarket_estimates.engines.schema import Schema
from darkmarket_estimates.engines.source import Source
from darkmarket_estimates.errors import DataError, NotIdentifiedError
from darkmarket_estimates.totals import (
    BAND,
    CAPTURES,
    MISSING,
    VENDOR,
    WITHIN,
    Header,
    Key,
    Totals,
    band_labels,
    check_by,
    collect,
)

#: A price this many times the 99th percentile of prices with reviews is suspected of being a holding price.
SUSPICIOUS_MULTIPLE = 100.0


@dataclass(frozen=True, slots=True, eq=False)
class MemoryTable:
    """The rows that are kept, and what happened to the others.

    Attributes
    ----------
    rows : int array of shape (n,)
        Positions of the kept rows in the source.
    price, count, unit : float array of shape (n,)
        Price in the present currency, reviews or sales, and 1 / days of the row's own exposure (1 without ``days=``).
    vendor, listing : Key of n codes
        Within their market; `listing` is None where the table names none.
    """

    source: Source
    schema: Schema
    rows: np.ndarray
    price: np.ndarray
    count: np.ndarray
    unit: np.ndarray
    vendor: Key
    listing: Key | None
    markets: tuple[str, ...]
    currency: str
    conversions: tuple[str, ...]
    audit: Audit

    @property
    def value(self) -> np.ndarray:
        """Money of each row, per day where the table has days."""
        with np.errstate(over="ignore"):
            return self.unit * self.price * self.count

    def entry(self, rule: str, rows: np.ndarray, after: float = 0.0) -> Entry:
        """An audit line on some rows whose money becomes `after`."""
        return Entry(rule=rule, rows=int(rows.sum()), count=float(self.count[rows].sum()),
                     value=float(self.value[rows].sum()), value_after=after, currency=self.currency)

    def keep(self, mask: np.ndarray, rule: str) -> MemoryTable:
        """Return the table without the other rows, which the audit counts."""
        return replace(
            self, rows=self.rows[mask], price=self.price[mask], count=self.count[mask], unit=self.unit[mask],
            vendor=Key(self.vendor.codes[mask], self.vendor.labels),
            listing=None if self.listing is None else Key(self.listing.codes[mask], self.listing.labels),
            audit=self.audit.add(self.entry(rule, ~mask)),
        )

    # -- rules ------------------------------------------------------------------------------------------------------

    def clean(self, rule: HoldingPrice) -> MemoryTable:
        """Apply a holding-price rule (cap first, then multiples of the listing's median)."""
        if rule.uses_median and self.listing is None:
            raise NotIdentifiedError("a median of the listing's own prices needs to know the listing",
                                     fix='Listings(frame, listing="listing_id", ...)')
        refused = np.zeros(len(self.price), dtype=bool) if rule.cap is None else self.price > rule.cap
        if not rule.uses_median:
            return self.keep(~refused, str(rule))
        assert self.listing is not None
        median, seen = _grouped_median(self.price, self.listing.codes, ~refused, len(self.listing.labels))
        own, acts = median[self.listing.codes], seen[self.listing.codes] >= rule.min_observations
        if rule.upper_multiple is not None:
            refused |= acts & (self.price > rule.upper_multiple * own)
        if rule.lower_multiple is not None:
            refused |= acts & (self.price < rule.lower_multiple * own)
        if rule.action == "drop":
            return self.keep(~refused, str(rule))
        accepted, n_accepted = _grouped_median(self.price, self.listing.codes, ~refused, len(self.listing.labels))
        hopeless = refused & (n_accepted[self.listing.codes] == 0)
        mended = refused & ~hopeless
        price = np.where(mended, accepted[self.listing.codes], self.price)
        after = float((self.unit * price * self.count)[mended].sum())
        table = replace(self, price=price, audit=self.audit.add(self.entry(str(rule), mended, after)))
        return table.keep(~hopeless, "holding price: dropped, the listing has no accepted price")

    def convert(self, to: str, rates: float | tuple[np.ndarray, np.ndarray], words: str) -> MemoryTable:
        """Multiply prices by one rate, or by the rate of each row's day (sorted days, rates)."""
        if isinstance(rates, tuple):
            days, values = rates
            day = self._days()
            at = np.minimum(np.searchsorted(days, day), len(days) - 1)
            absent = days[at] != day
            if absent.any():
                missing = np.unique(day[absent])
                shown = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
                raise DataError(f"the table of rates lacks {len(missing):,} day(s) that occur", where=shown,
                                expected=f"a rate for every day of sale, {days[0]} to {days[-1]} given",
                                fix="add the rate of those days; markets that were closed have the last rate before")
            factor: float | np.ndarray = values[at]
        else:
            factor = rates
        before, n = float(self.value.sum()), len(self.price)
        table = replace(self, price=self.price * factor, currency=to, conversions=(*self.conversions, words))
        line = Entry(rule=f"{words} (was {self.currency} {before:,.0f})", rows=n, count=float(self.count.sum()),
                     value=float(table.value.sum()), value_after=float(table.value.sum()), currency=to)
        return replace(table, audit=table.audit.add(line))

    def _days(self) -> np.ndarray:
        if self.schema.date is None:
            raise NotIdentifiedError("rates by day need the day of each row", fix='Listings(frame, date="sold_on", ...)')
        day = self.source.days(self.schema.date, "the date")[self.rows]
        absent = np.isnat(day)
        if absent.any():
            raise DataError(f"{int(absent.sum()):,} row(s) have no date", expected="the day of sale",
                            where=f"column {self.schema.date!r}, row {self.rows[int(np.argmax(absent))]}")
        return day

    # -- sums -------------------------------------------------------------------------------------------------------

    def totals(self, by: Sequence[str], bands: Sequence[float]) -> Totals:
        """Sum by group, price band, captures and vendor."""
        names = check_by(by)
        self.source.require(names)
        keys: dict[str, Key] = {}
        for name in names:
            key = self.source.labels(name)
            keys[name] = Key(key.codes[self.rows], key.labels)
        if bands:
            edges = np.asarray(bands, dtype=float)
            keys[BAND] = Key(np.searchsorted(edges, self.price, side="right"), band_labels(bands))
        if self.schema.captures is not None:
            seen = self.source.numbers(self.schema.captures, "captures")[self.rows]
            keys[CAPTURES] = Key.encode(seen.astype(np.int64))
        keys[VENDOR] = self.vendor
        listed, per_listing = self._per_listing(keys)
        value = self.value
        with np.errstate(over="ignore"):
            columns = {
                "n_listings": listed, "reviews": self.unit * self.count, "value": value,
                "price_sq_reviews": (self.unit * self.price) ** 2 * self.count,
                "rate_sq_reviews": self.unit**2 * self.count,
                "listing_value_sq": listed * per_listing**2, "max_listing_value": per_listing,
            }
            merged_keys, merged = collect(keys, columns)
            for name, values in merged.items():
                if not np.isfinite(values.sum()):
                    raise DataError("the sums are too large for a float", where=f"column {name!r}",
                                    expected="prices whose squares stay below 1e308",
                                    got=f"prices up to {self.price.max():g}",
                                    fix="clean holding prices first: .clean(HoldingPrice(cap=...))")
        header = Header(
            currency=self.currency, counted=self.schema.counted, window=self.schema.window,
            per_day=self.schema.days is not None, markets=self.markets, by=names, bands=tuple(map(float, bands)),
            occasions=self.schema.occasions, conversions=self.conversions, flags=self._alarms(),
            version=__version__,
        )
        return Totals(header, merged_keys, merged, self.audit)

    def _per_listing(self, keys: dict[str, Key]) -> tuple[np.ndarray, np.ndarray]:
        """Whether a row is the first of its listing in its cell, and the listing's money there."""
        n, value = len(self.price), self.value
        if self.listing is None or n == 0:
            return np.ones(n), value
        size = len(self.listing.labels)
        if len(self.rows) == len(np.unique(self.listing.codes)):
            return np.ones(n), value
        packed = self.listing.codes
        for key in keys.values():  # a listing may stand in several cells: bands, captures, changed category
            packed = np.unique(packed * np.int64(max(len(key.labels), 1)) + key.codes, return_inverse=True)[1]
            size = int(packed.max()) + 1
        first = np.zeros(n)
        first[np.unique(packed, return_index=True)[1]] = 1.0
        return first, np.bincount(packed, weights=value, minlength=size)[packed]

    def _alarms(self) -> tuple[str, ...]:
        sold = self.price[self.count > 0]
        if len(sold) == 0:
            return ()
        usual, top = float(np.quantile(sold, 0.99)), float(sold.max())
        if usual > 0 and top > SUSPICIOUS_MULTIPLE * usual:
            return (f"holding price suspected: one price is {top / usual:,.0f} times the 99th percentile",)
        return ()


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
    _refuse(source, schema.price, ~np.isfinite(price) | (price < 0), price, "the price", "finite numbers >= 0",
            "drop or mend those rows yourself, and say so: a missing price is not a price of 0")
    if schema.count is None:
        count = np.ones(n)
    else:
        count = source.numbers(schema.count, schema.counted)
        bad = ~np.isfinite(count) | (count < 0) | (count != np.floor(count))
        _refuse(source, schema.count, bad, count, schema.counted, "whole numbers >= 0",
                "counts are counts: fill a missing one only if you know that it is 0")
    unit = np.ones(n)
    if schema.days is not None:
        days = source.numbers(schema.days, "days")
        _refuse(source, schema.days, ~np.isfinite(days) | (days <= 0), days, "days", "finite numbers > 0",
                "leave out listings without exposure, and say so")
        unit = 1.0 / days
    vendor, listing, markets = _identities(source, schema)
    if schema.currency_column is not None:
        currencies = source.labels(schema.currency_column).labels
        if len(currencies) != 1:
            raise DataError("the table is in more than one currency", where=f"column {schema.currency_column!r}",
                            expected="one", got=", ".join(currencies[:5]),
                            fix="make one Listings a currency, convert each with to_currency, and add the totals")
        schema = replace(schema, currency=currencies[0])
    _check_captures(source, schema)
    with np.errstate(over="ignore"):
        money = unit * price * count
    _refuse(source, schema.price, ~np.isfinite(money), price, "price x " + schema.counted, "below 1e308",
            "no price is that high: drop the row, and say so")
    table = MemoryTable(source, schema, np.arange(n), price, count, unit, vendor, listing, markets, schema.currency,
                        (), Audit())
    everything = np.ones(n, dtype=bool)
    table = replace(table, audit=Audit((table.entry("rows read", everything, float(money.sum())),)))
    return _duplicates(table)


def _refuse(
    source: Source, column: str, bad: np.ndarray, values: np.ndarray, role: str, expected: str, fix: str
) -> None:
    if not bad.any():
        return
    at = int(np.argmax(bad))
    got = values[at]
    shown = "missing" if np.isnan(got) else repr(float(got))
    raise DataError(f"{role} cannot be used in {int(bad.sum()):,} of {len(source):,} row(s)",
                    where=f"column {column!r}, row {at} (counting from 0)", expected=expected, got=shown, fix=fix)


def _identities(source: Source, schema: Schema) -> tuple[Key, Key | None, tuple[str, ...]]:
    """Vendor and listing within their market."""

    def identity(column: str, role: str, fix: str) -> Key:
        key = source.labels(column)
        if MISSING in key.labels:
            absent = key.codes == key.labels.index(MISSING)
            raise DataError(f"{role} is missing in {int(absent.sum()):,} row(s)",
                            where=f"column {column!r}, row {int(np.argmax(absent))} (counting from 0)",
                            expected=f"every row names its {role.split()[-1]}", got="missing", fix=fix)
        return key

    vendor = identity(schema.vendor, "the vendor",
                      "vendors are the unit of uncertainty: give each unknown one an id of its own, or leave the rows "
                      "out and say so")
    listing = None if schema.listing is None else identity(schema.listing, "the listing", "leave listing= out")
    if schema.market is None:
        return vendor, listing, ()
    market = source.labels(schema.market)
    if schema.vendor_scope == "market":
        vendor = _within(market, vendor)
    return vendor, None if listing is None else _within(market, listing), market.labels


def _within(outer: Key, inner: Key) -> Key:
    """The pairs that occur, as one key."""
    packed = outer.codes * np.int64(max(len(inner.labels), 1)) + inner.codes
    pairs, codes = np.unique(packed, return_inverse=True)
    width = max(len(inner.labels), 1)
    labels = [f"{outer.labels[p // width]}{WITHIN}{inner.labels[p % width]}" for p in pairs]
    order = np.argsort(np.asarray(labels, dtype=object), kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return Key(rank[codes], tuple(labels[i] for i in order))


def _check_captures(source: Source, schema: Schema) -> None:
    if schema.captures is None:
        return
    seen = source.numbers(schema.captures, "captures")
    bad = ~np.isfinite(seen) | (seen < 1) | (seen != np.floor(seen)) | (seen > (schema.occasions or np.inf))
    _refuse(source, schema.captures, bad, seen, "captures", f"whole numbers from 1 to occasions={schema.occasions}",
            "a listing in the table was seen at least once, and at most once a scrape")


def _duplicates(table: MemoryTable) -> MemoryTable:
    """Apply the policy on rows that share a listing id."""
    schema, listing = table.schema, table.listing
    if listing is None or schema.duplicates == "keep":
        return table
    codes = listing.codes
    times = np.bincount(codes, minlength=len(listing.labels))
    if times.max(initial=0) <= 1:
        return table
    if schema.duplicates == "error":
        at = int(np.argmax(times[codes] > 1))
        raise DataError(
            f"{int((times > 1).sum()):,} listing id(s) stand on more than one row",
            where=f"column {schema.listing!r}, row {at} (counting from 0)", expected="one row a listing",
            got=f"{listing.labels[codes[at]].replace(WITHIN, ' / ')!r} on {int(times[codes[at]]):,} rows",
            fix='say what they are: duplicates="first" (in row order), "largest" (most reviews, then the higher price), '
                '"sum" (parts of one count) or "keep" (rows of their own)',
        )
    if schema.duplicates == "sum":
        return _summed(table, codes, len(listing.labels))
    if schema.duplicates == "first":
        order = np.arange(len(codes))
    else:  # rows that tie in both are equal in money
        order = np.lexsort((-table.price, -table.count))
    first = np.unique(codes[order], return_index=True)[1]
    mask = np.zeros(len(codes), dtype=bool)
    mask[order[first]] = True
    return table.keep(mask, f"duplicate listing ids ({schema.duplicates} kept)")


def _summed(table: MemoryTable, codes: np.ndarray, n: int) -> MemoryTable:
    """Parts of one count: the listing gets one price, its mean per review, so that the money stays."""
    vendors = np.full(n, -1, dtype=np.int64)
    vendors[codes] = table.vendor.codes
    if (vendors[codes] != table.vendor.codes).any():
        at = int(np.argmax(vendors[codes] != table.vendor.codes))
        raise DataError("rows of one listing name different vendors", where=f"row {at} (counting from 0)",
                        fix='duplicates="keep", if a listing id is used again by another vendor')
    exposure = table.unit * table.count
    total, money = np.bincount(codes, exposure, n), np.bincount(codes, table.value, n)
    plain = np.bincount(codes, table.price, n) / np.maximum(np.bincount(codes, minlength=n), 1)
    mean = np.divide(money, total, out=plain, where=total > 0)
    return replace(table, price=mean[codes], audit=table.audit.add(
        table.entry("duplicate listing ids (summed)", np.bincount(codes, minlength=n)[codes] > 1,
                    float((table.unit * mean[codes] * table.count)[np.bincount(codes, minlength=n)[codes] > 1].sum()))))


def _grouped_median(values: np.ndarray, group: np.ndarray, use: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Median over the rows in use of each of `n` groups (NaN without one), and the number of those rows."""
    v, g = values[use], group[use]
    order = np.lexsort((v, g))
    v = v[order]
    count = np.bincount(g, minlength=n)
    start = np.cumsum(count) - count
    median = np.full(n, np.nan)
    some = count > 0
    low, high = start[some] + (count[some] - 1) // 2, start[some] + count[some] // 2
    median[some] = 0.5 * v[low] + 0.5 * v[high]
    return median, count
