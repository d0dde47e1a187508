"""What the columns of a table of listings mean, in the caller's names."""

from __future__ import annotations

from dataclasses import dataclass

DUPLICATES = ("error", "first", "largest", "sum", "keep")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """Roles and the columns that play them; None where the table has no such column.

    `count` is None where every row is one review.
    """

    price: str
    count: str | None
    counted: str
    vendor: str
    listing: str | None
    market: str | None
    days: str | None
    date: str | None
    captures: str | None
    occasions: int | None
    currency: str
    currency_column: str | None
    window: tuple[str, str] | None
    duplicates: str
    vendor_scope: str

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that the roles name."""
        named = (self.price, self.count, self.vendor, self.listing, self.market, self.days, self.date, self.captures,
                 self.currency_column)
        return tuple(dict.fromkeys(c for c in named if c is not None))

    @property
    def names(self) -> tuple[str, ...]:
        """Columns that name a row where its position means nothing."""
        return tuple(c for c in (self.market, self.vendor, self.listing) if c is not None)
