"""Laws of rows in one pass: vendors' sums, rows alike in what acts on them together, and every uncertain factor mixed in."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from darkmarket_estimates.distribution import confidence
from darkmarket_estimates.distribution.factors import sobol
from darkmarket_estimates.distribution.law import Law, LogNormalLaw, Mixture, NormalLaw, PointLaw, ScaledMixture
from darkmarket_estimates.distribution.realised import realised, realised_totals, realised_totals_uncertain_share
from darkmarket_estimates.distribution.relative import positive_nodes, scaled
from darkmarket_estimates.distribution.segments import kinds
from darkmarket_estimates.distribution.sums import independent_sum
from darkmarket_estimates.factors import REVIEW_SHARE, Factor
from darkmarket_estimates.inference.names import BETWEEN_VENDORS, UNREVIEWED, VENDORS_SAMPLED
from darkmarket_estimates.totals import VENDOR

if TYPE_CHECKING:
    from darkmarket_estimates.inference.model import Configuration, Model

#: Points over factors that concern parts of a total: those with a law of their own, and all.
FACTOR_POINTS, PLACES = 64, 4096


@dataclass(frozen=True, slots=True)
class Rows:
    """Cells of many rows, row by row; `start` says where each begins."""

    cells: np.ndarray
    start: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[np.ndarray]) -> Rows:
        """From the cells of each row."""
        return cls(np.concatenate(rows), np.concatenate([[0], np.cumsum([len(cells) for cells in rows])]))

    def __len__(self) -> int:
        return len(self.start) - 1

    @property
    def owner(self) -> np.ndarray:
        """Row of each cell."""
        return np.repeat(np.arange(len(self)), np.diff(self.start))

    def row(self, i: int) -> np.ndarray:
        """Cells of one row."""
        return self.cells[self.start[i] : self.start[i + 1]]

    def some(self, which: np.ndarray) -> Rows:
        """Some of the rows."""
        return Rows.of([self.row(i) for i in which.tolist()])

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sum over each row of a value a cell."""
        return np.bincount(self.owner, values, len(self))

    def by_vendor(self, model: Model, *values: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """Sums over the cells of each vendor in each row, and where the vendors of each row begin."""
        key = model.totals.keys[VENDOR]
        n = max(len(key.labels), 1)
        pairs, which = np.unique(self.owner * np.int64(n) + key.codes[self.cells], return_inverse=True)
        return ([np.bincount(which, weights=part, minlength=len(pairs)) for part in values],
                np.searchsorted(pairs, np.arange(len(self) + 1) * np.int64(n)))


#: Laws of parts of a row that models which differ in one source have in common, by all that they depend on.
Kept = dict[tuple[Hashable, ...], Any]


def laws(
    model: Model, rows: Sequence[np.ndarray], scenario: str, kept: Kept | None = None, own: Sequence[Factor] | None = None
) -> list[Law]:
    """Law of the total of each row in a scenario, every uncertain factor mixed in.

    `kept` is filled with laws of parts, which another call for the same totals need not compute again. `own` is an
    uncertain factor of each row on all of it.
    """
    if own is not None and model.interval in ("delta", "lognormal"):
        return [law for cells, f in zip(rows, own, strict=True) for law in laws(_with(model, f), [cells], scenario)]
    at = model.configuration(scenario)
    every = Rows.of(rows)
    worth = model.y[every.cells] * model.multiplier(every.cells, at)
    totals = every.sums(worth)
    if model.interval in ("delta", "lognormal"):
        return [_delta(model, cells, scenario, float(total)) if total else PointLaw(0.0)
                for cells, total in zip(rows, totals, strict=True)]
    # which uncertain factors act on each row, and which of these on a part of it only
    uncertain = [i for i, f in enumerate(model.factors) if f.is_uncertain]
    inside = {i: model.factors[i].share_of(every.cells) for i in uncertain}
    acts = np.array([every.sums(worth * inside[i]) > 0 for i in uncertain], dtype=bool).reshape(-1, len(every))
    partial = np.array([every.sums(worth * ~inside[i]) > 0 for i in uncertain], dtype=bool).reshape(acts.shape) & acts
    out: list[Law] = [PointLaw(0.0)] * len(every)
    for i in np.flatnonzero(partial.any(axis=0)).tolist():
        if own is not None:
            out[i] = laws(_with(model, own[i]), [rows[i]], scenario)[0]
            continue
        acting = {u: model.factors[u] for u, a in zip(uncertain, acts[:, i], strict=True) if a}
        out[i] = _over_parts(model, rows[i], at, acting, {} if kept is None else kept)
    whole = np.flatnonzero(~partial.any(axis=0) & (totals > 0))
    kinds, kind = np.unique(acts[:, whole], axis=1, return_inverse=True)
    for k in range(kinds.shape[1]):
        alike = whole[kind.ravel() == k]
        if len(alike):
            acting = {u: model.factors[u] for u, a in zip(uncertain, kinds[:, k], strict=True) if a}
            mine = None if own is None else [own[i] for i in alike.tolist()]
            for i, law in zip(alike, _over_share(model, every.some(alike), at, acting, mine), strict=True):
                out[i] = law
    return out


def _with(model: Model, factor: Factor) -> Model:
    return replace(model, factors=(*model.factors, factor))


def _over_share(
    model: Model, rows: Rows, at: Configuration, acting: Mapping[int, Factor], own: Sequence[Factor] | None = None
) -> list[Law]:
    """Laws under factors that act on all of each row.

    Conditional on an uncertain mean review share the realised total is no pure scale of it; of the others it is.
    """
    found: Sequence[Law] | None = None
    mixed = None
    for i, factor in acting.items():
        if model.estimand == "realised" and factor.name == REVIEW_SHARE:
            assert factor.rate is not None
            size = math.inf if BETWEEN_VENDORS in model.frozen else factor.rate.size
            if UNREVIEWED in model.frozen and math.isinf(size):
                break  # nothing else is uncertain: the share is a pure scale
            y, q, start = _reviewed(model, rows, at)
            found = realised_totals_uncertain_share(y, q, start, *positive_nodes(factor.spec), size,
                                                    spread_law=model.spread_law)
            mixed = i
    others = [(f.spec, at[i], f.power) for i, f in acting.items() if i != mixed]
    if found is None:
        found = _conditional(model, rows, at)
    if own is not None:  # the law is that of the row without its own factor: nothing is central about it
        return [scaled(confidence.tabulated(law), [*others, (f.spec, 1.0, f.power)]) for law, f in zip(found, own, strict=True)]
    return [scaled(confidence.tabulated(law), others) for law in found] if others else list(found)


def _reviewed(model: Model, rows: Rows, at: Configuration) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vendors' y and q, every factor but the review share applied, row by row."""
    cells = rows.cells
    (y, q), start = rows.by_vendor(model, model.y[cells] * model.multiplier(cells, at, shares=False),
                                   model.q[cells] * model.square_multiplier(cells, at))
    # index y^2 / q of 10^9: the unreviewed sales given the share are all but known
    return y, (q if UNREVIEWED not in model.frozen else 1e-9 * y**2), start


def _conditional(model: Model, rows: Rows, at: Configuration) -> list[Law]:
    """Laws at fixed factors."""
    cells = rows.cells
    worth = model.y[cells] * model.multiplier(cells, at)
    if VENDORS_SAMPLED in model.frozen or (model.estimand == "realised" and model.totals.header.counted == "sold"):
        return [PointLaw(float(total)) for total in rows.sums(worth)]
    if model.estimand == "expected":
        (x,), start = rows.by_vendor(model, worth)
        if model.interval == "poisson-bootstrap":
            return [confidence.resampled(x[start[i] : start[i + 1]], model.weights(rows.row(i))) for i in range(len(rows))]
        return confidence.of_totals(model.interval, x, start)
    out: list[Law] = [PointLaw(0.0)] * len(rows)
    several = np.ones(len(rows), dtype=bool)
    for i, factor in enumerate(model.factors):
        if factor.name == REVIEW_SHARE:
            whole = np.flatnonzero(rows.sums(worth * ~factor.share_of(cells)) == 0)
            if len(whole):
                several[whole] = False
                for j, law in zip(whole, _predictive(model, *_reviewed(model, rows.some(whole), at), i, at), strict=True):
                    out[j] = law
    for row in np.flatnonzero(several).tolist():
        out[row] = independent_sum([_of_stratum(model, *s) for s in model.strata(rows.row(row), at) if s[0].any()])
    return out


def _predictive(
    model: Model, y: np.ndarray, q: np.ndarray, start: np.ndarray, i: int, at: Configuration
) -> list[Law]:
    """Laws of the realised totals of vendors that share one mean review share."""
    rate = model.factors[i].rate
    assert rate is not None
    spread = 0.0 if BETWEEN_VENDORS in model.frozen else rate.spread_at(at[i])
    if UNREVIEWED in model.frozen and spread == 0:
        return [PointLaw(float(part.sum()) / at[i]) for part in np.split(y, start[1:-1])]
    return realised_totals(y, q, start, at[i], spread, spread_law=model.spread_law)


def _of_stratum(model: Model, y: np.ndarray, q: np.ndarray, share: float, spread: float) -> Law:
    if UNREVIEWED in model.frozen and spread == 0:
        return PointLaw(float(y.sum()) / share)
    return realised(y, q, share, spread, spread_law=model.spread_law)


def _delta(model: Model, cells: np.ndarray, scenario: str, total: float) -> Law:
    if model.interval == "lognormal":
        v = model.log_variance(cells, scenario)
        # exp(ln T +- z s): the median of this law is the estimate
        return LogNormalLaw(total * math.exp(v / 2), math.sqrt(math.expm1(v))) if v > 0 else PointLaw(total)
    at = model.configuration(scenario)
    spread = sum(model.concerns(f, cells, at) ** 2 * f.relative_variance() for f in model.factors) * total**2
    return NormalLaw(total, math.sqrt(model.variance(cells, at) + spread))


def _over_parts(model: Model, cells: np.ndarray, at: Configuration, acting: Mapping[int, Factor], kept: Kept) -> Law:
    """Factors that concern parts of the row: each part by itself where nothing links them, else points over them."""
    parts = _unlinked(model, cells, at, acting)
    if parts is None:
        return _over_points(model, cells, at, acting)
    common = {i: f for i, f in acting.items() if not any(i in own for _, own in parts)}
    found = []
    for part, own in parts:
        inside = ((i, at[i], f.spec if i in own else None) for i, f in enumerate(model.factors) if f.share_of(part).any())
        key: tuple[Hashable, ...] = (part.tobytes(), model.frozen, *((i, value, id(spec)) for i, value, spec in inside))
        if key not in kept:
            kept[key] = _over_share(model, Rows.of([part]), at, own)[0]
        found.append(kept[key])
    law = independent_sum(found, kept)
    return scaled(law, [(f.spec, at[i], f.power) for i, f in common.items()])


def _unlinked(
    model: Model, cells: np.ndarray, at: Configuration, acting: Mapping[int, Factor]
) -> list[tuple[np.ndarray, dict[int, Factor]]] | None:
    """Parts of the row with uncertain factors of their own, or None where a vendor or a factor links two of them.

    Of the realised total the vendors of two review shares are independent given the shares, and so are parts between
    which nothing is uncertain but such factors; vendors that are sampled have one weight wherever they sell.
    """
    if model.estimand != "realised":
        return None
    worth = model.y[cells] > 0
    cells = cells[worth]
    partial = {i: here for i, f in acting.items() if not (here := f.share_of(cells)).all()}
    shares = [f.share_of(cells) for f in model.factors if f.name == REVIEW_SHARE]
    pattern, first = kinds((*partial.values(), *shares), len(cells))
    # a factor that acts on several parts links them: so does a share, which draws one for a vendor in both
    if any(here[first].sum() > 1 for here in (*partial.values(), *shares)):
        return None
    if any(f.name == REVIEW_SHARE for i, f in acting.items() if i not in partial):
        return None
    return [(cells[pattern == code], {i: acting[i] for i, here in partial.items() if here[one]})
            for code, one in enumerate(first)]


def _over_points(model: Model, cells: np.ndarray, at: Configuration, acting: Mapping[int, Factor]) -> Law:
    """Factors that concern parts of the row: points over all of them, a law at the first few.

    At fixed review shares the law of T / E T depends on nothing but the parts of E T that the factors act on: a point has the
    law of the nearest by these, and by its shares, scaled to its own mean.
    """
    rows, points = Rows.of([cells]), sobol(len(acting), PLACES)
    values = np.column_stack([f.spec.ppf(p) for f, p in zip(acting.values(), points.T, strict=True)])  # type: ignore[union-attr]
    found = [confidence.tabulated(_conditional(model, rows, {**at, **dict(zip(acting, x.tolist(), strict=True))})[0])
             for x in values[:FACTOR_POINTS]]
    inside = [f.share_of(cells) for f in acting.values()]
    worth = model.y[cells] * model.multiplier(cells, at)
    kind, first = kinds(inside, len(cells))
    concerned = np.array([here[first] for here in inside], dtype=float)
    logs = np.log(values / [at[i] for i in acting]) * [f.power for f in acting.values()]
    parts = np.exp(logs @ concerned) * np.bincount(kind, worth, len(first))
    mean = parts.sum(axis=1)
    shares = [worth[here].sum() / worth.sum() * log[:, None] for f, here, log in zip(acting.values(), inside, logs.T, strict=True)
              if f.name == REVIEW_SHARE]
    near = _nearest(np.hstack([parts / mean[:, None], *shares]), FACTOR_POINTS)
    number = np.bincount(near, minlength=FACTOR_POINTS)
    return Mixture([ScaledMixture(law, mean[near == i] / mean[i], np.full(number[i], 1 / number[i]))
                    for i, law in enumerate(found)], number / PLACES)


def _nearest(places: np.ndarray, n: int) -> np.ndarray:
    """Which of the first `n` places each is nearest to; each of these to itself."""
    square = (places**2).sum(axis=1)
    near = np.argmin(square[:n] - 2 * places @ places[:n].T, axis=1)
    near[:n] = np.arange(n)
    return near
