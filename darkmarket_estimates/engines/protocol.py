"""What `Listings` asks of an engine, and what an engine is asked to open. Nothing of an engine reaches a `Totals`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from darkmarket_estimates.assumptions import HoldingPrice
from darkmarket_estimates.audit import Audit
from darkmarket_estimates.engines.schema import Schema
from darkmarket_estimates.totals import Totals

if TYPE_CHECKING:
    import pandas as pd

#: One rate, or sorted days (datetime64[D]) and the rate of each.
Rates = float | tuple[np.ndarray, np.ndarray]


class ListingTable(Protocol):
    """An immutable table of listings that lives in some engine."""

    @property
    def schema(self) -> Schema:
        """Roles of the columns."""

    @property
    def currency(self) -> str:
        """Present currency of the prices."""

    @property
    def audit(self) -> Audit:
        """What was read and what each rule did; may ask for a scan."""

    def clean(self, rule: HoldingPrice) -> ListingTable:
        """Apply a holding-price rule."""

    def convert(self, to: str, rates: Rates, words: str) -> ListingTable:
        """Multiply prices by one rate, or by the rate of each row's day."""

    def totals(self, by: Sequence[str], bands: Sequence[float]) -> Totals:
        """Sum by group, price band, captures and vendor."""

    def to_frame(self) -> pd.DataFrame:
        """The rows that are kept, where they are in memory."""

    def __len__(self) -> int:
        """Rows that are kept; may ask for a scan."""

    def __repr__(self) -> str:
        """One line without a vendor's name, and without a scan."""


class Opener(Protocol):
    """A table whose columns are known, but not yet what they mean."""

    @property
    def columns(self) -> Sequence[str]:
        """Names of the columns."""

    def open(self, schema: Schema) -> ListingTable:
        """Check the table against the schema."""
