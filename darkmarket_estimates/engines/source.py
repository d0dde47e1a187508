"""Reading: any table that a user holds, as columns of numbers, labels and days. Text is data, never code."""

from __future__ import annotations

import bisect
import datetime as dt
import decimal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from darkmarket_estimates import _checks as check
from darkmarket_estimates.engines.kernels import ranks
from darkmarket_estimates.engines.text_order import text_order
from darkmarket_estimates.errors import DataError, NotSupportedError
from darkmarket_estimates.totals import MISSING, Key

#: Days and instants as text: a day, a time of that day to the minute or finer, a zone.
ISO_DAY = r"\d{4}-\d\d-\d\d"
ISO_TIME = r"[T ](?:[01]\d|2[0-3]):[0-5]\d(?::\d\d(?:[.]\d+)?)?"
ISO_ZONE = r"Z|[+-]\d\d:?\d\d"
#: From so many rows on it pays to look whether text is sorted.
_WORTH = 1_000


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

    def labels(self, column: str) -> Key:
        """A column as codes by sorted text; null and NaN are "(missing)", 2014.0 is "2014"."""
        values = _plain(self.table.column(column))
        if (quick := _sorted_key(values) or _counted_key(values)) is not None:
            return quick
        if pa.types.is_floating(values.type):
            values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
        try:
            encoded = pc.dictionary_encode(values).combine_chunks()
        except pa.ArrowNotImplementedError:
            raise DataError("the column cannot label anything", where=f"column {column!r}", got=f"type {values.type}",
                            expected="text, numbers, days or truth values") from None
        if isinstance(encoded, pa.ChunkedArray):  # an empty table has no chunk to combine
            return Key(np.empty(0, dtype=np.int64), ())
        indices = encoded.indices
        codes = (pc.fill_null(indices, -1) if indices.null_count else indices).to_numpy(zero_copy_only=False)
        labels, rank = _sorted_labels(encoded.dictionary)
        at = bisect.bisect_left(labels, MISSING)
        if at < len(labels) and labels[at] == MISSING:
            raise DataError(f"{MISSING!r} is the name of the group without a label", where=f"column {column!r}",
                            fix="rename that label")
        if indices.null_count:
            labels.insert(at, MISSING)
            rank = np.append(rank + (rank >= at), at)  # the code -1 of a missing label picks the last entry
        return Key(rank[codes], tuple(labels))

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
        raise DataError(f"the table has no column {', '.join(map(repr, missing))}",
                        expected="the columns that the call names", got=f"columns {', '.join(map(repr, names))}",
                        fix="name the table's own columns: price=, reviews=, vendor=, ...")
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


