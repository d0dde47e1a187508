r"""P(A - r B <= 0) of ratios with a smooth law, by their characteristic functions and without a grid.

Vendors outside A (O) and those wholly inside (P) keep their shape whatever r is: of a share

.. math:: A - r B = (1 - r) T_P - r T_O + T_M(r), \quad
   \ln \phi_r(t) = \ln \phi_P((1 - r) t) + \overline{\ln \phi_O(r t)} + \ln \phi_M(t; r),

of a growth with :math:`T_P` in place of :math:`(1 - r) T_P`. O and P are transformed once, all review shares together, and
only the vendors in between (M) anew for every r. One sum is the probability:

.. math:: P(S \le x) = \frac12 - \sum_{k < K} \frac{Im(\phi(t_k) e^{-i t_k x})}{\pi (k + 1/2)}, \quad
   t_k = \left(k + \tfrac12\right) \frac{2 \pi}{L},

but for at most the probability that S lies a length L away from x, and for what is left of the transform after
:math:`t_K`. Source: Davies, *Biometrika* 60 (1973), 415-417. Where the transform does not fade, because few vendors have
atoms, the sum is of no use.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from darkmarket_estimates.distribution.multiplier import LIGHT, Multiplier
from darkmarket_estimates.distribution.paired import has_sides, large_vendors, signed_rows
from darkmarket_estimates.distribution.realised import two_sided
from darkmarket_estimates.distribution.segments import pick
from darkmarket_estimates.distribution.shapes import N_DOMINANT, Alike, alike_vendors, far_ends, log_curve, sides_of
from darkmarket_estimates.distribution.splines import Curves
from darkmarket_estimates.distribution.strata import Stratum
from darkmarket_estimates.distribution.vendors import FEW

#: A vendor whose review share makes more of the variance than this dominates: its transform takes more nodes.
DOMINANT = 0.1
#: Frequency x standard deviation up to which transforms are followed, as far as it takes; what may be left there.
REACHES, FADED = (8.0, 12.0, 24.0, 64.0), 1e-7
#: Probability beyond the length L, and standard deviations that it holds at least.
LOST_MASS, SPAN = 1e-7, 8.5
#: Standard deviations, on the logit or log scale, over which a law is asked for.
FAR = 4.5
#: Frequencies come in multiples of this, and are this many at most; numbers that are worked on at once.
FREQUENCIES, MOST, AT_ONCE = 8, 2**10, 2**16


@dataclass(frozen=True, slots=True)
class Mixed:
    """Vendors of one stratum that are in A and outside it, ratio by ratio.

    Attributes
    ----------
    stratum : Stratum
    multiplier : Multiplier
    dominant, large : bool array of shape (n_vendors,)
        Whose transform takes more nodes; whose two sides have their own shapes.
    """

    stratum: Stratum
    multiplier: Multiplier
    dominant: np.ndarray
    large: np.ndarray

    def log_transform(self, r: np.ndarray, which: np.ndarray, t: np.ndarray, *, nested: bool) -> np.ndarray:
        """Of the ratios `which`, at a row of frequencies each."""
        out = np.zeros(t.shape, dtype=np.complex128)
        rows, begin = pick(self.stratum.start, which)
        owner = np.repeat(np.arange(len(which)), np.diff(begin))
        paired = self.large[rows] & has_sides(r, nested=nested)[owner]
        for heavy in (False, True):
            some = np.flatnonzero(paired & (self.dominant[rows] == heavy))
            for block in _blocks(len(some), 2 * t.shape[1]):
                of = owner[some[block]]
                y, q, *other = self.stratum.sides(r[of], rows[some[block]], nested=nested)
                log = self.multiplier.log_transform(y, q, t[of], N_DOMINANT if heavy else None, (other[0], other[1]))
                mine, first = np.unique(of, return_index=True)
                out[mine] += np.add.reduceat(log, first)
        for heavy in (False, True):
            some = ~paired & (self.dominant[rows] == heavy)
            own_y, own_q, own = signed_rows(self.stratum, self.multiplier, r, rows[some], owner[some], nested=nested)
            own_y, own_q, own = _two_sided(own_y[own_q > 0], own_q[own_q > 0], own[own_q > 0], self.multiplier)
            for few in (False, True):
                part = (np.bincount(own, minlength=len(which)) <= FEW)[own] == few
                like, counts, of = alike_vendors(own_y[part], own_q[part], own[part], self.multiplier, apart=heavy or few)
                for block in _blocks(len(of), t.shape[1]):
                    y, q = like[block].T
                    log = self.multiplier.log_transform(y, q, t[of[block]], N_DOMINANT if heavy else None)
                    mine, first = np.unique(of[block], return_index=True)
                    out[mine] += np.add.reduceat(counts[block, None] * log, first)
        return out


@dataclass(frozen=True, slots=True)
class SignedTotals:
    """Distribution functions of A - r B at 0.

    Attributes
    ----------
    smooth : bool array of shape (n_ratios,)
        Which ratios have a smooth law; the others are not asked for.
    whole, value : array of shape (n_ratios,)
        Mean of B, and the ratio of the means.
    variance : array of shape (n_ratios, 3)
        Coefficients of 1, r and r^2 in the variance of A - r B.
    ends : array of shape (n_ratios, 4)
        How far a vendor may lie above its mean: of P, of M in A, of O, of M in B.
    inside, outside : Curves
        Logarithms of the transforms of P and of O.
    mixed : sequence of Mixed
    nested : bool
    reach : float
        Frequency x standard deviation up to which the transforms are followed.
    """

    smooth: np.ndarray
    whole: np.ndarray
    value: np.ndarray
    variance: np.ndarray
    ends: np.ndarray
    inside: Curves
    outside: Curves
    mixed: Sequence[Mixed]
    nested: bool
    reach: float

    @classmethod
    def of(
        cls, strata: Sequence[Stratum], multipliers: Sequence[Multiplier], value: np.ndarray, whole: np.ndarray, *,
        nested: bool, reach: float, asked: np.ndarray,
    ) -> SignedTotals:
        """Transform what keeps its shape, of the ratios that are asked for, under multipliers of the strata."""
        pairs = [(s, m) for s, m in zip(strata, multipliers, strict=True) if not m.known]
        n = len(value)
        variance = sum((_variance(s, m, nested=nested) for s, m in pairs), np.zeros((n, 3)))
        own = _quadratic(variance, value)
        sellers = sum((s.sums((s.qa > 0) | (s.qb > 0)) for s, _ in pairs), np.zeros(n))
        smooth = asked & (own > 0) & (sellers > FEW) & all(math.isinf(m.alpha) or m.alpha >= LIGHT for _, m in pairs)
        heavy = [_dominant(s, m, value, own, nested=nested) for s, m in pairs]
        for (s, _), (_, steps) in zip(pairs, heavy, strict=True):
            smooth &= s.sums(steps) == 0
        sides = [sides_of(s, m, dominates & smooth[s.owner], smooth, nested=nested)
                 for (s, m), (dominates, _) in zip(pairs, heavy, strict=True)]
        mixed = [Mixed(side.between, m, side.dominant, large_vendors(side.between, value, own, nested=nested))
                 for side, (_, m) in zip(sides, pairs, strict=True)]
        ends = far_ends([(side.single, m) for side, (_, m) in zip(sides, pairs, strict=True)],
                        np.array([1 - value if nested else np.ones(n), np.ones(n), value, value]), LOST_MASS)
        inside, outside = (_curves([part for side in sides for part in side.alike[place]], reach * furthest, smooth)
                           for place, furthest in enumerate(_furthest(variance, nested=nested)))
        return cls(smooth, whole, value, variance, ends, inside, outside, mixed, nested, reach)

    def probability(self, r: np.ndarray, which: np.ndarray) -> np.ndarray:
        """P(A - r B <= 0) of the ratios `which`, at one r each; NaN where the transform does not fade in time."""
        out = np.full(len(r), math.nan)
        deviation = np.sqrt(_quadratic(self.variance[which], r))
        x = self.whole[which] * (r - self.value[which])
        scale = 1 - r if self.nested else np.ones(len(r))  # of P
        reach = np.max([scale * self.ends[which, 0], self.ends[which, 1], r * self.ends[which, 2], r * self.ends[which, 3],
                        SPAN * deviation], axis=0)
        step = 2 * math.pi / (np.abs(x) + reach)
        number = FREQUENCIES * np.ceil(self.reach / deviation / step / FREQUENCIES).astype(np.int64)
        for k in np.unique(number[number <= MOST]):
            alike = np.flatnonzero(number == k)
            for block in _blocks(len(alike), int(k)):
                some = alike[block]
                out[some] = self._sum(r[some], which[some], x[some], step[some], scale[some], int(k))
        return out

    def _sum(
        self, r: np.ndarray, which: np.ndarray, x: np.ndarray, step: np.ndarray, scale: np.ndarray, n: int
    ) -> np.ndarray:
        place = np.arange(n) + 0.5
        t = step[:, None] * place
        log = self.inside.at(scale[:, None] * t, which) + np.conj(self.outside.at(r[:, None] * t, which))
        for side in self.mixed:
            log += side.log_transform(r, which, t, nested=self.nested)
        inside = t * np.sqrt(_quadratic(self.variance[which], r))[:, None] <= self.reach
        weight = np.where(inside, np.exp(log - 1j * t * x[:, None]), 0.0)
        last = np.abs(weight[np.arange(len(r)), inside.sum(axis=1) - 1])
        return np.where(last <= FADED, 0.5 - (weight.imag / place).sum(axis=1) / math.pi, math.nan)


def _curves(parts: Sequence[Alike], last: np.ndarray, smooth: np.ndarray) -> Curves:
    """Logarithms of the transforms of the smooth ratios; one that turns too often is smooth no more."""
    found = [log_curve(parts, i, float(last[i])) if smooth[i] else None for i in range(len(last))]
    smooth &= np.array([each is not None for each in found])
    nothing = np.zeros(2, dtype=np.complex128)
    return Curves.of(last, [nothing if each is None else each for each in found])


def _quadratic(coefficients: np.ndarray, r: np.ndarray) -> np.ndarray:
    return coefficients[:, 0] + coefficients[:, 1] * r + coefficients[:, 2] * r**2


def _variance(s: Stratum, m: Multiplier, *, nested: bool) -> np.ndarray:
    """Coefficients of 1, r and r^2 in the variance of A - r B."""
    between, within = m.variances
    middle = -2 * between * s.a * s.b - (2 * within * s.qa if nested else 0.0)
    return np.column_stack([s.sums(between * s.a**2 + within * s.qa), s.sums(middle),
                            s.sums(between * s.b**2 + within * s.qb)])


def _dominant(
    s: Stratum, m: Multiplier, value: np.ndarray, own: np.ndarray, *, nested: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Vendors whose review share alone carries much of the variance, and those whose price no other sale blurs.

    The transform of a vendor with one price p returns at 2 pi / p, where that of the rest, of standard deviation s, is
    about exp(-2 (pi s / p)^2): 3e-9 at s = p.
    """
    y, q = s.form(value[s.owner], slice(None), nested=nested)
    square = y * y
    price = np.divide(q * q, square, out=q.copy(), where=square >= np.maximum(q, 1e-300))
    between, within = m.variances[0] * square, m.variances[1] * q
    return between > DOMINANT * own[s.owner], price > own[s.owner] - between - within


