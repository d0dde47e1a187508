"""Reviews and sales of vendors as a caller gives them: columns of a frame or of a mapping, a vendor a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from darkmarket_estimates._checks import float_array, is_number, label, same_length, shown
from darkmarket_estimates.errors import DataError, NotIdentifiedError

#: Numbers that name a market; NaN is none of them.
MOST = 1e300


def read(counts: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Names of markets, reviews, sales, and money of the sales (the sales themselves where none is given).

    Returns
    -------
    market, reviews, sales, value : arrays of shape (vendors,)

    Raises
    ------
    DataError
        A column is missing or holds no numbers, lengths differ, a market has no name.
    NotIdentifiedError
        No vendors.

    Examples
    --------
    >>> [column.tolist() for column in read({"reviews": [4, 9], "sales": [10, 20]})]
    [['market', 'market'], [4.0, 9.0], [10.0, 20.0], [10.0, 20.0]]
    """
    columns = _columns(counts)
    r, s = float_array(columns["reviews"], "reviews", low=0), float_array(columns["sales"], "sales", low=0)
    money = s if columns.get("value") is None else float_array(columns["value"], "value", low=0)
    labels = _labels(columns.get("market", np.full(len(r), "market")))
    if same_length(reviews=r, sales=s, value=money, market=labels) == 0:
        raise NotIdentifiedError("there is no vendor to learn a review share from", expected="two vendors or more",
                                 got="no rows")
    return labels, r, s, money


def _columns(counts: Any) -> Mapping[str, Any]:
    try:
        names = list(counts.keys())
        columns = {name: counts[name] for name in ("market", "reviews", "sales", "value") if name in names}
    except (AttributeError, TypeError, KeyError) as error:
        raise DataError("counts of vendors are expected", got=type(counts).__name__,
                        expected="a frame or mapping: reviews, sales (a vendor a row); market, value where known") from error
    missing = [name for name in ("reviews", "sales") if name not in columns]
    if missing:
        raise DataError("a counter is missing", expected="columns reviews and sales", got=", ".join(map(label, names)),
                        fix="rename the columns; only markets that print both counters can calibrate")
    return columns


def _labels(x: Any) -> np.ndarray:
    """Names of the vendors' markets, as text; vendors without one would be a market of their own."""
    labels = np.asarray(x, dtype=object)  # else a missing name among text would become the text "nan"
    if labels.ndim != 1:
        raise DataError("market has the wrong shape", expected="a name a vendor", got=f"shape {labels.shape}")
    bad = np.array([not (isinstance(x, str) or (is_number(x) and abs(x) <= MOST)) for x in labels], dtype=bool)
    if bad.any():
        at = int(bad.argmax())
        raise DataError(f"market has no name for {int(bad.sum()):,} vendor(s)", where=f"row {at}", got=shown(labels[at]),
                        expected="a name a vendor, in text or a number", fix="name it, or leave those vendors out")
    return labels.astype(str)
