"""Reviews that were sighted on pages, each once, and what is known of when they were written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from darkmarket_estimates._checks import integer, shown
from darkmarket_estimates.audit import Entry
from darkmarket_estimates.engines.source import Source
from darkmarket_estimates.errors import AssumptionError, DataError, NotIdentifiedError
from darkmarket_estimates.listings.instants import instants, required
from darkmarket_estimates.listings.pages import MOST_REVIEWS, Pages, identities


@dataclass(frozen=True, slots=True, eq=False)
class DatedReviews:
    """Distinct reviews (their first sighting): rows of the table, listing codes, and when they were written.

    `after` and `by` are the ends of what is known: equal for an exact date, `after` NaT without a start; `capped`:
    whether the page of the first sighting showed as many reviews as it can; `full_pages`: how many pages did.
    """

    table: pa.Table
    listing: np.ndarray
    after: np.ndarray
    by: np.ndarray
    capped: np.ndarray
    full_pages: int
    notes: tuple[Entry, ...]
    exact: bool


def dated(
    source: Source, codes: np.ndarray, pages: Pages | None, date: str | None, interval: tuple[str, str] | None,
    scrape: str | None, review: str | None, page_cap: int | None,
) -> DatedReviews:
    """Distinct reviews with their dates."""
    n = len(source)
    sighted = review is not None and scrape is not None and scrape in source.table.column_names
    at = required(instants(source, scrape, "the sighting"), scrape, "the sighting") if sighted and scrape else None
    if date is None and interval is None and at is None:
        raise NotIdentifiedError("nothing says when the reviews were written", expected="date=, interval= or sightings",
                                 got="none of them", fix='date="...", interval=("after", "by"), or review= and scrape=')
    first, notes, capped, full_pages = np.arange(n), [], np.zeros(n, dtype=bool), 0
    if review is not None:
        ids = identities(source, review, None, "the review").codes * np.int64(codes.max() + 1) + codes
        order = np.lexsort((np.arange(n) if at is None else at, ids))
        again = np.diff(ids[order], prepend=-1) == 0
        first = np.sort(order[~again])
        if again.any():
            notes.append(_note("further sightings of a review: counted once", int(again.sum())))
        if at is not None:
            notes += [_note(rule, number) for rule, number in _stays(ids, codes, at, pages).items() if number]
    if page_cap is not None:
        integer(page_cap, "page_cap", low=1, high=MOST_REVIEWS)
        if at is None:
            raise AssumptionError("how many reviews a page showed is known from sightings", expected="review= and scrape=",
                                  got=f"page_cap={shown(page_cap)}", fix="pass a row a review and scrape")
        _, page, reviews = np.unique(codes * np.int64(n) + np.unique(at, return_inverse=True)[1], return_inverse=True,
                                   return_counts=True)
        capped, full_pages = (reviews >= page_cap)[page], int((reviews >= page_cap).sum())
    if date is not None:
        by = required(instants(source, date, "the date"), date, "the date")[first]
        after = by
    elif interval is not None:
        after = instants(source, interval[0], "the start of the interval")[first]
        by = required(instants(source, interval[1], "the end of the interval"), interval[1], "the end of the interval")[first]
        if (wrong := after >= by).any():
            row = int(first[int(np.argmax(wrong))])
            raise DataError(f"{int(wrong.sum()):,} interval(s) end before they start", expected="after < by",
                            where=source.place(interval[0], row), got=f"({after[wrong][0]}, {by[wrong][0]}]")
    else:
        assert at is not None
        by, after = at[first], _before(codes[first], at[first], codes, at, pages)
    return DatedReviews(source.table.take(pa.array(first)), codes[first], after, by, capped[first], full_pages, tuple(notes),
                    date is not None)


def _note(rule: str, number: int) -> Entry:
    return Entry(rule=rule, rows=number, count=float(number), value=0.0, value_after=0.0, currency="")


def _all_pages(codes: np.ndarray, at: np.ndarray, pages: Pages | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct pages as sorted keys listing x rank of the instant, the ranked instants, and the key of each sighting."""
    listing = codes if pages is None else np.concatenate([codes, pages.listing])
    time = at if pages is None else np.concatenate([at, pages.scrapes[pages.scrape]])
    moments, rank = np.unique(time, return_inverse=True)
    key = listing * np.int64(len(moments)) + rank
    return np.unique(key), moments, key[: len(codes)]


def _before(
    listing: np.ndarray, by: np.ndarray, codes: np.ndarray, at: np.ndarray, pages: Pages | None
) -> np.ndarray:
    """The capture of the listing before the first sighting; NaT where there is none."""
    keys, moments, _ = _all_pages(codes, at, pages)
    own = listing * np.int64(len(moments)) + np.searchsorted(moments, by)
    previous = np.searchsorted(keys, own) - 1
    there = (previous >= 0) & (keys[previous] // len(moments) == listing)
    return np.where(there, moments[keys[previous] % len(moments)], np.datetime64("NaT", "us"))


def _stays(ids: np.ndarray, codes: np.ndarray, at: np.ndarray, pages: Pages | None) -> dict[str, int]:
    """How often a review was gone at the next capture of its listing, and how often it came back."""
    keys, moments, own = _all_pages(codes, at, pages)
    review, page = np.unique(np.stack([ids, np.searchsorted(keys, own)]), axis=1)  # pages of a listing are in a row
    of_listing = keys // len(moments)
    last_page = np.searchsorted(of_listing, of_listing[page], side="right") - 1
    final = np.diff(review, append=-1) != 0
    came_back = int(((np.diff(page, append=0) > 1) & ~final).sum())
    gone = int((final & (page < last_page)).sum())
    return {"gone at the next capture of the listing (edited, removed or pushed off)": gone + came_back,
            "came back after that": came_back}
