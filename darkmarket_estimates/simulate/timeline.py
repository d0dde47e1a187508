"""Spells of many items at once: sorted arrays of (item, start, end), searched through one number an (item, time)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Clock:
    """Order of (item, time) pairs for times in [0, days]; later times and infinity are cut just behind the end."""

    days: float

    def key(self, item: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Return a number that sorts by item, then by time."""
        return item * (self.days + 2.0) + np.minimum(time, self.days + 1.0)


@dataclass(frozen=True, slots=True)
class Spells:
    """Spells [start, end) of items, sorted by (item, start), apart from each other within an item."""

    clock: Clock
    item: np.ndarray
    start: np.ndarray
    end: np.ndarray

    @classmethod
    def sorted(cls, clock: Clock, item: np.ndarray, start: np.ndarray, end: np.ndarray) -> Spells:
        """Sort the spells."""
        order = np.argsort(clock.key(item, start), kind="stable")
        return cls(clock, item[order], start[order], end[order])

    @classmethod
    def none(cls, clock: Clock) -> Spells:
        """No spell at all: the mechanism is off."""
        return cls(clock, np.empty(0, dtype=np.int64), np.empty(0), np.empty(0))

    def find(self, item: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Return the spell that each (item, time) lies in, -1 where it lies in none."""
        if self.item.size == 0:
            return np.full(len(item), -1)
        at = np.searchsorted(self.clock.key(self.item, self.start), self.clock.key(item, time), side="right") - 1
        inside = (at >= 0) & (self.item[at] == item) & (time < self.end[at])
        return np.where(inside, at, -1)

    def union(self, other: Spells) -> Spells:
        """Return the spells during which an item is in either."""
        both = Spells.sorted(self.clock, np.concatenate([self.item, other.item]),
                             np.concatenate([self.start, other.start]), np.concatenate([self.end, other.end]))
        if both.item.size == 0:
            return both
        starts, ends = self.clock.key(both.item, both.start), self.clock.key(both.item, both.end)
        reach = np.maximum.accumulate(ends)  # keys of later items are larger: no item reaches into the next
        first = np.concatenate([[True], starts[1:] > reach[:-1]])
        last = np.concatenate([np.flatnonzero(first)[1:] - 1, [len(starts) - 1]])
        group = np.cumsum(first) - 1
        end = np.maximum.reduceat(both.end, np.flatnonzero(first))
        return Spells(self.clock, both.item[last], both.start[first], end[group[last]])

    def length(self, n_items: int, low: float, high: float | np.ndarray) -> np.ndarray:
        """Return the time in [low, high) that each item spends in its spells; `high` may be of shape (n_items,)."""
        inside = np.minimum(self.end, np.broadcast_to(high, n_items)[self.item]) - np.maximum(self.start, low)
        return np.bincount(self.item, np.maximum(inside, 0), minlength=n_items)
