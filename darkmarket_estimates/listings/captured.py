"""The table door with captures: which scrape saw the single ones, and a detection model fitted on the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from darkmarket_estimates._checks import shown
from darkmarket_estimates.assumptions.coverage import Huggins
from darkmarket_estimates.engines.memory import MemoryTable
from darkmarket_estimates.engines.protocol import ListingTable
from darkmarket_estimates.errors import AssumptionError, DataError, NotIdentifiedError, NotSupportedError
from darkmarket_estimates.listings.detection import with_detection
from darkmarket_estimates.totals import CAPTURES, Key, Totals
from darkmarket_estimates.totals.cells import collect


def one_model(assumptions: Sequence[Huggins]) -> Huggins | None:
    """The detection model among ``assumptions=``, or None."""
    if not isinstance(assumptions, Sequence) or any(not isinstance(s, Huggins) for s in assumptions) or len(assumptions) > 1:
        raise AssumptionError("assumptions= takes one Huggins(...)", got=shown(assumptions),
                              fix="every other assumption goes into turnover()")
    return assumptions[0] if assumptions else None


def captured_totals(
    table: ListingTable, first: str | None, by: tuple[str, ...], bands: tuple[float, ...], model: Huggins | None
) -> Totals:
    """Totals of a table with `captures`: single ones keyed by their scrape ("1@3"), a detection model as columns."""
    if first in by:
        raise DataError("first_scrape= is no group", where=f"by={list(by)}", got=repr(first), fix="leave it out of by=")
    names = by if first is None else (*by, first)
    totals = table.totals(names, bands)
    if model is not None:
        totals = _fitted(totals, table, names, bands, model)
    return totals if first is None else _keyed(totals, first, by)


def _fitted(
    totals: Totals, table: ListingTable, names: tuple[str, ...], bands: tuple[float, ...], model: Huggins
) -> Totals:
    column, occasions = table.schema.captures, table.schema.occasions
    if column is None or occasions is None:
        raise NotIdentifiedError("a detection model needs how often each listing was seen", got="a table without captures",
                                 fix='Listings(frame, captures="...", occasions=t), or Listings.from_scrapes(...)')
    if not isinstance(table, MemoryTable):
        raise NotSupportedError("a detection model is fitted on the listings themselves", got="a table that is not in memory",
                                fix='engine="memory"')
    k = table.source.numbers(column, "captures")[table.rows].astype(np.int64)
    return with_detection(totals, table, names, bands, k, occasions, model)


def _keyed(totals: Totals, first: str, by: tuple[str, ...]) -> Totals:
    """Write the scrape of single captures into their label; the others lose it."""
    t = totals.header.occasions
    captures, scrape = totals.keys[CAPTURES], totals.keys[first]
    number = np.array([int(label) for label in captures.labels])[captures.codes]
    once = number == 1
    known = {code: _number(scrape.labels[code], t) for code in np.unique(scrape.codes[once]).tolist()}
    bad = [scrape.labels[code] for code, j in known.items() if j is None]
    if bad:
        raise DataError("the first scrape of some listings cannot be used", where=f"column {first!r}", got=repr(bad[0]),
                        expected=f"a whole number from 1 to {t} where captures = 1", fix="number the scrapes in time, from 1")
    labels = [f"1@{known[code]}" if single else str(k)
              for k, code, single in zip(number.tolist(), scrape.codes.tolist(), once.tolist(), strict=True)]
    keys = {name: Key.encode(labels) if name == CAPTURES else key for name, key in totals.keys.items() if name != first}
    return Totals(replace(totals.header, by=by), *collect(keys, totals.columns), totals.audit)


def _number(label: str, occasions: int | None) -> int | None:
    try:
        value = float(label)
    except ValueError:
        return None
    return int(value) if value.is_integer() and 1 <= value <= (occasions or 1) else None
