"""Labels that are whole numbers: nobody reads the names of a million vendors to add up their money."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast, overload

import numpy as np

#: 1, 10, 100, ...: as many as a number below 10^18 has digits.
_POWERS = 10 ** np.arange(18)


class Numbers(Sequence[str]):
    """A tuple of the texts of whole numbers, which are made when they are asked for, and then kept.

    It is equal to that tuple, with its hash and its ``repr``. One text, or the place of one, is found without the others.

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

    __slots__ = ("_numbers", "_texts")

    def __init__(self, numbers: np.ndarray) -> None:
        self._numbers = numbers
        self._texts: tuple[str, ...] | None = None

    def as_tuple(self) -> tuple[str, ...]:
        """Itself, for those who take a tuple."""
        return cast("tuple[str, ...]", self)

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

    @property
    def texts(self) -> tuple[str, ...]:
        """All of them."""
        if self._texts is None:
            import pyarrow as pa  # twice as fast as Python's own digits

            self._texts = tuple(pa.array(self._numbers).cast(pa.string()).to_numpy(zero_copy_only=False).tolist())
        return self._texts

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[str, ...]: ...
    def __getitem__(self, at: int | slice) -> str | tuple[str, ...]:
        return self.texts[at] if isinstance(at, slice) else str(self._numbers[at])

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts)

    def __contains__(self, label: object) -> bool:
        return self._place(label) is not None

    def index(self, label: Any, start: int = 0, stop: int | None = None) -> int:
        """Where a label stands, as in a tuple."""
        place = self._place(label)
        if place is None or place not in range(*slice(start, stop).indices(len(self))):
            raise ValueError(f"{label!r} is no label")
        return place

    def _place(self, label: object) -> int | None:
        try:
            number = int(label) if isinstance(label, str) else None
        except ValueError:
            return None
        at = np.flatnonzero(self._numbers == number)
        return int(at[0]) if len(at) and str(number) == label else None  # of "7", "07" and " 7" one is a label

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Numbers):
            return np.array_equal(self._numbers, other._numbers)
        return self.texts == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.texts)

    def __repr__(self) -> str:
        return repr(self.texts)

    def __reduce__(self) -> tuple[type[Numbers], tuple[np.ndarray]]:
        return Numbers, (self._numbers,)
