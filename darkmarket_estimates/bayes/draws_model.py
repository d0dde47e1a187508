"""The model behind an `Estimate` that is made of joint draws instead of closed forms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from darkmarket_estimates import _render
from darkmarket_estimates._checks import confidence_level as check_level
from darkmarket_estimates._checks import label as written
from darkmarket_estimates._checks import number, real_array, shown
from darkmarket_estimates.bayes.protocol import Outcome
from darkmarket_estimates.budget import COLUMNS
from darkmarket_estimates.comparison import Ratio
from darkmarket_estimates.distribution.law import GridLaw, Law, PointLaw
from darkmarket_estimates.errors import DataError, NotIdentifiedError, NotSupportedError
from darkmarket_estimates.estimate import Estimate, build
from darkmarket_estimates.factors import REVIEW_SHARE
from darkmarket_estimates.inference import Configuration, Model
from darkmarket_estimates.totals import Totals

if TYPE_CHECKING:
    import pandas as pd

#: Each estimand's interval, as `Estimate.kind` says it.
KINDS = {"realised": "posterior predictive interval", "expected": "credible interval"}


def groups_of(totals: Totals) -> tuple[np.ndarray, list[tuple[str, ...]]]:
    """Group of every cell, and the labels of the groups, sorted as `Estimate.rows` are.

    Returns
    -------
    codes : int array of shape (n_cells,)
    labels : list of tuple of str
        One empty tuple where the totals have no groups.

    Examples
    --------
    >>> totals = Totals.from_cells(vendor=["a", "b", "b"], value=[9.0, 6, 3], reviews=[1, 1, 1], currency="USD",
    ...                            groups={"country": ["US", "NL", "US"]})
    >>> groups_of(totals)[1]
    [('NL',), ('US',)]
    """
    keys = [totals.keys[name] for name in totals.groups]
    packed = np.zeros(totals.n_cells, dtype=np.int64)
    for key in keys:
        packed = np.unique(packed * np.int64(max(len(key.labels), 1)) + key.codes, return_inverse=True)[1]
    first = np.unique(packed, return_index=True)[1]
    return packed, [tuple(key.labels[key.codes[at]] for key in keys) for at in first]


@dataclass(frozen=True, slots=True, eq=False)
class DrawsModel(Model):
    """A `Model` whose laws are those of joint draws.

    Attributes
    ----------
    draws : array of shape (n_draws, n_groups)
    cell_group : int array of shape (n_cells,)
        Column of `draws` that each cell belongs to.
    group_cells : int array of shape (n_groups,)
        How many cells each has.
    shared : mapping of name to array of shape (n_draws,)
        Draws of the assumptions that are common to all groups.
    fit : object
        What the draws come from: groups of one fit have joint draws.
    """

    draws: np.ndarray = field(default_factory=lambda: np.zeros((1, 1)))
    cell_group: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    group_cells: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    shared: Mapping[str, np.ndarray] = field(default_factory=dict)
    fit: object = None

    @property
    def posterior(self) -> str:
        """What its intervals are called."""
        return KINDS[self.estimand]

    @property
    def has_share(self) -> bool:
        """The draws account for unreviewed sales."""
        return True

    # -- a row ------------------------------------------------------------------------------------------------------

    def total(self, cells: np.ndarray) -> np.ndarray:
        """Draws of the sum over the groups that the cells make up, shape (n_draws,).

        Raises
        ------
        NotSupportedError
            The cells are a part of a group: vendors cannot be taken out of a fitted posterior.
        """
        groups, n_cells = np.unique(self.cell_group[cells], return_counts=True)
        if (n_cells != self.group_cells[groups]).any():
            raise NotSupportedError("a posterior is one of whole groups: vendors cannot be taken out of it",
                                    fix="fit the smaller table, or ask turnover() for it")
        return self.draws[:, groups].sum(axis=1)

    def value(self, cells: np.ndarray, scenario: str) -> float:
        """Mean of the draws: groups add up."""
        return float(self.total(cells).mean())

    def bounds(self, cells: np.ndarray) -> None:
        """None: a prior is no Range."""
        return None

    def law(self, cells: np.ndarray, scenario: str = "central") -> Law:
        """Law of the draws."""
        return law_of(self.total(cells))

    def interval_of(self, cells: np.ndarray, level: float) -> tuple[float, float] | None:
        """Equal-tailed interval of the draws, or None where nothing is uncertain."""
        law = self.law(cells)
        if law.variance == 0:
            return None
        low, high = law.quantile(np.array([(1 - level) / 2, (1 + level) / 2]))
        return float(low), float(high)

    def variance(self, cells: np.ndarray, at: Configuration) -> float:
        """Variance of the draws."""
        return self.law(cells).variance

    def restrict(self, cells: np.ndarray) -> DrawsModel:
        """The model of some whole groups."""
        self.total(cells)
        kept, cell_group = np.unique(self.cell_group[cells], return_inverse=True)
        out = Model.restrict(self, cells)
        assert isinstance(out, DrawsModel)
        return replace(out, draws=self.draws[:, kept], cell_group=cell_group, group_cells=self.group_cells[kept])

    # -- comparisons ------------------------------------------------------------------------------------------------

    def share_of(
        self, label: Any, of: str, *, confidence_level: float, between_group_cv: float | None = None
    ) -> Ratio:
        """Share of a group, draw by draw; see `Estimate.share`."""
        key = self.totals.require_key(of)
        text = written(label)
        if text not in key.labels or not (key.codes == key.labels.index(text)).any():
            known = [repr(key.labels[c]) for c in np.unique(key.codes)]
            raise DataError(f"{of!r} has no group {text!r}", expected="one of " + _render.listed(known, 12),
                            got=shown(label), fix="spell the group as the table does")
        inside = np.flatnonzero(key.codes == key.labels.index(text))
        everything = np.arange(self.totals.n_cells)
        part, whole = self.total(inside), self.total(everything)
        if not whole.all():
            raise NotIdentifiedError("a share of nothing is undefined", expected="a total above 0", got="0")
        rest = whole - part
        if between_group_cv is not None:
            part = part * _apart(len(part), number(between_group_cv, "between_group_cv", low=0))
        title = f"{_render.shown(text)} in {self.estimand} {'turnover' if self.measure == 'money' else 'orders'}"
        alone = any(f.name == REVIEW_SHARE and f.cells is None for f in self.factors)
        flags = ("one review share for all groups",) if alone and between_group_cv is None else ()
        return self._ratio(title, True, part / (part + rest), confidence_level, flags)

    def ratio_to(
        self, other: Model, *, scales: tuple[float, float], confidence_level: float, units: tuple[str, str],
        between_group_cv: float | None = None,
    ) -> Ratio:
        """This total over another, draw by draw; see `Estimate.ratio`.

        Assumptions stated alike have the same draws in both and cancel; beyond those the two posteriors are independent.
        """
        if not isinstance(other, DrawsModel):
            raise NotSupportedError("a posterior and a closed form have no joint law",
                                    fix="fit both with bayes.fit, or use turnover() for both")
        for what, ours, theirs in (("estimand", self.estimand, other.estimand), ("measure", self.measure, other.measure),
                                   ("unit", units[0], units[1]), ("currency", self.currency, other.currency)):
            if ours != theirs:
                raise DataError(f"the two estimates differ in {what}", expected=repr(ours), got=repr(theirs),
                                fix='compute both alike, and compare .per("day") of both')
        if len(self.draws) != len(other.draws):
            raise NotSupportedError("the two posteriors differ in their number of draws", expected=f"{len(self.draws):,}",
                                    got=f"{len(other.draws):,}", fix="fit both with equal draws= and chains=")
        a, b = (m.total(np.arange(m.totals.n_cells)) * s for m, s in zip((self, other), scales, strict=True))
        if not a.any() or not b.all():
            raise NotIdentifiedError("a ratio to or of nothing is undefined", got="a total of 0", expected="both above 0")
        if between_group_cv is not None:
            a = a * _apart(len(a), number(between_group_cv, "between_group_cv", low=0))
        flags = [] if self.fit is not None and self.fit is other.fit else [
            "vendors of the two posteriors are taken as unrelated beyond the assumptions that both state"]
        if self.shares and other.shares and between_group_cv is None and self.shared.keys() & other.shared.keys():
            flags.append("one review share for both")
        title = "ratio of " + ("turnover" if self.measure == "money" else "orders")
        return self._ratio(title, False, a / b, confidence_level, tuple(flags))

    def _ratio(self, title: str, is_share: bool, draws: np.ndarray, level: float, flags: tuple[str, ...]) -> Ratio:
        law = law_of(draws)
        kind = "point" if law.variance == 0 else self.posterior
        return Ratio(title, is_share, float(draws.mean()), None, law, kind, flags, level)

    def budget(self, cells: np.ndarray, *, level: float, scale: float) -> pd.DataFrame:
        """Where the variance of the logarithm of the total comes from; see `Estimate.budget`.

        A common value explains the square of its correlation with the total, both in logarithms; the posterior of the
        rest has what is left. The interval beside it is that of the draws brought to the mean of the value.
        """
        import pandas as pd

        draws = self.total(cells)
        rows, whole = [], 0.0
        if draws.all():
            log_t = np.log(draws)
            whole = float(log_t.var(ddof=1))
        left, rest = 1.0, draws
        for name, values in self.shared.items():
            if whole == 0 or np.ptp(values) == 0:
                continue
            slope = float(np.cov(np.log(values), log_t)[0, 1] / np.log(values).var(ddof=1))
            explained = slope**2 * float(np.log(values).var(ddof=1)) / whole
            factor = (values / values.mean()) ** slope
            rows.append(_source(name, explained, whole, draws / factor, level, scale))
            left, rest = left - explained, rest / factor
        if whole > 0:
            name = "unreviewed sales and vendors" if self.estimand == "realised" else "size law, values, vendors sampled"
            rows.append(_source(name, max(left, 0.0), whole, draws * draws.mean() / rest, level, scale))
        rows.sort(key=lambda row: -row["share"])
        return pd.DataFrame(rows, columns=COLUMNS)


def _source(
    name: str, share: float, whole: float, frozen: np.ndarray, level: float, scale: float
) -> dict[str, Any]:
    low, high = law_of(frozen).quantile(np.array([(1 - level) / 2, (1 + level) / 2]))
    return {"kind": "variance", "source": name, "share": share, "variance": share * whole, "low": float(low) * scale,
            "high": float(high) * scale, "money": math.nan, "note": "interval with this source at its central value"}


def _apart(n: int, cv: float) -> np.ndarray:
    """Ratio of two log-normal factors of their own, each with this coefficient of variation."""
    u = (np.random.default_rng(20160115).permutation(n) + 0.5) / n
    return np.exp(math.sqrt(2 * math.log1p(cv**2)) * special.ndtri(u))


def law_of(draws: np.ndarray) -> Law:
    """Law of a sample, a point where nothing varies but by rounding."""
    still = np.ptp(draws) <= 1e-12 * np.abs(draws).max()
    return PointLaw(float(draws[0])) if still else GridLaw.from_sample(draws)


def estimate_from(outcome: Outcome, *, confidence_level: float, entropy: int = 0, flags: tuple[str, ...] = ()) -> Estimate:
    """The `Estimate` of joint draws.

    Parameters
    ----------
    outcome : Outcome
    confidence_level : float
    entropy : int
        Recorded with the result; seeds the resampling of `Estimate.concentration`.
    flags : tuple of str
        Beside those of the outcome.

    Examples
    --------
    >>> totals = Totals.from_cells(vendor=["a", "b"], value=[900.0, 600.0], reviews=[9, 10], currency="USD",
    ...                            groups={"country": ["NL", "US"]})
    >>> draws = np.array([[1800.0, 1300.0], [2000.0, 1100.0], [1600.0, 1200.0]])
    >>> est = estimate_from(Outcome(totals=totals, draws=draws, estimand="realised"), confidence_level=0.5)
    >>> est.value, est.group(country="NL").value, est.kind
    (3000.0, 1800.0, 'posterior predictive interval')
    """
    cell_group, labels = groups_of(outcome.totals)
    draws, level = real_array(outcome.draws, "draws"), check_level(confidence_level)
    if draws.ndim != 2 or draws.shape[1] != len(labels) or not len(draws):
        raise DataError("the draws do not fit the groups", expected=f"(n_draws, {len(labels)})", got=str(draws.shape))
    if not np.isfinite(draws).all():
        raise DataError("the draws hold values that are not finite", got=f"{int((~np.isfinite(draws)).sum()):,} of them")
    model = DrawsModel(
        totals=outcome.totals, factors=outcome.factors, estimand=outcome.estimand, measure=outcome.measure,
        interval="posterior", spread_law="default", number_of_vendors="random", n_resamples=2000, entropy=entropy,
        target=outcome.currency, draws=draws, cell_group=cell_group,
        group_cells=np.bincount(cell_group, minlength=len(labels)), shared=outcome.shared, fit=outcome,
    )
    return build(model, level, (*outcome.totals.header.flags, *outcome.flags, *flags))
