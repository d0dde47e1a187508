"""Files and folders that DuckDB reads: CSV, Parquet, globs, partitioned folders, DuckDB databases."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa

from darkmarket_estimates.engines import headers, paths, sql
from darkmarket_estimates.engines.duckdb import Limits, OwnSession, connection
from darkmarket_estimates.engines.paths import CSV, DUCKDB, PARQUET, SQLITE
from darkmarket_estimates.engines.source import Source
from darkmarket_estimates.errors import DataError, NotSupportedError


class FileSession(OwnSession):
    """A session on files, whose columns are named as in the files and their folders."""

    place: FilePlace

    def columns(self) -> list[str]:
        """Names of the columns, as often as they occur; behind those of the rows, those that the name of a folder hides."""
        ours, place = OwnSession.columns(self), self.place
        if not place.files:
            return ours
        folders = headers.of_folders(place.files[0]) if place.many else []
        if place.text_numbers:
            return headers.named(ours, headers.of_csv(self, place.files), {}, folders)
        theirs, notes = headers.of_parquet(place.files, ours)
        return headers.named(ours, theirs, notes, folders)


@dataclass(frozen=True, slots=True)
class FilePlace:
    """Something on disk.

    Attributes
    ----------
    words : str
        Path or glob as the caller wrote it.
    source : str
        What to select from, in SQL.
    text_numbers : bool
        CSV: every column is text, so that an id such as 007 or 12e4 stays what it is.
    attach : str or None
        Path of a database that is opened for reading first.
    files : tuple of str
        The files, in order.
    many : bool
        Whether they are those of a glob or folder.
    """

    words: str
    source: str
    limits: Limits
    text_numbers: bool = False
    ordered: bool = True
    attach: str | None = None
    engine: str = "duckdb"
    files: tuple[str, ...] = ()
    many: bool = False

    @contextmanager
    def session(self) -> Iterator[FileSession]:
        """A connection for one question."""
        with connection(self.limits) as ours:
            session = FileSession(ours, self.source, self.words, self.limits.progress)
            session.place = self
            if self.attach is not None:
                session.fetch(f"ATTACH {sql.text(self.attach)} AS theirs (READ_ONLY)")
            yield session

    def in_memory(self) -> Source:
        """The whole table."""
        with self.session() as session:
            table, names = session.fetch(f"SELECT * FROM {self.source}"), session.columns()
            for hidden in names[table.num_columns:]:
                table = table.append_column(hidden, pa.nulls(len(table)))
            return Source(table.rename_columns(names), text_numbers=self.text_numbers)


def place(path: str, table: str | None, limits: Limits) -> FilePlace:
    """Where a path leads.

    Raises
    ------
    NotSupportedError
        No known kind of file.
    DataError
        A folder without a file of a known kind, or with two kinds; a database without ``table=``.
    """
    folder = paths.is_folder(path)
    found, kind = paths.in_folder(path) if folder else (paths.matched(path), path.lower())
    if table is not None and kind.endswith((*PARQUET, *CSV)):
        raise DataError("table= names a table of a database file", where=path, got=repr(table), fix="leave it out")
    many = found != (path,)
    # each by its name, in which nothing is a glob; DuckDB's words where nothing was found
    named = f"[{', '.join(sql.text(glob.escape(file)) for file in found)}]" if found else sql.text(path)
    # the folders above one file are no columns; of a glob DuckDB sees whether all files have them
    hive = ", hive_types_autocast = false"
    hive += ", hive_partitioning = true" if folder else "" if many else ", hive_partitioning = false"
    if kind.endswith(PARQUET):
        # the type of a column is one that holds the values of every file: by that of the first file 3.5 would be 4
        union = ", union_by_name = true" if many else ""
        return FilePlace(path, f"read_parquet({named}{hive}{union})", limits, files=found, many=many)
    if kind.endswith(CSV):
        return FilePlace(path, f"read_csv({named}, header = true, {headers.CSV}{hive})", limits, text_numbers=True,
                         files=found, many=many)
    if kind.endswith(DUCKDB):
        return FilePlace(path, f"theirs.{sql.name(table_name(path, table))}", limits, ordered=False, attach=path)
    raise NotSupportedError("a file of this kind cannot be read", where=path,
                            expected="a name that ends in " + ", ".join((*CSV, *PARQUET, *DUCKDB, *SQLITE)),
                            fix="pass a table instead: pandas.read_excel(path), duckdb.sql(query), ...")


def table_name(path: str, table: str | None) -> str:
    """The table of a database, which has to be named."""
    if table is None:
        raise DataError("a database holds many tables", where=path, fix='Listings(path, table="listings", ...)')
    return table
