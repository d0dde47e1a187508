"""Files and relations through DuckDB: the embedded engine reads, nothing is downloaded."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from darkmarket_estimates.errors import DataError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


@functools.cache
def connection() -> duckdb.DuckDBPyConnection:
    """A connection of ours, in memory, that installs no extension on its own."""
    import duckdb

    return duckdb.connect(":memory:", config={"autoinstall_known_extensions": False,
                                              "autoload_known_extensions": False})


def fetch(relation: Any) -> pa.Table:
    """A user's relation as an Arrow table, in one execution: a relation without an order has none to keep."""
    import duckdb

    if not isinstance(relation, duckdb.DuckDBPyRelation):
        raise DataError("a DuckDB connection is not a table", got=type(relation).__name__, expected="a relation",
                        fix="pass connection.table('listings') or connection.sql('SELECT ...')")
    try:
        return relation.to_arrow_table()
    except duckdb.Error as error:
        raise DataError("DuckDB cannot read the relation", got=str(error)) from error


def read_parquet(path: str) -> pa.Table:
    """Parquet file or glob."""
    return _read(path, lambda: connection().read_parquet(path))


def read_csv(path: str) -> pa.Table:
    """CSV file or glob, every column as text: an id such as 007 or 12e4 must not become a number on the way."""
    return _read(path, lambda: connection().read_csv(path, header=True, all_varchar=True, sample_size=-1))


def _read(path: str, relation: Any) -> pa.Table:
    import duckdb

    try:
        return relation().to_arrow_table()
    except (duckdb.Error, OSError) as error:
        first = str(error).splitlines()[0]
        raise DataError("the file cannot be read", where=path, got=first,
                        fix="check the path, and that the file is whole") from error
