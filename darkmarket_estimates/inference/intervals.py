"""Intervals of rows: quantiles of their laws, and Imbens-Manski where a Range leaves a whole band of laws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, special

from darkmarket_estimates.distribution.base import known
from darkmarket_estimates.distribution.quantiles import quantiles
from darkmarket_estimates.distribution.segments import kinds
from darkmarket_estimates.inference.laws import Kept, Rows, laws
from darkmarket_estimates.inference.progress import Tell, quiet
from darkmarket_estimates.totals import VENDOR

if TYPE_CHECKING:
    from darkmarket_estimates.factors import Factor
    from darkmarket_estimates.inference.model import Model

Interval = tuple[float, float] | None
#: Rows whose laws are held at once.
ROWS = 256
#: Resampled totals that are held at once.
DRAWS = 2**24


def intervals(
    model: Model, rows: Sequence[np.ndarray], level: float, *, kept: Kept | None = None, own: Sequence[Factor] | None = None,
    tell: Tell = quiet,
) -> list[Interval]:
    """Interval of each row, or None where there is nothing uncertain (or nothing stated) to base it on.

    `kept` and `own` (not with a Range) as in `laws`; `tell` is told the fraction done.
    """
    out: list[Interval] = [None] * len(rows)
    if model.interval == "none" or not model.has_share:
        return out
    plain: list[int] = []
    gammas: dict[int, float] = {}
    for i, cells in enumerate(rows):
        if not model.y[cells].any():
            continue
        if model.number_of_vendors == "fixed" and len(np.unique(model.totals.keys[VENDOR].codes[cells])) < 2:
            continue  # one vendor says nothing of how vendors differ
        if (bounds := model.bounds(cells)) is None:
            plain.append(i)
        elif (gamma := _tail_beyond(model, cells, bounds, level)) is not None:
            gammas[i] = gamma
    plain = _alike_together(model, rows, plain)
    ends = np.array([(1 - level) / 2, (1 + level) / 2])
    done, whole = 0, max(len(plain) + len(gammas), 1)
    step = ROWS if model.interval != "poisson-bootstrap" else max(1, min(ROWS, DRAWS // model.n_resamples))
    for start in range(0, len(plain), step):
        some = plain[start : start + step]
        mine = None if own is None else [own[i] for i in some]
        found = zip(some, laws(model, [rows[i] for i in some], "central", kept, mine), strict=True)
        wide = [(i, law) for i, law in found if not known(law)]
        for (i, _), (low, high) in zip(wide, quantiles([law for _, law in wide], ends), strict=True):
            out[i] = max(0.0, float(low)), float(high)
        done += len(some)
        tell(done / whole)
    ranged = [*gammas]
    for start in range(0, len(ranged), ROWS):
        some = ranged[start : start + ROWS]
        beyond = np.array([[gammas[i]] for i in some])
        low, high = (quantiles(laws(model, [rows[i] for i in some], end, kept), p)[:, 0].tolist()
                     for end, p in (("low", beyond), ("high", 1 - beyond)))
        for i, *pair in zip(some, low, high, strict=True):
            out[i] = max(0.0, pair[0]), pair[1]
        done += len(some)
        tell(done / whole)
    return out


def _alike_together(model: Model, rows: Sequence[np.ndarray], which: list[int]) -> list[int]:
    """Rows on which the same factors act one after the other, so that their laws are made together."""
    partial = [f for f in model.factors if f.cells is not None]
    if not partial or len(which) <= ROWS:
        return which
    some = Rows.of([rows[i] for i in which])
    kind, _ = kinds((some.sums(f.share_of(some.cells)) > 0 for f in partial), len(which))
    return [which[i] for i in np.argsort(kind, kind="stable").tolist()]


def _tail_beyond(model: Model, cells: np.ndarray, bounds: tuple[float, float], level: float) -> float | None:
    """Probability beyond each end of the interval that covers wherever in the Range the assumption lies."""
    return imbens_manski(bounds, max(model.log_variance(cells, end) for end in ("low", "high")), level)


def imbens_manski(bounds: tuple[float, float], log_variance: float, level: float) -> float | None:
    r"""Tail probability at each end such that the total is covered wherever in the range the assumption lies.

    Solves :math:`\Phi(c + \Delta / s) - \Phi(-c) = level` with :math:`\Delta = \ln(hi / lo)`, which is known, and
    returns :math:`\Phi(-c)`. Source: Imbens and Manski, *Econometrica* 72 (2004), 1845-1857, on the log scale.

    At most 1/2: at levels below it the ends would cross the medians at the ends of the range, and each other.

    Returns
    -------
    float or None
        None without variance: the bounds are all there is.
    """
    low, high = bounds
    if log_variance == 0 or low <= 0:
        return None
    width = math.log(high / low) / math.sqrt(log_variance)
    z = float(special.ndtri((1 + level) / 2))

    def short(c: float) -> float:
        return float(special.ndtr(c + width) - special.ndtr(-c)) - level

    # c lies between the one-sided and the two-sided normal quantile
    c = optimize.brentq(short, float(special.ndtri(level)) - 1e-9, z + 1e-9, xtol=1e-12)
    return min(float(special.ndtr(-c)), 0.5)
