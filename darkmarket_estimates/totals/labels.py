"""Labels that are made when they are asked for: nobody reads the names of a million vendors to add up their money."""

from __future__ import annotations

import bisect
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa


class Labels(Sequence[str]):
    """A tuple of distinct texts, all of which are made when somebody goes through them, and then kept.

    It is equal to that tuple, with its hash and its ``repr``. One text, or the place of one, is found without the others.
    """

    __slots__ = ("_texts",)

    def __init__(self) -> None:
        self._texts: tuple[str, ...] | None = None

    @abstractmethod
    def _made(self) -> tuple[str, ...]:
        """All texts."""

    @abstractmethod
    def _one(self, at: int) -> str:
        """One text."""

    @abstractmethod
    def _place(self, label: str) -> int | None:
        """Where a text stands, or None."""

    def as_tuple(self) -> tuple[str, ...]:
        """Itself, for those who take a tuple."""
        return cast("tuple[str, ...]", self)

    @property
    def texts(self) -> tuple[str, ...]:
        """All of them."""
        if self._texts is None:
            self._texts = self._made()
        return self._texts

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[str, ...]: ...
    def __getitem__(self, at: int | slice) -> str | tuple[str, ...]:
        return self.texts[at] if isinstance(at, slice) else self._one(at)

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts)

    def __contains__(self, label: object) -> bool:
        return isinstance(label, str) and self._place(label) is not None

    def index(self, label: Any, start: int = 0, stop: int | None = None) -> int:
        """Where a label stands, as in a tuple."""
        place = self._place(label) if isinstance(label, str) else None
        if place is None or place not in range(*slice(start, stop).indices(len(self))):
            raise ValueError(f"{label!r} is no label")
        return place

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Labels):
            return self.texts == other.texts
        return self.texts == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.texts)

    def __repr__(self) -> str:
        return repr(self.texts)


class Texts(Labels):
    """Texts as Arrow holds them, in less memory than as strings of Python.

    Parameters
    ----------
    array : pyarrow.Array of strings
        Without nulls.
    order : int array of shape (n,)
        Positions in `array` of distinct texts, in the order of Python's strings.

    Examples
    --------
    >>> import numpy as np, pyarrow as pa
    >>> labels = Texts(pa.array(["bob", "ann"]), np.array([1, 0]))
    >>> labels, labels[1], "ann" in labels, labels == ("ann", "bob")
    (('ann', 'bob'), 'bob', True, True)
    """

    __slots__ = ("_array", "_order")

    def __init__(self, array: pa.Array, order: np.ndarray) -> None:
        super().__init__()
        self._array, self._order = array, order

    def _sorted(self) -> pa.Array:
        return self._array.take(self._order)

    def _made(self) -> tuple[str, ...]:
        return tuple(self._sorted().to_numpy(zero_copy_only=False).tolist())

    def _one(self, at: int) -> str:
        return cast(str, self._array[int(self._order[at])].as_py())

    def _place(self, label: str) -> int | None:
        at = bisect.bisect_left(range(len(self)), label, key=self._one)
        return at if at < len(self) and self._one(at) == label else None

    def __len__(self) -> int:
        return len(self._order)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Texts) and self._array.type == other._array.type:
            return self._sorted().equals(other._sorted())
        return super().__eq__(other)

    __hash__ = Labels.__hash__

    def __reduce__(self) -> tuple[type[Texts], tuple[pa.Array, np.ndarray]]:
        return Texts, (self._sorted(), np.arange(len(self)))
