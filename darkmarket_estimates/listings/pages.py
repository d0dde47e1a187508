"""Reading pages: a row a listing and scrape, in any order; sorted by listing and time, repeated pages merged."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from darkmarket_estimates.audit import Entry
from darkmarket_estimates.engines.checks import COUNT, MONEY, PRICE
from darkmarket_estimates.engines.choose import MemoryOpener, locate
from darkmarket_estimates.engines.frames import from_arrays
from darkmarket_estimates.engines.identities import LISTING_FIX, VENDOR_FIX, missing_identity
from darkmarket_estimates.engines.identities import within as within_market
from darkmarket_estimates.engines.medians import grouped_median
from darkmarket_estimates.engines.plan import unusable
from darkmarket_estimates.engines.source import Source
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.listings.captures import Captures
from darkmarket_estimates.listings.instants import instants, required
from darkmarket_estimates.totals import MISSING, Key

#: On a page, at most: up to here floats count one by one.
MOST_REVIEWS = 1 << 53


@dataclass(frozen=True, slots=True, eq=False)
class Pages:
    """Distinct pages, sorted by listing and time.

    Attributes
    ----------
    table : pyarrow.Table
        The user's columns.
    listing, scrape : int array of shape (pages,)
        Codes of listings (within their market) and of scrapes in order of time.
    time : array of shape (pages,)
        When the page was read.
    price, count : float array of shape (pages,)
        Counts are 0 where the table has none.
    labels : tuple of str
        Names of the listings.
    scrapes : array of shape (t,)
        Instants of all scrapes.
    notes : tuple of Entry
    text_numbers : bool
        Whether numbers of the table are text (CSV).
    """

    table: pa.Table
    listing: np.ndarray
    scrape: np.ndarray
    time: np.ndarray
    price: np.ndarray
    count: np.ndarray
    labels: tuple[str, ...]
    scrapes: np.ndarray
    notes: tuple[Entry, ...]
    text_numbers: bool = False

    def captures(self) -> Captures:
        """Which listing was seen when."""
        number = np.bincount(self.scrape, minlength=len(self.scrapes))
        late = np.bincount(self.scrape, (self.time - self.scrapes[self.scrape]) / np.timedelta64(1, "us"), len(self.scrapes))
        read = self.scrapes + np.rint(late / np.maximum(number, 1)).astype("timedelta64[us]")
        return Captures(self.listing, self.scrape, self.scrapes, self.labels, read)

    def medians(self) -> np.ndarray:
        """Median price of each listing over its pages."""
        return grouped_median(self.price, self.listing, np.ones(len(self.price), dtype=bool), len(self.labels))[0]


def whole(frame: Any) -> Source:
    """Any table that `Listings` reads, in memory."""
    if isinstance(frame, Source):
        return frame
    opener = locate(frame, engine="memory")
    assert isinstance(opener, MemoryOpener)
    return opener.source


def numbers(source: Source, column: str, role: str, *, whole: bool = False) -> np.ndarray:
    """A column of finite numbers >= 0, else `DataError` with the first bad row."""
    x = source.numbers(column, role)
    bad = ~np.isfinite(x) | (x < 0)
    if whole:
        bad |= x != np.floor(x)
    if bad.any():
        at = int(np.argmax(bad))
        expected, fix = COUNT if whole else PRICE
        raise DataError(f"{role} cannot be used in {int(bad.sum()):,} of {len(x):,} rows", expected=expected, fix=fix,
                        where=source.place(column, at), got="missing" if np.isnan(x[at]) else repr(float(x[at])))
    return x


def identities(source: Source, column: str, market: str | None, role: str = "the listing") -> Key:
    """Labels that no row lacks, within the market where there is one."""
    key = source.labels(column)
    if MISSING in key.labels:
        absent = key.codes == key.labels.index(MISSING)
        fix = VENDOR_FIX if role == "the vendor" else LISTING_FIX if role == "the listing" else "give every row an id"
        raise missing_identity(role, int(absent.sum()), source.place(column, int(np.argmax(absent))), fix)
    return key if market is None else within_market(source.labels(market), key)


def read_pages(
    frame: Any, *, listing: str, scrape: str, price: str, vendor: str, count: str | None, seen: str | None,
    scrapes: Iterable[Any] | None, market: str | None,
) -> Pages:
    """Check and sort a table of pages.

    Raises
    ------
    DataError
        What is wrong, in which column and row of the table as given.
    """
    source = whole(frame)
    source.require([c for c in (listing, scrape, price, vendor, count, seen, market) if c is not None])
    key = identities(source, listing, market)
    identities(source, vendor, None, "the vendor")
    money = numbers(source, price, "the price")
    counts = np.zeros(len(source)) if count is None else numbers(source, count, "the count", whole=True)
    with np.errstate(over="ignore"):
        endless = ~np.isfinite(money * counts)
    if endless.any():
        first = int(np.argmax(endless))
        raise unusable("price x count", int(endless.sum()), len(endless), source.place(price, first), MONEY[0],
                       repr(float(money[first])), MONEY[1])
    at = required(instants(source, scrape, "the scrape"), scrape, "the scrape")
    time = at if seen is None else required(instants(source, seen, "the time of the page"), seen, "the time of the page")
    known = all_scrapes(at, scrapes)
    order = np.lexsort((counts, at, key.codes))  # of pages that repeat, the one with the largest count comes last
    codes, at = key.codes[order], at[order]
    repeated = np.zeros(len(order), dtype=bool)
    repeated[:-1] = (codes[1:] == codes[:-1]) & (at[1:] == at[:-1])
    notes: list[Entry] = []
    if repeated.any():
        gone = order[repeated]
        value = float((money * counts)[gone].sum())
        notes.append(Entry(rule="the same listing twice in a scrape: the largest count kept", rows=len(gone),
                           count=float(counts[gone].sum()), value=value, value_after=0.0, currency=""))
    kept = order[~repeated]
    codes = codes[~repeated]
    late = np.flatnonzero((codes[1:] == codes[:-1]) & (time[kept][1:] <= time[kept][:-1]))
    if len(late):
        i = int(late[0])
        raise DataError("a page was read before the page of the scrape before it", expected="pages in the scrapes' order",
                        where=source.place(seen or scrape, int(kept[i + 1])),
                        got=f"{time[kept][i + 1]} after {time[kept][i]}")
    return Pages(source.table.take(pa.array(kept)), codes, np.searchsorted(known, at[~repeated]), time[kept], money[kept],
                 counts[kept], key.labels, known, tuple(notes), source.text_numbers)


def all_scrapes(at: np.ndarray, given: Iterable[Any] | None) -> np.ndarray:
    """Sorted instants of all scrapes: those of the pages, or those given, which must hold them."""
    found = np.unique(at)
    if given is None:
        return found
    named = Source(from_arrays({"scrapes": np.asarray(list(given))}))
    known = np.unique(required(instants(named, "scrapes", "scrapes"), "scrapes", "scrapes"))
    unknown = found[~np.isin(found, known)]
    if len(unknown):
        raise DataError(f"{len(unknown)} scrape(s) of the table are not among scrapes=", got=str(unknown[0]),
                        expected="every scrape of the table, and those that brought home nothing")
    return known


def changes(pages: Pages, besides: set[str], count: np.ndarray, money: np.ndarray) -> list[Entry]:
    """Audit lines on steps whose listing has another vendor, category, ... than at the capture before."""
    found = []
    source = Source(pages.table)
    same = pages.listing[1:] == pages.listing[:-1]
    for field in pages.table.schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
        if field.name in besides or not text:
            continue
        key = source.labels(field.name)
        if pages.text_numbers and all(map(_is_number, key.labels)):
            continue  # a counter, a rating: no group
        codes, unknown = key.codes, key.labels.index(MISSING) if MISSING in key.labels else -1
        rows = np.append(False, same & (codes[1:] != codes[:-1]) & (codes[1:] != unknown) & (codes[:-1] != unknown))
        if rows.any():
            value = float(money[rows].sum())
            found.append(Entry(
                rule=f"listing changed its {field.name!r}: each step goes to the one at its end", rows=int(rows.sum()),
                count=float(count[rows].sum()), value=value, value_after=value, currency=""))
    return found


def _is_number(label: str) -> bool:
    try:
        return math.isfinite(float(label))
    except ValueError:
        return label == MISSING
