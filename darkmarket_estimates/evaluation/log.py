"""Finished runs on disk: a line of headers, then a line a run, only ever appended to."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from darkmarket_estimates._checks import label, shown
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.evaluation.job import COLUMNS, NUMBERS

FORMAT = "darkmarket_estimates benchmark 1"
#: Of whole numbers that are written in digits: beyond them no float holds one either.
MOST_BITS = 1024


def described(x: Any) -> Any:
    """Return what can be said of an option as JSON holds it: names of functions, no addresses in memory."""
    if isinstance(x, Mapping):
        return {label(k): described(v) for k, v in x.items()}
    if hasattr(x, "dist") and hasattr(x, "kwds"):  # a frozen scipy.stats distribution
        return f"{x.dist.name}{x.args}{x.kwds or ''}"
    if callable(x) and hasattr(x, "__qualname__"):
        return f"{x.__module__}.{x.__qualname__}"
    if isinstance(x, int) and x.bit_length() > MOST_BITS:
        return shown(x)
    return x if x is None or isinstance(x, int | float | str) else re.sub(r" at 0x[0-9a-fA-F]+", "", shown(x))


def as_path(path: Any) -> Path:
    """Return the path of a file."""
    if not isinstance(path, str | Path) or not str(path):
        raise DataError("this is no path of a file", expected="text or a pathlib.Path", got=shown(path))
    return Path(path)


def read(path: Path) -> tuple[dict[str, Any], list[list[dict[str, Any]]], int]:
    """Return the first line, the finished runs, and the bytes that hold whole lines."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise DataError("the file of runs cannot be read", where=str(path), got=str(error)) from error
    whole = [line for line in lines if line.endswith(b"\n")]
    try:
        first, *runs = [json.loads(line) for line in whole]
        known = first["format"] == FORMAT and all("scenario" in header for header in first["headers"])
        if not known or not first["headers"] or any(set(row) != set(COLUMNS) for rows in runs for row in rows):
            raise ValueError(first["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError("this is no file of benchmark runs", where=str(path), expected=f"lines of JSON, {FORMAT!r}",
                        got=f"{type(error).__name__}: {error}", fix="name a new file") from error
    for row in (row for rows in runs for row in rows):
        row.update({name: math.nan for name in NUMBERS if row[name] is None})
    return first, runs, sum(map(len, whole))


def write(path: Path, first: Mapping[str, Any], runs: Iterable[list[dict[str, Any]]]) -> None:
    """Write a whole file."""
    try:
        path.write_text("".join([_line({"format": FORMAT, **first}), *map(_line, runs)]), encoding="utf-8")
    except OSError as error:
        raise DataError("the file of runs cannot be written", where=str(path), got=str(error),
                        fix="name a file in a folder that is there") from error


def resume(path: Path, header: Mapping[str, Any]) -> dict[int, list[dict[str, Any]]]:
    """Return the runs that are finished by number; start the file where there is none, cut off a torn last line.

    Raises
    ------
    DataError
        The file is of another benchmark: the field that differs is named.
    """
    if path.is_dir():
        raise DataError("path= names a folder", where=str(path), expected="a file for the finished runs", fix="name a file in it")
    start = path.read_bytes()[:1024] if path.exists() else b""
    if not start or (start.startswith(b'{"format"') and b"\n" not in path.read_bytes()):  # stopped in the first line
        write(path, {"headers": [header]}, ())
        return {}
    first, runs, size = read(path)
    wanted = json.loads(_line(dict(header)))
    found = first["headers"][0]
    for field in {**wanted, **found}:
        if len(first["headers"]) > 1 or found.get(field) != wanted.get(field):
            raise DataError(f"the file holds runs of another benchmark: its {field} differs", where=str(path),
                            expected=str(wanted.get(field)), got=str(found.get(field)), fix="name a new file")
    with path.open("r+b") as file:
        file.truncate(size)
    return {rows[0]["run"]: rows for rows in runs}


def append(path: Path, rows: list[dict[str, Any]]) -> None:
    """Add one finished run."""
    with path.open("a", encoding="utf-8") as file:
        file.write(_line(rows))


def _line(x: Any) -> str:
    """One line of JSON; NaN becomes null."""
    rows = [{k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()} for row in x] \
        if isinstance(x, list) else x
    return json.dumps(rows) + "\n"
