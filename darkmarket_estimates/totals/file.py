"""Totals on disk: one Parquet file with its header and audit."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from darkmarket_estimates._checks import kind
from darkmarket_estimates.audit import Audit
from darkmarket_estimates.errors import AssumptionError, DataError
from darkmarket_estimates.totals.cells import BAND, COLUMNS, Key, band_labels, collect, recode
from darkmarket_estimates.totals.header import Detection, Header
from darkmarket_estimates.totals.table import Totals

METADATA = b"darkmarket_estimates"
#: Names that promise another kind of file.
OTHERS = (".csv", ".tsv", ".txt", ".json", ".xlsx", ".xls", ".feather", ".pkl")


def write(totals: Totals, path: str | Path) -> None:
    """Write totals as they are; the file is whole or absent.

    Raises
    ------
    DataError
        The file cannot be written there, or its name is that of another kind.
    """
    target = _path(path)
    if target.suffix.lower() in OTHERS:
        raise DataError("totals are saved as Parquet, and this is the name of another kind of file", got=repr(str(path)),
                        expected="totals.parquet, say", fix="totals.to_frame().to_csv(path) for a table of the groups")
    try:
        partial = target.with_name(target.name + ".partial")
        try:
            pq.write_table(to_arrow(totals), partial)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except (OSError, ValueError) as error:  # a path without a name is a ValueError
        raise DataError("the totals cannot be written", where=str(target), got=str(error),
                        fix="name a file in a folder that is there") from error


def read(path: str | Path) -> Totals:
    """Read what `write` wrote.

    Raises
    ------
    DataError
        No such file; one that something else wrote, or changed.
    """
    try:
        table = pq.read_table(_path(path), memory_map=False)
        meta = json.loads((table.schema.metadata or {})[METADATA])
        totals = _from_arrow(table, meta)
    except FileNotFoundError:
        raise DataError("no such file", where=str(path)) from None
    except DataError:
        raise
    except (pa.ArrowException, KeyError, TypeError, ValueError, OSError) as error:
        raise DataError("not a file of totals", where=str(path), expected="a file written by Totals.save",
                        got=f"{type(error).__name__}: {error}") from error
    for name in COLUMNS:
        values = totals.columns.get(name)
        if values is None or values.dtype != np.float64 or np.isnan(values).any():
            raise DataError("not a file of totals", where=f"{path}, column {name!r}", expected="sums, none of them missing",
                            got="no such column" if values is None else f"a column of {values.dtype}")
    return totals


def _path(path: str | Path) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise AssumptionError("path is no path", expected="text, or a pathlib.Path", got=kind(path))
    return Path(path)


def pack(totals: Totals, **more: Any) -> bytes:
    """Totals and what goes with them as bytes, for another process: Arrow and JSON, no code."""
    table = to_arrow(totals, **more)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


def unpack(packed: bytes) -> tuple[Totals, dict[str, Any]]:
    """The inverse of `pack`: the totals, and what goes with them."""
    with pa.ipc.open_stream(pa.py_buffer(packed)) as stream:
        table = stream.read_all()
    meta = json.loads(table.schema.metadata[METADATA])
    return _from_arrow(table, meta), meta["more"]


def to_arrow(totals: Totals, **more: Any) -> pa.Table:
    """One row a cell; the header, the audit and `more` in the metadata."""
    columns = {f"key:{name}": _dictionary(key) for name, key in totals.keys.items()}
    columns |= {name: pa.array(values) for name, values in totals.columns.items()}
    meta = {"header": asdict(totals.header), "audit": totals.audit.to_dicts(), "keys": list(totals.keys), "more": more}
    return pa.table(columns).replace_schema_metadata({METADATA: json.dumps(meta).encode()})


def _from_arrow(table: pa.Table, meta: dict[str, Any]) -> Totals:
    known: dict[str, Any] = {f.name: tuple(v) if isinstance(v, list) else v for f in fields(Header)
                             for v in [meta["header"].get(f.name, f.default)]}
    if known["detection"] is not None:
        known["detection"] = Detection.from_dict(known["detection"])
    header = Header(**known)
    keys = {name: _key(table.column(f"key:{name}")) for name in meta["keys"]}
    if BAND in keys:  # bands go from cheap to dear, not by the alphabet
        keys[BAND] = recode(keys[BAND], band_labels(header.bands))
    columns = {name: table.column(name).to_numpy() for name in table.column_names if not name.startswith("key:")}
    return Totals(header, *collect(keys, columns), Audit.from_dicts(meta["audit"]))


def _dictionary(key: Key) -> pa.Array:
    """Codes and the labels that occur: a label of which no row was kept is not written."""
    used, codes = np.unique(key.codes, return_inverse=True)
    labels = np.asarray(key.labels, dtype=object)[used].tolist()
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(labels, pa.string()))


def _key(column: pa.ChunkedArray) -> Key:
    column = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    whole = column.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):  # without cells there is no chunk
        return Key(np.empty(0, dtype=np.int64), ())
    labels = Key.encode(whole.dictionary.to_pylist())
    return Key(labels.codes[whole.indices.to_numpy()], labels.labels)
