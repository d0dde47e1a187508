"""Labels as codes: any column that names things becomes whole numbers, in the order of their texts."""

from __future__ import annotations

import bisect
import datetime as dt
import decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from darkmarket_estimates.engines.kernels import ranks
from darkmarket_estimates.engines.text_order import text_order
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.totals import MISSING, Key
from darkmarket_estimates.totals.cells import inverse
from darkmarket_estimates.totals.labels import Texts
from darkmarket_estimates.totals.numbers import Numbers

#: From so many rows on it pays to look whether text is sorted, and from so many labels on to make none.
_WORTH = 1_000


def encode(values: pa.ChunkedArray, column: str) -> Key:
    """The values of a column as codes by sorted text, or by rising number; null and NaN are "(missing)", 2014.0 is "2014"."""
    if (quick := _sorted_key(values) or _counted_key(values)) is not None:
        return quick
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    try:
        encoded = pc.dictionary_encode(values).combine_chunks()
    except pa.ArrowNotImplementedError:
        raise DataError("the column cannot label anything", where=f"column {column!r}", got=f"type {values.type}",
                        expected="text, numbers, days or truth values") from None
    if isinstance(encoded, pa.ChunkedArray):  # an empty table has no chunk to combine
        return Key(np.empty(0, dtype=np.int64), ())
    indices = encoded.indices
    codes = (pc.fill_null(indices, -1) if indices.null_count else indices).to_numpy(zero_copy_only=False)
    labels, rank = _sorted_labels(encoded.dictionary)
    if MISSING in labels:
        raise DataError(f"{MISSING!r} is the name of the group without a label", where=f"column {column!r}",
                        fix="rename that label")
    if indices.null_count:
        at = bisect.bisect_left(labels, MISSING)
        labels = (*labels[:at], MISSING, *labels[at:])
        rank = np.append(rank + (rank >= at), at)  # the code -1 of a missing label picks the last entry
    return Key(rank[codes], labels)


def distinct(values: pa.ChunkedArray) -> tuple[np.ndarray, int] | None:
    """Codes of the distinct texts or whole numbers of a column, in no order, and how many there are.

    No label is made, which takes most of the time of `encode` where each row is a listing. None where a label is missing,
    and for other types, of which two values can be one label.
    """
    if values.null_count or not (is_text(values.type) or pa.types.is_integer(values.type)):
        return None
    if (starts := _sorted_starts(values)) is not None:
        missing = pc.index(values, MISSING).as_py()
        return (np.cumsum(starts) - 1, int(starts.sum())) if missing < 0 else None
    if (quick := _counted_key(values)) is not None:
        return quick.codes, len(quick.labels)
    encoded = pc.dictionary_encode(values).combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):  # an empty table has no chunk to combine
        return np.empty(0, dtype=np.int64), 0
    if is_text(values.type) and pc.index(encoded.dictionary, MISSING).as_py() >= 0:
        return None
    return encoded.indices.to_numpy().astype(np.int64), len(encoded.dictionary)


def label(value: Any) -> str:
    """Text of a label, the same from every engine: 2014.0 is "2014", days are ISO, decimals end in no 0, zones are UTC."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, decimal.Decimal):
        text = f"{value:f}"  # normalize() would round to 28 digits and merge long ids
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, dt.datetime):
        if value.tzinfo is not None:  # one instant is one label, whatever zone the engine shows it in
            return value.astimezone(dt.UTC).isoformat()
        return value.date().isoformat() if value.time() == dt.time(0) else value.isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    return str(value)


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is text."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _labels(texts: pa.Array, order: np.ndarray) -> tuple[str, ...]:
    """Texts in an order as labels: names of few groups are read, those of many vendors hardly ever."""
    labels = Texts(texts, order)
    return labels.as_tuple() if len(order) >= _WORTH else labels.texts


def _sorted_labels(values: pa.Array) -> tuple[tuple[str, ...], np.ndarray]:
    """The distinct texts of distinct values, sorted by code point, and the rank of each value among them."""
    if pa.types.is_integer(values.type):
        values = values.cast(pa.string())
    if is_text(values.type):
        order = text_order(values)
        return _labels(values, order), inverse(order)
    texts = [label(v) for v in values.to_pylist()]
    labels = tuple(sorted(set(texts)))
    index = {text: code for code, text in enumerate(labels)}
    return labels, np.array([index[t] for t in texts], dtype=np.int64)


def _sorted_starts(values: pa.ChunkedArray) -> np.ndarray | None:
    """Where each label begins in text that is sorted as it stands, which needs no dictionary; None where it is not."""
    if not is_text(values.type) or len(values) < _WORTH or values.null_count or values.num_chunks != 1:
        return None
    text = values.chunk(0)
    for rows in (_WORTH, len(text)):  # most tables that are not sorted show it at once
        first, second = text[:rows - 1], text[1:rows]
        if not pc.all(pc.less_equal(first, second)).as_py():
            return None
    return np.concatenate([[True], np.asarray(pc.not_equal(first, second))])


def _sorted_key(values: pa.ChunkedArray) -> Key | None:
    """Codes of text that is sorted as it stands; None where it is not."""
    if (starts := _sorted_starts(values)) is None:
        return None
    labels = values.chunk(0).filter(pa.array(starts))
    labels = _labels(labels, np.arange(len(labels)))
    return Key(np.cumsum(starts) - 1, labels) if MISSING not in labels else None  # refused below


def _counted_key(values: pa.ChunkedArray) -> Key | None:
    """Codes of whole numbers in a range so narrow that they can be counted; None where it is not."""
    if not pa.types.is_signed_integer(values.type) or len(values) < _WORTH or values.null_count:
        return None
    numbers = values.to_numpy()
    low, high = int(numbers.min()), int(numbers.max())
    if high - low > len(numbers):
        return None
    numbers = numbers.astype(np.int64, copy=False)
    distinct, codes = ranks(numbers - low if low else numbers, high - low + 1)
    if low < 0 or high >= 10**18:
        labels, rank = _sorted_labels(pa.array(distinct + low))
        return Key(rank[codes], labels)
    return Key(codes, Numbers(distinct + low).as_tuple())
