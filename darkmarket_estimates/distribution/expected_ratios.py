r"""Shares and growth of the expected total: the law of A / B when a vendor enters both totals with one weight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from darkmarket_estimates import _checks as checks
from darkmarket_estimates.distribution.compound_poisson import compound_poisson_totals
from darkmarket_estimates.distribution.confidence import accelerated, skewness
from darkmarket_estimates.distribution.law import GridLaw, Hull, Law, PointLaw
from darkmarket_estimates.distribution.ratio_grids import RatioLaw, check_denominator, mirror, tabulate
from darkmarket_estimates.distribution.tail import tail, tail_totals

METHODS = ("default", "compound-poisson", "bca", "tail")
_N_POINTS = 2**13  # one probability is wanted of each grid, not its quantiles


def ratio_expected(a: Any, b: Any, *, method: str = "default") -> RatioLaw:
    r"""Confidence distribution of A / B for the expected estimand.

    Parameters
    ----------
    a, b : array of shape (n_vendors,)
        A vendor's value in A and in B, >= 0. If ``a <= b`` everywhere the ratio is a share, and the law of the
        complement's share is the mirror image.
    method : {"default", "compound-poisson", "bca", "tail"}
        ``"compound-poisson"`` is the percentile law; ``"bca"`` corrects it with z0 = Phi^-1(F(A/B)) and the skewness of
        the influence values :math:`a_v - (A/B) b_v`; ``"tail"`` asks for P(E+ <= E-) with the tail rule on the positive
        and on the negative marks of :math:`a_v - r b_v` (for groups of different vendors: on A and on B - A);
        ``"default"`` is the hull of the last two.

    Raises
    ------
    NotIdentifiedError
        If B is 0.

    Examples
    --------
    >>> b = 100 / np.arange(1.0, 61)
    >>> a = np.where(np.arange(60) % 3 == 1, b, 0)
    >>> law = ratio_expected(a, b)
    >>> round(law.value, 4), law.quantile([0.025, 0.975]).round(2)
    (0.3079, array([0.13, 0.57]))
    """
    a, b = checks.float_array(a, "a", low=0), checks.float_array(b, "b", low=0)
    check_denominator(a, b)
    return ratios_expected(a, b, np.array([0, len(a)]), method=method)[0]


def ratios_expected(a: np.ndarray, b: np.ndarray, start: np.ndarray, *, method: str = "default") -> list[RatioLaw]:
    """Laws of many ratios in one pass; `ratio_expected` is that of one.

    Parameters
    ----------
    a, b : array of shape (n_vendors,)
        Ratio by ratio; no denominator is 0.
    start : int array of shape (n_ratios + 1,)
        Where the vendors of each ratio begin.
    method
        As in `ratio_expected`.
    """
    checks.choice(method, "method", METHODS)
    laws: list[RatioLaw | None] = [None] * (len(start) - 1)
    open_: list[_Pair] = []
    for i, (one, other) in enumerate(zip(np.split(a, start[1:-1]), np.split(b, start[1:-1]), strict=True)):
        pair = _Pair.of(one, other, i)
        if pair.known:
            laws[i] = RatioLaw(pair.value, PointLaw(pair.value), pair.empty)
        else:
            open_.append(pair)
    for share in (False, True):
        alike = [pair for pair in open_ if pair.share is share]
        for pair, law in zip(alike, _laws_of_pairs(alike, method, share=share) if alike else (), strict=True):
            found = RatioLaw(pair.value, law, pair.empty)
            laws[pair.row] = mirror(found) if pair.mirrored else found
    return [law for law in laws if law is not None]


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """Vendors of a ratio in the unit of the largest; of a large share its complement."""

    a: np.ndarray
    b: np.ndarray
    row: int
    value: float
    share: bool
    mirrored: bool
    empty: float
    known: bool

    @classmethod
    def of(cls, a: np.ndarray, b: np.ndarray, row: int) -> _Pair:
        value = float(a.sum() / b.sum())
        keep = (a > 0) | (b > 0)
        a, b = a[keep], b[keep]
        unit = b.max()
        a, b = a / unit, b / unit
        empty = math.exp(-float(np.count_nonzero(b)))
        known = bool(np.ptp(a - value * b) == 0 or not np.any(np.abs(a - value * b) > 1e-12))
        share = bool((a <= b).all())
        mirrored = share and value > 0.5 and not known
        if mirrored:
            a = b - a
            value = float(a.sum() / b.sum())
        return cls(a, b, row, value, share, mirrored, empty, known)

    @property
    def deviation(self) -> float:
        return math.sqrt(float(((self.a - self.value * self.b) ** 2).sum())) / float(self.b.sum())

    @property
    def sides(self) -> tuple[np.ndarray, np.ndarray]:
        """Numerator, and what is left of the denominator without it (of a share)."""
        return self.a, self.b - self.a if self.share else self.b


def _laws_of_pairs(pairs: list[_Pair], method: str, *, share: bool) -> list[Law]:
    value, deviation = np.array([pair.value for pair in pairs]), np.array([pair.deviation for pair in pairs])
    corrected: list[Law] = []
    if method != "tail":
        ends = (np.array([_none(pair.a, pair.empty) for pair in pairs]),
                np.array([_none(pair.b - pair.a, pair.empty) if share else 0.0 for pair in pairs]))

        def bootstrap(r: np.ndarray, which: np.ndarray) -> np.ndarray:
            some = [pairs[i] for i in which.tolist()]
            marks = [pair.a - x * pair.b for pair, x in zip(some, r, strict=True)]
            found = compound_poisson_totals(np.concatenate(marks), np.cumsum([0, *map(len, marks)]), n_points=_N_POINTS)
            return np.array([(law.cdf(0.0) - math.exp(-float(len(pair.a)))) / (1 - pair.empty)
                             for law, pair in zip(found, some, strict=True)])

        corrected = [*tabulate(bootstrap, value, deviation, share=share, ends=ends)]
        if method == "compound-poisson":
            return corrected
        corrected = [accelerated(law, pair.value, skewness(pair.a - pair.value * pair.b) / 6)  # type: ignore[arg-type]
                     for law, pair in zip(corrected, pairs, strict=True)]
        if method == "bca":
            return corrected
    tails = _tail_laws(pairs, value, deviation, share=share)
    return [*tails] if method == "tail" else [Hull(a, b) for a, b in zip(corrected, tails, strict=True)]


def _none(x: np.ndarray, empty: float) -> float:
    """Probability that no vendor of a group is drawn although one of B is."""
    return max(0.0, (math.exp(-float(np.count_nonzero(x))) - empty) / (1 - empty))


def _tail_laws(pairs: list[_Pair], value: np.ndarray, deviation: np.ndarray, *, share: bool) -> list[GridLaw]:
    """P(E+ <= E-) with the tail rule on the marks a - r b > 0 and < 0, which belong to different vendors."""
    apart: dict[int, tuple[Law, Law]] = {}
    for i, pair in enumerate(pairs):
        one, other = pair.sides
        if not np.any((other > 0) & (one > 0)):  # each vendor on one side: its marks keep their proportions for all r
            apart[i] = tail(one), tail(other)

    def probability(r: np.ndarray, which: np.ndarray) -> np.ndarray:
        joint = [(i, pairs[i].a - x * pairs[i].b) for i, x in zip(which.tolist(), r, strict=True) if i not in apart]
        found = tail_totals([side[side > 0] for _, e in joint for side in (e, -e)])
        laws = {i: (found[2 * k], found[2 * k + 1]) for k, (i, _) in enumerate(joint)}
        return np.array([_smaller(*apart[i], (x / (1 - x)) if share else x) if i in apart else _smaller(*laws[i], 1.0)
                         for i, x in zip(which.tolist(), r, strict=True)])

    return tabulate(probability, value, deviation, share=share)


_NODES = np.linspace(-6.0, 6.0, 241)
_NODE_WEIGHTS = np.exp(-(_NODES**2) / 2) / np.exp(-(_NODES**2) / 2).sum()


def _smaller(first: Law, second: Law, factor: float) -> float:
    """P(first <= factor x second) for independent laws, the same whichever of the two is integrated over."""
    p = special.ndtr(_NODES)
    below = float(_NODE_WEIGHTS @ first.cdf(factor * second.quantile(p)))
    above = float(_NODE_WEIGHTS @ second.cdf(first.quantile(p) / factor))
    return (below + 1 - above) / 2
