"""What the columns of a table are: the call is checked before the table is looked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from darkmarket_estimates._checks import choice, integer, is_number, shown, text
from darkmarket_estimates.coverage.arguments import MOST_SCRAPES
from darkmarket_estimates.engines.schema import DUPLICATES, Schema
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.totals.header import check_window


def schema_of(
    *, price: str, vendor: str, reviews: str | int | None, sold: str | None, listing: str | None, market: str | None,
    days: str | None, date: str | None, captures: str | None, occasions: int | None, first_scrape: str | None, currency: str,
    window: tuple[Any, Any] | None, duplicates: str | None, vendor_scope: str, table: str | None, memory_limit: str | None,
) -> Callable[[Sequence[str]], Schema]:
    """Check what `Listings` is told of its table; what comes back makes the schema once its columns are known.

    Raises
    ------
    DataError
        Counts named twice or not at all; names that are no text; an unknown choice.
    """
    if (reviews is None) == (sold is None):
        raise DataError("say what is counted, once", expected="reviews= (a column, or 1) or sold= (a column)",
                        got="both" if sold is not None else "neither")
    for role, given in {"price": price, "vendor": vendor, "currency": currency}.items():
        text(given, role)
    for role, named in {"sold": sold, "listing": listing, "market": market, "days": days, "date": date, "table": table,
                        "captures": captures, "first_scrape": first_scrape, "memory_limit": memory_limit}.items():
        text(named, role, optional=True)
    one_each = is_number(reviews)
    if not one_each:
        text(reviews, "reviews", optional=True)
    if one_each and reviews != 1:
        raise DataError("reviews= is a column, or 1 where every row is one review", got=shown(reviews))
    if captures is not None:
        occasions = integer(occasions, "occasions", low=1, high=MOST_SCRAPES)
    elif first_scrape is not None:
        raise DataError("first_scrape= goes with captures=", got=repr(first_scrape), expected='captures="...", occasions=t')
    policy = duplicates or ("keep" if one_each else "error")
    choice(policy, "duplicates", DUPLICATES)
    choice(vendor_scope, "vendor_scope", ("market", "all markets"))

    def schema(columns: Sequence[str]) -> Schema:
        roles = (price, vendor, reviews, sold, listing, market, days, date, captures)
        in_table = currency in columns and currency not in roles  # a price column may be named USD
        return Schema(
            price=price, count=sold if sold is not None else None if one_each else str(reviews),
            counted="reviews" if sold is None else "sold", vendor=vendor, listing=listing, market=market, days=days,
            date=date, captures=captures, occasions=occasions, currency=currency,
            currency_column=currency if in_table else None, window=check_window(window), duplicates=policy,
            vendor_scope=vendor_scope,
        )

    return schema
