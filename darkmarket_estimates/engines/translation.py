"""What DuckDB says, in our words."""

from __future__ import annotations

import itertools

from darkmarket_estimates.errors import DataError

#: What is no file, in errors.
RELATION, LAZYFRAME = "the relation", "the LazyFrame"
#: Where DuckDB's errors turn to its own options.
_ADVICE = ("Possible", "Potential", "If you are trying", "This limit was set")
#: What DuckDB says, in small letters, and what can be done; the first that is found.
_WAYS_OUT = {
    "not utf-8": 'save it as UTF-8, or pass the frame: pandas.read_csv(path, encoding="latin-1")',
    "requires the extension": "nothing is fetched from elsewhere: save a copy here and pass its path",
    "already attached": 'it is open in this process: pass connection.table("listings"), or close it',
    "permission denied": "ask for the right to read it, or pass a copy",
    "set lock": "close it where it is open, or pass a copy",
    "version number": "another DuckDB wrote it: install that one, or let it write Parquet and pass the path",
    "sqlite_scanner": "it is a SQLite file: let its name end in .sqlite",
    "table with name": "table= is the name of a table in it",
    "schema mismatch": "give all files the same columns",
    "failed to cast": "give a column one type in all files",
    "hive partition mismatch": "put all files into folders of the same names (market=.../year=...), or none",
    "csv parsing dialect": "give each line as many values as the header, and all lines the same ending",
    "csv error": "mend that line: each has as many values as the header",
    "no files found": "check the path: a relative one starts at the working folder",
    "": "check the path, and that the file is whole",
}


def translated(error: BaseException, where: str) -> BaseException:
    """An error of DuckDB in our words; any other as it is."""
    import duckdb

    if not isinstance(error, duckdb.Error | OSError):
        return error
    told = _told(str(error))
    if isinstance(error, duckdb.OutOfMemoryException):
        return DataError("memory and temp folder are too small for this table", where=where, got=told,
                         expected="room for the groups that were asked for",
                         fix="raise memory_limit=, or let TMPDIR name a folder with more room")
    if where == RELATION:
        return DataError("DuckDB cannot read the relation", got=told)
    if where == LAZYFRAME:
        return DataError("polars cannot read the frame", got=told, fix="collect() it to see why")
    return DataError("the file cannot be read", where=where, got=told,
                     fix=next(fix for words, fix in _WAYS_OUT.items() if words in told.lower()))


def _told(message: str) -> str:
    """What DuckDB found, without its settings and the advice to skip what is wrong."""
    found = itertools.takewhile(lambda line: line.strip() and not line.startswith(_ADVICE), message.splitlines())
    return "; ".join(line[:200] for line in itertools.islice(found, 6))
