r"""Laws of realised ratios over uncertain factors that do not cancel: place, width and shape of the law move with them.

On the log scale (of a share: of the odds) the law at factors :math:`\theta` has the place :math:`c(\theta)` and the width
:math:`w(\theta)` of `places`, in closed form, and a shape :math:`h_\theta`, its normal score at a standardised distance:

.. math:: P(\ln R \le x) = E_\theta \Phi\left(h_\theta\left(\frac{x - c(\theta)}{w(\theta)}\right)\right)

The shape changes slowly. It is that of the central law and what each review share by itself adds to it: a parabola in the
normal score of the share, through the shapes at its centre and at :math:`\pm\sqrt 3`. The mean is over Sobol points.

Where nothing but one review share acts, and on the whole of a ratio, its place stays: the law is the mixture of the laws at
the three Gauss points of the share, and atoms stay where they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy import interpolate, special

from darkmarket_estimates.comparison.places import Kinds, Sums
from darkmarket_estimates.distribution.factors import gauss, sobol
from darkmarket_estimates.distribution.law import GridLaw, Law, Mixture, PointLaw
from darkmarket_estimates.distribution.ratios import Stratum, probabilities_realised, ratios_realised
from darkmarket_estimates.distribution.relative import positive_nodes
from darkmarket_estimates.factors import REVIEW_SHARE, Factor

#: Points over the factors, and where the place moves further than the law is wide; Gauss points of a share that acts alone.
POINTS, MORE_POINTS, GAUSS = 512, 4096, 3
#: Normal scores of a share at which shapes are computed, and up to which the parabola through them is followed.
REACH, FURTHEST = math.sqrt(3.0), 2.5
#: A share matters by itself if a standard deviation of it moves the log of the width that it makes by so much; and for the
#: shape if it makes this part of the square of the width.
MOVES, PART = 0.05, 0.03
#: Normal scores of a shape, and those at which a change of it is computed; how far the shape reaches, in widths.
_SCORES, _KNOTS, _FAR = np.linspace(-4.25, 4.25, 171), np.linspace(-3.0, 3.0, 7), 25.0
#: Probabilities nearer to 0 or 1 may be rounding; places of a mixture.
_CERTAIN, _DENSE = 1e-6, 385

#: Vendors of some of the ratios, some factors (by their positions) at other values than their centres.
StrataAt = Callable[[Mapping[int, float], np.ndarray], Sequence[Stratum]]


def over_factors(strata_at: StrataAt, kinds: Kinds, sums: Sums, *, share: bool) -> list[Law]:
    """Laws of realised ratios with every uncertain factor that does not cancel mixed in.

    Parameters
    ----------
    strata_at : callable
    kinds : Kinds
    sums : Sums
    share : bool
        Whether the ratios are shares of a whole.
    """
    every = np.arange(len(sums.a))
    acts = kinds.acts.astype(np.int64) @ sums.present.T  # on how many kinds: (factor, ratio)
    moved = ((acts > 0) & (acts < sums.present.sum(axis=1))).any(axis=0)  # their place
    matters = acts > 0
    for i, f in enumerate(kinds.factors):
        matters[i] &= f.name == REVIEW_SHARE and kinds.spread(sums, i, _ends(f)) > MOVES * REACH

    def laws_at(values: Mapping[int, float], which: np.ndarray) -> list[Law]:
        strata = strata_at(values, which) if len(which) else []
        if not strata:  # every sale is reviewed
            return [PointLaw(float(x)) for x in _back(share)(kinds.places(sums, kinds.centre[None])[0][0, which])]
        return [law.law for law in ratios_realised(strata, nested=share, spread_law=kinds.spread_law)]

    alone = ~moved & matters.any(axis=0)
    out: list[Law] = [PointLaw(0.0)] * len(every)
    rest = np.flatnonzero(~alone)
    for row, law in zip(rest.tolist(), laws_at({}, rest), strict=True):
        out[row] = law
    for i, f in enumerate(kinds.factors):
        if len(rows := np.flatnonzero(alone & matters[i])):
            points, weights = gauss(*positive_nodes(f.spec), GAUSS)
            for row, *laws in zip(rows.tolist(), *(laws_at({i: float(x)}, rows) for x in points), strict=True):
                out[row] = Mixture(laws, weights)
    if len(rows := np.flatnonzero(moved)):
        found = _moved(strata_at, kinds, sums, rows, [out[row] for row in rows], matters, share=share)
        for row, law in zip(rows.tolist(), found, strict=True):
            out[row] = law
    return out


def _moved(
    strata_at: StrataAt, kinds: Kinds, sums: Sums, rows: np.ndarray, central: Sequence[Law], matters: np.ndarray, *, share: bool
) -> list[Law]:
    """Laws of ratios whose place moves."""
    uniform = sobol(len(kinds.factors), MORE_POINTS)
    values = np.column_stack([f.spec.ppf(u) for f, u in zip(kinds.factors, uniform.T, strict=True)])  # type: ignore[union-attr]
    place, width = kinds.places(sums, values)
    c, w = (part[0] for part in kinds.places(sums, kinds.centre[None]))
    shapes = {row: _shape(law, c[row], w[row], share=share)
              for row, law in zip(rows.tolist(), central, strict=True) if law.variance > 0}
    changes: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {row: [] for row in shapes}
    parts = kinds.parts(sums) @ kinds.acts.T
    matters = matters & np.isin(np.arange(len(c)), [*shapes]) & (parts.T > PART)
    asked = np.flatnonzero(matters.any(axis=0))
    knots = np.array([np.interp(_KNOTS, _SCORES, shapes[row]) for row in asked.tolist()]).reshape(-1, len(_KNOTS)).T

    def normal_scores(values: Mapping[int, float], some: np.ndarray) -> np.ndarray:
        at = kinds.centre.copy()
        at[[*values]] = [*values.values()]
        c, w = (part[0, asked[some]] for part in kinds.places(sums, at[None]))
        r = _back(share)(c + w * knots[:, some])
        height = probabilities_realised(strata_at(values, asked[some]), r, nested=share, spread_law=kinds.spread_law)
        return special.ndtri(np.clip(height, _CERTAIN, 1 - _CERTAIN))

    before = normal_scores({}, np.arange(len(asked))) if len(asked) else knots
    for i, f in enumerate(kinds.factors):
        if not len(some := np.flatnonzero(matters[i, asked])):
            continue
        own = float(np.clip(special.ndtri(f.spec.cdf(kinds.centre[i])), -1.0, 1.0))  # type: ignore[union-attr]
        score = np.clip(special.ndtri(uniform[:, i]), -FURTHEST, FURTHEST)
        for end, value in zip((-REACH, REACH), _ends(f), strict=True):
            weight = (score + end) * (score - own) / (2 * end * (end - own))
            change = normal_scores({i: value}, some) - before[:, some]
            for row, x, more in zip(asked[some].tolist(), knots[:, some].T, change.T, strict=True):
                changes[row].append((weight, _between(x, more, shapes[row])))
    out: list[Law] = []
    for row in rows.tolist():
        if row not in shapes:  # nothing but its place is uncertain
            out.append(GridLaw.from_sample(_back(share)(place[:, row])))
            continue
        n = MORE_POINTS if place[:, row].std() > w[row] else POINTS
        scores = sum((weight[:n, None] * change for weight, change in changes[row]), np.tile(_SCORES, (n, 1)))
        out.append(_mixture(place[:n, row], width[:n, row], shapes[row], scores, _back(share)))
    return out


def _back(share: bool) -> Callable[[np.ndarray], np.ndarray]:
    return special.expit if share else np.exp


def _ends(factor: Factor) -> tuple[float, float]:
    """The values of a factor at which shapes are computed beside its centre."""
    low, high = factor.spec.ppf(special.ndtr(np.array([-REACH, REACH])))  # type: ignore[union-attr]
    return float(low), float(high)


def _shape(law: Law, place: float, width: float, *, share: bool) -> np.ndarray:
    """Standardised quantiles of a law at `_SCORES`, on the log scale or that of the odds."""
    quantile = law.quantile(special.ndtr(_SCORES))
    with np.errstate(divide="ignore"):
        log = special.logit(quantile) if share else np.log(quantile)
    return np.clip((log - place) / width, -_FAR, _FAR)


def _between(x: np.ndarray, change: np.ndarray, at: np.ndarray) -> np.ndarray:
    """A change of shape that is known at a few distances, at others; beyond the last it stays."""
    x, first = np.unique(x, return_index=True)
    if len(x) < 2:
        return np.full(len(at), change.mean())
    return interpolate.PchipInterpolator(x, change[first])(np.clip(at, x[0], x[-1]))


def _mixture(
    place: np.ndarray, width: np.ndarray, shape: np.ndarray, scores: np.ndarray, back: Callable[[np.ndarray], np.ndarray]
) -> GridLaw:
    """Law of equally likely points with places, widths and normal scores (n_points, n_distances) at distances from the place."""
    scores = np.maximum.accumulate(scores, axis=1)
    centre, scale = float(place.mean()), math.hypot(float(place.std()), float(width.mean()))
    ends = float(np.min(place + width * shape[0])), float(np.max(place + width * shape[-1]))
    low, high = (math.asinh((end - centre) / scale) for end in ends)
    x = centre + scale * np.sinh(np.linspace(low, high, _DENSE))  # dense in the middle
    each = [np.interp((x - c) / w, shape, own) for c, w, own in zip(place, width, scores, strict=True)]
    return GridLaw.tabulated(back(x), special.ndtr(each).mean(axis=0))
