"""Shares and growth: one total beside another, vendor by vendor, with the assumptions that both share cancelled."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import special, stats

from darkmarket_estimates import _render
from darkmarket_estimates._checks import number
from darkmarket_estimates.distribution.factors import common_factor, sobol
from darkmarket_estimates.distribution.law import GridLaw, Hull, Law, PointLaw, ScaledMixture
from darkmarket_estimates.distribution.moments import effective_number
from darkmarket_estimates.distribution.ratios import ratio_expected, ratio_realised
from darkmarket_estimates.distribution.relative import Relative
from darkmarket_estimates.errors import DataError, NotIdentifiedError, NotSupportedError
from darkmarket_estimates.factors import REVIEW_SHARE, Factor
from darkmarket_estimates.inference import Configuration, Model
from darkmarket_estimates.totals import VENDOR

#: Points over factors that differ between groups.
POINTS = 512
#: Which law of a ratio goes with an interval of totals; the others have the default.
METHODS = {"bca-tail": "default", "bca": "bca", "tail": "tail", "compound-poisson": "compound-poisson"}


@dataclass(frozen=True, slots=True, eq=False)
class Ratio:
    """A share of a total, or the ratio of two.

    Attributes
    ----------
    title : str
        What is divided by what.
    is_share : bool
    value : float
        NaN where a Range leaves no single value.
    bounds : (float, float) or None
        At the ends of the Ranges that do not cancel.
    law : Law or None
        Its distribution, where there is one.
    kind : str
        "prediction interval", "confidence interval" (or hybrid), "bounds" or "point".
    flags : tuple of str
    confidence_level : float
    no_denominator : float
        Probability of an empty denominator, which the law conditions away.
    """

    title: str
    is_share: bool
    value: float
    bounds: tuple[float, float] | None
    law: Law | None
    kind: str
    flags: tuple[str, ...]
    confidence_level: float
    no_denominator: float = 0.0

    @property
    def interval(self) -> tuple[float, float] | None:
        """Interval at `confidence_level`."""
        if self.law is None or self.law.variance == 0:
            return None
        p = (1 - self.confidence_level) / 2
        low, high = self.law.quantile(np.array([p, 1 - p]))
        return float(low), float(high)

    def cdf(self, x: Any) -> Any:
        """Probability that the ratio is at most `x`."""
        return self._law.cdf(x)

    def quantile(self, p: Any) -> Any:
        """The ratio that is not exceeded with probability `p`."""
        return self._law.quantile(p)

    @property
    def median(self) -> float:
        """The ratio that is exceeded with probability one half."""
        return float(self._law.quantile(0.5))

    @property
    def _law(self) -> Law:
        if self.law is None:
            raise NotIdentifiedError(f"a comparison of kind {self.kind!r} has no distribution")
        return self.law

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {"title": self.title, "value": None if math.isnan(self.value) else self.value,
                "bounds": None if self.bounds is None else list(self.bounds),
                "interval": None if self.interval is None else list(self.interval), "kind": self.kind,
                "confidence_level": self.confidence_level, "flags": list(self.flags),
                "no_denominator": self.no_denominator}

    def __str__(self) -> str:
        def show(x: float) -> str:
            return f"{_render.significant(100 * x)}%" if self.is_share else _render.significant(x)

        if self.bounds is not None:
            return f"{self.title}: {show(self.bounds[0])} to {show(self.bounds[1])} (bounds, not an interval)"
        text = f"{self.title}: {show(self.value)}"
        if self.interval is not None:
            low, high = self.interval
            text += f", {100 * self.confidence_level:.4g}% {self.kind} {show(low)} to {show(high)}"
        return text

    def __repr__(self) -> str:
        return f"<Ratio: {self}>"


def share(
    model: Model, label: Any, of: str, *, confidence_level: float, between_group_cv: float | None = None
) -> Ratio:
    """Share of a group in the total; see `Estimate.share`."""
    key = model.totals.require_key(of)
    text = str(label)
    if text not in key.labels or not (key.codes == key.labels.index(text)).any():
        known = [key.labels[c] for c in np.unique(key.codes)]
        raise DataError(f"{of!r} has no group {text!r}", expected="one of " + _render.listed([*map(repr, known)], 12),
                        got=repr(label), fix="spell the group as the table does")
    inside = key.codes == key.labels.index(text)
    everything = np.arange(model.totals.n_cells)
    return _share_of(model, inside, everything, title=f"{_render.shown(text)} in {model.estimand} "
                     f"{'turnover' if model.measure == 'money' else 'orders'}", level=confidence_level,
                     between_group_cv=between_group_cv)


def _share_of(
    model: Model, inside: np.ndarray, cells: np.ndarray, *, title: str, level: float, between_group_cv: float | None
) -> Ratio:
    """Factors on every cell cancel; the others are mixed in, or give bounds."""
    if between_group_cv is not None:
        number(between_group_cv, "between_group_cv", low=0)
    model = replace(model, factors=tuple(f for f in model.factors if f.cells is not None or f.name == REVIEW_SHARE))
    split = {i: f for i, f in enumerate(model.factors) if f.cells is not None}
    flags = []
    if model.shares and not any(f.name == REVIEW_SHARE for f in split.values()) and between_group_cv is None:
        flags.append("one review share for all groups")
    part = model.by_vendor(cells[inside], model.y[cells[inside]])
    if effective_number(part) < 30 and model.estimand == "expected":
        flags.append(f"indicative: the group has effectively {effective_number(part):.1f} vendors")
    a, b = float(model.y[cells[inside]].sum()), float(model.y[cells].sum())
    if b == 0:
        raise NotIdentifiedError("a share of nothing is undefined", expected="a total above 0", got="0")
    if any(f.is_range for f in split.values()):
        return Ratio(title, True, math.nan, _range_bounds(model, inside, cells, split), None, "bounds", tuple(flags), level)
    value = _value_at(model, inside, cells, model.configuration("middle"))
    law: Law | None = None
    empty = 0.0
    if model.interval != "none" and model.has_share and 0 < a < b:
        law, empty = _over_ends(model, lambda at: _share_law(model, inside, cells, at))
        shifts = _odds_shifts(model, inside, cells, {i: f for i, f in split.items() if f.is_uncertain})
        if between_group_cv:
            shifts = (shifts[:, None] + _normal_shifts(between_group_cv)).ravel()
        if len(shifts) > 1 and law.variance > 0:
            law = odds_mixture(law, shifts)
    return Ratio(title, True, value, None, law, _kind(model, law, split.values(), between_group_cv), tuple(flags), level,
                 empty)


def _share_law(model: Model, inside: np.ndarray, cells: np.ndarray, at: Configuration) -> tuple[Law, float]:
    """Law of the share at fixed factors, and the probability of an empty total."""
    if model.estimand == "expected":
        x = model.y[cells] * model.multiplier(cells, at)
        law = ratio_expected(model.by_vendor(cells, x * inside), model.by_vendor(cells, x),
                             method=METHODS.get(model.interval, "default"))
        return law, law.no_denominator
    if model.totals.header.counted == "sold":
        x = model.y[cells] * model.multiplier(cells, at)
        return PointLaw(float(x[inside].sum() / x.sum())), 0.0
    shares = {(at[i], f.rate.spread_at(at[i])) for i, f in enumerate(model.factors)  # type: ignore[union-attr]
              if f.name == REVIEW_SHARE and f.share_of(cells).any()}
    if len(shares) > 1:
        raise NotSupportedError("the realised share of groups with different review shares has no law here",
                                got=f"{len(shares)} review shares", fix='estimand="expected", or one review share')
    (rho, spread), = shares
    m = model.multiplier(cells, at, shares=False)
    y, q = model.y[cells] * m, model.q[cells] * m**2
    law = ratio_realised(model.by_vendor(cells, y * inside), model.by_vendor(cells, y), model.by_vendor(cells, q * inside),
                         model.by_vendor(cells, q), rho, spread, nested=True, spread_law=model.spread_law)
    return law, law.no_denominator


def _value_at(model: Model, inside: np.ndarray, cells: np.ndarray, at: Configuration) -> float:
    """The share itself at given factors."""
    x = model.y[cells] * model.multiplier(cells, at)
    return float(x[inside].sum() / x.sum())


def _over_ends(model: Model, law_at: Callable[[Configuration], tuple[Law, float]]) -> tuple[Law, float]:
    """The law, or the hull of the laws at both ends of a Range that cancels in the value but not in the width."""
    if not any(f.is_range for f in model.factors):
        return law_at(model.configuration("middle"))
    (low, empty), (high, _) = (law_at(model.configuration(end)) for end in ("low", "high"))
    return Hull(low, high), empty


def _odds_shifts(
    model: Model, inside: np.ndarray, cells: np.ndarray, uncertain: Mapping[int, Factor]
) -> np.ndarray:
    """How far the log odds of the share lie from the central ones, at points over factors that differ by group."""
    at = model.configuration("middle")
    if not uncertain:
        return np.zeros(1)
    values = np.array([
        _value_at(model, inside, cells,
                  {**at, **{i: float(f.spec.ppf(p)) for (i, f), p in zip(uncertain.items(), row, strict=True)}})  # type: ignore[union-attr]
        for row in sobol(len(uncertain), POINTS)
    ])
    centre = _value_at(model, inside, cells, at)
    return special.logit(values) - special.logit(centre)


def _normal_shifts(cv: float) -> np.ndarray:
    """Shifts of the log odds when the group and the rest each have a log-normal factor with this variation."""
    spread = math.sqrt(2 * math.log1p(cv**2))
    return spread * special.ndtri((np.arange(64) + 0.5) / 64)


def _range_bounds(
    model: Model, inside: np.ndarray, cells: np.ndarray, split: Mapping[int, Factor]
) -> tuple[float, float]:
    r"""Smallest and largest share over factors that each move within a range.

    For factors :math:`m_k` of disjoint parts the share is linear-fractional, so its extremes lie at ends of the ranges:
    :math:`\max_m \sum a_k m_k / \sum b_k m_k` by the fixed-point iteration of Dinkelbach, *Management Science* 13 (1967).
    """
    columns = {f.group[0] for f in split.values() if f.is_range and f.group}
    if len(columns) > 1:
        raise NotSupportedError("ranges over groups of two columns at once", got=" and ".join(sorted(columns)),
                                fix="state the ranges over one column, or compare the scenarios one by one")
    low = model.multiplier(cells, model.configuration("low"))
    high = model.multiplier(cells, model.configuration("high"))
    column = model.totals.keys[columns.pop()].codes[cells]
    y = model.y[cells]
    n = int(column.max()) + 1
    # per group: money in the numerator and the denominator at each end of its range
    a = np.array([np.bincount(column, y * m * inside, n) for m in (low, high)])
    b = np.array([np.bincount(column, y * m, n) for m in (low, high)])
    ends = []
    for sign in (-1, 1):
        ratio = float(a[0].sum() / b[0].sum())
        for _ in range(100):
            gain = sign * (a - ratio * b)
            best = np.argmax(gain, axis=0)
            new = float(a[best, np.arange(n)].sum() / b[best, np.arange(n)].sum())
            if new == ratio:
                break
            ratio = new
        ends.append(ratio)
    return ends[0], ends[1]


def odds_mixture(law: Law, shifts: np.ndarray) -> GridLaw:
    """Law of a share whose odds are multiplied by a factor of their own.

    The shape is that of `law`, the place is averaged over equally likely shifts of the log odds.
    """
    tails = np.array([1e-6, 1 - 1e-6])
    low, high = special.logit(np.clip(law.quantile(tails), 1e-12, 1 - 1e-12))
    points = np.linspace(low + shifts.min(), high + shifts.max(), 1025)
    cumulative = sum((law.cdf(special.expit(points - shift)) for shift in shifts), np.zeros_like(points)) / len(shifts)
    return GridLaw.tabulated(special.expit(points), cumulative)


def ratio(
    first: Model, second: Model, *, scales: tuple[float, float], confidence_level: float, units: tuple[str, str],
    between_group_cv: float | None = None,
) -> Ratio:
    """Ratio of two totals; see `Estimate.ratio`."""
    for what in ("estimand", "measure", "interval", "spread_law"):
        if getattr(first, what) != getattr(second, what):
            raise DataError(f"the two estimates differ in {what}", expected=repr(getattr(first, what)),
                            got=repr(getattr(second, what)), fix="compute both alike, then compare")
    if units[0] != units[1] or _currency(first) != _currency(second):
        raise DataError("the two estimates are not in one unit", expected=f"{_currency(first)} a {units[0]}",
                        got=f"{_currency(second)} a {units[1]}", fix='.per("day") of both, in one currency')
    cells = tuple(np.arange(m.totals.n_cells) for m in (first, second))
    ours, theirs, stated_once = _uncancelled(first, second)
    flags = list(_ratio_flags(first, second, stated_once, units[0], between_group_cv))
    if not first.y.sum() or not second.y.sum():
        raise NotIdentifiedError("a ratio to or of nothing is undefined", got="a total of 0", expected="both above 0")
    title = "ratio of " + ("turnover" if first.measure == "money" else "orders")
    factor = scales[0] / scales[1]
    models = (first, second)
    if any(f.is_range for f in (*ours, *theirs)):
        ends = [[m.value(c, end) for end in ("low", "high")] for m, c in zip(models, cells, strict=True)]
        cancelled = _range_width(first, ours)
        low = factor * ends[0][0] / ends[1][1] * cancelled
        high = factor * ends[0][1] / ends[1][0] / cancelled
        return Ratio(title, False, math.nan, (low, high), None, "bounds", tuple(flags), confidence_level)
    at = tuple(m.configuration("middle") for m in models)
    totals = [float(m.y @ m.multiplier(c, a)) for m, c, a in zip(models, cells, at, strict=True)]
    value = factor * totals[0] / totals[1]
    law: Law | None = None
    empty = 0.0
    if first.interval != "none" and first.has_share and second.has_share:
        inner, empty = _over_ends(first, lambda one: _ratio_law(
            models, cells, (one, _same_ends(first, second, one)), stated_once))
        relative = [Relative(f.spec, f.at("central"), f.power) for f in ours if f.is_uncertain]
        relative += [Relative(f.spec, f.at("central"), -f.power) for f in theirs if f.is_uncertain]
        law = common_factor(inner, *relative) if inner.variance > 0 or relative else inner
        if between_group_cv:
            law = common_factor(law, stats.lognorm(math.sqrt(2 * math.log1p(between_group_cv**2))))
        if factor != 1:
            law = ScaledMixture(law, np.array([factor]), np.array([1.0]))
    kind = _kind(first, law, [*ours, *theirs], between_group_cv)
    return Ratio(title, False, value, None, law, kind, tuple(flags), confidence_level, empty)


def _uncancelled(first: Model, second: Model) -> tuple[list[Factor], list[Factor], bool]:
    """Factors of each side that the other does not share, and whether the review share is one statement for both."""
    for f in (*first.factors, *second.factors):
        if f.cells is not None:
            raise NotSupportedError("a ratio of estimates with assumptions by group is not available", got=f.title,
                                    fix="compare the groups one by one: est.group(...).ratio(other.group(...))")
    theirs = list(second.factors)
    ours = []
    one_share = not first.shares and not second.shares
    for f in first.factors:
        twin = next((g for g in theirs if same_assumption(f, g)), None)
        if twin is None:
            ours.append(f)
        else:
            theirs.remove(twin)
            one_share |= f.name == REVIEW_SHARE
    return ours, theirs, one_share


def same_assumption(a: Factor, b: Factor) -> bool:
    """Whether two factors are one statement about one quantity."""
    if a.name != b.name:
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


def _same_ends(first: Model, second: Model, at: Configuration) -> Configuration:
    """The second model's factors, those that it shares with the first at the first's values."""
    own = second.configuration("middle")
    for i, f in enumerate(first.factors):
        own |= {j: at[i] for j, g in enumerate(second.factors) if same_assumption(f, g)}
    return own


def _range_width(model: Model, uncancelled: Sequence[Factor]) -> float:
    """How far apart the ends of the Ranges that cancel are, so that they do not widen the ratio."""
    width = 1.0
    for f in model.factors:
        if f.is_range and f not in uncancelled:
            width *= (f.at("high") / f.at("low")) ** f.power
    return width


def _ratio_law(
    models: tuple[Model, Model], cells: tuple[np.ndarray, np.ndarray], at: tuple[Configuration, Configuration],
    stated_once: bool,
) -> tuple[Law, float]:
    """Law of the ratio at central factors, vendors present in both joined."""
    first, second = models
    joined = _joined(first, second)

    def spread(model: Model, side: int, values: np.ndarray) -> np.ndarray:
        return np.bincount(joined[side], weights=values, minlength=int(max(j.max() for j in joined)) + 1)

    m = [model.multiplier(c, a, shares=model.estimand == "expected")
         for model, c, a in zip(models, cells, at, strict=True)]
    a, b = (spread(model, side, model.y * m[side]) for side, model in enumerate(models))
    if first.estimand == "expected":
        law = ratio_expected(a, b, method=METHODS.get(first.interval, "default"))
        return law, law.no_denominator
    if first.totals.header.counted == "sold" and second.totals.header.counted == "sold":
        return PointLaw(float(a.sum() / b.sum())), 0.0
    if not stated_once or len(first.shares) != 1:
        top, bottom = (model.at_centre().law(c) for model, c in zip(models, cells, strict=True))
        w = (np.arange(513) + 0.5) / 513
        return ScaledMixture(top, 1 / bottom.quantile(w)[::-1], np.full(513, 1 / 513)), 0.0
    qa, qb = (spread(model, side, model.q * m[side] ** 2) for side, model in enumerate(models))
    rate = first.shares[0].rate
    assert rate is not None
    rho = at[0][first.factors.index(first.shares[0])]
    law = ratio_realised(a, b, qa, qb, rho, rate.spread_at(rho), nested=False, spread_law=first.spread_law)
    return law, law.no_denominator


def _joined(first: Model, second: Model) -> tuple[np.ndarray, np.ndarray]:
    """Codes of the cells' vendors in one dictionary."""
    ids = (first.totals.header.vendor_ids, second.totals.header.vendor_ids)
    if ids[0] != ids[1]:
        raise DataError("the vendors of the two tables cannot be matched", expected="vendor ids of one kind",
                        got=" and ".join(ids), fix="save both with one vendor_key=")
    a, b = first.totals.keys[VENDOR], second.totals.keys[VENDOR]
    index = {label: code for code, label in enumerate(sorted({*a.labels, *b.labels}))}
    return tuple(np.array([index[v] for v in key.labels])[key.codes] for key in (a, b))  # type: ignore[return-value]