def label(value: Any) -> str:
    """Text of a label, the same from every engine: 2014.0 is "2014", days are ISO, decimals end in no 0, zones are UTC."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, decimal.Decimal):
        text = f"{value:f}"  # normalize() would round to 28 digits and merge long ids
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, dt.datetime):
        if value.tzinfo is not None:  # one instant is one label, whatever zone the engine shows it in
            return value.astimezone(dt.UTC).isoformat()
        return value.date().isoformat() if value.time() == dt.time(0) else value.isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    return str(value)


def from_arrays(columns: Mapping[Any, Any]) -> pa.Table:
    """A mapping of names to arrays as an Arrow table."""
    columns = {check.label(name): values for name, values in columns.items()}
    lone = [name for name, values in columns.items() if not hasattr(values, "__len__")]
    if lone:
        raise DataError("a column of the table is no array", where=f"column {lone[0]!r}", expected="a value a row",
                        got=check.kind(columns[lone[0]]))
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError("the arrays differ in length", expected="equal lengths", got=str(lengths))
    import pandas as pd

    def arrow(values: Any) -> pa.ChunkedArray:
        array = np.asarray(values)
        if array.ndim == 1 and (array.dtype.kind in "iu" or array.dtype == np.float64):
            return pa.chunked_array([pa.array(array)])
        return from_frame(pd.DataFrame({"values": pd.Series(array)})).column(0)

    return pa.table({str(name): arrow(values) for name, values in columns.items()})


def from_frame(frame: Any) -> pa.Table:
    """A pandas or eager polars frame, or an Arrow table, as an Arrow table.

    Raises
    ------
    NotSupportedError
        No engine knows this kind of table.
    """
    import narwhals.stable.v2 as nw

    try:
        eager = nw.from_native(frame, eager_only=True)
    except TypeError:
        lazy = hasattr(frame, "collect") or hasattr(frame, "compute") or hasattr(frame, "execute")
        raise NotSupportedError(
            "this kind of table is not known", got=f"{type(frame).__module__}.{type(frame).__qualname__}",
            expected="a pandas, polars, dask or Spark DataFrame, a polars LazyFrame, a pyarrow Table, a DuckDB relation, "
                     "a path, or a mapping of arrays",
            fix="collect the lazy frame first, or write it to Parquet and pass the path" if lazy else None,
        ) from None
    arrays = {}
    for name in eager.columns:
        try:
            arrays[name] = eager[name].to_arrow()
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
            # a pandas object column of mixed kinds: as text it is a label, and refused as a number
            arrays[name] = pa.array([_text(v, name) for v in eager[name].to_list()], pa.string())
    return pa.table(arrays)


def _text(value: Any, column: str) -> str | None:
    """A value of a column of mixed kinds as text; two whole numbers that Python does not print would be one label."""
    try:
        return None if value is None or value != value else str(value)
    except ValueError as error:
        raise DataError("a number has too many digits to be read", where=f"column {column!r}", got=check.shown(value),
                        expected="numbers, or labels of ordinary length") from error


def _sorted_labels(values: pa.Array) -> tuple[list[str], np.ndarray]:
    """The distinct texts of distinct values, sorted by code point, and the rank of each value among them."""
    if pa.types.is_integer(values.type):
        values = values.cast(pa.string())
    if is_text(values.type):
        order = text_order(values)
        rank = np.empty(len(values), dtype=np.int64)
        rank[order] = np.arange(len(values))
        return values.take(pa.array(order)).to_numpy(zero_copy_only=False).tolist(), rank
    texts = [label(v) for v in values.to_pylist()]
    labels = sorted(set(texts))
    index = {text: code for code, text in enumerate(labels)}
    return labels, np.array([index[t] for t in texts], dtype=np.int64)


def _sorted_key(values: pa.ChunkedArray) -> Key | None:
    """Codes of text that is sorted as it stands, which needs no dictionary; None where it is not."""
    if not is_text(values.type) or len(values) < _WORTH or values.null_count or values.num_chunks != 1:
        return None
    text = values.chunk(0)
    for rows in (_WORTH, len(text)):  # most tables that are not sorted show it at once
        first, second = text[:rows - 1], text[1:rows]
        if not pc.all(pc.less_equal(first, second)).as_py():
            return None
    starts = np.concatenate([[True], np.asarray(pc.not_equal(first, second))])
    labels = text.filter(pa.array(starts)).to_pylist()
    at = bisect.bisect_left(labels, MISSING)
    if at < len(labels) and labels[at] == MISSING:
        return None  # refused below
    return Key(np.cumsum(starts) - 1, tuple(labels))


def _counted_key(values: pa.ChunkedArray) -> Key | None:
    """Codes of whole numbers in a range so narrow that they can be counted; None where it is not."""
    if not pa.types.is_signed_integer(values.type) or len(values) < _WORTH or values.null_count:
        return None
    numbers = values.to_numpy()
    low, high = int(numbers.min()), int(numbers.max())
    if high - low > len(numbers):
        return None
    numbers = numbers.astype(np.int64, copy=False)
    distinct, codes = ranks(numbers - low if low else numbers, high - low + 1)
    labels, rank = _sorted_labels(pa.array(distinct + low)) if low < 0 or high >= 10**18 else _sorted_digits(distinct + low)
    return Key(rank[codes], tuple(labels))


def _sorted_digits(numbers: np.ndarray) -> tuple[list[str], np.ndarray]:
    """The same for rising numbers from 0 to below 10^18, without comparing texts: they are padded with zeros at the end."""
    powers = 10 ** np.arange(19)
    digits = np.maximum(np.searchsorted(powers, numbers, side="right"), 1)
    order = np.argsort(numbers * powers[digits.max() - digits], kind="stable")  # of 1, 10, 100 the shorter text is first
    rank = np.empty(len(numbers), dtype=np.int64)
    rank[order] = np.arange(len(numbers))
    return pa.array(numbers[order]).cast(pa.string()).to_numpy(zero_copy_only=False).tolist(), rank


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without dictionaries and views, so that every later step sees one kind of array."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    return column.cast(pa.string()) if pa.types.is_string_view(kind) else column


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is text."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


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
