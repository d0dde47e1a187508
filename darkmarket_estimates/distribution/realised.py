r"""The law of the realised total given its reviews: spread between vendors and unreviewed sales, no resampling.

Given its reviews, vendor v sold :math:`X_v = y_v + p_v K_v`: the reviewed value and :math:`K_v` unreviewed sales,
negative binomial given the vendor's own review share :math:`\rho_v^*`. Vendors are independent, so the
characteristic functions multiply.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import special

from darkmarket_estimates import _checks as checks
from darkmarket_estimates.distribution.factors import gauss
from darkmarket_estimates.distribution.independent_sum import total_laws
from darkmarket_estimates.distribution.law import Law, Mixture, PointLaw, ScaledMixture
from darkmarket_estimates.distribution.multiplier import Multiplier
from darkmarket_estimates.distribution.segments import pick
from darkmarket_estimates.distribution.vendors import Vendors, arrange
from darkmarket_estimates.errors import AssumptionError, DataError

_ANCHORS = 5, 9  # laws that are computed for a mean share whose odds are known to 10 %, and for one whose are not
#: Gauss points of the mean share, by its coefficient of variation beside the law's own at most.
_POINTS, _RATIOS = (2, 3, 5), np.array([0.2, 0.4, 0.8])
#: The unreviewed part of a law is stretched at most so much; odds and factors below the last are 0.
_STRETCH, _NOTHING = 4.0, 1e-12


def realised(
    y: Any, q: Any, share: float, spread: float, *, spread_law: str = "default", signed: bool = False
) -> Law:
    r"""Predictive law of the realised total given the reviews.

    .. math:: T = \sum_v (y_v + p_v K_v), \quad K_v \sim NegBin(n_v, \rho_v^*), \quad
       \rho_v^* \sim Beta(a + 2, b (a + 1) / a)

    with the effective price :math:`p_v = q_v / y_v` and index :math:`n_v = y_v^2 / q_v`, which match the mean
    :math:`y_v / \rho` and variance :math:`q_v (1 - \rho) / \rho^2` given :math:`\rho` for any prices within the
    vendor (and are exact for one price). Without spread :math:`\rho_v^* = \rho`.

    Parameters
    ----------
    y, q : array of shape (n_vendors,)
        Sum of price x reviews, in the currency of the prices, and sum of price^2 x reviews. `y` may be signed: then
        the total is that of a linear form, and ``q`` the sum of coefficient^2 x price^2 x reviews.
    share : float
        Mean review share (reviews per sale, weighted by turnover) in (0, 1].
    spread : float
        Standard deviation of the review share between vendors, below sqrt(share (1 - share)).
    signed : bool
        Whether the total is a linear form in which sales of both signs may cancel within a vendor, even where every
        `y` is positive.
    spread_law : {"default", "conservative"}
        The law above, or Beta(a + 1, b), exact for vendor sizes with density size^-2 and wider for lighter tails.

    Returns
    -------
    Law
        With mean ``sum(y) / share``. Only sums are valid: the law of one vendor's part is bookkeeping (its extra unit
        pays for vendors and listings with sales and no review).

    Raises
    ------
    DataError
        If arrays differ in length, hold values that are not finite, or q < 0 or q = 0 beside y != 0.
    AssumptionError
        If the share or the spread is impossible, or ``"conservative"`` meets a <= 1, where its variance is infinite.

    Notes
    -----
    Given a Beta share, :math:`K_v` has the beta negative binomial law, so each dominant vendor has a closed form on
    the grid. The others enter through their logarithmic characteristic function in classes of like vendors, by
    Gauss-Jacobi nodes in :math:`\rho^*`, on the few frequencies where it is not yet 0.

    Examples
    --------
    >>> law = realised([300.0, 200.0, 50.0], [9000.0, 4000.0, 500.0], 0.5, 0.1)
    >>> law.mean, law.quantile([0.025, 0.975]).round(0)
    (1100.0, array([ 760., 1639.]))
    """
    y, q = _pairs(y, q)
    return realised_totals(y, q, np.array([0, len(y)]), share, spread, spread_law=spread_law, signed=signed)[0]


def realised_totals(
    y: np.ndarray, q: np.ndarray, start: np.ndarray, share: float, spread: float, *, spread_law: str = "default",
    signed: bool = False,
) -> list[Law]:
    """Laws of many totals in one pass; `realised` is that of one.

    Parameters
    ----------
    y, q : array of shape (n_vendors,)
        As in `realised`, total by total.
    start : int array of shape (n_totals + 1,)
        Where the vendors of each total begin.
    share, spread, spread_law, signed
        As in `realised`, the same for all totals.

    Returns
    -------
    list of Law

    Examples
    --------
    >>> y, q = np.array([300.0, 200.0, 50.0]), np.array([9000.0, 4000.0, 500.0])
    >>> [round(law.mean, 9) for law in realised_totals(y, q, np.array([0, 2, 3]), 0.5, 0.1)]
    [1000.0, 100.0]
    """
    multiplier = Multiplier.of(share, spread, spread_law)
    y, q, start = _occurring(y, q, start)
    return _totals(y, q, start, multiplier, signed=signed or bool((y <= 0).any()))


def _totals(y: np.ndarray, q: np.ndarray, start: np.ndarray, multiplier: Multiplier, *, signed: bool) -> list[Law]:
    laws: list[Law] = [PointLaw(0.0)] * (len(start) - 1)
    some = np.flatnonzero(np.diff(start))
    if not len(some):
        return laws
    begin = start[:-1][some]
    if multiplier.known:  # every sale is reviewed
        found: Sequence[Law] = [PointLaw(float(total)) for total in np.add.reduceat(y, begin)]
    else:
        ends = np.append(begin, len(y))
        if signed:
            y, q, ends = two_sided(y, q, ends, multiplier)
        found = total_laws(arrange(y, q, ends, multiplier), multiplier)
    for at, law in zip(some, found, strict=True):
        laws[at] = law
    return laws


def _occurring(y: np.ndarray, q: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vendors with reviews."""
    keep = q > 0
    return y[keep], q[keep], np.concatenate([[0], np.cumsum(keep)])[start]


