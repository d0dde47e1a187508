"""Arrays laid end to end: `start` says where the entries of each begin, and the last entry where they end."""

from __future__ import annotations

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
