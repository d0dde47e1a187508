"""Reading: any table that a user holds, as columns of numbers, labels and days. Text is data, never code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from darkmarket_estimates import _checks as check
from darkmarket_estimates.engines.codes import distinct, encode, is_text, label
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.totals import Key

#: Days and instants as text: a day, a time of that day to the minute or finer, a zone.
ISO_DAY = r"\d{4}-\d\d-\d\d"
ISO_TIME = r"[T ](?:[01]\d|2[0-3]):[0-5]\d(?::\d\d(?:[.]\d+)?)?"
ISO_ZONE = r"Z|[+-]\d\d:?\d\d"
#: Whole numbers up to here are floats.
_EXACT = 2**53


@dataclass(frozen=True, slots=True)
class Source:
    """An Arrow table in memory.

    Attributes
    ----------
    table : pyarrow.Table
    text_numbers : bool
        Whether its numbers arrived as text (CSV).
    ordered : bool
        Whether a row's position means something to the caller. Where not, errors name vendors and listings.
    """

    table: pa.Table
    text_numbers: bool = False
    ordered: bool = True

    def __len__(self) -> int:
        return self.table.num_rows

    def require(self, columns: Sequence[str]) -> None:
        """Raise `DataError` unless every column is there, once."""
        require(self.table.column_names, columns)

    def place(self, column: str, row: int, *, names: Sequence[str] = ()) -> str:
        """Where a value stands: its column and row, or the row's `names` where the order means nothing."""
        if self.ordered:
            return place(column, {"at": row})
        return place(column, {"named": {name: label(self.table.column(name)[row].as_py()) for name in names
                                        if self.table.column(name)[row].is_valid}})

    def numbers(self, column: str, role: str) -> np.ndarray:
        """A column as float64; missing is NaN."""
        values = _plain(self.table.column(column))
        kind = values.type
        if self.text_numbers and is_text(kind):
            return _parse_numbers(values, column, role)
        if pa.types.is_null(kind):
            return np.full(len(values), np.nan)
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
            shown = next((v.as_py() for v in values if v.is_valid), None)
            raise DataError(f"{role} is not a number", where=f"column {column!r}, row {_first_valid(values)}",
                            expected="a numeric column", got=f"{shown!r} (type {kind})",
                            fix="convert the column to numbers first, and check what each text means "
                                "(is 1.234,50 one thousand or one?)")
        return _to_float(values)

    def counts(self, column: str, role: str) -> np.ndarray:
        """The same, but whole numbers as they come where every sum of them is exact in floats too."""
        values = self.table.column(column)
        if pa.types.is_signed_integer(values.type) and not values.null_count and len(values):
            whole = values.to_numpy()
            if int(whole.max()) * len(whole) < _EXACT:
                return whole
        return self.numbers(column, role)

    def is_whole(self, column: str) -> bool:
        """Whether a column can hold nothing but whole numbers."""
        return bool(pa.types.is_integer(self.table.column(column).type))

    def labels(self, column: str) -> Key:
        """A column as codes by sorted text; null and NaN are "(missing)", 2014.0 is "2014"."""
        key = self.codes(column).in_order()
        return key if key.codes.flags.writeable else Key(key.codes.copy(), key.labels)

    def codes(self, column: str) -> Key:
        """The same, but numbers may be in their own order, and the codes of a million rows the array that the caller holds."""
        values = _plain(self.table.column(column))
        if not len(values):  # where every row is elsewhere; Arrow makes no empty dictionary of days
            return Key(np.empty(0, dtype=np.int64), ())
        return encode(values, column)

    def distinct(self, column: str) -> tuple[np.ndarray, int] | None:
        """Codes of a column without labels, in no order, and their number; None where only labels tell values apart."""
        return distinct(_plain(self.table.column(column)))

    def days(self, column: str, role: str) -> np.ndarray:
        """A column as datetime64[D]; missing is NaT. Instants with a time zone are days in UTC."""
        values = _plain(self.table.column(column))
        kind = values.type
        try:
            if is_text(kind):
                values = _iso_instants(values)
            elif pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_null(kind):
                values = pc.cast(values, pa.timestamp("us"), safe=False) if pa.types.is_timestamp(kind) else values
            else:
                raise DataError(f"{role} is not a date", where=f"column {column!r}", got=f"type {kind}",
                                expected="dates, timestamps or ISO text")
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise DataError(f"{role} is not a date", where=f"column {column!r}", expected="ISO text such as 2016-01-31",
                            got=str(error)) from error
        return np.asarray(values.to_numpy()).astype("datetime64[D]")


