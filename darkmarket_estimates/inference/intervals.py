"""Intervals of rows: quantiles of their laws, and Imbens-Manski where a Range leaves a whole band of laws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, special

from darkmarket_estimates.distribution.base import known
from darkmarket_estimates.distribution.quantiles import quantiles
from darkmarket_estimates.inference.laws import Kept, laws
from darkmarket_estimates.inference.progress import Tell, quiet
from darkmarket_estimates.totals import VENDOR

if TYPE_CHECKING:
    from darkmarket_estimates.inference.model import Model

Interval = tuple[float, float] | None
#: Rows whose laws are held at once.
ROWS = 256


def intervals(
    model: Model, rows: Sequence[np.ndarray], level: float, *, kept: Kept | None = None, tell: Tell = quiet
) -> list[Interval]:
    """Interval of each row, or None where there is nothing uncertain (or nothing stated) to base it on.

    `kept` as in `laws`; `tell` is told the fraction done.
    """
    out: list[Interval] = [None] * len(rows)
    if model.interval == "none" or not model.has_share:
        return out
    plain: list[int] = []
    for i, cells in enumerate(rows):
        if not model.y[cells].any():
            continue
        if model.number_of_vendors == "fixed" and len(np.unique(model.totals.keys[VENDOR].codes[cells])) < 2:
            continue  # one vendor says nothing of how vendors differ
        if (bounds := model.bounds(cells)) is None:
            plain.append(i)
        else:
            out[i] = _over_range(model, cells, bounds, level)
            tell((i + 1) / len(rows))
    ends = np.array([(1 - level) / 2, (1 + level) / 2])
    ranged = len(rows) - len(plain)
    for start in range(0, len(plain), ROWS):
        some = plain[start : start + ROWS]
        found = zip(some, laws(model, [rows[i] for i in some], "central", kept), strict=True)
        wide = [(i, law) for i, law in found if not known(law)]
        for (i, _), (low, high) in zip(wide, quantiles([law for _, law in wide], ends), strict=True):
            out[i] = max(0.0, float(low)), float(high)
        tell((ranged + start + len(some)) / len(rows))
    return out


def _over_range(model: Model, cells: np.ndarray, bounds: tuple[float, float], level: float) -> Interval:
    """Interval that covers wherever in the Range the assumption lies."""
    gamma = imbens_manski(bounds, max(model.log_variance(cells, end) for end in ("low", "high")), level)
    if gamma is None:
        return None
    low = model.law(cells, "low").quantile(gamma)
    return max(0.0, float(low)), float(model.law(cells, "high").quantile(1 - gamma))


def imbens_manski(bounds: tuple[float, float], log_variance: float, level: float) -> float | None:
    r"""Tail probability at each end such that the total is covered wherever in the range the assumption lies.

    Solves :math:`\Phi(c + \Delta / s) - \Phi(-c) = level` with :math:`\Delta = \ln(hi / lo)`, which is known, and
    returns :math:`\Phi(-c)`. Source: Imbens and Manski, *Econometrica* 72 (2004), 1845-1857, on the log scale.

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
    return float(special.ndtr(-c))
