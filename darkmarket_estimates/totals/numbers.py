"""Labels that are whole numbers."""

from __future__ import annotations

import numpy as np

from darkmarket_estimates.totals.labels import Labels

#: 1, 10, 100, ...: as many as a number below 10^18 has digits.
_POWERS = 10 ** np.arange(18)


class Numbers(Labels):
    """The texts of whole numbers.

    Parameters
    ----------
    numbers : int64 array of shape (n,)
        Distinct, from 0 to below 10^18; either rising or in the order of their texts.

    Examples
    --------
    >>> labels = Numbers(np.array([1, 9, 10]))
    >>> labels, labels[1], "9" in labels, labels == ("1", "9", "10"), labels.order()
    (('1', '9', '10'), '9', True, True, array([0, 2, 1]))
    """

    __slots__ = ("_numbers",)

    def __init__(self, numbers: np.ndarray) -> None:
        super().__init__()
        self._numbers = numbers

    def order(self) -> np.ndarray | None:
        """Positions in the order of the texts, none of which is made; None where they are in it.

        Zeros at their ends make all numbers as long; those of one length rise already, which the sort sees.
        """
        x = self._numbers
        if not (x[1:] > x[:-1]).all():
            return None
        longer = len(x) - np.searchsorted(x, _POWERS[1:])  # than 1, 2, ... digits
        most = int(np.count_nonzero(longer))
        times = np.repeat(_POWERS[most::-1], -np.diff(longer[:most], prepend=len(x), append=0))
        order = np.argsort(x * times, kind="stable")  # of 1, 10 and 100 the shorter text is first
        return order if (order[1:] < order[:-1]).any() else None

    def take(self, order: np.ndarray) -> Numbers:
        """The same labels in another order."""
        return Numbers(self._numbers[order])

    def _made(self) -> tuple[str, ...]:
        import pyarrow as pa  # twice as fast as Python's own digits

        return tuple(pa.array(self._numbers).cast(pa.string()).to_numpy(zero_copy_only=False).tolist())

    def _one(self, at: int) -> str:
        return str(self._numbers[at])

    def _place(self, label: str) -> int | None:
        try:
            number = int(label)
        except ValueError:
            return None
        at = np.flatnonzero(self._numbers == number)
        return int(at[0]) if len(at) and str(number) == label else None  # of "7", "07" and " 7" one is a label

    def __len__(self) -> int:
        return len(self._numbers)

    def __eq__(self, other: object) -> bool:
        return np.array_equal(self._numbers, other._numbers) if isinstance(other, Numbers) else super().__eq__(other)

    __hash__ = Labels.__hash__

    def __reduce__(self) -> tuple[type[Numbers], tuple[np.ndarray]]:
        return Numbers, (self._numbers,)