def require(names: Sequence[str], columns: Sequence[str]) -> None:
    """Raise `DataError` unless each of the columns stands once among the names of a table."""
    missing = [check.label(c) for c in columns if c not in names]
    if missing:
        noted = any(name.startswith(f"{missing[0]} (") for name in names)  # not the same in all files
        raise DataError(f"the table has no column {', '.join(map(repr, missing))}",
                        expected="the columns that the call names", got=f"columns {', '.join(map(repr, names))}",
                        fix="give all files the same columns, and a column one type in all files" if noted else
                            "name the table's own columns: price=, reviews=, vendor=, ...")
    twice = sorted({c for c in columns if list(names).count(c) > 1})
    if twice:
        raise DataError(f"the table has the column {twice[0]!r} more than once", fix="rename one of them")


def place(column: str, row: Mapping[str, Any]) -> str:
    """Where a value stands: its column with the row "at" which it is, or with what is "named" there."""
    if row.get("at") is not None:
        return f"column {column!r}, row {row['at']} (counting from 0)"
    return ", ".join([f"column {column!r}", *(f"{name} {text!r}" for name, text in row["named"].items())])


def not_a_number(role: str, n: int, where: str, got: str) -> DataError:
    """The error on text among numbers."""
    return DataError(f"{role} is not a number in {n:,} row(s)", where=where, expected="numbers such as 1234.50",
                     got=repr(got), fix="check what the text means (is 1.234,50 one thousand or one?) and convert it")


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without dictionaries and views, so that every later step sees one kind of array."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    return column.cast(pa.string()) if pa.types.is_string_view(kind) else column


def _to_float(values: pa.ChunkedArray) -> np.ndarray:
    floats = pc.cast(values, pa.float64(), safe=False)
    return (pc.fill_null(floats, np.nan) if floats.null_count else floats).to_numpy()


def _iso_instants(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """ISO text as instants to the minute: a day, or a time of day, which is brought to UTC where it names a zone."""
    bad = pc.invert(pc.match_substring_regex(values, f"^{ISO_DAY}({ISO_TIME}({ISO_ZONE})?)?$"))
    if len(wrong := values.filter(bad)):
        raise pa.ArrowInvalid(repr(wrong[0].as_py()))
    local = pc.cast(pc.utf8_slice_codeunits(values, 0, 16), pa.timestamp("us"))
    zone = pc.extract_regex(values, ISO_TIME + r"(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d)$")

    def part(name: str) -> Any:
        return pc.fill_null(pc.cast(pc.struct_field(zone, name), pa.int64()), 0)

    ahead = pc.multiply(pc.add(pc.multiply(part("hours"), 60), part("minutes")), 60_000_000)
    east = pc.fill_null(pc.equal(pc.struct_field(zone, "sign"), "+"), False)
    return pc.subtract(local, pc.cast(pc.if_else(east, ahead, pc.negate(ahead)), pa.duration("us")))


def _first_valid(values: pa.ChunkedArray) -> int:
    return int(np.argmax(np.asarray(values.is_valid())))


def _parse_numbers(values: pa.ChunkedArray, column: str, role: str) -> np.ndarray:
    trimmed = pc.utf8_trim_whitespace(values)
    try:
        return _to_float(pc.cast(trimmed, pa.float64()))
    except pa.ArrowInvalid:
        plain = pc.match_substring_regex(trimmed, r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(inf|nan)$",
                                         ignore_case=True)
        bad = np.asarray(pc.fill_null(pc.invert(plain), False))
        at = int(np.argmax(bad))
        where = place(column, {"at": at})
        raise not_a_number(role, int(bad.sum()), where, values[at].as_py()) from None
