"""What the dates of counts say: which lie in the window, across its edge, before or after it, and with what money."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from darkmarket_estimates.audit import Entry
from darkmarket_estimates.engines.memory import MemoryTable

#: What is known of when a row's count happened.
INSIDE, EDGE, NO_START, NO_START_LATER, OUTSIDE = range(5)
#: Names of these, in the order in which they are shown.
PARTS = ("inside the window", "across its edge", "no start", "no start, first seen after the window", "outside")
UNKNOWN_START = ("exclude", "window")
SCOPES = ("ever in the window", "live now")
COUNT_CAPTURES = ("all", "after the window")


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
    when : array of shape (rows,) or None
        Instant of each row's count; None where only captures around it are known.
    live_now : bool
        Only listings that are live now were kept.
    """

    full: np.ndarray
    used: np.ndarray
    kind: np.ndarray
    capped: np.ndarray
    unknown_start: str
    priced: str
    notes: tuple[Entry, ...]
    one_capture: str
    when: np.ndarray | None = None
    live_now: bool = False

    def entries(self, table: MemoryTable) -> list[Entry]:
        """Audit lines of what lies outside, across or before: money read, and money that stays."""
        done = ": excluded" if self.unknown_start == "exclude" else ": put into the window since its start"
        words = {
            NO_START: f"first sight of a listing, no start{done}",
            NO_START_LATER: f"first sight of a listing after the window, no start{done}",
            EDGE: "steps across the window's edge: shared by time",
            OUTSIDE: "outside the window",
        }
        found = [table.entry_of_all(self.priced)]
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
