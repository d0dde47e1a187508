"""Listings whose counts were dated: by differences between scrapes, or by the reviews' own dates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from darkmarket_estimates.assumptions.coverage import Huggins
from darkmarket_estimates.audit import Entry
from darkmarket_estimates.engines.memory import MemoryTable
from darkmarket_estimates.errors import AssumptionError, DataError, NotIdentifiedError
from darkmarket_estimates.listings.captures import Captures
from darkmarket_estimates.listings.detection import with_detection
from darkmarket_estimates.listings.table import Listings
from darkmarket_estimates.totals import BAND, CAPTURES, VENDOR, Totals

if TYPE_CHECKING:
    import pandas as pd

#: What is known of when a row's count happened.
INSIDE, EDGE, NO_START, NO_START_LATER, OUTSIDE = range(5)
#: Names of these, in the order in which they are shown.
PARTS = ("inside the window", "across its edge", "no start", "no start, first seen after the window", "outside")
UNKNOWN_START = ("exclude", "window")
SCOPES = ("ever in the window", "live now")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dates:
    """What the dates of the counts do to the rows of the table; arrays have one entry a row of the source.

    Attributes
    ----------
    full, used : float array
        The count as it was read, and the part that is taken to lie in the window.
    kind : int array
        INSIDE, EDGE, NO_START, NO_START_LATER or OUTSIDE.
    capped : bool array
        The page showed as many reviews as it can.
    unknown_start : {"exclude", "window"}
    priced : str
        Which price the counts got, in words.
    notes : tuple of Entry
        What was done before there was a table: repeated pages, counters that fell, ...
    one_capture : str
        "holds", or why one capture does not reveal all of a listing's value.
    """

    full: np.ndarray
    used: np.ndarray
    kind: np.ndarray
    capped: np.ndarray
    unknown_start: str
    priced: str
    notes: tuple[Entry, ...]
    one_capture: str

    def entries(self, table: MemoryTable) -> list[Entry]:
        """Audit lines of what lies outside, across or before: money read, and money that stays."""
        done = ": excluded" if self.unknown_start == "exclude" else ": put into the window since its start"
        words = {
            NO_START: f"first sight of a listing, no start{done}",
            NO_START_LATER: f"first sight of a listing after the window, no start{done}",
            EDGE: "steps across the window's edge: shared by time",
            OUTSIDE: "outside the window",
        }
        everything = np.ones(len(self.full), dtype=bool)
        found = [table.entry(self.priced, everything, float(table.value.sum()))]
        for kind, rule in words.items():
            rows = (self.kind == kind) & (self.full > 0)
            if rows.any():
                found.append(replace(table.entry(rule, rows), value_after=float((table.value * self._part())[rows].sum())))
        rows = self.capped & (self.used > 0)
        if rows.any():
            value = float((table.value * self._part())[rows].sum())
            found.append(Entry(rule="page cap reached: there may be more", rows=int(rows.sum()), value=value,
                               count=float(self.used[rows].sum()), value_after=value, currency=table.currency))
        return found

    def _part(self) -> np.ndarray:
        return np.divide(self.used, self.full, out=np.zeros(len(self.full)), where=self.full > 0)


class DatedListings(Listings):
    """`Listings` made by `Listings.from_scrapes` or `Listings.from_reviews`: rules and totals are those of `Listings`.

    Beyond them: `scrapes`, `histories` and `dates`.
    """

    __slots__ = ("_captured", "_captures", "_dates")
    _dates: Dates
    _captures: Captures | None
    _captured: str

    def _with(self, table: Any) -> DatedListings:
        new = object.__new__(DatedListings)
        new._set(table)
        for name in ("_dates", "_captures", "_captured"):
            object.__setattr__(new, name, getattr(self, name))
        return new

    def scrapes(self) -> pd.DataFrame:
        """How complete each scrape is, a row a scrape.

        Returns
        -------
        DataFrame
            scrape; listings seen; new, last_seen: those seen for the first and for the last time; known_alive: listings
            seen both before and after it; captured_share: the part of these that it saw (NaN at the ends); size_ratio:
            at the ends, its size against the nearest good scrape; flag: "empty", "partial" (below one half),
            "incomplete" (captured share below 0.9) or "".

        Raises
        ------
        NotIdentifiedError
            Nothing is known of the scrapes (reviews without a table of captures).
        """
        return self._seen().table()

    def histories(self) -> pd.DataFrame:
        """Capture histories for `darkmarket_estimates.coverage`: bool, a row a listing seen, a column a scrape."""
        return self._seen().histories()

    def _seen(self) -> Captures:
        if self._captures is None:
            raise NotIdentifiedError("reviews alone do not tell which pages were read",
                                     fix="Listings.from_reviews(reviews, listings_frame, ...): a row a page and scrape")
        return self._captures

    def dates(self) -> pd.DataFrame:
        """What the dating of counts leaves open, in money of the rows that are kept.

        Returns
        -------
        DataFrame
            Rows "inside the window", "across its edge", "no start" (the first sight of a listing lies in the window),
            "no start, first seen after the window", "outside", "total". Columns: counts; shared_value, the money that
            is used; none and all: the money if none of what is uncertain, or all of it, fell into the window.

        Notes
        -----
        A listing's first count may be older or younger than the window: `all` takes it as if it were neither, which is
        a bound and no estimate.
        """
        import pandas as pd

        rows, table = self._table.rows, self._table  # type: ignore[attr-defined]
        worth = table.unit * table.price  # type: ignore[attr-defined]
        kind, used, full = self._dates.kind[rows], self._dates.used[rows], self._dates.full[rows]
        records = []
        for code, name in enumerate(PARTS):
            at = kind == code
            shared, everything = float((worth * used)[at].sum()), float((worth * full)[at].sum())
            sure = code in (INSIDE, OUTSIDE)
            records.append((name, full[at].sum(), shared, shared if sure else 0.0, shared if sure else everything))
        frame = pd.DataFrame(records, columns=["part", "counts", "shared_value", "none", "all"])
        total = frame.drop(columns="part").sum()
        return pd.concat([frame, pd.DataFrame([{"part": "total", **total}])], ignore_index=True)

    def totals(
        self, by: str | Iterable[str] | None = None, *, bands: Sequence[float] = (), assumptions: Sequence[Huggins] = ()
    ) -> Totals:
        """Sum by group and vendor, and by captures where scrapes are known.

        Parameters
        ----------
        by, bands
            As in `Listings.totals`.
        assumptions : sequence of Huggins
            A detection model needs the listings themselves: it is fitted here, on all of them, and applied in
            ``turnover(totals, coverage=...)``.
        """
        names = () if by is None else (by,) if isinstance(by, str) else tuple(by)
        if any(not isinstance(spec, Huggins) for spec in assumptions) or len(assumptions) > 1:
            raise AssumptionError("assumptions= takes one Huggins(...)", got=repr(assumptions),
                                  fix="every other assumption goes into turnover()")
        if self._captures is None:
            if assumptions:
                self._seen()
            return self._dated(super().totals(names, bands=bands))
        totals = super().totals((*names, self._captured), bands=bands)
        listing = self._table.listing  # type: ignore[attr-defined]
        k = self._captures.number[_same(listing.labels, self._captures.labels)][listing.codes]
        totals = with_detection(totals, self._table, (*names, self._captured), tuple(map(float, bands)), k,  # type: ignore[arg-type]
                                self._captures.occasions, assumptions[0] if assumptions else None)
        keys = {name: totals.keys[name] for name in names}
        if BAND in totals.keys:
            keys[BAND] = totals.keys[BAND]
        keys |= {CAPTURES: totals.keys[self._captured], VENDOR: totals.keys[VENDOR]}
        header = replace(totals.header, by=names, occasions=self._captures.occasions,
                         scrapes=tuple(map(str, self._captures.times)))
        return self._dated(Totals(header, keys, totals.columns, totals.audit))

    def _dated(self, totals: Totals) -> Totals:
        frame = self.dates().set_index("part")
        currency, counted = totals.header.currency, totals.header.counted
        flags = list(totals.header.flags)
        first = frame.loc[["no start", PARTS[NO_START_LATER]]]
        if (left := first["all"].sum()) > 0:
            later = first["all"].iloc[1]
            flags.append(f"{currency} {left:,.0f} of {counted} at the first sight of a listing have no start"
                         + (f" ({currency} {later:,.0f} of it first seen after the window): " if later > 0 else ": ")
                         + ("left out" if self._dates.unknown_start == "exclude" else
                            f"{currency} {first['shared_value'].sum():,.0f} put into the window"))
        if (most := frame.loc["across its edge", "all"]) > 0:
            flags.append(f"steps across the window's edge are shared by time: {currency} "
                         f"{frame.loc['across its edge', 'shared_value']:,.0f}, between 0 and {most:,.0f}")
        capped = self._dates.capped[self._table.rows]  # type: ignore[attr-defined]
        if capped.any():
            flags.append(f"the page cap was reached on {int(capped.sum()):,} page(s): their counts are lower bounds")
        header = replace(totals.header, flags=tuple(flags), one_capture=self._dates.one_capture)
        return Totals(header, totals.keys, totals.columns, totals.audit)


def _same(labels: tuple[str, ...], known: tuple[str, ...]) -> np.ndarray:
    """Position among the captured listings of each label of the table."""
    if labels == known:
        return np.arange(len(known))
    position = {label: i for i, label in enumerate(known)}
    return np.array([position[label] for label in labels], dtype=np.int64)


def build(
    table: pa.Table, dates: Dates, captures: Captures | None, listing_of: np.ndarray, *, live_now: bool = False,
    **roles: Any,
) -> DatedListings:
    """Open a table of rows = listing x price with counts as `Listings`, then let the dates act on its counts.

    Parameters
    ----------
    table : pyarrow.Table
        The user's columns, one row a step or review.
    listing_of : int array of shape (rows,)
        Code of each row's listing in `captures`.
    live_now : bool
        Keep only listings that the last complete scrape saw.
    **roles
        Of `Listings`, without the count.
    """
    count, captured = _free(table, "dated_count"), _free(table, "dated_captures")
    table = table.append_column(count, pa.array(dates.full))
    if captures is not None:
        keys = pa.array(captures.keys(), pa.string())
        table = table.append_column(captured, keys.take(pa.array(listing_of)))
    counted = roles.pop("counted")
    roles[counted] = count
    plain = Listings(table, duplicates="keep", engine="memory", **roles)
    opened = plain._table
    assert isinstance(opened, MemoryTable)
    audit = opened.audit
    for entry in (*dates.notes, *dates.entries(opened)):
        audit = audit.add(replace(entry, currency=opened.currency))
    opened = replace(opened, count=dates.used, audit=audit)
    if live_now:
        if captures is None:
            raise NotIdentifiedError("which listings are live now is known from scrapes", fix="pass listings_frame=")
        opened = opened.keep(_live(captures)[listing_of], "not live now: not seen in the last complete scrape")
    new = object.__new__(DatedListings)
    new._set(opened)
    for name, value in (("_dates", dates), ("_captures", captures), ("_captured", captured)):
        object.__setattr__(new, name, value)
    return new


def _live(captures: Captures) -> np.ndarray:
    """Whether the last scrape that is not partial, or a later one, saw each listing."""
    flags = captures.table()["flag"].to_numpy()
    good = np.flatnonzero((flags != "partial") & (flags != "empty"))
    if not len(good):
        raise DataError("no scrape is complete: which listings are live now is not known", got=f"{len(flags)} scrapes",
                        fix='use scope="ever in the window"')
    return captures.ends()[1] >= good[-1]


def _free(table: pa.Table, name: str) -> str:
    while name in table.column_names:
        name = f"_{name}"
    return name
