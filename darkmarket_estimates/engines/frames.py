"""What users hold in memory as Arrow tables: mappings of arrays, pandas and polars frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from darkmarket_estimates import _checks as check
from darkmarket_estimates.engines.codes import label
from darkmarket_estimates.errors import DataError, NotSupportedError


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
    return pa.table({name: _from_array(check.plain_array(values, f"column {name!r}"), name) for name, values in columns.items()})


def _from_array(array: np.ndarray, name: str) -> pa.ChunkedArray:
    if array.ndim != 1:
        raise DataError("a column of the table is no column", where=f"column {name!r}", expected="a value a row",
                        got=f"shape {array.shape}")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))  # Arrow takes no other order of bytes
    if array.dtype.kind in "iu" or array.dtype == np.float64:
        return pa.chunked_array([pa.array(array)])
    import pandas as pd

    return from_frame(pd.DataFrame({name: pd.Series(array, dtype=object if array.dtype.kind in "OU" else None)})).column(0)


def from_frame(frame: Any) -> pa.Table:
    """A pandas or eager polars frame, or an Arrow table, as an Arrow table.

    Raises
    ------
    NotSupportedError
        No engine knows this kind of table.
    DataError
        A name of two columns; names of several levels; text that is not Unicode.
    """
    import narwhals.stable.v2 as nw

    try:
        eager = nw.from_native(_with_names(frame), eager_only=True)
    except TypeError:
        lazy = hasattr(frame, "collect") or hasattr(frame, "compute") or hasattr(frame, "execute")
        raise NotSupportedError(
            "this kind of table is not known", got=f"{type(frame).__module__}.{type(frame).__qualname__}",
            expected="a pandas, polars, dask or Spark DataFrame, a polars LazyFrame, a pyarrow Table, a DuckDB relation, "
                     "a path, or a mapping of arrays",
            fix="collect the lazy frame first, or write it to Parquet and pass the path" if lazy
            else 'pass the folder of the files, or a glob such as "2016/*.csv"' if isinstance(frame, list | tuple) else None,
        ) from None
    return pa.table({name: _column(eager[name], name) for name in eager.columns})


def _with_names(frame: Any) -> Any:
    """A pandas frame whose columns have names of their own, as text; anything else as it is."""
    columns: Any = getattr(frame, "columns", None)
    if not hasattr(columns, "nlevels"):
        return frame
    if columns.nlevels > 1:
        raise DataError("the columns of the table have names of several levels", got=check.shown(columns[0]),
                        expected="text", fix='frame.columns = ["_".join(map(str, name)) for name in frame.columns]')
    names = [check.label(name) for name in columns]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise DataError(f"the table has the column {twice[0]!r} more than once", fix="rename one of them")
    return frame if all(isinstance(name, str) for name in columns) else frame.set_axis(names, axis=1)


def _column(series: Any, name: str) -> Any:
    """A column as an Arrow array; what Arrow has no plain type for as numbers, where all are, else as labels."""
    try:
        values = series.to_arrow()
        kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
        if not isinstance(kind, pa.BaseExtensionType):
            return values
    except UnicodeEncodeError:
        raise _not_unicode(series.to_list(), name) from None
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        pass  # a pandas object column of mixed kinds, a sparse one, intervals, periods
    values = [None if _is_missing(v) else v for v in series.to_list()]
    if all(v is None or (check.is_number(v) and _is_float(v)) for v in values):
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    try:
        return pa.array([_text(v, name) for v in values], pa.string())
    except UnicodeEncodeError:
        raise _not_unicode(values, name) from None


def _is_missing(value: Any) -> bool:
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:  # pandas.NA
        return True
    except ValueError:  # an array in a cell
        return False


def _is_float(x: Any) -> bool:
    """Whether a float is the same number: two whole numbers that become one float would be one label."""
    try:
        return bool(float(x) == x)
    except OverflowError:
        return False


def _text(value: Any, column: str) -> str | None:
    """A value of a column of mixed kinds as text; two whole numbers that Python does not print would be one label."""
    try:
        return None if value is None else label(value)
    except ValueError as error:
        raise DataError("a number has too many digits to be read", where=f"column {column!r}", got=check.shown(value),
                        expected="numbers, or labels of ordinary length") from error


def _not_unicode(values: Sequence[Any], name: str) -> DataError:
    """The error on text with half of a surrogate pair, which no file can hold."""
    at = next(i for i, v in enumerate(values) if isinstance(v, str) and any("\ud800" <= c <= "\udfff" for c in v))
    return DataError("the text is not valid Unicode", where=f"column {name!r}, row {at} (counting from 0)", got=ascii(values[at]),
                     expected="text that UTF-8 can hold",
                     fix='frame[column].map(lambda text: text.encode("utf-8", "replace").decode())')
