"""Totals on disk: one Parquet file with its header and audit."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from darkmarket_estimates.audit import Audit
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.totals.cells import BAND, Key, band_labels, collect, recode
from darkmarket_estimates.totals.header import Detection, Header
from darkmarket_estimates.totals.table import Totals

METADATA = b"darkmarket_estimates"


def write(totals: Totals, target: Path) -> None:
    """Write totals as they are; the file is whole or absent."""
    columns = {f"key:{name}": pa.array(key.take(), pa.string()) for name, key in totals.keys.items()}
    columns |= {name: pa.array(values) for name, values in totals.columns.items()}
    meta = {"header": asdict(totals.header), "audit": totals.audit.to_dicts(), "keys": list(totals.keys)}
    table = pa.table(columns).replace_schema_metadata({METADATA: json.dumps(meta).encode()})
    partial = target.with_name(target.name + ".partial")
    try:
        pq.write_table(table, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def read(path: Path) -> Totals:
    """Read what `write` wrote."""
    try:
        table = pq.read_table(path, memory_map=False)
        meta = json.loads((table.schema.metadata or {})[METADATA])
    except FileNotFoundError:
        raise DataError("no such file", where=str(path)) from None
    except (pa.ArrowInvalid, KeyError, OSError) as error:
        raise DataError("not a file of totals", where=str(path), expected="a file written by Totals.save",
                        got=f"{type(error).__name__}: {error}") from error
    known: dict[str, Any] = {f.name: tuple(v) if isinstance(v, list) else v for f in fields(Header)
                             for v in [meta["header"].get(f.name, f.default)]}
    if known["detection"] is not None:
        known["detection"] = Detection.from_dict(known["detection"])
    header = Header(**known)
    keys = {name: Key.encode(table.column(f"key:{name}").to_pylist()) for name in meta["keys"]}
    if BAND in keys:  # bands go from cheap to dear, not by the alphabet
        keys[BAND] = recode(keys[BAND], band_labels(header.bands))
    columns = {name: table.column(name).to_numpy() for name in table.column_names if not name.startswith("key:")}
    return Totals(header, *collect(keys, columns), Audit.from_dicts(meta["audit"]))
