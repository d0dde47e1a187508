"""Who was seen when: the captures of listings in scrapes, and which scrapes are partial."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from darkmarket_estimates.errors import DataError, NotIdentifiedError

if TYPE_CHECKING:
    import pandas as pd

#: Below these shares of the listings known alive a scrape is flagged. Agora 2014: 0.06-0.28 and 0.62-0.87; else > 0.9.
PARTIAL, INCOMPLETE = 0.5, 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Captures:
    """Distinct pairs of listing and scrape, sorted by listing and scrape.

    Attributes
    ----------
    listing, scrape : int array of shape (captures,)
        Codes of listings 0..L-1 and of scrapes 0..t-1, in order of time.
    times : array of shape (t,)
        Instants of the scrapes, those that brought home nothing included.
    labels : tuple of str
        Names of the listings.
    read : array of shape (t,)
        When the pages of each scrape were read, on average.
    """

    listing: np.ndarray
    scrape: np.ndarray
    times: np.ndarray
    labels: tuple[str, ...]
    read: np.ndarray

    @property
    def occasions(self) -> int:
        """Number of scrapes."""
        return len(self.times)

    @property
    def number(self) -> np.ndarray:
        """Captures k of each listing."""
        return np.bincount(self.listing, minlength=len(self.labels))

    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """First and last scrape of each listing (every listing has one)."""
        start = np.flatnonzero(np.diff(self.listing, prepend=-1))
        return self.scrape[start], self.scrape[np.append(start[1:], len(self.listing)) - 1]

    def since(self, start: np.datetime64) -> Captures:
        """Only the scrapes from an instant on, and the listings seen in them."""
        first = int(np.searchsorted(self.times, start))
        if first == len(self.times):
            raise NotIdentifiedError("no scrape lies after the window", got=f"{self.times[-1]} as the last",
                                     expected=f"a scrape at {start} or later", fix="end the window earlier")
        rows = self.scrape >= first
        if not rows.any():  # scrapes= names some that brought home nothing
            raise NotIdentifiedError("no listing was seen after the window", got=f"none in {len(self.times) - first} scrape(s)",
                                     expected="a page of a scrape after it", fix="end the window earlier")
        listings, codes = np.unique(self.listing[rows], return_inverse=True)
        return Captures(codes, self.scrape[rows] - first, self.times[first:], tuple(self.labels[i] for i in listings.tolist()),
                        self.read[first:])

    def keys(self) -> tuple[str, ...]:
        """Label of each listing's captures: "1@3" seen once, in scrape 3 (counted from 1); "2", "3", ..."""
        k, (first, _) = self.number, self.ends()
        single = [f"1@{j + 1}" for j in range(self.occasions)]
        return tuple(single[j] if n == 1 else str(n) for n, j in zip(k.tolist(), first.tolist(), strict=True))

    def histories(self) -> pd.DataFrame:
        """Capture histories: a row a listing, a column a scrape."""
        import pandas as pd

        seen = np.zeros((len(self.labels), self.occasions), dtype=bool)
        seen[self.listing, self.scrape] = True
        return pd.DataFrame(seen, index=pd.Index(self.labels, name="listing"), columns=self.times)

    def last_complete(self) -> int:
        """The last scrape that is not partial: a listing seen in it, or later, is live now."""
        flags = self.table()["flag"].to_numpy()
        good = np.flatnonzero((flags != "partial") & (flags != "empty"))
        if not len(good):
            raise DataError("no scrape is complete: which listings are live now is not known", got=f"{len(flags)} scrapes",
                            fix='use scope="ever in the window"')
        return int(good[-1])

    def table(self) -> pd.DataFrame:
        """A row a scrape; see `DatedListings.scrapes`."""
        import pandas as pd

        t, (first, last) = self.occasions, self.ends()
        size = np.bincount(self.scrape, minlength=t)
        new, gone = np.bincount(first, minlength=t), np.bincount(last, minlength=t)
        once = np.bincount(first[first == last], minlength=t)
        alive = (np.cumsum(new) - new) - (np.cumsum(gone) - once)  # first < j, less those with last <= j among them
        between = (first[self.listing] < self.scrape) & (self.scrape < last[self.listing])
        captured = np.bincount(self.scrape[between], minlength=t)
        share = np.divide(captured, alive, out=np.full(t, math.nan), where=alive > 0)
        beside = _beside_good(size, share)
        measure = np.where(np.isnan(share), beside, share)
        flag = np.where(size == 0, "empty", np.where(measure < PARTIAL, "partial",
                        np.where(~np.isnan(share) & (measure < INCOMPLETE), "incomplete", "")))
        return pd.DataFrame({"scrape": self.times, "listings": size, "new": new, "last_seen": gone,
                             "known_alive": alive, "captured_share": share, "size_ratio": beside, "flag": flag})


def _beside_good(size: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Size of the scrapes at the ends against the nearest good one; NaN elsewhere, and where there is none."""
    out = np.full(len(size), math.nan)
    good = np.flatnonzero(share >= PARTIAL)
    for j in np.flatnonzero(np.isnan(share)).tolist():
        others = good if len(good) else np.flatnonzero((size > 0) & (np.arange(len(size)) != j))
        if len(others):
            nearest = int(others[np.argmin(np.abs(others - j))])
            out[j] = size[j] / size[nearest]
    return out

