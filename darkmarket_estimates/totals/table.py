"""Totals: the sufficient statistics of a listing table. Small, mergeable, and ignorant of where they came from."""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from darkmarket_estimates._checks import choice, float_array, same_length, text
from darkmarket_estimates.audit import Audit
from darkmarket_estimates.errors import DataError, NotIdentifiedError
from darkmarket_estimates.totals.cells import BAND, CAPTURES, VENDOR, WITHIN, Key, collect, concatenate
from darkmarket_estimates.totals.header import Header

if TYPE_CHECKING:
    import pandas as pd


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
        with np.errstate(over="ignore"):
            one_price = np.divide(y * y, r, out=np.zeros_like(y), where=r > 0)
        q = one_price if price_sq_reviews is None else float_array(price_sq_reviews, "price_sq_reviews", low=0)
        same_length(value=y, price_sq_reviews=q)
        if not np.isfinite(one_price).all() or (q < one_price * (1 - 1e-9)).any():
            at = int(np.argmax(~np.isfinite(one_price) | (q < one_price * (1 - 1e-9))))
            raise DataError("sums that no prices can have", where=f"entry {at}", expected="value^2 <= price_sq_reviews x reviews",
                            got=f"value {y[at]:g}, reviews {r[at]:g}, price_sq_reviews {q[at]:g}",
                            fix="price_sq_reviews is the sum of price^2 x reviews")
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
    def groups(self) -> tuple[str, ...]:
        """The keys that results are reported by: `by` without the captures, which only coverage reads."""
        return tuple(name for name in self.by if name != CAPTURES)

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
        return float(self.columns[choice(column, "column", tuple(self.columns))].sum())

    def require_key(self, column: str) -> Key:
        """Return a group key, else raise `NotIdentifiedError` with the call that makes it."""
        if text(column, "the column of a group") not in self.by:
            asked = ", ".join(repr(c) for c in (*self.header.by, column))
            near = [c for c in self.by if c.casefold() == column.casefold()]
            raise NotIdentifiedError(f"the totals are not grouped by {column!r}", got=f"by={list(self.by)}",
                                     fix=f"write {near[0]!r}" if near else f"listings.totals(by=[{asked}])")
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

        by = {name: self.keys[name] for name in self.by}
        if not vendors:
            keys, columns = collect(by, self.columns)
            return pd.DataFrame({**{name: key.take() for name, key in keys.items()}, **columns})
        key = self.keys[VENDOR]
        if names:
            shown = [label.replace(WITHIN, " / ") for label in key.take()]
        else:
            worth = np.bincount(key.codes, weights=self.columns["value"], minlength=len(key.labels))
            rank = np.empty(len(worth), dtype=np.int64)
            rank[np.argsort(-worth, kind="stable")] = np.arange(1, len(worth) + 1)
            shown = [f"vendor {r}" for r in rank[key.codes]]
        return pd.DataFrame({**{name: key.take() for name, key in by.items()}, VENDOR: shown, **self.columns})

    def __repr__(self) -> str:
        h = self.header
        window = f", {h.window[0]} to {h.window[1]}" if h.window else ""
        return (f"Totals({h.currency} {self.sum('value'):,.0f}{' a day' if h.per_day else ''} from "
                f"{self.sum('reviews'):,.10g} {h.counted} of {self.n_vendors:,} vendors"
                f"{', by ' + ', '.join(self.by) if self.by else ''}{window}"
                f"{f', joined from {h.n_windows} windows' if h.n_windows > 1 else ''})")

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
        return self._joined(other)

    def then(self, later: Totals) -> Totals:
        """Join the totals of the window that follows: yesterday's with today's.

        Money, reviews and vendors come out as from one scan of both windows. A listing that stands in both counts once
        in each (``n_listings``, ``listing_value_sq``, ``max_listing_value``): ``header.n_windows`` says how many there
        are, and what needs each listing once (captures, a detection model) is refused.

        Parameters
        ----------
        later : Totals
            Of the window that starts where this one ends, treated alike.

        Raises
        ------
        DataError
            A gap, an overlap, no window, rates a day, captures; a field of the header differs.

        Examples
        --------
        >>> def day(date, after, value):
        ...     return Totals.from_cells(vendor=["ann"], value=[value], reviews=[2], currency="USD", window=(date, after))
        >>> both = day("2016-01-01", "2016-01-02", 30.0).then(day("2016-01-02", "2016-01-03", 50.0))
        >>> both
        Totals(USD 80 from 4 reviews of 1 vendors, 2016-01-01 to 2016-01-03, joined from 2 windows)
        """
        if not isinstance(later, Totals):
            raise DataError("what follows is no totals", expected="Totals", got=type(later).__name__)
        ours, theirs = self.header.window, later.header.window
        if ours is None or theirs is None or ours[1] != theirs[0]:
            raise DataError("these windows do not follow each other", where="header field 'window'",
                            expected=f"a window from {ours[1]} on" if ours else "two windows that are known",
                            got=f"{theirs[0]} to {theirs[1]}" if theirs else "None",
                            fix='Listings(..., window=("2016-01-01", "2016-01-02")) for each part')
        if self.header.per_day or later.header.per_day:
            raise DataError("rates a day do not add up over days", where="header field 'per_day'", expected="counts",
                            got="counts divided by days=", fix="leave days= out, or add parts of one window with +")
        if CAPTURES in self.keys or self.header.detection is not None:
            raise DataError("how often a listing was seen does not add up over windows", where="captures",
                            fix="take one totals of both windows from the table of listings")
        both = {"window": (ours[0], theirs[1]), "n_windows": self.header.n_windows + later.header.n_windows}
        return self._joined(later, **both)

    def _joined(self, other: Totals, **header: Any) -> Totals:
        """The cells of both; `header` holds the fields that may differ."""
        for f in fields(Header):
            ours, theirs = getattr(self.header, f.name), getattr(other.header, f.name)
            if f.name not in ("markets", "flags", *header) and ours != theirs:
                raise DataError("these totals cannot be added", where=f"header field {f.name!r}", expected=repr(ours),
                                got=repr(theirs), fix="earlier.then(later) joins windows that adjoin" if f.name == "window"
                                else "treat every part alike, then add")
        if self.header.vendor_ids.startswith("anonymous"):
            raise DataError("the vendors of anonymous totals cannot be told apart across files",
                            where="header field 'vendor_ids'", fix="save the parts with one vendor_key=")
        keys = {name: concatenate(self.keys[name], other.keys[name], ordered=name == BAND) for name in self.keys}
        columns = {name: np.concatenate([self.columns[name], other.columns[name]]) for name in self.columns}
        whole = replace(self.header, markets=tuple(sorted({*self.header.markets, *other.header.markets})),
                        flags=tuple(dict.fromkeys((*self.header.flags, *other.header.flags))), **header)
        return Totals(whole, *collect(keys, columns), self.audit.merge(other.audit))

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
        from darkmarket_estimates.totals.file import write

        text(vendor_key, "vendor_key", optional=True)
        if vendor_key is not None and vendor_names:
            raise DataError("vendor_key and vendor_names exclude each other")
        write(self if vendor_names else self.anonymised(vendor_key), path)

    @classmethod
    def load(cls, path: str | Path) -> Totals:
        """Read what `save` wrote to a path."""
        from darkmarket_estimates.totals.file import read

        return read(path)

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
