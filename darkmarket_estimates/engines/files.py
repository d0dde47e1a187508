"""Files and folders that DuckDB reads: CSV, Parquet, globs, partitioned folders, DuckDB databases."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from darkmarket_estimates.engines import sql
from darkmarket_estimates.engines.duckdb import Limits, OwnSession, connection
from darkmarket_estimates.engines.source import Source
from darkmarket_estimates.errors import DataError, NotSupportedError

CSV, PARQUET = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz"), (".parquet", ".pq")
DUCKDB, SQLITE = (".duckdb", ".ddb"), (".sqlite", ".sqlite3", ".db")


class FileSession(OwnSession):
    """A session on files, whose columns are named as in the files: of two with one name, DuckDB renames the second."""

    header: str | None = None

    def columns(self) -> list[str]:
        """Names of the columns, as often as they occur."""
        ours = OwnSession.columns(self)
        if self.header is None or not (first := self.fetch(f"SELECT * FROM {self.header} LIMIT 1").to_pylist()):
            return ours
        theirs = [*first[0].values()]
        return [name if theirs.count(name) > 1 and str(own).startswith(f"{name}_") else own
                for own, name in zip(ours, theirs, strict=True)]


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
    header : str or None
        CSV: the same source, of which the names of the columns are the first row.
    """

    words: str
    source: str
    limits: Limits
    text_numbers: bool = False
    ordered: bool = True
    attach: str | None = None
    engine: str = "duckdb"
    header: str | None = None

    @contextmanager
    def session(self) -> Iterator[FileSession]:
        """A connection for one question."""
        with connection(self.limits) as ours:
            session = FileSession(ours, self.source, self.words, self.limits.progress)
            session.header = self.header
            if self.attach is not None:
                session.fetch(f"ATTACH {sql.text(self.attach)} AS theirs (READ_ONLY)")
            yield session

    def in_memory(self) -> Source:
        """The whole table."""
        with self.session() as session:
            table = session.fetch(f"SELECT * FROM {self.source}")
            return Source(table.rename_columns(session.columns()), text_numbers=self.text_numbers)


def _is_folder(path: str) -> bool:
    """Whether a path leads to a folder.

    Raises
    ------
    DataError
        The system cannot look: the name is too long.
    """
    try:
        return Path(path).is_dir()
    except (OSError, ValueError) as error:
        raise DataError("the path cannot be read", where=path[:80], expected="a file, a folder or a glob",
                        got=f"{len(path):,} characters", fix="shorten it") from error


def place(path: str, table: str | None, limits: Limits) -> FilePlace:
    """Where a path leads.

    Raises
    ------
    NotSupportedError
        No known kind of file.
    DataError
        A folder without a file of a known kind, or with two kinds; a database without ``table=``.
    """
    pattern, kind = path, path.lower()
    folder = _is_folder(path)
    if folder:
        pattern, kind = _in_folder(path)
    if table is not None and kind.endswith((*PARQUET, *CSV)):
        raise DataError("table= names a table of a database file", where=path, got=repr(table), fix="leave it out")
    if kind.endswith(PARQUET):
        hive = ", hive_partitioning = true" if folder else ""
        return FilePlace(path, f"read_parquet({sql.text(pattern)}, hive_types_autocast = false{hive})", limits)
    if kind.endswith(CSV):
        # Nothing is guessed but the separator. A sample tells neither a quote that first comes late nor a type, and what
        # it takes for a preamble or for comments may be rows: two files joined, ids such as #12
        options = """all_varchar = true, quote = '"', escape = '"', skip = 0, comment = '', strict_mode = true"""
        options += ", hive_partitioning = true, hive_types_autocast = false" if folder else ""
        table, header = (f"read_csv({sql.text(pattern)}, header = {whether}, {options})" for whether in ("true", "false"))
        return FilePlace(path, table, limits, text_numbers=True, header=header)
    if kind.endswith(DUCKDB):
        return FilePlace(path, f"theirs.{sql.name(table_name(path, table))}", limits, ordered=False, attach=path)
    raise NotSupportedError("a file of this kind cannot be read", where=path,
                            expected="a name that ends in " + ", ".join((*CSV, *PARQUET, *DUCKDB, *SQLITE)),
                            fix="convert it, or read it with pandas and pass the frame")


def table_name(path: str, table: str | None) -> str:
    """The table of a database, which has to be named."""
    if table is None:
        raise DataError("a database holds many tables", where=path, fix='Listings(path, table="listings", ...)')
    return table


def size(path: str) -> int:
    """Bytes behind a path, a glob or a folder; compressed text counts for what it unpacks to, about."""
    found = [f for f in Path(path).rglob("*") if f.is_file()] if _is_folder(path) else map(
        Path, glob.glob(path, recursive=True))
    return sum(f.stat().st_size * (8 if f.suffix == ".gz" else 1) for f in found if f.is_file())


def _in_folder(path: str) -> tuple[str, str]:
    """The glob over a folder, and the kind of its files."""
    names = {f.name.lower() for f in Path(path).rglob("*") if f.is_file() and not f.name.startswith((".", "_"))}
    kinds = sorted({kind for kind in (*CSV, *PARQUET) for name in names if name.endswith(kind)})
    if len(kinds) != 1:
        raise DataError("the folder cannot be read as one table", where=path, got=", ".join(kinds) or "no such file",
                        expected="files of one kind: " + ", ".join((*CSV, *PARQUET)), fix="pass a glob")
    return str(Path(glob.escape(path)) / "**" / f"*{kinds[0]}"), kinds[0]