def _ratio_flags(
    first: Model, second: Model, stated_once: bool, unit: str, between_group_cv: float | None
) -> list[str]:
    flags = []
    if stated_once and first.shares and between_group_cv is None:
        flags.append("one review share for both")
    if first.shares and second.shares and not stated_once and first.estimand == "realised":
        flags.append("different review shares: vendors of the two totals are taken as unrelated")
    days = (first.totals.header.days, second.totals.header.days)
    if unit == "window" and None not in days and days[0] != days[1]:
        flags.append(f"windows of different length ({days[0]:g} and {days[1]:g} days): totals, not rates, are compared")
    for model in (first, second):
        n = effective_number(model.by_vendor(np.arange(model.totals.n_cells), model.y))
        if model.estimand == "expected" and n < 30:
            flags.append(f"indicative: effectively {n:.1f} vendors on one side")
    return flags


def _currency(model: Model) -> str:
    return "orders" if model.measure == "orders" else model.target or model.totals.header.currency


def _kind(model: Model, law: Law | None, factors: Any, between_group_cv: float | None) -> str:
    if law is None or law.variance == 0:
        return "point"
    name = "prediction interval" if model.estimand == "realised" else "confidence interval"
    prior = between_group_cv or any(f.is_uncertain and (f.rate is None or f.rate.is_prior) for f in factors)
    return f"hybrid {name}" if prior else name