def realised_uncertain_share(
    y: Any, q: Any, mean_nodes: Any, weights: Any, size_s: float, *, spread_law: str = "default"
) -> Mixture:
    r"""Law of the realised total when the mean review share is itself uncertain.

    :math:`P(T \le q) = \sum_m w_m F_m(q)` where :math:`F_m` has the shape a = m s, b = (1 - m) s.

    Parameters
    ----------
    y, q : array of shape (n_vendors,)
        As in `realised`.
    mean_nodes, weights : array of shape (n_nodes,)
        Quadrature of the law of the mean share, from `darkmarket_estimates.distribution.factors.nodes`.
    size_s : float
        share (1 - share) / spread^2 - 1 at the central share, or ``inf`` for no spread; it stays fixed.
    spread_law : {"default", "conservative"}
        As in `realised`.

    Returns
    -------
    Mixture
        Where the law is wide beside the uncertainty of the share: of the laws at two to five Gauss points of the share,
        which are exact for a law that changes with it like a polynomial; atoms stay where they are. Else of the laws at
        five to nine anchors. A node between two anchors has a mixture of their laws, the unreviewed part of each scaled
        to the node's own mean: its shape changes slowly with the share, its scale does not, and what was reviewed stays.

    Examples
    --------
    >>> import scipy.stats
    >>> from darkmarket_estimates.distribution.factors import nodes
    >>> law = realised_uncertain_share([300.0, 200.0], [9000.0, 4000.0], *nodes(scipy.stats.beta(200, 200)), 24.0)
    >>> law.quantile([0.025, 0.975]).round(0)
    array([ 660., 1550.])
    """
    y, q = _pairs(y, q)
    return realised_totals_uncertain_share(y, q, np.array([0, len(y)]), mean_nodes, weights, size_s,
                                           spread_law=spread_law)[0]


def realised_totals_uncertain_share(
    y: np.ndarray, q: np.ndarray, start: np.ndarray, mean_nodes: Any, weights: Any, size_s: float, *,
    spread_law: str = "default",
) -> list[Mixture]:
    """Laws of many totals under one uncertain mean share; `realised_uncertain_share` is that of one."""
    m, w = checks.float_array(mean_nodes, "mean_nodes"), checks.float_array(weights, "weights", low=0)
    checks.same_length(mean_nodes=m, weights=w)
    if not len(m) or m.min() <= 0 or m.max() > 1:
        raise AssumptionError("the mean review share has an impossible value", expected="nodes in (0, 1]",
                              got=repr(float(m.min() if m.min() <= 0 else m.max())) if len(m) else "none")
    if not size_s > 0:
        raise AssumptionError("size_s is out of range", expected="a number > 0, or inf for no spread",
                              got=repr(size_s))
    y, q, start = _occurring(y, q, start)
    order = np.argsort(m)
    m, w = m[order], w[order] / w.sum()
    centre = float(w @ m)
    central = Multiplier.of_size(min(centre, 1 - 1e-9), size_s, spread_law)
    steadiness = _own_variation(y, q, start, central)
    spread = math.sqrt(float(w @ (m - centre) ** 2)) / centre
    wanted = np.searchsorted(_RATIOS, spread / steadiness)
    out: list[Mixture] = [Mixture([PointLaw(0.0)], np.ones(1))] * (len(start) - 1)
    for kind in np.unique(wanted[steadiness < math.inf]):
        some = np.flatnonzero((wanted == kind) & (steadiness < math.inf))
        rows, begin = pick(start, some)
        # arranged once for all shares: which vendors dominate, and which are alike, hardly changes with the share
        vendors = arrange(y[rows], q[rows], begin, central)

        def laws_at(share: float, vendors: Vendors = vendors) -> Sequence[Law]:
            multiplier = Multiplier.of_size(share, size_s, spread_law)
            if multiplier.known:
                return [PointLaw(float(total)) for total in vendors.sums[:, 0] * vendors.unit]
            return total_laws(vendors, multiplier)

        laws = (_at_points(laws_at, m, w, n=_POINTS[kind]) if kind < len(_POINTS)
                else _between_anchors(laws_at, m, w, vendors.sums[:, 0] * vendors.unit))
        for at, law in zip(some, laws, strict=True):
            out[at] = law
    return out


