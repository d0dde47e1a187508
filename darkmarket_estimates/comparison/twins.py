"""Which assumptions two totals state alike: what is one statement about one quantity acts on both together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from darkmarket_estimates.factors import REVIEW_SHARE, Factor
from darkmarket_estimates.inference import Configuration, Model

#: Position of an assumption in the models of numerator and denominator.
Places = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class Twins:
    """The factors of two models, paired where they are one statement.

    Attributes
    ----------
    first, second : Model
    pairs : tuple of (int, int)
        Positions of the paired factors in each.
    ours, theirs : tuple of int
        Positions of the factors that one of the two states alone.
    """

    first: Model
    second: Model
    pairs: tuple[tuple[int, int], ...]
    ours: tuple[int, ...]
    theirs: tuple[int, ...]

    @classmethod
    def of(cls, first: Model, second: Model) -> Twins:
        """Pair what can be paired."""
        theirs, ours, pairs = list(range(len(second.factors))), [], []
        for i, f in enumerate(first.factors):
            twin = next((j for j in theirs if same_assumption(f, second.factors[j])), None)
            if twin is None:
                ours.append(i)
            else:
                theirs.remove(twin)
                pairs.append((i, twin))
        return cls(first, second, tuple(pairs), tuple(ours), tuple(theirs))

    @property
    def alone(self) -> tuple[list[Factor], list[Factor]]:
        """The factors that one of the two states alone."""
        return [self.first.factors[i] for i in self.ours], [self.second.factors[j] for j in self.theirs]

    @property
    def of_parts(self) -> list[tuple[int, int]]:
        """Pairs that act on a group each: what is stated alike for a part does not cancel in the whole."""
        return [(i, j) for i, j in self.pairs if self.first.factors[i].cells is not None]

    @property
    def shares(self) -> list[tuple[int, int]]:
        """Pairs of review shares."""
        return [(i, j) for i, j in self.pairs if self.first.factors[i].name == REVIEW_SHARE]

    @property
    def every(self) -> list[tuple[Factor, Places]]:
        """Every assumption once, with its position in both models: those that both state, then those of one alone."""
        both: list[tuple[Factor, Places]] = [(self.first.factors[i], (i, j)) for i, j in self.pairs]
        return [*both, *((self.first.factors[i], (i, None)) for i in self.ours),
                *((self.second.factors[j], (None, j)) for j in self.theirs)]

    @property
    def review_shares(self) -> list[tuple[Factor, Places]]:
        """Each stated review share."""
        return [(f, places) for f, places in self.every if f.name == REVIEW_SHARE]

    @property
    def stated(self) -> list[tuple[Factor, Places]]:
        """What a realised ratio depends on: the review shares, and the uncertain factors that act on a group each."""
        return [*self.review_shares, *((f, places) for f, places in self.every
                                       if f.name != REVIEW_SHARE and f.is_uncertain and f.cells is not None)]

    def value(self, at: tuple[Configuration, Configuration], places: Places) -> float:
        """The value of an assumption in the configurations of both models."""
        i, j = places
        if i is not None:
            return at[0][i]
        assert j is not None
        return at[1][j]

    def concerned(self, places: Places, top: np.ndarray, bottom: np.ndarray) -> list[np.ndarray]:
        """Which cells of numerator and denominator an assumption is on."""
        return [np.zeros(len(cells), dtype=bool) if i is None else model.factors[i].share_of(cells)
                for model, i, cells in zip((self.first, self.second), places, (top, bottom), strict=True)]

    @property
    def shares_alike(self) -> bool:
        """Whether every review share is stated for both."""
        return not any(f.name == REVIEW_SHARE for side in self.alone for f in side)

    def follow(self, at: Configuration) -> Configuration:
        """The second model's middle configuration, paired factors at the first's values."""
        return {**self.second.configuration("middle"), **{j: at[i] for i, j in self.pairs}}


def same_assumption(a: Factor, b: Factor) -> bool:
    """Whether two factors are one statement about one quantity."""
    if a.name != b.name or a.group != b.group:
        return False
    if a.rate is not None and b.rate is not None:
        return a.rate is b.rate or a.rate == b.rate or (a.rate.mean_spec is a.rate.mean and _same_law(a.spec, b.spec)
                                                        and a.rate.between_vendor_sd == b.rate.between_vendor_sd)
    return _same_law(a.spec, b.spec)


def _same_law(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if hasattr(a, "dist") and hasattr(b, "dist"):  # frozen scipy distributions compare by identity
        return (a.dist.name, a.args, a.kwds) == (b.dist.name, b.args, b.kwds)
    return type(a) is type(b) and bool(a == b)
