"""DuckDB's SQL for the columns of a table: names quoted, values written so that none can be read as code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from darkmarket_estimates.engines.source import ISO_DAY, ISO_TIME, ISO_ZONE
from darkmarket_estimates.errors import DataError

_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")
_WIDE = ("HUGEINT", "UHUGEINT")
_NESTED = ("STRUCT", "MAP", "UNION", "LIST", "[")


def name(column: str) -> str:
    """A quoted name."""
    return '"' + column.replace('"', '""') + '"'


def text(value: str) -> str:
    """A quoted text."""
    return "'" + value.replace("'", "''") + "'"


def number(value: float) -> str:
    """A float, bit for bit: a bare 0.1 would be a decimal."""
    return f"CAST('{float(value)!r}' AS DOUBLE)"


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table by name, with DuckDB's types.

    Attributes
    ----------
    types : mapping of str to str
        Type of each column.
    text_numbers : bool
        Whether numbers arrive as text (CSV).
    """

    types: Mapping[str, str]
    text_numbers: bool

    def is_number(self, column: str) -> bool:
        """Whether the column holds numbers, or text that is to be read as such."""
        kind = self.types[column]
        return (kind in (*_WHOLE, "FLOAT", "DOUBLE") or kind.startswith("DECIMAL") or kind == '"NULL"'
                or (self.text_numbers and kind == "VARCHAR"))

    def is_text(self, column: str) -> bool:
        """Whether the column is text."""
        return self.types[column] == "VARCHAR"

    def is_whole(self, column: str) -> bool:
        """Whether the type has no fractions, no NaN and no infinity."""
        return self.types[column] in _WHOLE

    def float(self, column: str) -> str:
        """A column as DOUBLE before any sum: sums of integers are decimals. Text that is no number is NULL."""
        quoted = name(column)
        if self.is_text(column):  # DuckDB reads 1_000 as a thousand
            return f"CASE WHEN contains({quoted}, '_') THEN NULL ELSE TRY_CAST(trim({quoted}) AS DOUBLE) END"
        return f"CAST({quoted} AS DOUBLE)"

    def not_a_number(self, column: str) -> str | None:
        """Whether a text is no number; None where the type leaves no doubt."""
        if not self.is_text(column):
            return None
        return f"({name(column)} IS NOT NULL AND ({self.float(column)}) IS NULL)"

    def key(self, column: str) -> str:
        """A column as a key of groups, NaN as NULL and -0.0 as 0.0."""
        quoted, kind = name(column), self.types[column]
        if any(word in kind for word in _NESTED):
            raise DataError("the column cannot label anything", where=f"column {column!r}", got=f"type {kind}",
                            expected="text, numbers, days or truth values")
        if kind in ("FLOAT", "DOUBLE"):
            # not by isnan(): the bounds that a Parquet file states leave NaN out, and DuckDB concludes that there is none
            return f"CASE WHEN isfinite({quoted}) OR isinf({quoted}) THEN {quoted} + 0 END"
        return f"CAST({quoted} AS VARCHAR)" if kind in _WIDE or kind.startswith("ENUM") else quoted

    def day(self, column: str) -> str:
        """A column as DATE; instants are days in UTC, whatever the session's time zone. Bad text is NULL."""
        quoted, kind = name(column), self.types[column]
        if kind == "VARCHAR":
            iso = text(f"{ISO_DAY}({ISO_TIME}({ISO_ZONE})?)?")
            zone = text(ISO_TIME + r"([+-])(\d\d):?(\d\d)$")
            sign, hours, minutes = (f"regexp_extract({quoted}, {zone}, {i})" for i in (1, 2, 3))
            ahead = (f"CASE WHEN regexp_matches({quoted}, {zone}) THEN to_minutes(CAST({sign} || '1' AS INTEGER) * "
                     f"(60 * CAST({hours} AS INTEGER) + CAST({minutes} AS INTEGER))) ELSE INTERVAL 0 MINUTE END")
            return (f"CASE WHEN regexp_full_match({quoted}, {iso}) "
                    f"THEN CAST(TRY_CAST(left({quoted}, 16) AS TIMESTAMP) - {ahead} AS DATE) END")
        if kind == "TIMESTAMP WITH TIME ZONE":
            return f"CAST(make_timestamp(epoch_us({quoted})) AS DATE)"
        if kind == "DATE" or kind.startswith("TIMESTAMP") or kind == '"NULL"':
            return f"CAST({quoted} AS DATE)"
        raise DataError("the date is not a date", where=f"column {column!r}", got=f"type {kind}",
                        expected="dates, timestamps or ISO text")


def rate_table(days: np.ndarray, values: np.ndarray) -> str:
    """A table (day, rate) as text, for a connection on which we can register nothing."""
    rows = (f"(DATE '{day}', {number(value)})" for day, value in zip(days, values.tolist()))
    return f"(VALUES {', '.join(rows)}) AS {{alias}}(rate_day, rate)"


def band(price: str, edges: Sequence[float]) -> str:
    """Number of edges at or below a price."""
    cases = " ".join(f"WHEN {price} < {number(edge)} THEN {i}" for i, edge in enumerate(edges))
    return f"CAST(CASE {cases} ELSE {len(edges)} END AS INTEGER)"


def once(expressions: dict[str, str]) -> dict[str, str]:
    """The expressions without those that stand there already, under an earlier name."""
    return {n: e for e, n in reversed({e: n for n, e in reversed(expressions.items())}.items())}


def listed(expressions: dict[str, str]) -> str:
    """What to select: each expression once, under its name."""
    return ", ".join(f"{expression} AS {name}" for name, expression in once(expressions).items())
