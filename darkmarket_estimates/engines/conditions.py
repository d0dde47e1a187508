"""What a row is checked for, in SQL over our names of its columns; the memory engine checks the same in NumPy."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass

from darkmarket_estimates.engines import checks, identities, sql
from darkmarket_estimates.engines.schema import Schema


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that can be wrong with a row; earlier ones win, as in memory."""

    condition: str
    column: str
    role: str
    expected: str = ""
    fix: str = ""
    kind: str = "unusable"


def problems(schema: Schema, columns: sql.Columns) -> tuple[Problem, ...]:
    """What can be wrong with a row, in the order in which it is told."""
    def numeric(column: str, role: str, ours: str, bad: str, words: tuple[str, str]) -> Iterable[Problem]:
        if (text := columns.not_a_number(column)) is not None:
            yield Problem(f"text_{ours}", column, role, text, kind="text")
        yield Problem(f"{ours} IS NULL OR NOT isfinite({ours}) OR {bad}", column, role, *words)

    s = schema
    found = [*numeric(s.price, "the price", "price_0", "price_0 < 0", checks.PRICE)]
    if s.count is not None:
        found += numeric(s.count, s.counted, "c", "c < 0 OR c <> floor(c)", checks.COUNT)
    if s.days is not None:
        found += numeric(s.days, "days", "d", "d <= 0", checks.DAYS)
    found.append(Problem("vendor IS NULL", s.vendor, "the vendor", fix=identities.VENDOR_FIX, kind="missing"))
    if s.listing is not None:
        found.append(Problem("listing IS NULL", s.listing, "the listing", fix=identities.LISTING_FIX, kind="missing"))
    if s.currency_column is not None:
        found.append(Problem(f"money IS DISTINCT FROM {sql.text(s.currency)}", s.currency_column, "currency",
                             kind="currency"))
    if s.captures is not None:
        impossible = f"captures < 1 OR captures <> floor(captures) OR captures > {s.occasions}"
        found += numeric(s.captures, "captures", "captures", impossible,
                         (checks.captures_expected(s), checks.CAPTURED))
    found.append(Problem("NOT isfinite(u * price_0 * c)", s.price, "price x " + s.counted, *checks.MONEY))
    return tuple(found)


def fine(schema: Schema, columns: sql.Columns) -> str:
    """True only where nothing is wrong.

    What must not be NaN is asked by isfinite(): the bounds that a Parquet file states leave NaN out, and DuckDB takes
    a comparison that holds for the bounds for one that holds for every row.
    """
    s, zero, top = schema, sql.number(0), sql.number(sys.float_info.max)
    u = "" if s.days is None else "u * "  # a count or a price that is NaN or infinite makes the product so
    found = [f"price_0 >= {zero}", f"isfinite({u}price_0 * c)", "vendor IS NOT NULL"]
    if s.count is not None:
        found += [f"c >= {zero}", *([] if columns.is_whole(s.count) else ["c = floor(c)"])]
    found += [] if s.days is None else [f"d > {zero}", f"d <= {top}"]
    found += [] if s.listing is None else ["listing IS NOT NULL"]
    found += [] if s.currency_column is None else [f"money = {sql.text(s.currency)}"]
    found += [] if s.captures is None else ["isfinite(captures)", "captures = floor(captures)",
                                            f"captures BETWEEN {sql.number(1)} AND {sql.number(s.occasions or 1)}"]
    return " AND ".join(found)
