"""dask: one shuffle that brings the rows of a listing together, the reference engine on each partition, then `+`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from darkmarket_estimates.engines import parts
from darkmarket_estimates.engines.frames import from_frame
from darkmarket_estimates.engines.plan import PlannedTable, Step, empty
from darkmarket_estimates.engines.schema import Schema
from darkmarket_estimates.engines.source import Source, require
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
        def currencies(column: str) -> pa.Table:
            return from_frame(self.frame[column].drop_duplicates().compute().to_frame())

        return DaskTable(engine="dask", frame=self.frame, schema=parts.checked(schema, self.columns, "dask", currencies))


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
        found = [answer(part, self.schema, self.steps, tuple(groups), tuple(bands)) for part in frame.to_delayed()]
        both = dask.delayed(_both, pure=False)
        while len(found) > 1:
            found = [both(*found[i:i + 2]) for i in range(0, len(found), 2)]
        (whole,) = dask.compute(*found)
        if whole is None:
            raise empty()
        return whole.finished()


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
) -> parts.Part | None:
    """The answer of one partition; None where it is empty."""
    return parts.answer(Source(from_frame(frame), ordered=False), schema, steps, by, bands) if len(frame) else None


def _both(a: parts.Part | None, b: parts.Part | None = None) -> parts.Part | None:
    return b if a is None else a if b is None else a + b
