"""Which files a path means: one, those of a glob, or those of a folder."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from darkmarket_estimates.errors import DataError, NotSupportedError

CSV, PARQUET = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".csv.zst", ".tsv.zst"), (".parquet", ".pq")
DUCKDB, SQLITE = (".duckdb", ".ddb"), (".sqlite", ".sqlite3", ".db")
_HIDDEN = (".", "_")
#: Folders in which a table keeps books on its files: some of them hold rows that are gone.
_BOOKS = {"_delta_log": "Delta", ".hoodie": "Hudi"}


def is_folder(path: str) -> bool:
    """Whether a path leads to a folder.

    Raises
    ------
    DataError
        The system cannot look: the name is too long, or a folder is closed.
    """
    try:
        return Path(path).is_dir()
    except PermissionError as error:
        raise _closed(path) from error
    except (OSError, ValueError) as error:
        raise DataError("the path cannot be read", where=path[:80], expected="a file, a folder or a glob",
                        got=f"{len(path):,} characters", fix="shorten it") from error


def matched(path: str) -> tuple[str, ...]:
    """The file, or the files of a glob in the order of their names; none where nothing is there."""
    found = [path] if os.path.isfile(path) else sorted(glob.glob(path, recursive=True))
    return tuple(file for file in found if not os.path.isdir(file))


def in_folder(path: str) -> tuple[tuple[str, ...], str]:
    """The files of a folder in the order of their names, and the kind that all of them have.

    Names that begin with a dot or an underscore are none of the table's, as everywhere, but for folders such as _day=1:
    they are copies of editors, half-written files of clusters. DuckDB would count their rows.

    Raises
    ------
    DataError
        No file of a known kind, or files of two kinds; a folder that is closed.
    NotSupportedError
        A folder whose files only its books explain.
    """
    def refuse(error: OSError) -> None:
        raise _closed(str(error.filename)) from error

    files, seen = list[str](), set[str]()
    for folder, folders, names in os.walk(path, onerror=refuse, followlinks=True):
        if (real := os.path.realpath(folder)) in seen:  # a link that leads in a circle, or to rows that are counted
            folders[:] = names[:] = []
        seen.add(real)
        if books := _BOOKS.keys() & set(folders):
            kind = _BOOKS[books.pop()]
            raise NotSupportedError(f"the folder is a {kind} table", where=folder, expected="files that are the table",
                                    got="files of which some hold rows that are gone",
                                    fix=f"read it with a library for {kind}, and pass the frame")
        folders[:] = [name for name in folders if "=" in name or not name.startswith(_HIDDEN)]
        files += [os.path.join(folder, name) for name in names if not name.startswith(_HIDDEN)]
    kinds = sorted({kind for kind in (*CSV, *PARQUET) for name in files if name.lower().endswith(kind)})
    if len(kinds) != 1:
        raise DataError("the folder cannot be read as one table", where=path, got=", ".join(kinds) or "no such file",
                        expected="files of one kind: " + ", ".join((*CSV, *PARQUET)), fix="pass a glob")
    return tuple(sorted(name for name in files if name.lower().endswith(kinds[0]))), kinds[0]


def size(path: str) -> int:
    """Bytes behind a path, a glob or a folder; compressed text counts for what it unpacks to, about."""
    found = in_folder(path)[0] if is_folder(path) else matched(path)
    return sum(os.path.getsize(file) * (8 if file.lower().endswith((".gz", ".zst")) else 1)
               for file in found if os.path.exists(file))  # a link to nothing is refused by who reads it


def _closed(path: str) -> DataError:
    return DataError("the path cannot be read", where=path, expected="a file, a folder or a glob", got="permission denied",
                     fix="ask for the right to read it, or pass a copy")