def _own_variation(y: np.ndarray, q: np.ndarray, start: np.ndarray, multiplier: Multiplier) -> np.ndarray:
    """Coefficient of variation of each total given the mean share; infinite for a total of 0."""
    owner = np.repeat(np.arange(len(start) - 1), np.diff(start))
    total, variance = (np.bincount(owner, part, len(start) - 1) for part in (
        y / multiplier.share, multiplier.variances[0] * y * y + multiplier.variances[1] * q))
    return np.divide(np.sqrt(variance), total, out=np.full(len(total), np.inf), where=total > 0)


def _at_points(laws_at: Callable[[float], Sequence[Law]], m: np.ndarray, w: np.ndarray, *, n: int) -> list[Mixture]:
    """Laws at the Gauss points of the mean share: where a law is wide beside them it changes little between them."""
    points, weights = gauss(m, w, n)
    return [Mixture(each, weights) for each in zip(*map(laws_at, points.tolist()), strict=True)]


def _between_anchors(
    laws_at: Callable[[float], Sequence[Law]], m: np.ndarray, w: np.ndarray, reviewed: np.ndarray
) -> list[Mixture]:
    """Laws at a few shares; between them the unreviewed part is scaled to its own mean: its shape changes slowly."""
    centre = float(w @ m)
    # known to 10 %, or not: of the odds, which near a share of 1 are less well known than the share
    n_anchors = _ANCHORS[bool(w @ (m - centre) ** 2 > 0.01 * (centre * max(1 - centre, _NOTHING)) ** 2)]
    anchors = np.unique(np.interp(special.ndtr(np.linspace(-2.4, 2.4, n_anchors)), np.cumsum(w) - w / 2, m))
    odds, own = (1 - m) / m, (1 - anchors) / anchors  # unreviewed sales per reviewed one
    logit, marks = (special.logit(np.minimum(x, 1 - _NOTHING)) for x in (m, anchors))
    place = np.interp(logit, marks, np.arange(len(anchors)))
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, len(anchors) - 1)
    # where all but nothing is unreviewed at the anchor above, its few atoms are not stretched to be those of the node
    part = np.where(odds > _STRETCH * own[above], 0.0, place - below)
    masses, parts = np.zeros(len(anchors)), []
    for i, anchor in enumerate(anchors):
        hat = w * (np.where(below == i, 1 - part, 0.0) + np.where(above == i, part, 0.0))
        near = hat > 0
        masses[i] = hat.sum()
        if near.any():
            factors = np.maximum(odds[near] / max(own[i], _NOTHING), _NOTHING)
            parts.append([ScaledMixture(law, factors, hat[near] / masses[i], about)
                          for law, about in zip(laws_at(float(anchor)), reviewed.tolist(), strict=True)])
    return [Mixture(laws, masses[masses > 0]) for laws in zip(*parts, strict=True)]


def _pairs(y: Any, q: Any) -> tuple[np.ndarray, np.ndarray]:
    y, q = checks.float_array(y, "y"), checks.float_array(q, "q", low=0)
    checks.same_length(y=y, q=q)
    lone = (y != 0) & (q == 0)
    if lone.any():
        at = int(np.flatnonzero(lone)[0])
        raise DataError("a vendor has value but no sum of squares", where=f"entry {at}",
                        expected="q = sum of price^2 x reviews > 0 wherever y differs from 0",
                        got=f"y = {y[at]:g}, q = 0")
    keep = q > 0
    return y[keep], q[keep]


def two_sided(
    y: np.ndarray, q: np.ndarray, start: np.ndarray, multiplier: Multiplier
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vendors whose parts nearly cancel (y^2 < q) as one part on each side of 0.

    The effective index y^2 / q would tend to 0, a rare huge jump, where sales of both signs are nearly symmetric. The
    parts (sqrt(q) +- y) / 2 are independent, so what they add to the spread between vendors leaves their q.
    """
    cancels = y * y < q
    between, within = multiplier.variances
    root = np.sqrt(q[cancels])
    sides = [(root + y[cancels]) / 2, (root - y[cancels]) / 2]
    left = q[cancels] - (root**2 - y[cancels] ** 2) / 2 * between / within
    parts = [left * side / root for side in sides]
    keep = [part > 0 for part in parts]
    owner = np.repeat(np.arange(len(start) - 1), np.diff(start))
    of = np.concatenate([owner[~cancels], owner[cancels][keep[0]], owner[cancels][keep[1]]])
    order = np.argsort(of, kind="stable")
    return (np.concatenate([y[~cancels], sides[0][keep[0]], -sides[1][keep[1]]])[order],
            np.concatenate([q[~cancels], parts[0][keep[0]], parts[1][keep[1]]])[order],
            np.searchsorted(of[order], np.arange(len(start))))
