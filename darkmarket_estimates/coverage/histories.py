"""Capture histories: which listing was seen in which scrape, in three forms, and one pass over them.

Forms: a boolean array of shape (listings, scrapes); the rows of ``np.packbits`` with ``occasions=``; frequencies
(f1, f2, ...) with ``occasions=``. Histories are read in chunks of packed words, the first scrape in the highest bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from darkmarket_estimates._checks import plain_array
from darkmarket_estimates.coverage.arguments import counted, scrapes
from darkmarket_estimates.errors import DataError, NotIdentifiedError

CHUNK = 1 << 17
BITS = (np.arange(256)[None, :] >> np.arange(7, -1, -1)[:, None]) & 1  # (bit, byte value), highest bit first
PAIRS_UP_TO = 64  # scrapes; beyond, joint counts cost more than everything else together


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CaptureSummary:
    """What the count estimators need from capture histories. Arrays have one entry a scrape unless said otherwise.

    Attributes
    ----------
    occasions, distinct : int
        Number of scrapes t and of distinct listings seen S.
    frequencies : array of shape (occasions,)
        f_k: listings seen in exactly k scrapes, k = 1..t.
    caught, new, recaptured, marked : array or None
        n_j, u_j, m_j, and M_j known before scrape j. None when only frequencies were given.
    single, later, around : array or None
        Listings seen in scrape j only; in j and again later (r_j); before and after j but not in it (z_j).
    together : array of shape (occasions, occasions) or None
        Listings seen in both scrapes i and j (n_j on the diagonal); None beyond 64 scrapes.
    """

    occasions: int
    distinct: int
    frequencies: np.ndarray
    caught: np.ndarray | None = None
    new: np.ndarray | None = None
    recaptured: np.ndarray | None = None
    marked: np.ndarray | None = None
    single: np.ndarray | None = None
    later: np.ndarray | None = None
    around: np.ndarray | None = None
    together: np.ndarray | None = None

    @property
    def captures(self) -> int:
        """Sum of the capture counts."""
        return int(np.arange(1, self.occasions + 1) @ self.frequencies)


def summary(histories: Any, *, occasions: int | None = None) -> CaptureSummary:
    """Summarise capture histories in one pass.

    Parameters
    ----------
    histories : array of shape (listings, scrapes), bool or 0/1; or (listings, ceil(scrapes / 8)) of uint8
        The second form is ``np.packbits(histories, axis=1)`` and needs `occasions`.
    occasions : int, optional
        Number of scrapes of packed histories.

    Returns
    -------
    CaptureSummary

    Raises
    ------
    DataError
        Fewer than two scrapes, entries other than 0 and 1, or a listing that was never seen.

    Examples
    --------
    >>> s = summary([[1, 1, 0], [0, 1, 0], [0, 1, 1]])
    >>> s.caught.tolist(), s.new.tolist(), s.marked.tolist(), s.frequencies.tolist()
    ([1, 3, 1], [1, 2, 0], [0, 1, 3], [1, 2, 0])
    """
    array, t = _layout(histories, occasions)
    n_bytes = -(-t // 8)
    f, first, last, single = (np.zeros(t + 1, dtype=np.int64) for _ in range(4))
    joint = np.zeros((n_bytes, n_bytes, 256, 256), dtype=np.int64) if t <= PAIRS_UP_TO else None
    bytewise = np.zeros((n_bytes, 256), dtype=np.int64)
    for _, packed, words in _chunks(array, t):
        k = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
        front, back = _first(words), _last(words)
        f += np.bincount(k, minlength=t + 1)
        first += np.bincount(front, minlength=t + 1)
        last += np.bincount(back, minlength=t + 1)
        single += np.bincount(front[k == 1], minlength=t + 1)
        for b in range(n_bytes):
            bytewise[b] += np.bincount(packed[:, b], minlength=256)
            if joint is not None:
                for c in range(b):
                    both = (packed[:, b].astype(np.uint16) << 8) | packed[:, c]
                    joint[b, c] += np.bincount(both, minlength=65536).reshape(256, 256)
    caught = (bytewise @ BITS.T).reshape(-1)[:t]
    together = None if joint is None else _pairs(joint, bytewise)[:t, :t]
    new, gone, only = first[:t], last[:t], single[:t]
    known_before = np.cumsum(new) - new
    span = known_before - (np.cumsum(gone) - only)  # first seen before j and last seen after j
    return CaptureSummary(
        occasions=t, distinct=int(new.sum()), frequencies=f[1:], caught=caught, new=new, recaptured=caught - new,
        marked=known_before, single=only, later=caught - gone, around=span - (caught - new - gone + only),
        together=together,
    )


def captures(histories: Any, *, occasions: int | None = None) -> tuple[np.ndarray, np.ndarray, int]:
    """Return each listing's number of captures, the scrape (from 0) of its first one, and the number of scrapes.

    Examples
    --------
    >>> k, first, t = captures([[1, 1, 0], [0, 0, 1]])
    >>> k.tolist(), first.tolist(), t
    ([2, 1], [0, 2], 3)
    """
    array, t = _layout(histories, occasions)
    k, first = np.empty(len(array), dtype=np.int64), np.empty(len(array), dtype=np.int64)
    for start, _, words in _chunks(array, t):
        rows = slice(start, start + len(words))
        k[rows] = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
        first[rows] = _first(words)
    return k, first, t


def captures_and_margins(histories: Any, occasions: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return each listing's number of captures and each scrape's catch n_j: what `huggins` reads, in one cheap pass."""
    array, t = _layout(histories, occasions)
    k, caught = np.empty(len(array), dtype=np.int64), np.zeros(8 * (-(-t // 8)), dtype=np.int64)
    for start, packed, words in _chunks(array, t):
        k[start : start + len(words)] = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
        for b in range(packed.shape[1]):
            caught[8 * b : 8 * b + 8] += BITS @ np.bincount(packed[:, b], minlength=256)
    return k, caught[:t]


def quadratic(histories: Any, form: np.ndarray, occasions: int) -> np.ndarray:
    r"""Return :math:`\sum_{i \le j} form_{ij} c_i c_j` of each listing, c its captures (0 or 1)."""
    array, t = _layout(histories, occasions)
    out = np.empty(len(array))
    for start, packed, _ in _chunks(array, t):
        caught = np.unpackbits(packed, axis=1, count=t).astype(np.float64)
        out[start : start + len(packed)] = np.einsum("li,li->l", caught @ form, caught)
    return out


def read(histories: Any, frequencies: Any = None, occasions: int | None = None) -> CaptureSummary:
    """Return the summary of any input form: histories, a `CaptureSummary`, or frequencies with `occasions`."""
    if (histories is None) == (frequencies is None):
        raise DataError("give either histories or frequencies", expected="one of the two",
                        got="neither" if histories is None else "both")
    if isinstance(histories, CaptureSummary):
        return histories
    if histories is not None:
        return summary(histories, occasions=occasions)
    if occasions is None:
        raise NotIdentifiedError("frequencies do not tell the number of scrapes", expected="occasions=", got="None",
                                 fix="pass occasions=, the number of scrapes")
    t = scrapes(occasions)
    f = counted(frequencies, "frequencies")
    if len(f) > t and f[t:].any():
        raise DataError("a listing is seen more often than there are scrapes", where="frequencies",
                        expected=f"captures <= {t}", got=str(int(f.nonzero()[0].max()) + 1))
    if not f.any():
        raise DataError("no listing was seen", where="frequencies", expected="a positive count", got="all 0")
    padded = np.zeros(t, dtype=np.int64)
    padded[: min(t, len(f))] = f[:t]
    return CaptureSummary(occasions=t, distinct=int(f.sum()), frequencies=padded)


def _layout(histories: Any, occasions: int | None) -> tuple[np.ndarray, int]:
    """Check shape and dtype; packed rows are recognised by their width, which differs from t for every t >= 2."""
    array = plain_array(histories, "histories")
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise DataError("histories cannot be read", expected="a 2-dimensional array of bool, or packed uint8",
                        got=f"{array.ndim} dimension(s) of {array.dtype}")
    if len(array) == 0:
        raise DataError("histories hold no listing", expected="one row or more", got="0 rows")
    width = array.shape[1]
    if occasions is None:
        t = scrapes(width, "histories")
    else:
        t = scrapes(occasions)
        if width != t and not (array.dtype == np.uint8 and width == -(-t // 8)):
            raise DataError("histories and occasions do not fit", expected=f"{t} columns, or {-(-t // 8)} of packed "
                            "uint8", got=f"{width} columns of {array.dtype}")
    return array, t


def _chunks(array: np.ndarray, t: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield (first row, packed bytes, words): words are uint64 of shape (rows, ceil(t / 64))."""
    n_bytes, n_words = -(-t // 8), -(-t // 64)
    is_packed = array.shape[1] != t
    for start in range(0, len(array), CHUNK):
        part = array[start : start + CHUNK]
        if is_packed:
            packed = part
            if t % 8 and (part[:, -1] & (0xFF >> t % 8)).any():
                raise DataError("packed histories have bits beyond the last scrape", expected=f"{t} bits a row",
                                got="more", fix="check occasions=")
        else:
            packed = np.packbits(part if part.dtype == bool else _as_bool(part, start), axis=1)
        words = np.zeros((len(part), 8 * n_words), dtype=np.uint8)
        words[:, :n_bytes] = packed
        words = words.view(">u8").astype(np.uint64)
        unseen = ~words.any(axis=1) if n_words > 1 else words[:, 0] == 0
        if unseen.any():
            raise DataError("a listing was never seen", where=f"row {start + int(unseen.argmax())} of histories",
                            expected="at least one capture a row", got="none",
                            fix="drop such rows: how many there are is what is estimated")
        yield start, packed, words


def _as_bool(part: np.ndarray, start: int) -> np.ndarray:
    bad = (part != 0) & (part != 1)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise DataError("histories hold something else than 0 and 1", where=f"row {start + row}, scrape {column}",
                        expected="0 or 1", got=repr(part[row, column].item()))
    return part == 1


def _first(words: np.ndarray) -> np.ndarray:
    """Position of the highest set bit over the words: smear it downwards, then count what is left above."""
    result = np.zeros(len(words), dtype=np.int64)
    todo = np.ones(len(words), dtype=bool)
    for column in words.T:
        x = column.copy()
        for shift in (1, 2, 4, 8, 16, 32):
            x |= x >> np.uint64(shift)
        result += np.where(todo, 64 - np.bitwise_count(x).astype(np.int64), 0)
        todo &= column == 0
    return result


def _last(words: np.ndarray) -> np.ndarray:
    """Position of the lowest set bit over the words."""
    result = np.full(len(words), 64 * words.shape[1] - 1, dtype=np.int64)
    todo = np.ones(len(words), dtype=bool)
    for column in words.T[::-1]:
        below = np.bitwise_count(~column & (column - np.uint64(1))).astype(np.int64)  # 64 when the word is empty
        result -= np.where(todo, below, 0)
        todo &= column == 0
    return result


def _pairs(joint: np.ndarray, bytewise: np.ndarray) -> np.ndarray:
    """Joint counts of scrapes from joint counts of bytes."""
    n_bytes = len(bytewise)
    result = np.zeros((8 * n_bytes, 8 * n_bytes), dtype=np.int64)
    for b in range(n_bytes):
        rows = slice(8 * b, 8 * b + 8)
        result[rows, rows] = (BITS * bytewise[b]) @ BITS.T
        for c in range(b):
            columns = slice(8 * c, 8 * c + 8)
            result[rows, columns] = BITS @ joint[b, c] @ BITS.T
            result[columns, rows] = result[rows, columns].T
    return result
