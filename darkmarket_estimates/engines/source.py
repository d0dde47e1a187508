"""Reading: any table that a user holds, as columns of numbers, labels and days. Text is data, never code."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from darkmarket_estimates.errors import DataError, NotSupportedError
from darkmarket_estimates.totals import MISSING, Key

CSV, PARQUET = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz"), (".parquet", ".pq")


@dataclass(frozen=True, slots=True)
class Source:
    """An Arrow table in memory, and whether its numbers arrived as text (CSV)."""

    table: pa.Table
    text_numbers: bool = False

    def __len__(self) -> int:
        return self.table.num_rows

    def require(self, columns: tuple[str, ...]) -> None:
        """Raise `DataError` unless every column is there, once."""
        names = self.table.column_names
        missing = [c for c in columns if c not in names]
        if missing:
            raise DataError(f"the table has no column {', '.join(map(repr, missing))}",
                            expected="the columns that the call names", got=f"columns {', '.join(map(repr, names))}",
                            fix="name the table's own columns: price=, reviews=, vendor=, ...")
        twice = sorted({c for c in columns if names.count(c) > 1})
        if twice:
            raise DataError(f"the table has the column {twice[0]!r} more than once", fix="rename one of them")

    def numbers(self, column: str, role: str) -> np.ndarray:
        """A column as float64; missing is NaN."""
        values = _plain(self.table.column(column))
        kind = values.type
        if self.text_numbers and _is_text(kind):
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
        if pa.types.is_floating(values.type):
            values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
        encoded = pc.dictionary_encode(values).combine_chunks()
        if isinstance(encoded, pa.ChunkedArray):  # an empty table has no chunk to combine
            return Key(np.empty(0, dtype=np.int64), ())
        raw = encoded.indices
        codes = pc.fill_null(raw, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        texts = [label(v) for v in encoded.dictionary.to_pylist()]
        if MISSING in texts:
            raise DataError(f"{MISSING!r} is the name of the group without a label", where=f"column {column!r}",
                            fix="rename that label")
        has_missing = bool((codes < 0).any())
        sorted_labels = tuple(sorted({*texts, *([MISSING] if has_missing else [])}))
        index = {text: code for code, text in enumerate(sorted_labels)}
        translate = np.array([*(index[t] for t in texts), index.get(MISSING, -1)], dtype=np.int64)
        return Key(translate[codes], sorted_labels)

    def days(self, column: str, role: str) -> np.ndarray:
        """A column as datetime64[D]; missing is NaT. Instants with a time zone are days in UTC."""
        values = _plain(self.table.column(column))
        kind = values.type
        try:
            if _is_text(kind):
                values = pc.cast(pc.utf8_slice_codeunits(values, 0, 10), pa.date32())
            elif pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_null(kind):
                values = pc.cast(values, pa.timestamp("us"), safe=False) if pa.types.is_timestamp(kind) else values
            else:
                raise DataError(f"{role} is not a date", where=f"column {column!r}", got=f"type {kind}",
                                expected="dates, timestamps or ISO text")
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise DataError(f"{role} is not a date", where=f"column {column!r}", expected="ISO text such as 2016-01-31",
                            got=str(error)) from error
        return np.asarray(values.to_numpy()).astype("datetime64[D]")


def read(frame: Any) -> Source:
    """Open whatever holds the table.

    Parameters
    ----------
    frame : DataFrame, Table, relation, path or mapping
        A pandas or eager polars DataFrame, a pyarrow Table, a DuckDB relation, the path of a CSV or Parquet file, or
        a mapping of column names to NumPy arrays.

    Raises
    ------
    DataError
        The file cannot be read; an empty table.
    NotSupportedError
        No engine knows this kind of table.
    """
    if isinstance(frame, str | Path):
        source = _read_file(str(frame))
    elif isinstance(frame, pa.Table):
        source = Source(frame)
    elif type(frame).__module__.partition(".")[0] in ("duckdb", "_duckdb"):
        from darkmarket_estimates.engines import duckdb

        source = Source(duckdb.fetch(frame))
    elif isinstance(frame, Mapping):
        source = Source(_from_arrays(frame))
    else:
        source = Source(_from_frame(frame))
    if len(source) == 0:
        raise DataError("the table is empty", expected="at least one row", got="0 rows",
                        fix="check the filter or the file; an empty market is not the same as an unseen one")
    return source


def label(value: Any) -> str:
    """Text of a label, the same from every engine: 2014.0 is "2014", a day is ISO, a decimal has no trailing zeros."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, decimal.Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, dt.datetime):
        midnight = value.time() == dt.time(0) and value.tzinfo is None
        return value.date().isoformat() if midnight else value.isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    return str(value)


def _read_file(path: str) -> Source:
    from darkmarket_estimates.engines import duckdb

    lowered = path.lower()
    if lowered.endswith(PARQUET):
        return Source(duckdb.read_parquet(path))
    if lowered.endswith(CSV):
        return Source(duckdb.read_csv(path), text_numbers=True)
    raise NotSupportedError("a file of this kind cannot be read", where=path,
                            expected="a name that ends in " + ", ".join((*CSV, *PARQUET)),
                            fix="convert it, or read it with pandas and pass the frame")


def _from_arrays(columns: Mapping[Any, Any]) -> pa.Table:
    lengths = {str(name): len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError("the arrays differ in length", expected="equal lengths", got=str(lengths))
    import pandas as pd

    return _from_frame(pd.DataFrame({str(name): pd.Series(np.asarray(values)) for name, values in columns.items()}))


def _from_frame(frame: Any) -> pa.Table:
    import narwhals.stable.v2 as nw

    try:
        eager = nw.from_native(frame, eager_only=True)
    except TypeError:
        lazy = hasattr(frame, "collect") or hasattr(frame, "compute")
        raise NotSupportedError(
            "this kind of table is not known", got=f"{type(frame).__module__}.{type(frame).__qualname__}",
            expected="a pandas or polars DataFrame, a pyarrow Table, a DuckDB relation, a path, or a mapping of arrays",
            fix="collect the lazy frame first, or write it to Parquet and pass the path" if lazy else None,
        ) from None
    arrays = {}
    for name in eager.columns:
        try:
            arrays[name] = eager[name].to_arrow()
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            # a pandas object column of mixed kinds: as text it is a label, and refused as a number
            values = eager[name].to_list()
            arrays[name] = pa.array([None if v is None or v != v else str(v) for v in values], pa.string())
    return pa.table(arrays)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without dictionaries and views, so that every later step sees one kind of array."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    return column.cast(pa.string()) if pa.types.is_string_view(kind) else column


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _to_float(values: pa.ChunkedArray) -> np.ndarray:
    return pc.fill_null(pc.cast(values, pa.float64(), safe=False), np.nan).to_numpy()


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
        raise DataError(f"{role} is not a number in {int(bad.sum()):,} row(s)",
                        where=f"column {column!r}, row {at} (counting from 0)", expected="numbers such as 1234.50",
                        got=repr(values[at].as_py()),
                        fix="check what the text means (is 1.234,50 one thousand or one?) and convert it") from None
