"""The reference engine: a table in memory as arrays of prices, counts and codes. Every rule is written here first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from darkmarket_estimates._version import __version__
from darkmarket_estimates.assumptions import HoldingPrice
from darkmarket_estimates.audit import Audit, Entry
from darkmarket_estimates.engines import alarms, kernels
from darkmarket_estimates.engines.identities import ListingCodes, named_listings
from darkmarket_estimates.engines.medians import grouped_median, reached
from darkmarket_estimates.engines.plan import MENDED_NOWHERE, check_finite, check_median_rule, missing_days, no_date
from darkmarket_estimates.engines.protocol import Rates
from darkmarket_estimates.engines.schema import Schema
from darkmarket_estimates.engines.source import Source
from darkmarket_estimates.errors import DataError, NotIdentifiedError
from darkmarket_estimates.totals import BAND, CAPTURES, VENDOR, Header, Key, Totals, band_labels, check_by

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MemoryTable:
    """The rows that are kept, and what happened to the others.

    Attributes
    ----------
    kept : int array of shape (n,) or None
        Positions of the kept rows in the source; None where that is every row.
    price, count, unit : float array of shape (n,)
        Price in the present currency, reviews or sales (whole numbers where they came so), and 1 / days of the row's own
        exposure (1 without ``days=``).
    vendor_as_read : Key of n codes
        Within their market; vendors that are numbers may be in the order of the numbers.
    listing_as_read : ListingCodes of n rows or None
        Within their market; None where the table names none.
    """

    source: Source
    schema: Schema
    kept: np.ndarray | None
    price: np.ndarray
    count: np.ndarray
    unit: np.ndarray
    vendor_as_read: Key
    listing_as_read: ListingCodes | None
    markets: tuple[str, ...]
    currency: str
    conversions: tuple[str, ...]
    audit: Audit

    @property
    def vendor(self) -> Key:
        """Vendor of each row, in the order of their names."""
        return self.vendor_as_read.in_order()

    @property
    def listing(self) -> Key | None:
        """Listing of each row, in the order of their names; None where the table names none."""
        if self.listing_as_read is None:
            return None
        key = named_listings(self.source, self.schema)
        return key if self.kept is None else Key(key.codes[self.kept], key.labels)

    @property
    def rows(self) -> np.ndarray:
        """Positions of the kept rows in the source."""
        return np.arange(len(self.price)) if self.kept is None else self.kept

    @property
    def value(self) -> np.ndarray:
        """Money of each row, per day where the table has days."""
        return self._value(slice(None))

    def _value(self, rows: np.ndarray | slice) -> np.ndarray:
        price, count = self.price[rows], self.count[rows]
        with np.errstate(over="ignore"):
            return price * count if self.schema.days is None else self.unit[rows] * price * count

    def money(self) -> float:
        """Money of all rows, added in blocks."""
        with np.errstate(over="ignore"):
            return float(sum(self._value(rows).sum() for rows in kernels.blocks(len(self))))

    def entry(self, rule: str, rows: np.ndarray, after: float = 0.0) -> Entry:
        """An audit line on some rows whose money becomes `after`."""
        at = np.flatnonzero(rows)
        return Entry(rule=rule, rows=len(at), count=float(self.count[at].sum()), value=float(self._value(at).sum()),
                     value_after=after, currency=self.currency)

    def entry_of_all(self, rule: str) -> Entry:
        """An audit line on every row, whose money stays."""
        money = self.money()
        return Entry(rule=rule, rows=len(self), count=float(self.count.sum()), value=money, value_after=money,
                     currency=self.currency)

    def keep(self, mask: np.ndarray, rule: str) -> MemoryTable:
        """Return the table without the other rows, which the audit counts."""
        audit = self.audit.add(self.entry(rule, ~mask))
        if mask.all():
            return replace(self, audit=audit)
        rows = np.flatnonzero(mask)
        return replace(
            self, kept=rows if self.kept is None else self.kept[rows], price=self.price[rows], count=self.count[rows],
            unit=self.unit[rows] if self.schema.days else self.unit[:len(rows)],
            vendor_as_read=Key(self.vendor_as_read.codes[rows], self.vendor_as_read.labels),
            listing_as_read=None if self.listing_as_read is None else self.listing_as_read.take(rows), audit=audit,
        )

    # -- rules ------------------------------------------------------------------------------------------------------

    def clean(self, rule: HoldingPrice) -> MemoryTable:
        """Apply a holding-price rule (cap first, then multiples of the listing's median)."""
        check_median_rule(self.schema, rule)
        if not rule.uses_median and (rule.cap is None or self.price.max(initial=0) <= rule.cap):
            return replace(self, audit=self.audit.add(self.entry(str(rule), np.zeros(0, dtype=bool))))
        refused = np.zeros(len(self.price), dtype=bool) if rule.cap is None else self.price > rule.cap
        if not rule.uses_median:
            return self.keep(~refused, str(rule))
        assert self.listing_as_read is not None
        listing, n = self.listing_as_read
        some = np.flatnonzero(reached(rule, self.price, listing, ~refused, n)[listing])
        own = grouped_median(self.price[some], listing[some], ~refused[some], n)[0][listing[some]]
        if rule.upper_multiple is not None:
            refused[some] |= self.price[some] > rule.upper_multiple * own
        if rule.lower_multiple is not None:
            refused[some] |= self.price[some] < rule.lower_multiple * own
        if rule.action == "drop":
            return self.keep(~refused, str(rule))
        theirs = np.zeros(n, dtype=bool)
        theirs[listing[refused]] = True
        some = np.flatnonzero(theirs[listing])
        accepted, n_accepted = grouped_median(self.price[some], listing[some], ~refused[some], n)
        hopeless = refused & (n_accepted[listing] == 0)
        mended = refused & ~hopeless
        price = np.where(mended, accepted[listing], self.price)
        after = float((self.unit * price * self.count)[mended].sum())
        table = replace(self, price=price, audit=self.audit.add(self.entry(str(rule), mended, after)))
        return table.keep(~hopeless, MENDED_NOWHERE)

    def convert(self, to: str, rates: Rates, words: str) -> MemoryTable:
        """Multiply prices by one rate, or by the rate of each row's day (sorted days, rates)."""
        factor: float | np.ndarray
        if isinstance(rates, tuple):
            days, values = rates
            day = self._days()
            at = np.minimum(np.searchsorted(days, day), len(days) - 1)
            if (absent := days[at] != day).any():
                raise missing_days(np.unique(day[absent]), days)
            factor = values[at]
        else:
            factor = rates
        table = replace(self, price=self.price * factor, currency=to, conversions=(*self.conversions, words))
        return replace(table, audit=table.audit.add(table.entry_of_all(words)))

    def _days(self) -> np.ndarray:
        if self.schema.date is None:
            raise NotIdentifiedError("rates by day need the day of each row", fix='Listings(frame, date="sold_on", ...)')
        day = self.source.days(self.schema.date, "the date")[self.rows]
        if (absent := np.isnat(day)).any():
            row = int(self.rows[int(np.argmax(absent))])
            raise no_date(int(absent.sum()), self.source.place(self.schema.date, row, names=self.schema.names))
        return day

    # -- sums -------------------------------------------------------------------------------------------------------

    def totals(self, by: Sequence[str], bands: Sequence[float]) -> Totals:
        """Sum by group, price band, captures and vendor."""
        names = check_by(by)
        self.source.require(names)
        keys = {name: self._rows_of(self.source.labels(name)) for name in names}
        if bands:
            edges = np.asarray(bands, dtype=float)
            keys[BAND] = Key(np.searchsorted(edges, self.price, side="right"), band_labels(bands))
        if self.schema.captures is not None:
            seen = self.source.numbers(self.schema.captures, "captures")[self.rows]
            keys[CAPTURES] = Key.encode(seen.astype(np.int64))
        keys[VENDOR] = _unchanged(self.vendor_as_read)
        merged_keys, cell = kernels.cells(keys, complete=self.kept is None)
        n_cells = len(merged_keys[VENDOR].codes)
        unit = None if self.schema.days is None else self.unit
        merged = kernels.sums(cell, n_cells, self.price, self.count, unit, *self._per_listing(cell, n_cells))
        check_finite(merged, float(self.price.max(initial=0)))
        merged_keys, merged = kernels.in_order(merged_keys, merged)
        header = Header(
            currency=self.currency, counted=self.schema.counted, window=self.schema.window,
            per_day=self.schema.days is not None, markets=self.markets, by=names, bands=tuple(map(float, bands)),
            occasions=self.schema.occasions, conversions=self.conversions, flags=alarms.flags(self.price, self.count),
            version=__version__,
        )
        return Totals(header, merged_keys, merged, self.audit)

    def sold_prices(self) -> np.ndarray:
        """Prices of the rows with reviews, on which the alarm looks."""
        return self.price[self.count > 0]

    def _rows_of(self, key: Key) -> Key:
        return key if self.kept is None else Key(key.codes[self.kept], key.labels)

    def _per_listing(self, cell: np.ndarray, n_cells: int) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Whether a row is the first of its listing in its cell, and the listing's money there."""
        if self.listing_as_read is None or self.schema.duplicates in ("error", "first", "largest"):
            return None, None  # one row a listing
        listing, width = self.listing_as_read
        owner = np.empty(width, dtype=np.int64)
        owner[listing] = cell
        if (owner[listing] == cell).all():  # most tables: a listing lies in one cell
            pair, n_pairs = listing, width
        else:
            pairs, pair = kernels.ranks(cell * np.int64(width) + listing, n_cells * width)
            n_pairs = len(pairs)
        row_of = np.full(n_pairs, -1)
        row_of[pair[::-1]] = np.arange(len(pair) - 1, -1, -1)
        row_of = row_of[row_of >= 0]
        if len(row_of) == len(cell):
            return None, None
        first = np.zeros(len(cell))
        first[row_of] = 1.0
        return first, np.bincount(pair, weights=self.value, minlength=n_pairs)[pair]

    def to_frame(self) -> pd.DataFrame:
        """The rows that are kept, as arrays."""
        import pandas as pd

        return pd.DataFrame({"row": self.rows, "price": self.price, self.schema.counted: self.count.astype(float),
                             "value": self.value})

    def __len__(self) -> int:
        return len(self.price)

    def __repr__(self) -> str:
        return (f"{len(self):,} rows, {self.count.sum():,.0f} {self.schema.counted}, {self.currency} "
                f"{self.value.sum():,.0f}{' a day' if self.schema.days else ''}, {len(self.audit)} audit lines")


def _unchanged(vendor: Key) -> Key:
    """Refuse codes that no label has: they can be an array of the caller, and sums go where they point."""
    if not 0 <= vendor.codes.min(initial=0) <= vendor.codes.max(initial=0) < max(len(vendor.labels), 1):
        raise DataError("the table has changed since it was checked", where="column of the vendor",
                        expected=f"the {len(vendor.labels):,} vendors that it had", got="another one", fix="pass a copy")
    return vendor
