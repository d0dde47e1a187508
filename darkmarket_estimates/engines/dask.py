"""dask: one shuffle that brings the rows of a listing together, the reference engine on each partition, then `+`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from darkmarket_estimates.engines import alarms, checks
from darkmarket_estimates.engines.capabilities import refuse
from darkmarket_estimates.engines.plan import PlannedTable, Step, empty
from darkmarket_estimates.engines.schema import Schema
from darkmarket_estimates.engines.source import Source, from_frame, require
from darkmarket_estimates.totals import Totals, check_by

if TYPE_CHECKING:
    import pandas as pd

_PART = "the part of the listing"


@dataclass(frozen=True, slots=True, eq=False)
class DaskOpener:
    """A dask DataFrame whose columns have no meaning yet."""

    frame: Any

    @property
    def columns(self) -> Sequence[str]:
        """Names of the columns."""
        return list(self.frame.columns)

    def open(self, schema: Schema) -> DaskTable:
        """Check what can be checked without computing."""
        require(self.columns, schema.columns)
        if schema.listing is not None and schema.duplicates == "first":
            raise refuse("duplicates first", "dask")
        table = DaskTable(engine="dask", schema=schema, frame=self.frame)
        if schema.currency_column is None:
            return table
        known = self.frame[schema.currency_column].drop_duplicates().compute()
        labels = Source(from_frame(known.to_frame())).labels(schema.currency_column).labels
        if not labels:
            raise empty()
        return replace(table, schema=replace(schema, currency=checks.one_currency(schema, labels)))


@dataclass(frozen=True, slots=True)
class Part:
    """What a partition answers: its totals, the rows that it keeps, and its prices counted for the alarm."""

    totals: Totals
    rows: int
    prices: Counter[int]

    def __add__(self, other: Part) -> Part:
        return Part(self.totals + other.totals, self.rows + other.rows, self.prices + other.prices)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class DaskTable(PlannedTable):
    """A dask DataFrame, its schema, and the rules that wait."""

    frame: Any

    def scan(self, by: Sequence[str], bands: Sequence[float]) -> tuple[Totals, int]:
        """Totals of each partition, added as a tree; a partition that is lost with its worker is made again."""
        import dask

        groups = check_by(by)
        require(list(self.frame.columns), groups)
        frame = self.frame[list(dict.fromkeys((*self.schema.columns, *groups)))]
        if self.schema.listing is not None:
            # our own hash of the text: equal ids meet whatever their type or category codes are in a partition
            n = frame.npartitions
            meta = frame._meta.assign(**{_PART: np.empty(0, dtype=np.int64)})
            frame = frame.map_partitions(_with_part, self.schema, n, meta=meta).shuffle(on=_PART, npartitions=n)
        answer = dask.delayed(_answer, pure=False)
        parts = [answer(part, self.schema, self.steps, tuple(groups), tuple(bands)) for part in frame.to_delayed()]
        both = dask.delayed(_both, pure=False)
        while len(parts) > 1:
            parts = [both(*parts[i:i + 2]) for i in range(0, len(parts), 2)]
        (whole,) = dask.compute(*parts)
        if whole is None:
            raise empty()
        header = replace(whole.totals.header, flags=alarms.flags_of_histogram(whole.prices))
        return replace(whole.totals, header=header), whole.rows


def _with_part(frame: pd.DataFrame, schema: Schema, n: int) -> pd.DataFrame:
    """The frame with the partition that each row belongs to, from the texts of its market and listing."""
    source = Source(from_frame(frame))
    part = np.zeros(len(frame), dtype=np.uint64)
    for column in (schema.market, schema.listing):
        if column is not None and len(frame):
            key = source.labels(column)
            part = part * np.uint64(31) + _hashed(key.labels)[key.codes]
    return frame.assign(**{_PART: (part % np.uint64(n)).astype(np.int64)})


def _hashed(labels: tuple[str, ...]) -> np.ndarray:
    """A number for each text, the same in every process."""
    import pandas as pd

    return pd.util.hash_array(np.array(labels, dtype=object), categorize=False)


def _answer(
    frame: pd.DataFrame, schema: Schema, steps: Sequence[Step], by: Sequence[str], bands: Sequence[float]
) -> Part | None:
    """The reference engine on one partition; None where it is empty."""
    if len(frame) == 0:
        return None
    source = Source(from_frame(frame), ordered=False)
    table = checks.open_table(source, schema)
    for step in steps:
        table = step.apply(table)
    return Part(table.totals(by, bands), len(table), Counter(alarms.histogram(table.sold_prices())))


def _both(a: Part | None, b: Part | None = None) -> Part | None:
    return b if a is None else a if b is None else a + b