def _two_sided(
    y: np.ndarray, q: np.ndarray, owner: np.ndarray, m: Multiplier
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vendors whose parts nearly cancel as one part on each side of 0."""
    n = int(owner[-1]) + 1 if len(owner) else 0
    y, q, start = two_sided(y, q, np.searchsorted(owner, np.arange(n + 1)), m)
    return y, q, np.repeat(np.arange(n), np.diff(start))


def _blocks(n: int, width: int) -> Iterator[slice]:
    """`n` rows of this width in blocks that fit the memory."""
    step = max(1, AT_ONCE // max(width, 1))
    for begin in range(0, n, step):
        yield slice(begin, begin + step)


def _furthest(variance: np.ndarray, *, nested: bool) -> tuple[np.ndarray, np.ndarray]:
    """The largest multiple of T_P, and of T_O, beside the deviation of A - r B, whatever r is."""
    v0, v1, v2 = variance.T
    outside = _largest(v0, v1, v2, upper=1.0 if nested else math.inf)
    if nested:  # the same of 1 - r
        return _largest(v0 + v1 + v2, -v1 - 2 * v2, v2, upper=1.0), outside
    with np.errstate(divide="ignore", invalid="ignore"):
        return 1 / np.sqrt(np.where((v1 < 0) & (v2 > 0), v0 - v1**2 / (4 * v2), v0)), outside


def _largest(v0: np.ndarray, v1: np.ndarray, v2: np.ndarray, *, upper: float) -> np.ndarray:
    """Largest s / sqrt(v0 + v1 s + v2 s^2) for 0 < s <= upper: at an end, or where the slope 2 v0 + v1 s is 0."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        end = 1 / v2 if math.isinf(upper) else upper**2 / (v0 + v1 * upper + v2 * upper**2)
        s = np.clip(-2 * v0 / v1, 0.0, min(upper, 1e300))
        inner = np.where(v1 < 0, s**2 / (v0 + v1 * s + v2 * s**2), 0.0)
        return np.sqrt(np.fmax(end, inner))


def _about(signed: SignedTotals, some: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Some ratios of the means, and those as far away as they are asked for: what fades at them fades in between."""
    value = signed.value[some]
    spread = FAR * np.sqrt(_quadratic(signed.variance[some], value)) / signed.whole[some]
    if signed.nested:
        odds, spread = special.logit(value), spread / (value * (1 - value))
        return value, special.expit(odds - spread), special.expit(odds + spread)
    factor = np.exp(np.minimum(spread / value, 500.0))
    return value, value / factor, value * factor


def signed_totals(
    strata: Sequence[Stratum], multipliers: Sequence[Multiplier], value: np.ndarray, whole: np.ndarray, *, nested: bool
) -> list[SignedTotals]:
    """Those that together have every ratio with a smooth law, each as far as its transform has to be followed.

    Parameters
    ----------
    strata : sequence of Stratum
        Of the same ratios.
    multipliers : sequence of Multiplier
        Of the strata.
    value, whole : array of shape (n_ratios,)
        The ratios of the means, and the means of B.
    nested : bool
        True for shares.
    """
    open_ = np.ones(len(value), dtype=bool)
    found = []
    for reach in REACHES:
        signed = SignedTotals.of(strata, multipliers, value, whole, nested=nested, reach=reach, asked=open_)
        some = np.flatnonzero(signed.smooth)
        if not len(some):
            break
        for r in _about(signed, some):
            signed.smooth[some] &= ~np.isnan(signed.probability(r, some))
        open_ &= ~signed.smooth
        found.append(signed)
    return found
