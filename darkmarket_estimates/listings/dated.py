"""Listings whose counts were dated: by differences between scrapes, or by the reviews' own dates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa

from darkmarket_estimates.assumptions.coverage import Huggins
from darkmarket_estimates.coverage.abundance import Abundance
from darkmarket_estimates.engines.memory import MemoryTable
from darkmarket_estimates.errors import AssumptionError, NotIdentifiedError
from darkmarket_estimates.listings import sharing
from darkmarket_estimates.listings.captured import one_model
from darkmarket_estimates.listings.captures import Captures
from darkmarket_estimates.listings.dating import INSIDE, NO_START_LATER, OUTSIDE, PARTS, Dates
from darkmarket_estimates.listings.detection import with_detection
from darkmarket_estimates.listings.instants import as_window
from darkmarket_estimates.listings.table import Listings
from darkmarket_estimates.totals import BAND, CAPTURES, VENDOR, Totals

if TYPE_CHECKING:
    import pandas as pd


class DatedListings(Listings):
    """`Listings` made by `Listings.from_scrapes` or `Listings.from_reviews`: rules and totals are those of `Listings`.

    Beyond them: `scrapes`, `histories` and `dates`; `pages_opened` and `life_table` for ``turnover(coverage=...)``.
    """

    __slots__ = ("_captured", "_captures", "_counted", "_dates")
    _dates: Dates
    _captures: Captures | None  # all of them
    _counted: Captures | None  # those that totals are keyed by
    _captured: str

    def _with(self, table: Any) -> Self:
        new = super()._with(table)
        for name in ("_dates", "_captures", "_counted", "_captured"):
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
        model = one_model(assumptions)
        if self._counted is None:
            if model is not None:
                self._seen()
            return self._dated(super().totals(names, bands=bands))
        totals = super().totals((*names, self._captured), bands=bands)
        k = self._counted.number[self._rows_among(self._counted)]
        totals = with_detection(totals, self._table, (*names, self._captured), tuple(map(float, bands)), k,  # type: ignore[arg-type]
                                self._counted.occasions, model)
        keys = {name: totals.keys[name] for name in names}
        if BAND in totals.keys:
            keys[BAND] = totals.keys[BAND]
        keys |= {CAPTURES: totals.keys[self._captured], VENDOR: totals.keys[VENDOR]}
        header = replace(totals.header, by=names, occasions=self._counted.occasions,
                         scrapes=tuple(map(str, self._counted.times)))
        return self._dated(Totals(header, keys, totals.columns, totals.audit))

    def pages_opened(self, opened: Any, *, confidence_level: float = 0.95) -> Abundance:
        """Share of turnover on pages that some crawl opened: ``turnover(coverage=listings.pages_opened(f).law())``.

        Parameters
        ----------
        opened : array of shape (scrapes,)
            Pages that each scrape read over pages that were live, from its log.
        confidence_level : float

        Returns
        -------
        Abundance
            See `darkmarket_estimates.coverage.pages_opened`. With ``scope="live now"`` only the last complete scrape, and
            later ones, count.

        Raises
        ------
        NotIdentifiedError
            The window ends after the first scrape, or the page cap was reached: one capture does not reveal all.
        """
        self._seen()
        assert self._counted is not None
        rows = self._rows_among(self._counted)
        return sharing.pages_opened(self._table, self._counted, self._dates, rows, opened, confidence_level)  # type: ignore[arg-type]

    def life_table(self, *, opened: Any = None, confidence_level: float = 0.95) -> Abundance:
        """Share of turnover that was seen while listings died: ``turnover(coverage=listings.life_table(opened=f).law())``.

        Parameters
        ----------
        opened : array of shape (scrapes,), optional
            Pages that each scrape read over pages that were live, from its log; fitted to recaptures otherwise.
        confidence_level : float

        Returns
        -------
        Abundance
            See `darkmarket_estimates.coverage.life_table`: captures are counted over the time that a listing was alive.

        Raises
        ------
        NotIdentifiedError
            Reviews without exact dates, or too few scrapes with recaptures.
        """
        captures = self._seen()
        if captures is not self._counted:
            raise AssumptionError("captures after the window leave out what had died by then",
                                  fix='count_captures="all"')
        rows = self._rows_among(captures)
        return sharing.life_table(self._table, captures, self._dates, rows, opened, confidence_level)  # type: ignore[arg-type]

    def _rows_among(self, captures: Captures) -> np.ndarray:
        """Position of each row's listing among the captured ones."""
        listing = self._table.listing  # type: ignore[attr-defined]
        return positions(listing.labels, captures.labels)[listing.codes]

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


def build(
    table: pa.Table, dates: Dates, captures: Captures | None, listing_of: np.ndarray, count_captures: str, **roles: Any
) -> DatedListings:
    """Open a table of rows = listing x price with counts as `Listings`, then let the dates act on its counts.

    Parameters
    ----------
    table : pyarrow.Table
        The user's columns, one row a step or review.
    listing_of : int array of shape (rows,)
        Code of each row's listing in `captures`.
    count_captures : {"all", "after the window"}
    **roles
        Of `Listings`, without the count.
    """
    count, captured = _free(table, "dated_count"), _free(table, "dated_captures")
    table = table.append_column(count, pa.array(dates.full))
    counted, at = captures, listing_of
    if captures is None and count_captures != "all":
        raise NotIdentifiedError("captures are known from scrapes", fix="pass listings_frame=")
    if captures is not None and count_captures != "all":
        counted = captures.since(as_window(roles["window"])[1])
        at = positions(captures.labels, counted.labels)[listing_of]
    if counted is not None:
        keys = pa.array(counted.keys(), pa.string())
        table = table.append_column(captured, keys.take(pa.array(np.maximum(at, 0))))
    roles[roles.pop("counted")] = count
    plain = Listings(table, duplicates="keep", engine="memory", **roles)
    opened = plain._table
    assert isinstance(opened, MemoryTable)
    audit = opened.audit
    for entry in (*dates.notes, *dates.entries(opened)):
        audit = audit.add(replace(entry, currency=opened.currency))
    opened = replace(opened, count=dates.used, audit=audit)
    if dates.live_now:
        if captures is None:
            raise NotIdentifiedError("which listings are live now is known from scrapes", fix="pass listings_frame=")
        live = captures.ends()[1] >= captures.last_complete()
        opened = opened.keep(live[listing_of], "not live now: not seen in the last complete scrape")
    if counted is not captures:
        opened = opened.keep(at[opened.rows] >= 0, "not seen after the window: left to the unseen")
    new = object.__new__(DatedListings)
    new._set(opened)
    for name, value in (("_dates", dates), ("_captures", captures), ("_counted", counted), ("_captured", captured)):
        object.__setattr__(new, name, value)
    return new


def positions(labels: tuple[str, ...], known: tuple[str, ...]) -> np.ndarray:
    """Position among the known labels of each label; -1 where it is none of them."""
    if labels == known:
        return np.arange(len(known))
    position = {label: i for i, label in enumerate(known)}
    return np.array([position.get(label, -1) for label in labels], dtype=np.int64)


def _free(table: pa.Table, name: str) -> str:
    while name in table.column_names:
        name = f"_{name}"
    return name
