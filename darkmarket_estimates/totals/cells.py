"""Cells: their keys, their columns, and how columns merge."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from darkmarket_estimates._checks import strings
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.totals.numbers import Numbers

MISSING = "(missing)"
VENDOR = "vendor"
BAND = "price_band"
CAPTURES = "captures"
#: Stands between market and vendor in a vendor's label: a vendor is one within a market.
WITHIN = "\x1f"

#: Columns of the tables of results, which a group must not overwrite.
RESULTS = ("floor", "lower_bound", "upper_bound", "low", "high", "kind", "flags", "n_vendors", "count", "n_eff",
           "top_vendor_share", "undetected", "limit", "share", "rank", "probability")

Merge = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def add(values: np.ndarray, cell: np.ndarray, n: int) -> np.ndarray:
    """Sum over the rows of each of `n` cells."""
    return np.bincount(cell, weights=values, minlength=n)


def largest(values: np.ndarray, cell: np.ndarray, n: int) -> np.ndarray:
    """Largest over the rows of each of `n` cells."""
    out = np.full(n, -np.inf)
    np.maximum.at(out, cell, values)
    return out


#: Every column and how it merges. u = 1 / days of the listing's own exposure where given, else 1.
COLUMNS: Mapping[str, Merge] = {
    "n_listings": add,
    "reviews": add,  # sum u r
    "value": add,  # sum u p r
    "price_sq_reviews": add,  # sum (u p)^2 r
    "rate_sq_reviews": add,  # sum u^2 r: what price_sq_reviews is to value, for orders
    "listing_value_sq": add,  # sum over listings of (u p r)^2
    "max_listing_value": largest,
}


def inverse(order: np.ndarray) -> np.ndarray:
    """The place of each entry in an order of the entries."""
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the cells: codes into a dictionary of labels, which is a tuple or stands for one (`Labels`)."""

    codes: np.ndarray
    labels: tuple[str, ...]

    @classmethod
    def encode(cls, values: Iterable[Any]) -> Key:
        """Codes by sorted label; None and NaN are "(missing)"."""
        texts = [MISSING if v is None or v != v else str(v) for v in values]
        labels = tuple(sorted(set(texts)))
        index = {label: code for code, label in enumerate(labels)}
        return cls(np.fromiter((index[t] for t in texts), dtype=np.int64, count=len(texts)), labels)

    def in_order(self) -> Key:
        """The same key with its labels in the order of their texts, where they are numbers in that of the numbers."""
        order = self.labels.order() if isinstance(self.labels, Numbers) else None
        return self if order is None else Key(inverse(order)[self.codes], self.labels.take(order).as_tuple())

    def take(self) -> np.ndarray:
        """The label of every cell."""
        return np.asarray(self.labels, dtype=object)[self.codes] if self.labels else np.empty(0, dtype=object)


def merge_column(name: str, values: np.ndarray, cell: np.ndarray, n: int) -> np.ndarray:
    """Merge a column over the rows of each of `n` cells, as the registry says; what it does not know are sums."""
    return COLUMNS.get(name, add)(values, cell, n)


def collect(
    keys: Mapping[str, Key], columns: Mapping[str, np.ndarray]
) -> tuple[dict[str, Key], dict[str, np.ndarray]]:
    """Merge rows with equal keys and sort the cells by label, so that row order leaves no trace."""
    n = len(next(iter(columns.values())))
    packed = np.zeros(n, dtype=np.int64)
    size = 1
    for key in keys.values():
        size *= max(len(key.labels), 1)
    if size < 2**62:
        for key in keys.values():
            packed = packed * max(len(key.labels), 1) + key.codes
    else:  # too many possible cells for one integer: pack ranks of the cells that occur
        for key in keys.values():
            packed = np.unique(packed, return_inverse=True)[1] * np.int64(max(len(key.labels), 1)) + key.codes
    cells, cell = _ranks(packed, size)
    if cells == n:  # each row is a cell of its own: they are only put in order
        order = inverse(cell)
        return ({name: Key(key.codes[order], key.labels) for name, key in keys.items()},
                {name: values[order] for name, values in columns.items()})
    first = np.empty(cells, dtype=np.int64)
    first[cell[::-1]] = np.arange(n - 1, -1, -1)
    merged = {name: merge_column(name, values, cell, cells) for name, values in columns.items()}
    return {name: Key(key.codes[first], key.labels) for name, key in keys.items()}, merged


def _ranks(packed: np.ndarray, size: int) -> tuple[int, np.ndarray]:
    """Number of distinct values and the rank of each entry; by counting where that is cheaper than sorting."""
    if size <= 4 * len(packed) + 1024:
        occurs = np.zeros(size, dtype=bool)
        occurs[packed] = True
        return int(occurs.sum()), (np.cumsum(occurs) - 1)[packed]
    distinct, rank = np.unique(packed, return_inverse=True)
    return len(distinct), rank


def recode(key: Key, labels: tuple[str, ...]) -> Key:
    """The same key over another dictionary that holds all its labels."""
    if key.labels == labels:
        return key
    index = {label: code for code, label in enumerate(labels)}
    translate = np.array([index[label] for label in key.labels], dtype=np.int64)
    return Key(translate[key.codes] if len(translate) else key.codes, labels)


def concatenate(a: Key, b: Key, *, ordered: bool) -> Key:
    """One key over the cells of both; labels sorted, or in the order of `a` where that order means something."""
    if ordered or a.labels == b.labels:
        return Key(np.concatenate([a.codes, recode(b, a.labels).codes]), a.labels)
    labels, places = merged(a.labels, b.labels)
    of_a, of_b = places[: len(a.labels)], places[len(a.labels) :]
    return Key(np.concatenate([of_a[a.codes], of_b[b.codes]]), labels)


def merged(a: tuple[str, ...], b: tuple[str, ...]) -> tuple[tuple[str, ...], np.ndarray]:
    """Labels of both, sorted and each once, and the place of each label of `a` and then of `b` among them.

    Python's sort merges two sorted runs in one pass; nothing is hashed, which costs more for a million names.

    Examples
    --------
    >>> merged(("a", "c"), ("b", "c"))
    (('a', 'b', 'c'), array([0, 2, 1, 2]))
    """
    both = (*a, *b)
    order = sorted(range(len(both)), key=both.__getitem__)
    texts = [*map(both.__getitem__, order)]
    new = np.ones(len(texts), dtype=bool)
    new[1:] = np.fromiter(map(operator.ne, texts[1:], texts), dtype=bool, count=max(len(texts) - 1, 0))
    places = np.empty(len(texts), dtype=np.int64)
    places[np.fromiter(order, dtype=np.int64, count=len(order))] = np.cumsum(new) - 1
    return tuple(itertools.compress(texts, new.tolist())), places


def band_labels(edges: Sequence[float]) -> tuple[str, ...]:
    """Labels of the price bands between (and beyond) the edges, cheapest first."""
    if not edges:
        return ()
    text = [f"{e:,.10g}" for e in edges]
    inner = [f"{a} to < {b}" for a, b in itertools.pairwise(text)]
    return (f"< {text[0]}", *inner, f">= {text[-1]}")


def check_by(by: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return the group columns, none of them a reserved name."""
    names = strings(by, "by")
    taken = {VENDOR, BAND, CAPTURES, *COLUMNS, *RESULTS}
    reserved = sorted(taken & set(names))
    if reserved:
        raise DataError(f"{reserved[0]!r} is a name of ours and cannot be a group", fix="rename the column",
                        expected="names other than " + ", ".join(sorted(taken)))
    return names
