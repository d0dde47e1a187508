"""What files call their columns, where DuckDB renames, replaces or fills them without a word."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from darkmarket_estimates.engines import sql
from darkmarket_estimates.engines.duckdb import OwnSession
from darkmarket_estimates.engines.plan import empty

#: How CSV files are read. Nothing is guessed but the separator. A sample tells neither a quote that first comes late nor a
#: type, and what it takes for a preamble or for comments may be rows: two files joined, ids such as #12
CSV = """all_varchar = true, quote = '"', escape = '"', skip = 0, comment = '', strict_mode = true"""
_SEPARATORS = ",;|\t"


def named(ours: Sequence[str], theirs: Sequence[str], notes: Mapping[str, str], folders: Sequence[str]) -> list[str]:
    """The columns of an answer by the names that the files have for them.

    Parameters
    ----------
    ours : sequence of str
        DuckDB's names: of two columns with one name, it renames the second.
    theirs : sequence of str
        Names in the first file.
    notes : mapping of str to str
        Why a column cannot be read, which becomes part of its name; in small letters.
    folders : sequence of str
        Names of folders, in small letters: DuckDB puts them in the place of a column of the files.

    Returns
    -------
    list of str
        As many as `ours`, and behind them again those that a folder replaced.
    """
    found = [name if theirs.count(name) > 1 and own.startswith(f"{name}_") else own for own, name in zip(ours, theirs)]
    found += ours[len(found):]
    found = [f"{name} ({notes[name.lower()]})" if name.lower() in notes else name for name in found]
    return found + [name for name in theirs if name.lower() in folders]


def of_csv(session: OwnSession, files: Sequence[str]) -> list[str]:
    """Names in the first line of the first file.

    Raises
    ------
    DataError
        The only file is empty; its lines differ in their number of values, and no separator was found.
    """
    path = sql.text(glob.escape(files[0]))
    first = session.fetch(f"SELECT * FROM read_csv({path}, header = false, hive_partitioning = false, {CSV}) "
                          "LIMIT 1").to_pylist()
    if not first:
        if len(files) == 1:
            raise empty()
        return []
    names = [name or "" for name in first[0].values()]
    separator = next((s for s in _SEPARATORS if s in names[0]), None)
    if len(names) == 1 and separator is not None:
        columns = ", ".join(f"{sql.text(f'{i} {name}')}: 'VARCHAR'" for i, name in enumerate(names[0].split(separator)))
        session.fetch(f"SELECT count(*) FROM read_csv({path}, header = true, auto_detect = false, delim = {sql.text(separator)}, "
                      f"columns = {{{columns}}}, {CSV})")  # tells the line
    return names


def of_parquet(files: Sequence[str], ours: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Names in the first file, and which columns are not the same in all, in small letters.

    DuckDB fills a column that a file lacks with nothing, and makes text of numbers where another file has text.
    """
    try:
        schemas = [("/".join(Path(path).parts[-2:]), pq.read_schema(path)) for path in files]
    except (pa.ArrowException, OSError):  # DuckDB reads them
        return list(ours), {}
    kinds: dict[str, dict[str, str]] = {}
    for path, schema in schemas:
        for name, kind in zip(schema.names, map(_kind, schema.types)):
            kinds.setdefault(name.lower(), {}).setdefault(kind, path)
    notes = {name: ", ".join(f"{kind} in {path}" for kind, path in theirs.items() if kind != "nothing")
             for name, theirs in kinds.items() if len(theirs.keys() - {"nothing"}) > 1}
    for path, schema in schemas:
        notes |= dict.fromkeys(kinds.keys() - {name.lower() for name in schema.names}, f"not in {path}")
    return schemas[0][1].names, notes


def _kind(kind: pa.DataType) -> str:
    """What the values of a type are; those of one kind are told apart by no more than their range and precision."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "numbers"
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return "instants of a zone" if getattr(kind, "tz", None) else "days"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "text"
    return "nothing" if pa.types.is_null(kind) else str(kind)


def of_folders(path: str) -> list[str]:
    """Names of the folders of a file that have a value (market=Hansa), in small letters."""
    return [part.partition("=")[0].lower() for part in Path(path).parts[:-1] if "=" in part]
