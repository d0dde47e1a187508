"""Rules that wait for an engine, and the checks and messages that all engines share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from darkmarket_estimates.assumptions import HoldingPrice
from darkmarket_estimates.audit import Audit
from darkmarket_estimates.engines.capabilities import refuse
from darkmarket_estimates.engines.protocol import Rates
from darkmarket_estimates.engines.schema import Schema
from darkmarket_estimates.errors import DataError, NotIdentifiedError
from darkmarket_estimates.totals import Totals

if TYPE_CHECKING:
    import pandas as pd

    from darkmarket_estimates.engines.memory import MemoryTable

MENDED_NOWHERE = "holding price: dropped, the listing has no accepted price"


@dataclass(frozen=True, slots=True)
class Clean:
    """A holding-price rule."""

    rule: HoldingPrice

    def apply(self, table: MemoryTable) -> MemoryTable:
        """The rule on rows in memory."""
        return table.clean(self.rule)


@dataclass(frozen=True, slots=True)
class Convert:
    """A conversion of the currency."""

    to: str
    rates: Rates
    words: str

    def apply(self, table: MemoryTable) -> MemoryTable:
        """The conversion on rows in memory."""
        return table.convert(self.to, self.rates, self.words)


Step = Clean | Convert


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PlannedTable:
    """A table elsewhere and the rules that wait for it: a scan is asked for when a number is.

    The audit and the number of rows come with the first totals and are kept.
    """

    engine: str
    schema: Schema
    steps: tuple[Step, ...] = ()
    _known: dict[str, tuple[Totals, int]] = field(default_factory=dict)

    @property
    def currency(self) -> str:
        """Currency after the conversions so far."""
        return next((s.to for s in reversed(self.steps) if isinstance(s, Convert)), self.schema.currency)

    def clean(self, rule: HoldingPrice) -> Self:
        """Remember a holding-price rule."""
        check_median_rule(self.schema, rule)
        return replace(self, steps=(*self.steps, Clean(rule)), _known={})

    def convert(self, to: str, rates: Rates, words: str) -> Self:
        """Remember a conversion."""
        if isinstance(rates, tuple) and self.schema.date is None:
            raise NotIdentifiedError("rates by day need the day of each row", fix='Listings(frame, date="sold_on", ...)')
        return replace(self, steps=(*self.steps, Convert(to, rates, words)), _known={})

    def totals(self, by: Sequence[str], bands: Sequence[float]) -> Totals:
        """Sum by group, price band, captures and vendor."""
        answer = self.scan(by, bands)
        self._known["last"] = answer
        return answer[0]

    def scan(self, by: Sequence[str], bands: Sequence[float]) -> tuple[Totals, int]:
        """Ask the engine for the totals and the number of rows that are kept."""
        raise NotImplementedError

    @property
    def audit(self) -> Audit:
        """What was read and what each rule did."""
        return self._answer()[0].audit

    def __len__(self) -> int:
        return self._answer()[1]

    def _answer(self) -> tuple[Totals, int]:
        if "last" not in self._known:
            self.totals((), ())
        return self._known["last"]

    def to_frame(self) -> pd.DataFrame:
        """Refuse: the rows are elsewhere."""
        raise refuse("rows as a frame", self.engine)

    def __repr__(self) -> str:
        known = self._known.get("last")
        done = f"{len(self.steps)} rule(s) waiting" if known is None else f"{known[1]:,} rows"
        return f"{self.engine}, {self.currency}, {done}"


def lowest_cap(steps: Sequence[Step]) -> float:
    """The lowest cap since the last conversion: no price that the rules keep is above it."""
    cap = np.inf
    for step in steps:
        if isinstance(step, Convert):
            cap = np.inf
        elif step.rule.cap is not None:
            cap = min(cap, step.rule.cap)
    return cap


def check_median_rule(schema: Schema, rule: HoldingPrice) -> None:
    """Raise `NotIdentifiedError` where a median is asked of listings that the table does not name."""
    if rule.uses_median and schema.listing is None:
        raise NotIdentifiedError("a median of the listing's own prices needs to know the listing",
                                 fix='Listings(frame, listing="listing_id", ...)')


def check_finite(columns: Mapping[str, np.ndarray], top: float) -> None:
    """Raise `DataError` where a sum left the range of floats."""
    with np.errstate(over="ignore"):
        for name, values in columns.items():
            if not np.isfinite(values.sum()) and len(values):
                raise DataError("the sums are too large for a float", where=f"column {name!r}",
                                expected="prices whose squares stay below 1e308", got=f"prices up to {top:g}",
                                fix="clean holding prices first: .clean(HoldingPrice(cap=...))")


def missing_days(missing: np.ndarray, given: np.ndarray, n: int | None = None) -> DataError:
    """The error on days without a rate; `n` where `missing` shows only the first of them."""
    shown = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
    return DataError(f"the table of rates lacks {len(missing) if n is None else n:,} day(s) that occur", where=shown,
                     expected=f"a rate for every day of sale, {given[0]} to {given[-1]} given",
                     fix="add the rate of those days; markets that were closed have the last rate before")


def no_date(n: int, where: str) -> DataError:
    """The error on rows without a date."""
    return DataError(f"{n:,} row(s) have no date", expected="the day of sale", where=where)


def unusable(role: str, n: int, of: int | None, where: str, expected: str, got: str, fix: str) -> DataError:
    """The error on values that are numbers, but not such as the role allows."""
    rows = f"{n:,} row(s)" if of is None else f"{n:,} of {of:,} row(s)"
    return DataError(f"{role} cannot be used in {rows}", where=where, expected=expected, got=got, fix=fix)


def empty() -> DataError:
    """The error on a table without rows."""
    return DataError("the table is empty", expected="at least one row", got="0 rows",
                     fix="check the filter or the file; an empty market is not the same as an unseen one")
