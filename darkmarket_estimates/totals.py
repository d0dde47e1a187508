"""Totals: the sufficient statistics of a listing table. Small, mergeable, and ignorant of where they came from."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from darkmarket_estimates._checks import float_array, same_length, strings
from darkmarket_estimates.audit import Audit
from darkmarket_estimates.errors import DataError, NotIdentifiedError

if TYPE_CHECKING:
    import pandas as pd

MISSING = "(missing)"
VENDOR = "vendor"
BAND = "price_band"
CAPTURES = "captures"
#: Stands between market and vendor in a vendor's label: a vendor is one within a market.
WITHIN = "\x1f"

Merge = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def _sum(values: np.ndarray, cell: np.ndarray, n: int) -> np.ndarray:
    return np.bincount(cell, weights=values, minlength=n)


def _max(values: np.ndarray, cell: np.ndarray, n: int) -> np.ndarray:
    out = np.full(n, -np.inf)
    np.maximum.at(out, cell, values)
    return out


#: Every column and how it merges. u = 1 / days of the listing's own exposure where given, else 1.
COLUMNS: Mapping[str, Merge] = {
    "n_listings": _sum,
    "reviews": _sum,  # sum u r
    "value": _sum,  # sum u p r
    "price_sq_reviews": _sum,  # sum (u p)^2 r
    "rate_sq_reviews": _sum,  # sum u^2 r: what price_sq_reviews is to value, for orders
    "listing_value_sq": _sum,  # sum over listings of (u p r)^2
    "max_listing_value": _max,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What every number of a `Totals` is a number of.

    Attributes
    ----------
    currency : str
        Of every value.
    counted : {"reviews", "sold"}
        Reviews left by buyers, or sales that the market itself prints (no review share is needed then).
    window : (str, str) or None
        First day and the day after the last, as ISO dates.
    per_day : bool
        Whether counts were divided by the listing's own days: values are rates a day.
    markets : tuple of str
        Empty where the table names none.
    by : tuple of str
        Group columns.
    bands : tuple of float
        Edges of the price bands.
    occasions : int or None
        Number of scrapes behind `captures`.
    conversions : tuple of str
        Every currency conversion that was applied, in words.
    vendor_ids : str
        "names", "keyed:<fingerprint>" or "anonymous:<token>": which vendor ids can be compared with which.
    flags : tuple of str
        What is odd in the table (see `HoldingPriceWarning`).
    version : str
        Of the library that made the totals.
    """

    currency: str
    counted: str = "reviews"
    window: tuple[str, str] | None = None
    per_day: bool = False
    markets: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    bands: tuple[float, ...] = ()
    occasions: int | None = None
    conversions: tuple[str, ...] = ()
    vendor_ids: str = "names"
    flags: tuple[str, ...] = ()
    version: str = ""

    @property
    def days(self) -> float | None:
        """Days that the values cover: 1 for daily rates, the window's length, or None where neither is known."""
        if self.per_day:
            return 1.0
        if self.window is None:
            return None
        start, end = (np.datetime64(day, "D") for day in self.window)
        return float((end - start) / np.timedelta64(1, "D"))


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the cells: codes into a dictionary of labels."""

    codes: np.ndarray
    labels: tuple[str, ...]

    @classmethod
    def encode(cls, values: Iterable[Any]) -> Key:
        """Codes by sorted label; None and NaN are "(missing)"."""
        texts = [MISSING if v is None or v != v else str(v) for v in values]
        labels = tuple(sorted(set(texts)))
        index = {label: code for code, label in enumerate(labels)}
        return cls(np.fromiter((index[t] for t in texts), dtype=np.int64, count=len(texts)), labels)

    def take(self) -> np.ndarray:
        """The label of every cell."""
        return np.asarray(self.labels, dtype=object)[self.codes] if self.labels else np.empty(0, dtype=object)


@dataclass(frozen=True, slots=True, eq=False)
class Totals:
    """Sums by group and vendor, what they are sums of, and what happened before.

    Made by `Listings.totals`, by `Totals.from_cells`, by adding parts, or by `Totals.load`.

    Attributes
    ----------
    header : Header
    keys : mapping of name to Key
        Group columns in the order of ``header.by``, then price band and captures where asked for, then "vendor".
    columns : mapping of name to array of shape (n_cells,)
        See `COLUMNS`; only cells that occur.
    audit : Audit
    """

    header: Header
    keys: Mapping[str, Key]
    columns: Mapping[str, np.ndarray]
    audit: Audit = field(default_factory=Audit)

    @classmethod
    def from_cells(
        cls,
        *,
        vendor: Sequence[Any],
        value: Any,
        reviews: Any,
        price_sq_reviews: Any = None,
        groups: Mapping[str, Sequence[Any]] | None = None,
        currency: str,
        n_listings: Any = None,
        **header: Any,
    ) -> Totals:
        """Totals by hand, one entry a cell.

        Parameters
        ----------
        vendor : sequence of shape (n_cells,)
            Vendor of each cell.
        value, reviews : array_like of shape (n_cells,)
            Sum of price x reviews, and reviews.
        price_sq_reviews : array_like of shape (n_cells,), optional
            Sum of price^2 x reviews; by default as if every cell had one price.
        groups : mapping of name to sequence of shape (n_cells,), optional
        currency : str
        n_listings : array_like of shape (n_cells,), optional
            1 by default. Single listings are not known here, so none can be suspected of a holding price.
        **header
            Further fields of `Header`.

        Raises
        ------
        DataError
            Lengths differ; negative or non-finite sums; money without reviews.

        Examples
        --------
        >>> totals = Totals.from_cells(vendor=["a", "b"], value=[100.0, 50.0], reviews=[4, 1], currency="USD")
        >>> totals.n_vendors, totals.sum("value")
        (2, 150.0)
        """
        y, r = float_array(value, "value", low=0), float_array(reviews, "reviews", low=0)
        same_length(value=y, reviews=r, vendor=np.empty(len(vendor)))
        if ((y > 0) & (r == 0)).any():
            at = int(np.argmax((y > 0) & (r == 0)))
            raise DataError("a cell has money without reviews", where=f"entry {at}", expected="reviews > 0",
                            got=f"value {y[at]:g}, reviews 0")
        one_price = np.divide(y * y, r, out=np.zeros_like(y), where=r > 0)
        q = one_price if price_sq_reviews is None else float_array(price_sq_reviews, "price_sq_reviews", low=0)
        n = np.ones_like(y) if n_listings is None else float_array(n_listings, "n_listings", low=0)
        keys = {name: Key.encode(labels) for name, labels in (groups or {}).items()}
        keys[VENDOR] = Key.encode(vendor)
        same_length(value=y, price_sq_reviews=q, n_listings=n, **{k: v.codes for k, v in keys.items()})
        columns = {"n_listings": n, "reviews": r, "value": y, "price_sq_reviews": q, "rate_sq_reviews": r,
                   "listing_value_sq": y * y, "max_listing_value": np.zeros_like(y)}
        return cls(Header(currency=currency, by=tuple(groups or ()), **header), *collect(keys, columns))

    # -- reading ----------------------------------------------------------------------------------------------------

    @property
    def by(self) -> tuple[str, ...]:
        """Every key but the vendor."""
        return tuple(name for name in self.keys if name != VENDOR)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.columns["value"])

    @property
    def n_vendors(self) -> int:
        """Number of vendors with a row in the table, with or without reviews."""
        return len(np.unique(self.keys[VENDOR].codes))

    def sum(self, column: str) -> float:
        """Sum of a column over all cells."""
        return float(self.columns[column].sum())

    def require_key(self, column: str) -> Key:
        """Return a group key, else raise `NotIdentifiedError` with the call that makes it."""
        if column not in self.by:
            asked = ", ".join(repr(c) for c in (*self.header.by, column))
            raise NotIdentifiedError(f"the totals are not grouped by {column!r}", got=f"by={list(self.by)}",
                                     fix=f"listings.totals(by=[{asked}])")
        return self.keys[column]

    def to_frame(self, *, vendors: bool = False, names: bool = False) -> pd.DataFrame:
        """One row a group, or a group and vendor.

        Parameters
        ----------
        vendors : bool
            One row a cell. Vendors are shown as ranks by value ("vendor 1") unless `names`.
        names : bool
            Show vendor labels as they are in the table: pseudonyms of people.
        """
        import pandas as pd

        frame = pd.DataFrame({name: self.keys[name].take() for name in self.by})
        if vendors:
            key = self.keys[VENDOR]
            if names:
                frame[VENDOR] = [label.replace(WITHIN, " / ") for label in key.take()]
            else:
                worth = np.bincount(key.codes, weights=self.columns["value"], minlength=len(key.labels))
                rank = np.empty(len(worth), dtype=np.int64)
                rank[np.argsort(-worth, kind="stable")] = np.arange(1, len(worth) + 1)
                frame[VENDOR] = [f"vendor {r}" for r in rank[key.codes]]
        for name, values in self.columns.items():
            frame[name] = values
        if vendors:
            return frame
        if not self.by:
            return pd.DataFrame({name: merge_column(name, values, np.zeros(self.n_cells, dtype=np.int64), 1)
                                 for name, values in self.columns.items()})
        how = {name: "sum" if COLUMNS[name] is _sum else "max" for name in self.columns}
        return frame.groupby(list(self.by), sort=True).agg(how).reset_index()

    def __repr__(self) -> str:
        h = self.header
        window = f", {h.window[0]} to {h.window[1]}" if h.window else ""
        return (f"Totals({h.currency} {self.sum('value'):,.0f}{' a day' if h.per_day else ''} from "
                f"{self.sum('reviews'):,.10g} {h.counted} of {self.n_vendors:,} vendors"
                f"{', by ' + ', '.join(self.by) if self.by else ''}{window})")

    # -- merging ----------------------------------------------------------------------------------------------------

    def __add__(self, other: Totals) -> Totals:
        """Merge two parts of one table.

        The parts must have been treated alike and must not share a listing (partition by listing).

        Raises
        ------
        DataError
            A field of the header differs; named.
        """
        if not isinstance(other, Totals):
            return NotImplemented
        for f in fields(Header):
            ours, theirs = getattr(self.header, f.name), getattr(other.header, f.name)
            if f.name not in ("markets", "flags") and ours != theirs:
                raise DataError("these totals cannot be added", where=f"header field {f.name!r}", expected=repr(ours),
                                got=repr(theirs), fix="treat every part alike, then add")
        if self.header.vendor_ids.startswith("anonymous") and self is not other:
            raise DataError("the vendors of anonymous totals cannot be told apart across files",
                            where="header field 'vendor_ids'", fix="save the parts with one vendor_key=")
        keys = {name: _concatenate(self.keys[name], other.keys[name], ordered=name == BAND) for name in self.keys}
        columns = {name: np.concatenate([self.columns[name], other.columns[name]]) for name in self.columns}
        header = replace(self.header, markets=tuple(sorted({*self.header.markets, *other.header.markets})),
                         flags=tuple(dict.fromkeys((*self.header.flags, *other.header.flags))))
        return Totals(header, *collect(keys, columns), self.audit.merge(other.audit))

    # -- saving -----------------------------------------------------------------------------------------------------

    def save(self, path: str | Path, *, vendor_key: str | None = None, vendor_names: bool = False) -> None:
        """Write to one Parquet file, header and audit included.

        Vendor names are pseudonyms of people and are not written unless asked for.

        Parameters
        ----------
        path : path
        vendor_key : str, optional
            A secret of yours: vendors are written as keyed hashes (HMAC-SHA256), the same in every file that is saved
            with that key, so that such files can be added and compared.
        vendor_names : bool
            Write the labels as they are. Without a key and without this, vendors get random ids of this file alone.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        if vendor_key is not None and vendor_names:
            raise DataError("vendor_key and vendor_names exclude each other")
        totals = self if vendor_names else self.anonymised(vendor_key)
        columns = {f"key:{name}": pa.array(key.take(), pa.string()) for name, key in totals.keys.items()}
        columns |= {name: pa.array(values) for name, values in totals.columns.items()}
        meta = {"header": asdict(totals.header), "audit": totals.audit.to_dicts(), "keys": list(totals.keys)}
        table = pa.table(columns).replace_schema_metadata({b"darkmarket_estimates": json.dumps(meta).encode()})
        target = Path(path)
        partial = target.with_name(target.name + ".partial")
        try:  # a file is whole or absent
            pq.write_table(table, partial)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | Path) -> Totals:
        """Read what `save` wrote."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(path, memory_map=False)
            meta = json.loads((table.schema.metadata or {})[b"darkmarket_estimates"])
        except FileNotFoundError:
            raise DataError("no such file", where=str(path)) from None
        except (pa.ArrowInvalid, KeyError, OSError) as error:
            raise DataError("not a file of totals", where=str(path), expected="a file written by Totals.save",
                            got=f"{type(error).__name__}: {error}") from error
        known = {f.name: tuple(v) if isinstance(v, list) else v for f in fields(Header)
                 for v in [meta["header"].get(f.name, f.default)]}
        header = Header(**known)
        keys = {name: Key.encode(table.column(f"key:{name}").to_pylist()) for name in meta["keys"]}
        if BAND in keys:  # bands go from cheap to dear, not by the alphabet
            keys[BAND] = recode(keys[BAND], band_labels(header.bands))
        columns = {name: table.column(name).to_numpy() for name in table.column_names if not name.startswith("key:")}
        return cls(header, *collect(keys, columns), Audit.from_dicts(meta["audit"]))

    def anonymised(self, vendor_key: str | None = None) -> Totals:
        """Return the same totals with hashed vendors (see `save`)."""
        key = self.keys[VENDOR]
        if vendor_key is None:
            token = secrets.token_hex(8)
            order = np.random.default_rng(secrets.randbits(128)).permutation(len(key.labels))
            width = max(1, math.ceil(math.log10(len(order) + 1)))
            labels, ids = [f"v{i:0{width}d}" for i in order], f"anonymous:{token}"
        else:
            secret = vendor_key.encode()
            labels = [hmac.new(secret, v.encode(), hashlib.sha256).hexdigest()[:24] for v in key.labels]
            ids = f"keyed:{hmac.new(secret, b'fingerprint', hashlib.sha256).hexdigest()[:8]}"
        ranks = np.argsort(np.argsort(np.asarray(labels))) if labels else np.empty(0, dtype=np.int64)
        keys = {**self.keys, VENDOR: Key(ranks[key.codes], tuple(sorted(labels)))}
        return Totals(replace(self.header, vendor_ids=ids), *collect(keys, self.columns), self.audit)


def merge_column(name: str, values: np.ndarray, cell: np.ndarray, n: int) -> np.ndarray:
    """Merge a column over the rows of each of `n` cells, as the column's registry says."""
    return COLUMNS[name](values, cell, n)


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
    index = {label: code for code, label in enumerate(labels)}
    translate = np.array([index[label] for label in key.labels], dtype=np.int64)
    return Key(translate[key.codes] if len(translate) else key.codes, labels)


def _concatenate(a: Key, b: Key, *, ordered: bool) -> Key:
    """One key over the cells of both; labels sorted, or in the order of `a` where that order means something."""
    labels = a.labels if ordered else tuple(sorted({*a.labels, *b.labels}))
    return Key(np.concatenate([recode(a, labels).codes, recode(b, labels).codes]), labels)


def band_labels(edges: Sequence[float]) -> tuple[str, ...]:
    """Labels of the price bands between (and beyond) the edges, cheapest first."""
    if not edges:
        return ()
    text = [f"{e:,.10g}" for e in edges]
    inner = [f"{a} to < {b}" for a, b in zip(text, text[1:])]
    return (f"< {text[0]}", *inner, f">= {text[-1]}")


def check_by(by: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return the group columns, none of them a reserved name."""
    names = strings(by, "by")
    reserved = sorted({VENDOR, BAND, CAPTURES, *COLUMNS} & set(names))
    if reserved:
        raise DataError(f"{reserved[0]!r} is a name of ours and cannot be a group", fix="rename the column",
                        expected="names other than " + ", ".join(sorted({VENDOR, BAND, CAPTURES, *COLUMNS})))
    return names
