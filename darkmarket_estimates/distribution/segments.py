"""Arrays laid end to end: `start` says where the entries of each begin, and the last entry where they end."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def pick(start: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the entries of some segments, one after the other, and where each begins among them.

    Examples
    --------
    >>> pick(np.array([0, 2, 2, 5]), np.array([2, 0]))
    (array([2, 3, 4, 0, 1]), array([0, 3, 5]))
    """
    size = np.diff(start)[which]
    ends = np.concatenate([[0], np.cumsum(size)])
    return np.repeat(start[which] - ends[:-1], size) + np.arange(ends[-1]), ends


def kinds(marks: Iterable[np.ndarray], n: int) -> tuple[np.ndarray, np.ndarray]:
    """Kind of each of `n` entries, the same where all marks are, and the first entry of each kind.

    Counted and not sorted: there are twice as many kinds after each mark at most.

    Parameters
    ----------
    marks : iterable of bool arrays of shape (n,)
    n : int

    Examples
    --------
    >>> kinds([np.array([True, False, True, True]), np.array([False, False, True, False])], 4)
    (array([1, 0, 2, 1]), array([1, 0, 2]))
    """
    kind = np.zeros(n, dtype=np.int64)
    for on in marks:
        kind = 2 * kind + on
        kind = (np.cumsum(np.bincount(kind) > 0) - 1)[kind]
    first = np.empty(int(kind.max(initial=-1)) + 1, dtype=np.int64)
    first[kind[::-1]] = np.arange(n - 1, -1, -1)
    return kind, first
