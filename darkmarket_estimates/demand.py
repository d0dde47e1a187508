"""The demand side: what buyers say they spent, in brackets, times how many buyers there are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import optimize, stats

from darkmarket_estimates._checks import choice, float_array, is_number, kind, number, real_array, strings, text
from darkmarket_estimates._checks import confidence_level as check_level
from darkmarket_estimates.assumptions import Range
from darkmarket_estimates.errors import AssumptionError, DataError, NotIdentifiedError
from darkmarket_estimates.published.size_laws import FAMILIES, SizeLaw

if TYPE_CHECKING:
    import pandas as pd

#: Shapes that are searched: from nearly equal spending to a mean that a few buyers carry, so wide that no limit rests on them.
SHAPES = (0.001, 100.0)
#: More respondents, or money of one, than a survey has.
MOST = 1e15
#: An upper limit of the mean beyond this multiple of the estimate is not one, nor is an estimate so far beyond the edges.
UNBOUNDED = 1e4


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendingFit:
    """One family fitted to brackets.

    Attributes
    ----------
    law : SizeLaw
        Maximum likelihood.
    interval : (float, float)
        Profile-likelihood interval of the mean; the upper end is infinite where the brackets do not bound it.
    log_likelihood : float
    expected : tuple of float
        Respondents a bracket under the fit.
    p_value : float
        Of the likelihood-ratio test against the observed shares; NaN where there are no more brackets than parameters.
    """

    law: SizeLaw
    interval: tuple[float, float]
    log_likelihood: float
    expected: tuple[float, ...]
    p_value: float

    @property
    def mean(self) -> float:
        """Mean spending of a buyer."""
        return self.law.mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """Mean spending a buyer from brackets.

    Attributes
    ----------
    edges, counts : tuple of float
    fits : tuple of SpendingFit
        One a family.
    bounds : (float, float)
        Of the mean whatever the distribution, for these shares: everybody at the lower, or the upper, edge of the
        bracket. No sampling error is in them.
    confidence_level : float
    currency, period : str
    """

    edges: tuple[float, ...]
    counts: tuple[float, ...]
    fits: tuple[SpendingFit, ...]
    bounds: tuple[float, float]
    confidence_level: float
    currency: str
    period: str

    def to_frame(self) -> pd.DataFrame:
        """One row a family: family, mean, low, high, shape, log_likelihood, p_value, and what holds for any law."""
        import pandas as pd

        rows = [{"family": f.law.family, "mean": f.mean, "low": f.interval[0], "high": f.interval[1],
                 "shape": f.law.shape, "log_likelihood": f.log_likelihood, "p_value": f.p_value} for f in self.fits]
        rows.append({"family": "any (bounds)", "mean": math.nan, "low": self.bounds[0], "high": self.bounds[1]})
        return pd.DataFrame(rows)

    def turnover(self, buyers: float | Range) -> pd.DataFrame:
        """Multiply by the number of buyers.

        Parameters
        ----------
        buyers : number or Range
            Buyers in the period. A Range turns every figure into bounds.

        Returns
        -------
        DataFrame
            One row a family: family, value (NaN under a Range), low, high, kind, in the currency and over the period of
            the survey. The interval knows the sampling of respondents alone: not who answers, and not what they forget.
        """
        import pandas as pd

        if isinstance(buyers, Range):
            few, many = number(buyers.low, "buyers", low=0), number(buyers.high, "buyers", low=0)
        elif is_number(buyers):
            few = many = number(buyers, "buyers", low=0)
        else:
            raise AssumptionError("the number of buyers cannot be read", expected="a number, or a Range (scenario)",
                                  got=repr(buyers))
        ranged = isinstance(buyers, Range)
        kind = "bounds around the interval" if ranged else f"{100 * self.confidence_level:g}% confidence interval"
        rows = [(f.law.family, f.mean, *f.interval, kind) for f in self.fits]
        rows.append(("any (bounds)", math.nan, *self.bounds, "bounds"))
        # nobody spends nothing, also where the mean has no upper limit
        return pd.DataFrame([{"family": family, "value": math.nan if ranged else mean * few, "low": low * few,
                              "high": high * many if many else 0.0, "kind": what} for family, mean, low, high, what in rows])

    def __str__(self) -> str:
        lines = [f"Spending of {sum(self.counts):g} buyers, {self.currency} a buyer {self.period}".rstrip()]
        for f in self.fits:
            p = "" if math.isnan(f.p_value) else f", fit p = {f.p_value:.2g}"
            lines.append(f"  {f.law.family}: mean {f.mean:,.0f}, {100 * self.confidence_level:g}% interval "
                         f"{f.interval[0]:,.0f} to {f.interval[1]:,.0f}{p}")
        lines.append(f"  any distribution: {self.bounds[0]:,.0f} to {self.bounds[1]:,.0f} for these shares")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)


def from_spending_brackets(
    edges: Sequence[float],
    counts: Sequence[float],
    *,
    families: str | Sequence[str] = ("lognormal", "gamma", "weibull"),
    confidence_level: float = 0.95,
    currency: str,
    period: str = "",
) -> Spending:
    r"""Estimate mean spending a buyer from a survey that asked for brackets.

    The likelihood of a family with mean m and shape s is multinomial,

    .. math:: \ell(m, s) = \sum_k n_k \log [F(c_k; m, s) - F(c_{k-1}; m, s)],

    and the interval holds every m with :math:`2 [\max \ell - \max_s \ell(m, s)] \le \chi^2_{1, level}` (Venzon
    and Moolgavkar 1988). With an open top bracket the mean rests on the family: compare families before using one.

    Parameters
    ----------
    edges : sequence of shape (n_brackets + 1,)
        Rising; the first is 0 or the least that a buyer can spend, the last may be infinite. Not buyers of nothing:
        leave them out.
    counts : sequence of shape (n_brackets,)
        Respondents in each bracket.
    families : str or sequence of str
        Of "lognormal", "gamma", "weibull".
    confidence_level : float
    currency : str
    period : str
        Of the question, as in "in 12 months".

    Returns
    -------
    Spending

    Raises
    ------
    DataError
        Edges that do not rise, or lengths that do not fit.
    NotIdentifiedError
        Respondents in fewer than three brackets: laws of very different means then fit alike (a mean and a shape for
        one free share). Or a family that fits best with a mean far beyond all edges.

    Examples
    --------
    >>> survey = from_spending_brackets([0, 250, 1000, float("inf")], [49, 30, 20], currency="EUR",
    ...                                 period="in 12 months")
    >>> print(survey)
    Spending of 99 buyers, EUR a buyer in 12 months
      lognormal: mean 974, 95% interval 546 to 3,157
      gamma: mean 618, 95% interval 439 to 977
      weibull: mean 680, 95% interval 460 to 1,305
      any distribution: 278 to inf for these shares
    """
    n = float_array(_listed(counts, "counts"), "counts", low=0)
    try:
        c = real_array(_listed(edges, "edges"), "edges")
    except DataError as error:
        raise DataError("edges do not hold numbers", expected=error.expected, got=error.got) from error
    if c.ndim != 1 or len(c) != len(n) + 1:
        raise DataError("edges and counts do not fit", expected=f"{len(n) + 1} edges for {len(n)} brackets",
                        got=f"{c.size} edges")
    if not np.isfinite(c[:-1]).all() or c[0] < 0 or not (np.diff(c) > 0).all():
        raise DataError("edges must rise from 0 or more; only the last may be infinite", got=repr(c.tolist()))
    for values, name in ((n, "counts"), (c[np.isfinite(c) & (c > 0)], "edges")):
        if values.max(initial=1.0) > MOST or (name == "edges" and values.min(initial=1.0) < 1 / MOST):
            raise DataError(f"{name} hold a number that no survey has", got=repr(values.tolist()),
                            expected=f"at most {MOST:g}" + (f", and 0 or at least {1 / MOST:g}" if name == "edges" else ""))
    names = strings(families, "families")
    for family in names:
        choice(family, "family", tuple(FAMILIES))
    if not names:
        raise DataError("no family is named", expected="one of " + ", ".join(FAMILIES))
    level = check_level(confidence_level)
    for value, name in ((currency, "currency"), (period, "period")):
        text(value, name)
    total = float(n.sum())
    if total == 0:
        raise DataError("there are no respondents", got=repr(n.tolist()), expected="a count above 0")
    lower = float(n @ c[:-1]) / total
    upper = math.inf if n[-1] > 0 and math.isinf(c[-1]) else float(n[n > 0] @ c[1:][n > 0]) / total
    if (n > 0).sum() < 3:
        raise NotIdentifiedError(
            f"all respondents are in {'one bracket' if (n > 0).sum() == 1 else 'two brackets'}: no distribution is identified",
            expected="respondents in at least three brackets, for a mean and a shape", got=repr(n.tolist()),
            fix=f"ask for more brackets; whatever the distribution, the mean of these is {lower:,.6g} to {upper:,.6g}")
    return Spending(edges=tuple(c.tolist()), counts=tuple(n.tolist()), bounds=(lower, upper), confidence_level=level,
                    fits=tuple(_fit(c, n, family, level) for family in names), currency=currency, period=period)


def _listed(x: Any, name: str) -> list[Any]:
    """The entries of any sequence; text is none here."""
    if isinstance(x, str | bytes) or not hasattr(x, "__iter__") or getattr(x, "ndim", 1) == 0:
        raise DataError(f"{name} cannot be read", expected="a sequence of numbers", got=kind(x))
    return list(x)


def _fit(edges: np.ndarray, counts: np.ndarray, family: str, level: float) -> SpendingFit:
    outer = np.where(np.isinf(edges[1:]), 2 * edges[:-1], edges[1:])
    inner_mean, outer_mean = float(counts @ edges[:-1]) / counts.sum(), float(counts @ outer) / counts.sum()
    grid = np.arange(math.log(inner_mean) - 3, math.log(outer_mean * UNBOUNDED) + 0.25, 0.25)
    profile = [_profile(edges, counts, family, m) for m in grid]
    at = int(np.argmax([likelihood for likelihood, _ in profile]))
    if at in (0, len(grid) - 1) or not 1.01 * SHAPES[0] < profile[at][1] < 0.99 * SHAPES[1]:
        raise NotIdentifiedError(
            f"the {family} law that fits these brackets best has a mean or shape far from them", got=repr(counts.tolist()),
            expected=f"a highest likelihood at a mean below {UNBOUNDED:,.0f} times {outer_mean:,.6g}",
            fix=f"leave it out of families=; whatever the distribution, the mean is at least {inner_mean:,.6g}")
    nearest = grid[at]
    best = optimize.minimize_scalar(lambda m: -_profile(edges, counts, family, m)[0], method="bounded",
                                    bounds=(nearest - 0.25, nearest + 0.25), options={"xatol": 1e-10})
    centre = float(best.x)
    highest, shape = _profile(edges, counts, family, centre)
    drop = 0.5 * float(stats.chi2.ppf(level, 1))

    def above(m: float) -> float:
        likelihood, widest = _profile(edges, counts, family, m)
        return drop if widest > 0.99 * SHAPES[1] else likelihood - (highest - drop)  # a wider law may still fit

    low, high = (_crossing(above, centre, sign) for sign in (-1, 1))
    law = SizeLaw(family=family, mean=math.exp(centre), shape=shape)
    expected = counts.sum() * _cells(edges, family, law.mean, shape)
    freedom = len(counts) - 3
    seen = counts > 0
    deviance = 2 * float(counts[seen] @ np.log(counts[seen] / expected[seen]))
    return SpendingFit(law=law, interval=(math.exp(low), math.exp(high)), log_likelihood=highest,
                       expected=tuple(expected.tolist()),
                       p_value=float(stats.chi2.sf(max(deviance, 0.0), freedom)) if freedom > 0 else math.nan)


def _cells(edges: np.ndarray, family: str, mean: float, shape: Any) -> np.ndarray:
    """Probability of each bracket (the last axis); differences of the smaller tail, so that none is lost."""
    x = edges / mean
    law = FAMILIES[family]
    below, above = law.cdf(x, shape), law.sf(x, shape)
    return np.where(below[..., :-1] > 0.5, above[..., :-1] - above[..., 1:], below[..., 1:] - below[..., :-1])


def _profile(edges: np.ndarray, counts: np.ndarray, family: str, log_mean: float) -> tuple[float, float]:
    """Highest log-likelihood at a mean, and its shape: a grid of shapes first, since there may be two maxima."""
    mean, seen = math.exp(log_mean), counts > 0

    def likelihood(log_shape: Any) -> Any:
        p = _cells(edges, family, mean, np.exp(np.asarray(log_shape))[..., None])[..., seen]
        return np.log(np.maximum(p, 1e-300)) @ counts[seen]

    grid = np.linspace(math.log(SHAPES[0]), math.log(SHAPES[1]), 100)
    at = int(np.argmax(likelihood(grid)))
    low, high = grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)]
    best = optimize.minimize_scalar(lambda s: -likelihood(s), method="bounded", bounds=(low, high),
                                    options={"xatol": 1e-10})
    return -float(best.fun), math.exp(float(best.x))


def _crossing(above: Any, centre: float, sign: int) -> float:
    """Where the profile falls to the limit on one side; infinite where it never does."""
    step = 0.05
    while above(centre + sign * step) > 0:
        step *= 1.6
        if step > math.log(UNBOUNDED):
            return sign * math.inf
    inner = centre + sign * (step / 1.6 if step > 0.05 else 0.0)
    return float(optimize.brentq(above, *sorted((inner, centre + sign * step)), xtol=1e-10))
