"""Tables that come as a stream of Arrow batches: polars LazyFrames and SQLite tables. DuckDB reads them as they flow."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from darkmarket_estimates.engines import sql
from darkmarket_estimates.engines.duckdb import LAZYFRAME, Limits, OwnSession, connection
from darkmarket_estimates.engines.source import Source
from darkmarket_estimates.errors import DataError, NotSupportedError

if TYPE_CHECKING:
    import polars as pl

_BATCH = 50_000


@dataclass(frozen=True, slots=True, eq=False)
class StreamPlace:
    """A source of batches that can be started again for each scan.

    Attributes
    ----------
    schema : pyarrow.Schema
        Of every batch.
    start : callable
        Gives the batches, from the first.
    """

    words: str
    schema: pa.Schema
    start: Callable[[], Iterator[pa.RecordBatch]]
    limits: Limits
    engine: str = "stream"
    text_numbers: bool = False
    ordered: bool = False

    @contextmanager
    def session(self) -> Iterator[OwnSession]:
        """A connection for one question."""
        with connection(self.limits) as ours:
            def before() -> None:
                reader = pa.RecordBatchReader.from_batches(self.schema, self.start())
                ours.register("the_stream", reader)

            yield OwnSession(ours, "the_stream", self.words, self.limits.progress, before)

    def in_memory(self) -> Source:
        """The whole table."""
        return Source(pa.Table.from_batches(self.start(), self.schema))


def polars_place(frame: pl.LazyFrame, limits: Limits) -> StreamPlace:
    """A LazyFrame: its plan runs in polars' streaming engine, once a scan."""
    schema = collected(frame.limit(0)).to_arrow().schema

    def start() -> Iterator[pa.RecordBatch]:
        for batch in frame.collect_batches(chunk_size=_BATCH):
            yield from batch.to_arrow().cast(schema).to_batches()

    if not hasattr(frame, "collect_batches"):
        raise NotSupportedError("this polars cannot stream a LazyFrame", fix="install a newer polars, or "
                                "sink_parquet(path) and pass the path")
    return StreamPlace(LAZYFRAME, schema, start, limits)


def collected(frame: pl.LazyFrame) -> pl.DataFrame:
    """The whole of a LazyFrame.

    Raises
    ------
    DataError
        What polars says.
    """
    try:
        return frame.collect()
    except Exception as error:  # polars has many kinds, without one base that is public
        raise DataError("polars cannot read the frame", got=f"{type(error).__name__}: {str(error).splitlines()[0]}",
                        fix="collect() it to see why") from error


def sqlite_place(path: str, table: str, limits: Limits) -> StreamPlace:
    """A table of a SQLite file, through the standard library: DuckDB would have to download an extension.

    SQLite types values, not columns, so one pass asks which types occur.

    Raises
    ------
    DataError
        No such file or table.
    """
    if not os.path.isfile(path):  # False, too, where the name is longer than the system allows
        raise DataError("the file cannot be read", where=path, got="no such file", fix="check the path")
    quoted = sql.name(table)
    with _open(path) as theirs:
        known = _ask(theirs, f"SELECT name FROM pragma_table_info({sql.text(table)})", path)
        names = [name for (name,) in known]
        if not names:
            raise DataError("the database has no such table", where=path, got=repr(table))
        kinds = [{kind for (kind,) in _ask(theirs, f"SELECT DISTINCT typeof({sql.name(n)}) FROM {quoted}", path)}
                 for n in names]
    schema = pa.schema([(name, _arrow_type(kind)) for name, kind in zip(names, kinds)])

    def start() -> Iterator[pa.RecordBatch]:
        with _open(path) as theirs:
            columns = ", ".join(map(sql.name, names))
            cursor = theirs.execute(f"SELECT {columns} FROM {quoted}")
            while rows := cursor.fetchmany(_BATCH):
                yield pa.record_batch([_array(values, kind) for values, kind in zip(zip(*rows), schema.types)],
                                      schema=schema)

    return StreamPlace(path, schema, start, limits)


def _open(path: str) -> Any:
    return closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False))


def _ask(connection: sqlite3.Connection, query: str, path: str) -> list[tuple[Any, ...]]:
    try:
        return connection.execute(query).fetchall()
    except sqlite3.Error as error:
        raise DataError("the file cannot be read", where=path, got=str(error), fix="check that it is a SQLite file "
                        "and whole") from error


def _arrow_type(kinds: set[str]) -> pa.DataType:
    if kinds <= {"integer", "null"}:
        return pa.int64()
    return pa.float64() if kinds <= {"integer", "real", "null"} else pa.string()


def _array(values: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind):
        return pa.array([v if v is None or isinstance(v, str) else str(v) for v in values], kind)
    return pa.array([None if v is None else float(v) for v in values] if pa.types.is_floating(kind) else values, kind)
