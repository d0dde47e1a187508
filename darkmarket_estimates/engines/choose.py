"""Which engine a table goes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from darkmarket_estimates._checks import choice
from darkmarket_estimates.engines import checks
from darkmarket_estimates.engines.frames import from_arrays, from_frame
from darkmarket_estimates.engines.memory import MemoryTable
from darkmarket_estimates.engines.plan import empty
from darkmarket_estimates.engines.protocol import Opener
from darkmarket_estimates.engines.schema import Schema
from darkmarket_estimates.engines.source import Source
from darkmarket_estimates.errors import DataError, NotSupportedError
from darkmarket_estimates.inference import Progress

#: Files below so many bytes are read whole: faster, and the same numbers.
SMALL_FILE = 64_000_000
CHOICES = ("auto", "memory", "lazy")


@dataclass(frozen=True, slots=True)
class MemoryOpener:
    """A table in memory whose columns have no meaning yet."""

    source: Source

    @property
    def columns(self) -> Sequence[str]:
        """Names of the columns."""
        return self.source.table.column_names

    def open(self, schema: Schema) -> MemoryTable:
        """Check every row."""
        return checks.open_table(self.source, schema)


def locate(
    frame: Any, *, table: str | None = None, engine: str = "auto", memory_limit: str | None = None,
    progress: Progress = None,
) -> Opener:
    """Find the engine of a table.

    Parameters
    ----------
    frame : DataFrame, LazyFrame, Table, relation, path or mapping
        A pandas, polars, dask or Spark DataFrame, a polars LazyFrame, a pyarrow Table, a DuckDB relation, the path of
        a file or folder, or a mapping of column names to NumPy arrays.
    table : str, optional
        Table of a DuckDB or SQLite file.
    engine : {"auto", "memory", "lazy"}
        "memory" reads the whole table; "lazy" leaves it where it is; "auto" reads files below 64 MB.
    memory_limit : str, optional
        What DuckDB may use for files and streams, such as "1GB".
    progress : callable or bool, optional

    Raises
    ------
    DataError
        The file cannot be read; an empty table.
    NotSupportedError
        No engine knows this kind of table.
    """
    choice(engine, "engine", CHOICES)
    package = type(frame).__module__.partition(".")[0]
    if isinstance(frame, str | Path):
        return _of_path(str(frame), table, engine, memory_limit, progress)
    if table is not None:
        raise DataError("table= names a table of a database file", got=type(frame).__name__)
    if package in ("duckdb", "_duckdb"):
        return _of_relation(frame, engine, memory_limit)
    if package in ("dask", "dask_expr") and hasattr(frame, "npartitions"):
        from darkmarket_estimates.engines import dask

        return _whole(Source(from_frame(frame.compute()))) if engine == "memory" else dask.DaskOpener(frame)
    if package == "pyspark":
        from darkmarket_estimates.engines import spark

        return _whole(Source(spark.whole(frame))) if engine == "memory" else spark.opener(frame)
    if package == "polars" and type(frame).__name__ == "LazyFrame":
        from darkmarket_estimates.engines import lazy, streams
        from darkmarket_estimates.engines.duckdb import Limits

        if engine == "memory":
            return _whole(Source(from_frame(streams.collected(frame))))
        return lazy.opener(streams.polars_place(frame, Limits(memory=memory_limit, progress=progress)))
    if engine == "lazy":
        raise NotSupportedError("a table in memory is not lazy", got=f"{type(frame).__module__}.{type(frame).__name__}",
                                fix="leave engine= out, or write it to Parquet and pass the path")
    if isinstance(frame, pa.Table):
        return _whole(Source(frame))
    return _whole(Source(from_arrays(frame) if isinstance(frame, Mapping) else from_frame(frame)))


def _of_path(path: str, table: str | None, engine: str, memory_limit: str | None, progress: Progress) -> Opener:
    from darkmarket_estimates.engines import files, lazy, paths
    from darkmarket_estimates.engines.duckdb import Limits

    if not path.strip():  # Path("") is the working folder: a variable that is not set would read whatever lies there
        raise DataError("the path is empty", got=repr(path), expected="a file, a folder or a glob")
    limits = Limits(memory=memory_limit, progress=progress)
    if path.lower().endswith(paths.SQLITE):
        from darkmarket_estimates.engines import sqlite

        theirs = sqlite.opened(path, files.table_name(path, table))
        stream = sqlite.stream(theirs, limits)
        return sqlite.SqliteOpener(theirs, _whole(stream.in_memory()) if _small(path, engine) else lazy.opener(stream))
    place = files.place(path, table, limits)
    return _whole(place.in_memory()) if _small(path, engine) else lazy.opener(place)


def _small(path: str, engine: str) -> bool:
    from darkmarket_estimates.engines import paths

    return engine == "memory" or (engine == "auto" and paths.size(path) < SMALL_FILE)


def _of_relation(relation: Any, engine: str, memory_limit: str | None) -> Opener:
    import duckdb

    from darkmarket_estimates.engines import lazy
    from darkmarket_estimates.engines.duckdb import RelationPlace, RelationSession

    if not isinstance(relation, duckdb.DuckDBPyRelation):
        raise DataError("a DuckDB connection is not a table", got=type(relation).__name__, expected="a relation",
                        fix="pass connection.table('listings') or connection.sql('SELECT ...')")
    if memory_limit is not None:
        raise DataError("a relation lives on your connection, whose limits are yours", got=repr(memory_limit),
                        fix="connection.execute(\"SET memory_limit = '1GB'\")")
    if engine == "memory":
        session = RelationSession(relation)
        return _whole(Source(session.fetch(f"SELECT * FROM {session.source}")))
    return lazy.opener(RelationPlace(relation))


def _whole(source: Source) -> MemoryOpener:
    if len(source) == 0:
        raise empty()
    return MemoryOpener(source)
