"""Lower bounds of totals under `ValueChao`: what was seen, and at least what was not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ndtri

from darkmarket_estimates.assumptions import ValueChao
from darkmarket_estimates.coverage.intervals import lognormal_factor
from darkmarket_estimates.coverage.value import value_chao_from_sums
from darkmarket_estimates.distribution.quantiles import quantiles
from darkmarket_estimates.inference import VENDORS_SAMPLED, Model, Tell, quiet
from darkmarket_estimates.inference.intervals import ROWS
from darkmarket_estimates.inference.laws import laws
from darkmarket_estimates.totals import VENDOR, Totals
from darkmarket_estimates.undetected import captures


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A lower bound on a total.

    Attributes
    ----------
    value, limit : float
        Seen and unseen; the one-sided lower limit of that.
    unseen : float
        The part of `value` that no scrape saw.
    n_strata : int
    flags : tuple of str
    """

    value: float
    limit: float
    unseen: float
    n_strata: int
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stratum:
    seen: float
    unseen: float
    variance: float
    few: bool


def lower_bounds(model: Model, rows: Sequence[np.ndarray], level: float, tell: Tell = quiet) -> list[Bound | None]:
    """Bound of the total of each row under `ValueChao`, as the sum over its groups; None without it.

    The limit puts half of the error probability on unseen listings and half on the other uncertainties, where there
    are any (Bonferroni): it is conservative.
    """
    if not isinstance(model.coverage, ValueChao):
        return [None] * len(rows)
    others = _other_sources(model, rows, level, tell)
    return [_lower_bound(model, cells, *other) for cells, other in zip(rows, others, strict=True)]


def _lower_bound(model: Model, cells: np.ndarray, ratio: float, own: float) -> Bound:
    m = model.multiplier(cells, model.configuration("central") if model.has_share else model.floor_configuration())
    strata = [_stratum(model, cells[part], m[part]) for part in _groups(model.totals, cells)]
    firm, few = [s for s in strata if not s.few], [s for s in strata if s.few]
    unseen = sum(s.unseen for s in firm) + sum(max(0.0, _limit([s], model, own) - s.seen) for s in few)
    limit = _limit(firm, model, own) + sum(_limit([s], model, own) for s in few)
    seen = sum(s.seen for s in strata)
    value = seen + unseen
    flags = []
    if few:
        flags.append(f"fewer than 10 listings of positive value seen once or twice in {len(few)} of {len(strata)} "
                     "group(s): only the lower limit of their unseen value is counted")
    if len(strata) > 1:
        flags.append(f"the bound of the total is the sum of the bounds of its {len(strata)} groups")
    flags.append(f"unseen listings make at least {unseen / value:.1%} of it" if value > 0 else "nothing was seen")
    return Bound(value=value, limit=ratio * limit, unseen=unseen, n_strata=len(strata), flags=tuple(flags))


def _limit(strata: list[_Stratum], model: Model, level: float) -> float:
    seen, unseen = sum(s.seen for s in strata), sum(s.unseen for s in strata)
    if model.estimand == "realised" and not model.coverage.clustered:  # type: ignore[union-attr]
        variance = sum(s.variance for s in strata)
    else:  # a vendor can be in several groups: at worst their errors go together
        variance = sum(math.sqrt(s.variance) for s in strata) ** 2
    z = float(ndtri(level))
    if model.estimand == "realised":
        return seen + (unseen / lognormal_factor(unseen, variance, z) if unseen > 0 else 0.0)
    total = seen + unseen
    return total / lognormal_factor(total, variance, z) if total > 0 else 0.0


def _other_sources(
    model: Model, rows: Sequence[np.ndarray], level: float, tell: Tell
) -> list[tuple[float, float]]:
    """Lower quantile of the other uncertainties, relative to each total, and the level left for unseen listings."""
    out = [(1.0, level)] * len(rows)
    if not model.has_share or model.interval == "none":
        return out
    if model.estimand == "expected":
        model = replace(model, frozen=model.frozen | {VENDORS_SAMPLED})
    half = (1 - level) / 2
    for start in range(0, len(rows), ROWS):
        some = rows[start : start + ROWS]
        wide = [(start + i, law) for i, law in enumerate(laws(model, some, "central")) if law.variance > 0]
        for (i, _), low in zip(wide, quantiles([law for _, law in wide], np.array([half]))[:, 0], strict=True):
            out[i] = min(1.0, max(0.0, float(low) / model.value(rows[i], "central"))), 1 - half
        tell((start + len(some)) / len(rows))
    return out


def _groups(totals: Totals, cells: np.ndarray) -> Iterator[np.ndarray]:
    """Positions among the cells of each group that occurs."""
    packed = np.zeros(len(cells), dtype=np.int64)
    for name in totals.groups:
        key = totals.keys[name]
        packed = np.unique(packed * np.int64(len(key.labels)) + key.codes[cells], return_inverse=True)[1]
    order = np.argsort(packed, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(packed[order])) + 1)


def _stratum(model: Model, cells: np.ndarray, m: np.ndarray) -> _Stratum:
    spec, columns, t = model.coverage, model.totals.columns, model.totals.header.occasions
    assert isinstance(spec, ValueChao) and t is not None
    number, scrape = captures(model, cells)
    y, square = model.y[cells] * m, columns["listing_value_sq"][cells] * m**2
    counted = columns["n_valued" if "n_valued" in columns else "n_listings"][cells] * (y > 0)
    once, twice = number == 1, number == 2
    sums: dict[str, Any] = {}
    if spec.clustered or model.estimand == "expected":
        vendors, vendor = np.unique(model.totals.keys[VENDOR].codes[cells], return_inverse=True)
        n = len(vendors)
        sums = {"vendor_seen": np.bincount(vendor, weights=y, minlength=n),
                "vendor_double": np.bincount(vendor[twice], weights=y[twice], minlength=n),
                "vendor_single": np.bincount(vendor[once] * t + scrape[once], weights=y[once],
                                             minlength=n * t).reshape(n, t)}
    n_single, n_double = round(float(counted[once].sum())), round(float(counted[twice].sum()))
    result = value_chao_from_sums(
        seen=float(y.sum()), single_value=np.bincount(scrape[once], weights=y[once], minlength=t),
        single_square=np.bincount(scrape[once], weights=square[once], minlength=t),
        double_value=float(y[twice].sum()), double_square=float(square[twice].sum()), n_single=n_single,
        n_double=n_double, form=spec.form, estimand=model.estimand, **sums,
    )
    return _Stratum(seen=float(y.sum()), unseen=float(result.details["unseen"]), variance=result.standard_error**2,
                    few=min(n_single, n_double) < 10)
