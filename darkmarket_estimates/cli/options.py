"""Options that several commands share: one list."""

from __future__ import annotations

from typing import Annotated

import typer

from darkmarket_estimates.errors import AssumptionError

File = Annotated[str, typer.Argument(help="CSV or Parquet file (or glob), a row a listing.", metavar="FILE")]
Price = Annotated[str, typer.Option(help="Column of the price of one order.")]
Vendor = Annotated[str, typer.Option(help="Column of the vendor.")]
Currency = Annotated[str, typer.Option(help="Currency of the prices (code, or a column).")]
Reviews = Annotated[str | None, typer.Option(help="Column of reviews in the window, or 1: a row a review.")]
Sold = Annotated[str | None, typer.Option(help="Column of sales that the market prints.")]
Listing = Annotated[str | None, typer.Option(help="Column of the listing id.")]
Market = Annotated[str | None, typer.Option(help="Column of the market.")]
Days = Annotated[str | None, typer.Option(help="Column of the listing's own exposure in days.")]
Duplicates = Annotated[str | None, typer.Option(help="error, first, largest, sum or keep.")]
Window = Annotated[str | None, typer.Option(help="First day and the day after the last: 2016-01-01:2016-02-01.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON alone.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV alone.")]
Seed = Annotated[int, typer.Option(help="Same seed, same bytes.")]


def one_format(as_json: bool, as_csv: bool) -> None:
    """Refuse both at once."""
    if as_json and as_csv:
        raise AssumptionError("--json and --csv exclude each other")
