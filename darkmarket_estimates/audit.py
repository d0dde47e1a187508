"""What happened to the rows and the money between the table and the totals: nothing is dropped without a line here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from darkmarket_estimates.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One rule and what it did.

    Attributes
    ----------
    rule : str
        What was done, in words.
    rows : int
        Rows that it concerns.
    count : float
        Reviews or sales on those rows.
    value : float
        Their money before the rule.
    value_after : float
        Their money after the rule; the money removed is ``value - value_after``.
    currency : str
        Of both.
    """

    rule: str
    rows: int
    count: float
    value: float
    value_after: float
    currency: str

    @property
    def removed(self) -> float:
        """Money that the rule took away (negative where it added)."""
        return self.value - self.value_after

    def merge(self, other: Entry) -> Entry:
        """Add the counts of the same rule on another part of the table."""
        return replace(self, rows=self.rows + other.rows, count=self.count + other.count,
                       value=self.value + other.value, value_after=self.value_after + other.value_after)


@dataclass(frozen=True, slots=True)
class Audit:
    """The entries in the order in which the rules acted; the first is what was read."""

    entries: tuple[Entry, ...] = ()

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def add(self, entry: Entry) -> Audit:
        """Return the audit with one more entry."""
        return Audit((*self.entries, entry))

    def merge(self, other: Audit) -> Audit:
        """Add another part's counts, rule by rule.

        Raises
        ------
        DataError
            The parts were not treated alike.
        """
        ours, theirs = [(e.rule, e.currency) for e in self], [(e.rule, e.currency) for e in other]
        if ours != theirs:
            raise DataError("the parts were not treated alike", where="audit", expected=repr(ours), got=repr(theirs),
                            fix="apply the same rules to every part before adding")
        return Audit(tuple(a.merge(b) for a, b in zip(self, other, strict=True)))

    def to_frame(self) -> pd.DataFrame:
        """A row a rule: rule, rows, count, value, value_after, currency, removed."""
        import pandas as pd

        columns = ["rule", "rows", "count", "value", "value_after", "currency", "removed"]
        return pd.DataFrame([{**asdict(e), "removed": e.removed} for e in self], columns=columns)

    def to_dicts(self) -> list[dict[str, Any]]:
        """The entries as plain dictionaries."""
        return [asdict(e) for e in self]

    @classmethod
    def from_dicts(cls, entries: list[dict[str, Any]]) -> Audit:
        """The inverse of `to_dicts`."""
        return cls(tuple(Entry(**e) for e in entries))

    def __repr__(self) -> str:
        return str(self) or "Audit()"

    def __str__(self) -> str:
        return "\n".join(
            f"{e.rule}: {e.rows:,} rows, {e.count:,.10g} counts, {e.currency} {e.value:,.0f}"
            + (f" -> {e.value_after:,.0f}" if e.value_after != e.value else "")
            for e in self
        )
