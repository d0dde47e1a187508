"""One table in every place that an engine reads from, split into parts that split vendors."""

from __future__ import annotations

import pathlib
import sqlite3
from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from darkmarket_estimates import Listings, Totals
from tests.test_totals import assert_same

#: Places that keep every type of a column.
TYPED = ("parquet", "parts", "folder", "database", "relation", "lazyframe", "dask")
#: Places where dates are text.
TEXT = ("csv", "csv parts", "sqlite")


def elsewhere(table: pa.Table, folder: pathlib.Path, kind: str) -> tuple[Any, dict[str, Any]]:
    """The table in a place of that kind, and the options that `Listings` needs for it."""
    parts = [table.take(np.arange(i, table.num_rows, 3)) for i in range(3)]
    stem = folder / kind.replace(" ", "_")
    if kind == "parquet":
        pq.write_table(table, stem.with_suffix(".parquet"), row_group_size=50)
        return stem.with_suffix(".parquet"), {"engine": "lazy"}
    if kind in ("parts", "folder"):
        for i, part in enumerate(parts):
            place = stem / f"piece={i}" if kind == "folder" else stem
            place.mkdir(parents=True, exist_ok=True)
            pq.write_table(part, place / f"{i}.parquet")
        return stem if kind == "folder" else str(stem / "*.parquet"), {"engine": "lazy"}
    if kind == "csv":
        table.to_pandas().to_csv(stem.with_suffix(".csv"), index=False)
        return stem.with_suffix(".csv"), {"engine": "lazy"}
    if kind == "csv parts":
        stem.mkdir(exist_ok=True)
        for i, part in enumerate(parts):
            part.to_pandas().to_csv(stem / f"{i}.csv", index=False)
        return str(stem / "*.csv"), {"engine": "lazy"}
    if kind == "database":
        path = stem.with_suffix(".duckdb")
        path.unlink(missing_ok=True)
        with duckdb.connect(str(path)) as connection:
            connection.register("given", table)
            connection.execute('CREATE TABLE "my ""listings" AS SELECT * FROM given')
        return path, {"engine": "lazy", "table": 'my "listings'}
    if kind == "sqlite":
        path = stem.with_suffix(".sqlite")
        path.unlink(missing_ok=True)
        frame = table.to_pandas()
        for name in frame.select_dtypes(["datetime", "datetimetz"]):
            frame[name] = frame[name].dt.strftime("%Y-%m-%d")
        connection = sqlite3.connect(path)
        frame.to_sql("t", connection, index=False)
        connection.close()
        return path, {"engine": "lazy", "table": "t"}
    if kind == "relation":
        connection = duckdb.connect()
        connection.register("given", table)
        return connection.sql("SELECT * FROM given"), {}
    if kind == "lazyframe":
        return pl.concat([pl.from_arrow(part) for part in parts]).lazy(), {}
    import dask.dataframe as dd

    return dd.from_pandas(table.to_pandas(types_mapper=pd.ArrowDtype), npartitions=4, sort=False), {}


def assert_alike(want: Totals, got: Totals) -> None:
    """Equal totals, and an audit that is equal line by line."""
    assert_same(want, got, rel=1e-12)
    for a, b in zip(want.audit, got.audit, strict=True):
        assert (a.rule, a.rows, a.count, a.currency) == (b.rule, b.rows, b.count, b.currency)
        np.testing.assert_allclose([b.value, b.value_after], [a.value, a.value_after], rtol=1e-12)


def assert_parity(table: pa.Table, folder: pathlib.Path, kind: str, question: Callable[[Listings], Listings],
           asked: dict[str, Any], **roles: Any) -> Totals:
    """The answer of a place, which equals that of the table in memory."""
    listings = question(Listings(table, **roles))
    want = listings.totals(**asked)
    frame, options = elsewhere(table, folder, kind)
    got = question(Listings(frame, **{**roles, **options}))
    assert_alike(want, got.totals(**asked))
    assert len(got) == len(listings)
    return want
