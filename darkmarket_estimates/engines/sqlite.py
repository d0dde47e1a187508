"""Tables of SQLite files, through the standard library: DuckDB would have to download an extension."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from darkmarket_estimates.engines import sql
from darkmarket_estimates.engines.codes import label
from darkmarket_estimates.engines.duckdb import Limits
from darkmarket_estimates.engines.protocol import ListingTable, Opener
from darkmarket_estimates.engines.schema import Schema
from darkmarket_estimates.engines.source import not_a_number, place
from darkmarket_estimates.engines.streams import Batches, StreamPlace
from darkmarket_estimates.errors import DataError

_BATCH = 50_000
_TEXT = ("text", "blob")


@dataclass(frozen=True, slots=True)
class SqliteTable:
    """A table or view of a file. SQLite types values, not columns.

    Attributes
    ----------
    kinds : tuple of frozenset of str
        Types that occur in each column: "integer", "long" (beyond 2^53), "real", "text", "blob", "null".
    """

    path: str
    table: str
    columns: tuple[str, ...]
    kinds: tuple[frozenset[str], ...]

    @property
    def schema(self) -> pa.Schema:
        """Types that hold all that occurs."""
        return pa.schema([(name, _arrow_type(kinds)) for name, kinds in zip(self.columns, self.kinds)])

    def __call__(self) -> Batches:
        """The batches, from the first."""
        schema = self.schema
        with _reading(self.path) as theirs, closing(theirs.cursor()) as cursor:
            cursor.execute(_select(self.columns, self.table))
            while rows := cursor.fetchmany(_BATCH):
                try:
                    batch = pa.record_batch([_array(values, kind) for values, kind in zip(zip(*rows), schema.types)],
                                            schema=schema)
                except (ValueError, TypeError) as error:
                    raise DataError("the table has changed since it was opened", where=self.path, got=str(error),
                                    fix="open it again") from error
                yield batch

    def refuse_text(self, column: str, role: str) -> None:
        """Raise `DataError` with the first row whose value is no number, if the column has one."""
        kinds = self.kinds[self.columns.index(column)]
        if not pa.types.is_string(_arrow_type(kinds)):
            return
        bad = [kind for kind in _TEXT if kind in kinds] or ["long"]
        with _reading(self.path) as theirs:
            # beside the columns of a scan: of one column alone SQLite may read an index, in another order
            rows = theirs.execute(_select(self.columns, self.table, also=f"{_kind(column)}, "))
            first, n = None, 0
            for at, (kind, *values) in enumerate(rows):
                if kind in bad:
                    first, n = first or (at, values[self.columns.index(column)]), n + 1
        if first is not None:
            raise not_a_number(role, n, place(column, {"at": first[0]}), first[1])


@dataclass(frozen=True, slots=True)
class SqliteOpener:
    """A table of SQLite that some engine reads, once no text stands among its numbers."""

    table: SqliteTable
    engine: Opener

    @property
    def columns(self) -> Sequence[str]:
        """Names of the columns."""
        return self.table.columns

    def open(self, schema: Schema) -> ListingTable:
        """Refuse text among numbers, with its row; the engine does the rest."""
        for column, role in ((schema.price, "the price"), (schema.count, schema.counted), (schema.days, "days"),
                             (schema.captures, "captures")):
            if column in self.columns:
                self.table.refuse_text(str(column), role)
        return self.engine.open(schema)


def opened(path: str, table: str) -> SqliteTable:
    """A table of a file, after one pass a column that asks which types occur.

    Raises
    ------
    DataError
        No such file or table.
    """
    if not os.path.isfile(path):  # False, too, where the name is longer than the system allows
        raise DataError("the file cannot be read", where=path, got="no such file", fix="check the path")
    try:
        with open(path, "rb") as file:
            begin = file.read(12)
    except OSError as error:
        raise DataError("the file cannot be read", where=path, got=str(error.strerror),
                        fix="ask for the right to read it, or pass a copy") from error
    if begin[8:] == b"DUCK":
        raise DataError("the file cannot be read", where=path, expected="a SQLite file", got="a DuckDB file",
                        fix="let its name end in .duckdb")
    with _reading(path) as theirs:
        # with generated columns, without the hidden ones of virtual tables
        known = theirs.execute(f"SELECT name FROM pragma_table_xinfo({sql.text(table)}) WHERE hidden <> 1").fetchall()
        names = tuple(name for (name,) in known)
        if not names:
            raise DataError("the database has no such table", where=path, got=repr(table))
        kinds = tuple(frozenset(kind for (kind,) in theirs.execute(
            _select((), table, also=f"DISTINCT {_kind(name)}"))) for name in names)
    return SqliteTable(path, table, names, kinds)


def stream(table: SqliteTable, limits: Limits) -> StreamPlace:
    """The table as a stream that DuckDB reads."""
    return StreamPlace(table.path, table.schema, table, limits)


@contextmanager
def _reading(path: str) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write, whose errors are ours."""
    try:
        with closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)) as ours:
            yield ours
    except sqlite3.Error as error:
        raise DataError("the file cannot be read", where=path, got=str(error), fix="check that it is a SQLite file, whole, "
                        "of UTF-8 text, and not locked by a program that writes to it") from error


def _select(names: Iterable[str], table: str, *, also: str = "") -> str:
    """Columns by the table's name: SQLite takes a quoted name that stands alone and is no column for a text."""
    return f"SELECT {also}{', '.join(f'ours.{sql.name(name)}' for name in names)} FROM {sql.name(table)} AS ours"


def _kind(column: str) -> str:
    """The type of a value; a whole number beyond 2^53 is none of the floats beside it: such a column holds labels."""
    value = f"ours.{sql.name(column)}"
    return (f"CASE WHEN typeof({value}) = 'integer' AND {value} NOT BETWEEN -9007199254740992 AND 9007199254740992 "
            f"THEN 'long' ELSE typeof({value}) END")


def _arrow_type(kinds: frozenset[str]) -> pa.DataType:
    if kinds <= {"integer", "long", "null"}:
        return pa.int64()
    return pa.float64() if kinds <= {"integer", "real", "null"} else pa.string()


def _array(values: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind):
        return pa.array([None if v is None else label(v) for v in values], kind)
    return pa.array([None if v is None else float(v) for v in values] if pa.types.is_floating(kind) else values, kind)
