"""Captures and values of single listings, checked, and compressed to classes of log value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from darkmarket_estimates._checks import integer, kind, same_length, shown, text
from darkmarket_estimates.coverage.arguments import MOST_SCRAPES, measured, whole_array
from darkmarket_estimates.errors import DataError, NotIdentifiedError
from darkmarket_estimates.totals import Totals
from darkmarket_estimates.totals.header import check_window

if TYPE_CHECKING:
    from darkmarket_estimates.listings.dated import DatedListings

#: Classes of equal width in log value; a class holds the mean of its listings' log values.
CLASSES = 24


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CaptureCounts:
    """How often each listing was seen, and its value: the input of `Detection`.

    Parameters
    ----------
    value : array of shape (listings,)
        Reviewed money of each listing in the window. Listings of value 0 carry no money and are left out.
    captures : array of int of shape (listings,), optional
        Scrapes that saw the listing, 1 to `occasions`.
    histories : bool array of shape (listings, scrapes), optional
        Instead of `captures`: which scrapes saw it. Scrapes may then differ in size.
    occasions : int, optional
        Number of scrapes, with `captures`.
    currency : str
    window : (start, end), optional
    totals : Totals, optional
        The table of the same listings, for the header of the result.

    Raises
    ------
    DataError
        Lengths that differ, a listing never seen, counts beyond the number of scrapes, negative values.
    NotIdentifiedError
        Fewer than two scrapes, or no listing of positive value seen twice.

    Examples
    --------
    >>> counts = CaptureCounts(value=[10.0, 20.0, 20.0, 5.0], captures=[1, 2, 3, 1], occasions=3, currency="USD")
    >>> counts.n_listings, counts.seen
    (4, 55.0)
    """

    value: Any
    captures: Any = None
    histories: Any = None
    occasions: int | None = None
    currency: str = "USD"
    window: tuple[str, str] | None = None
    totals: Totals | None = None
    scrape_sizes: np.ndarray | None = None
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        y = measured(self.value, "value", low=0)
        text(self.currency, "currency")
        if not isinstance(self.totals, Totals | None):
            raise DataError("totals= is the table of the same listings", expected="Totals", got=kind(self.totals))
        if (self.captures is None) == (self.histories is None):
            raise DataError("say once how often each listing was seen", expected="captures= with occasions=, or histories=",
                            got="both" if self.captures is not None else "neither")
        sizes = None
        if self.histories is not None:
            h = np.asarray(self.histories)
            if h.ndim != 2 or not np.isin(h, (0, 1)).all():
                raise DataError("histories are not a table of yes and no", expected="bool of shape (listings, scrapes)",
                                got=f"{h.dtype} of shape {h.shape}")
            h = h.astype(bool)
            same_length(value=y, histories=h)
            t, k, sizes = h.shape[1], h.sum(axis=1), h[y > 0].sum(axis=0).astype(np.float64)
            if self.occasions is not None and integer(self.occasions, "occasions") != t:
                raise DataError("occasions= is not the width of the histories", expected=str(t), got=shown(self.occasions))
        else:
            t = integer(self.occasions, "occasions", low=1, high=MOST_SCRAPES)
            k = whole_array(self.captures, "captures", low=1, high=t)
            same_length(value=y, captures=k)
            sizes = self.scrape_sizes
        if len(k) and k.min() < 1:
            raise DataError("a listing that was never seen is in the table", where=f"entry {int(np.argmin(k))}",
                            expected="one capture or more", got="0")
        paying = y > 0
        if t < 2 or not (k[paying] > 1).any():
            raise NotIdentifiedError("detection is not identified: nothing was seen twice",
                                     expected="two scrapes and a recapture",
                                     got=f"{t} scrape(s), {int(paying.sum()):,} listings of positive value", fix="add a scrape")
        left_out = int((~paying).sum())
        notes = (f"{left_out:,} listings of value 0 are left out: they carry no money",) if left_out else ()
        for name, checked in (("value", y[paying]), ("captures", k[paying].astype(np.int64)), ("histories", None),
                              ("occasions", t), ("window", check_window(self.window)), ("scrape_sizes", sizes),
                              ("flags", (*self.flags, *notes))):
            object.__setattr__(self, name, checked)

    @classmethod
    def from_listings(cls, listings: DatedListings) -> CaptureCounts:
        """Counts of listings from repeated scrapes, prices and windows as they stand there.

        Raises
        ------
        NotIdentifiedError
            The listings do not know their scrapes.
        """
        seen = getattr(listings, "_captures", None)
        if seen is None:
            raise NotIdentifiedError("these listings do not know which scrapes saw them", got=type(listings).__name__,
                                     fix="Listings.from_scrapes(...), or CaptureCounts(value=..., captures=..., occasions=...)")
        table = listings._table
        position = {label: i for i, label in enumerate(seen.labels)}
        codes = np.array([position[label] for label in table.listing.labels])[table.listing.codes]  # type: ignore[attr-defined]
        y = np.bincount(codes, weights=table.value, minlength=len(seen.labels))  # type: ignore[attr-defined]
        paying = y > 0
        sizes = np.bincount(seen.scrape[paying[seen.listing]], minlength=seen.occasions).astype(np.float64)
        totals = listings.totals()
        return cls(value=y, captures=seen.number, occasions=seen.occasions, scrape_sizes=sizes, totals=totals,
                   currency=totals.header.currency, window=totals.header.window)

    @property
    def n_listings(self) -> int:
        """Listings of positive value that were seen."""
        return len(self.value)

    @property
    def seen(self) -> float:
        """Their value."""
        return float(self.value.sum())

    def table(self) -> Totals:
        """The totals that were given, else totals in which every listing is a vendor of its own."""
        if self.totals is not None:
            return self.totals
        labels = [f"listing {i}" for i in range(self.n_listings)]
        return Totals.from_cells(vendor=labels, value=self.value, reviews=np.ones(self.n_listings), currency=self.currency,
                                 window=self.window)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ValueClasses:
    """Listings by class of log value.

    Attributes
    ----------
    x : array of shape (classes,)
        Mean log value in the class, standardised over listings.
    counts : array of shape (classes, t)
        Listings seen k = 1..t times.
    mean, sd, low, high : arrays of shape (classes,)
        Of the values in the class.
    centre, scale : float
        Mean and standard deviation of the log value over listings.
    """

    x: np.ndarray
    counts: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    low: np.ndarray
    high: np.ndarray
    centre: float
    scale: float


def value_classes(value: np.ndarray, captures: np.ndarray, occasions: int, classes: int = CLASSES) -> ValueClasses:
    """Compress listings to (captures, class of log value): exact where there are no more values than classes."""
    log = np.log(value)
    centre, scale = float(log.mean()), float(log.std())
    few = np.unique(log[:10_000])
    if len(few) <= classes and (len(log) <= 10_000 or np.isin(log, few).all()):
        code = np.searchsorted(few, log)
    else:
        low, width = float(log.min()), float(np.ptp(log)) / classes
        code = np.minimum(((log - low) / width).astype(np.int64), classes - 1)
    n = int(code.max()) + 1
    counts = np.bincount(code * occasions + captures - 1, minlength=n * occasions).reshape(n, occasions).astype(np.float64)
    full = counts.sum(axis=1) > 0
    size = counts.sum(axis=1)[full]
    mean = np.bincount(code, weights=value, minlength=n)[full] / size
    deviation = value - mean[(np.cumsum(full) - 1)[code]]
    sd = np.sqrt(np.bincount(code, weights=deviation**2, minlength=n)[full] / size)
    x = np.bincount(code, weights=log - centre, minlength=n)[full] / size / (scale if scale > 0 else 1.0)
    lowest, highest = np.full(n, np.inf), np.zeros(n)
    np.minimum.at(lowest, code, value)
    np.maximum.at(highest, code, value)
    return ValueClasses(x=x, counts=counts[full], mean=mean, sd=sd, low=lowest[full], high=highest[full], centre=centre,
                        scale=scale)

