"""What share of the turnover the crawls saw, of listings whose captures are known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from darkmarket_estimates.coverage.abundance import Abundance
from darkmarket_estimates.coverage.pages import opened_shares
from darkmarket_estimates.coverage.pages import pages_opened as share_opened
from darkmarket_estimates.coverage.survival import life_table as share_survived
from darkmarket_estimates.engines.memory import MemoryTable
from darkmarket_estimates.errors import AssumptionError, NotIdentifiedError
from darkmarket_estimates.listings.captures import Captures
from darkmarket_estimates.listings.dating import Dates
from darkmarket_estimates.listings.instants import as_window


def pages_opened(
    table: MemoryTable, captures: Captures, dates: Dates, listing: np.ndarray, opened: Any, level: float
) -> Abundance:
    """Share on pages opened; of listings that are live now, by the crawls that say so. `listing`: code of each row."""
    shares = opened_shares(opened, captures.occasions)
    if dates.live_now:
        shares = shares[captures.last_complete() :]
    elif dates.one_capture not in ("holds", "not checked"):
        raise NotIdentifiedError("one capture does not reveal all of a listing's value", got=dates.one_capture,
                                 expected="a window that ends before the first scrape, and no page at its cap",
                                 fix='listings.life_table(opened=...), or scope="live now"')
    return share_opened(np.bincount(listing, weights=table.value), shares, confidence_level=level)


def life_table(
    table: MemoryTable, captures: Captures, dates: Dates, listing: np.ndarray, opened: Any, level: float
) -> Abundance:
    """Share that crawls saw while listings died. `listing`: code of each row."""
    if dates.live_now:
        raise AssumptionError('scope="live now" leaves out what has died', fix="listings.pages_opened(opened=...)")
    if dates.when is None:
        raise NotIdentifiedError("a life table needs the day of each sale", got="counts between two captures",
                                 fix='Listings.from_reviews(reviews, pages, date="...", ...)')
    window = table.schema.window
    assert window is not None
    start, end = as_window(window)

    def days(instant: Any) -> Any:
        return (instant - start) / np.timedelta64(1, "us") / 86_400e6

    inside = table.count > 0
    found = share_survived(
        captures.histories().to_numpy(), days(captures.read), table.value[inside], days(dates.when[table.rows[inside]]),
        listing[inside], opened=opened, window=(0.0, float(days(end))), confidence_level=level)
    capped = int(dates.capped[table.rows].sum())
    if capped:
        cut = f"the page cap was reached on {capped:,} page(s): older reviews were cut off"
        found = replace(found, flags=(*found.flags, cut))
    return found
