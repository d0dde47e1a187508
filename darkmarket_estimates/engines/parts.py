"""Parts: what a partition of a table on a cluster answers. The reference engine makes it; `+` puts parts together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from darkmarket_estimates import errors
from darkmarket_estimates.engines import alarms, checks
from darkmarket_estimates.engines.capabilities import refuse
from darkmarket_estimates.engines.plan import Step, empty
from darkmarket_estimates.engines.schema import Schema
from darkmarket_estimates.engines.source import Source, require
from darkmarket_estimates.totals import Totals
from darkmarket_estimates.totals.file import pack, unpack


@dataclass(frozen=True, slots=True)
class Part:
    """The totals of a partition, the rows that it keeps, and its prices counted for the alarm."""

    totals: Totals
    rows: int
    prices: Counter[int]

    def __add__(self, other: Part) -> Part:
        return Part(self.totals + other.totals, self.rows + other.rows, self.prices + other.prices)

    def finished(self) -> tuple[Totals, int]:
        """The totals with the flag that only the whole table can have, and the number of rows."""
        header = replace(self.totals.header, flags=alarms.flags_of_histogram(self.prices))
        return replace(self.totals, header=header), self.rows

    def to_bytes(self) -> bytes:
        """As text and Arrow, for another process."""
        return pack(self.totals, rows=self.rows, prices=list(self.prices.items()))

    @classmethod
    def from_bytes(cls, packed: bytes) -> Part:
        """The inverse of `to_bytes`."""
        totals, more = unpack(packed)
        return cls(totals, more["rows"], Counter({int(price): times for price, times in more["prices"]}))


def checked(
    schema: Schema, columns: Sequence[str], engine: str, currencies: Callable[[str], pa.Table]
) -> Schema:
    """The schema, after what can be checked without a job; a column of currencies is asked which there are.

    Raises
    ------
    DataError
        A column is missing; two currencies.
    NotSupportedError
        A rule needs an order of rows.
    """
    require(columns, schema.columns)
    if schema.listing is not None and schema.duplicates == "first":
        raise refuse("duplicates first", engine)
    if schema.currency_column is None:
        return schema
    labels = Source(currencies(schema.currency_column)).labels(schema.currency_column).labels
    if not labels:
        raise empty()
    return replace(schema, currency=checks.one_currency(schema, labels))


def answer(source: Source, schema: Schema, steps: Sequence[Step], by: Sequence[str], bands: Sequence[float]) -> Part:
    """The reference engine on the rows of one partition.

    Raises
    ------
    DataError
        As in memory; the rows that it counts are those of the partition, and it says so.
    """
    try:
        table = checks.open_table(source, schema)
        for step in steps:
            table = step.apply(table)
        return Part(table.totals(by, bands), len(table), Counter(alarms.histogram(table.sold_prices())))
    except errors.DataError as error:
        where = "one partition of the table" if error.where is None else f"{error.where} (counted in one partition)"
        raise type(error)(error.what, where=where, expected=error.expected, got=error.got, fix=error.fix) from error


def added(parts: Sequence[Part]) -> Part:
    """The sum of one part or more, as a tree: each cell is merged in few of the additions."""
    while len(parts) > 1:
        parts = [left + right for left, right in zip(parts[::2], parts[1::2])] + list(parts[len(parts) & ~1:])
    return parts[0]
