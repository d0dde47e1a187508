"""Listings that no scrape saw: what `coverage=` adds to the total of some cells."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import ndtri

from darkmarket_estimates.assumptions import CountTimesMean, Huggins, ValueChao
from darkmarket_estimates.coverage.frequency import chao2
from darkmarket_estimates.coverage.intervals import lognormal_factor
from darkmarket_estimates.coverage.value import value_chao_from_sums
from darkmarket_estimates.errors import AssumptionError, NotIdentifiedError, NotSupportedError
from darkmarket_estimates.factors import Factor
from darkmarket_estimates.inference import VENDORS_SAMPLED, Model
from darkmarket_estimates.totals import CAPTURES, VENDOR, Totals

#: Name of the factor (seen + unseen) / seen.
UNDETECTED = "undetected listings"
WAY_OUT = ('a window that ends before the first scrape, or count_captures="after the window" in from_scrapes or '
           "from_reviews; where listings die between scrapes, coverage=listings.life_table(opened=...).law()")


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


def check(totals: Totals, coverage: ValueChao | Huggins | CountTimesMean, factors: tuple[Factor, ...], *, measure: str,
          has_share: bool) -> tuple[str, ...]:
    """Refuse what cannot be; return what a reader must know.

    Raises
    ------
    NotIdentifiedError
        The totals have no captures, one capture does not reveal all of a listing's value, or no model was fitted.
    AssumptionError
        A lower bound with a Range, or a detection model without a review share.
    NotSupportedError
        A number of orders.
    """
    header = totals.header
    name = type(coverage).__name__
    if measure == "orders":
        raise NotSupportedError(f"{name} acts on money", got='measure="orders"', fix="coverage.chao2 counts listings")
    if isinstance(coverage, Huggins):
        _check_fitted(totals, coverage)
    if CAPTURES not in totals.keys or header.occasions is None:
        raise NotIdentifiedError(f"{name} needs how often each listing was seen", got=f"by={list(totals.by)}",
                                 fix='Listings.from_scrapes(...), or Listings(frame, captures="...", occasions=t)')
    if header.occasions < 2:
        raise NotIdentifiedError(f"{name} needs two scrapes or more", got=str(header.occasions))
    if header.one_capture not in ("holds", "not checked"):
        raise NotIdentifiedError("one capture does not reveal all of a listing's value", got=header.one_capture,
                                 expected="a window that ends before the first scrape, and no page at its cap",
                                 fix=WAY_OUT)
    if isinstance(coverage, ValueChao):
        if any(f.is_range for f in factors):
            raise AssumptionError("a lower bound takes no Range", got="; ".join(f.words() for f in factors if f.is_range),
                                  expected="numbers and distributions",
                                  fix="state the end of the Range that makes the total low")
        if coverage.form == "unequal scrapes" and "1" in totals.keys[CAPTURES].labels:
            raise NotIdentifiedError("the scrape of the single captures is needed", expected='labels such as "1@3"',
                                     got='"1"', fix='Listings(frame, captures="k", occasions=t, first_scrape="j"), '
                                                'Listings.from_scrapes(...), or ValueChao(form="equal scrapes")')
    elif not has_share:
        raise AssumptionError(f"{name} estimates a total, and no review share was stated",
                              fix="review_rate=1.0 gives reviewed turnover, or state the share")
    return _notes(totals, coverage)


def _check_fitted(totals: Totals, coverage: Huggins) -> None:
    fitted = totals.header.detection
    call = f"listings.totals(assumptions=[{coverage!r}])"
    if fitted is None:
        raise NotIdentifiedError("a detection model needs the listings themselves", got="totals without one", fix=call)
    if (fitted.covariates, fitted.clustered) != (tuple(coverage.covariates), coverage.clustered):
        raise AssumptionError("the totals hold another detection model", expected=repr(coverage), fix=call,
                              got=f"covariates {list(fitted.covariates)}, clustered={fitted.clustered}")


def _notes(totals: Totals, coverage: ValueChao | Huggins | CountTimesMean) -> tuple[str, ...]:
    notes = []
    if totals.header.one_capture == "not checked":
        notes.append("not checked: does one capture reveal all of a listing's value?")
    if isinstance(coverage, ValueChao):
        notes.append("lower bound: of the unseen value it typically recovers 30 to 75% where listings differ in "
                     "catchability")
    elif isinstance(coverage, Huggins):
        fitted = totals.header.detection
        assert fitted is not None
        notes += [f"detection: {flag}" for flag in fitted.flags]
    else:
        notes.append("unseen count times mean value: 9-13 % too high where popular listings are seen more often")
    return tuple(notes)


def words(model: Model) -> str | None:
    """The assumption about unseen listings as a reader would say it."""
    spec, header = model.coverage, model.totals.header
    if isinstance(spec, ValueChao):
        return (f"unseen listings: at least the value bound of Chao's kind from {header.occasions} scrapes ({spec.form}), "
                "for a closed market and independent scrapes")
    if isinstance(spec, Huggins):
        assert header.detection is not None
        p = header.detection.p_value
        fit = "not testable" if p is None else f"p = {p:.2g}"
        on = ", ".join(header.detection.covariates) or "the same chance for every listing"
        return (f"unseen listings: weights 1 / chance of capture in {header.occasions} scrapes ({on}), right if the "
                f"covariates explain catchability (goodness of fit of the capture counts: {fit})")
    if isinstance(spec, CountTimesMean):
        return "unseen listings: their number (Chao2) times the mean value of the seen, which is biased"
    return None


# -- a model of detection: a factor on the row ------------------------------------------------------------------------


def covered(model: Model, cells: np.ndarray) -> Model:
    """The model with (seen + unseen) / seen of these cells as a factor; itself without such a model."""
    if not isinstance(model.coverage, Huggins | CountTimesMean) or not model.y[cells].any():
        return model
    m = model.multiplier(cells, model.configuration("middle"))
    if isinstance(model.coverage, CountTimesMean):
        return _with_factor(model, _count_times_mean(model, cells))
    columns, fitted = model.totals.columns, model.totals.header.detection
    assert fitted is not None
    seen = float(model.y[cells] @ m)
    unseen = float((columns["ht_value"][cells] - model.y[cells]) @ m)
    # the expected total of vendors that are a random sample has its sampling variance already
    variance = fitted.c_hat * float(columns["ht_missing"][cells] @ m**2) if model.estimand == "realised" else 0.0
    gradient = np.array([columns[f"ht_gradient_{j}"][cells] @ m for j in range(len(fitted.covariance))])
    variance += float(gradient @ np.asarray(fitted.covariance) @ gradient)
    if unseen <= 0:
        return model
    sd = math.sqrt(math.log1p(variance / unseen**2))
    if sd == 0:
        return _with_factor(model, 1 + unseen / seen)
    return _with_factor(model, stats.lognorm(sd, loc=1.0, scale=unseen / seen * math.exp(-(sd**2) / 2)))


def _with_factor(model: Model, spec: object) -> Model:
    return replace(model, factors=(*model.factors, Factor(UNDETECTED, spec, 1)))  # type: ignore[arg-type]


def _count_times_mean(model: Model, cells: np.ndarray) -> float:
    t = model.totals.header.occasions
    assert t is not None
    number, _ = _captures(model, cells)
    listings = np.rint(model.totals.columns["n_listings"][cells])
    frequencies = np.bincount(number, weights=listings, minlength=t + 1)[1:].astype(np.int64)
    return chao2(frequencies=frequencies, occasions=t).value / float(frequencies.sum())


def interval(model: Model, cells: np.ndarray, level: float) -> tuple[float, float] | None:
    """Interval of the total of some cells, unseen listings included; None for a lower bound."""
    return None if isinstance(model.coverage, ValueChao) else covered(model, cells).interval_of(cells, level)


# -- a lower bound ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stratum:
    seen: float
    unseen: float
    variance: float
    few: bool


def lower_bound(model: Model, cells: np.ndarray, level: float) -> Bound | None:
    """Bound of the total of some cells under `ValueChao`, as the sum over its groups; None without it.

    The limit puts half of the error probability on unseen listings and half on the other uncertainties, where there
    are any (Bonferroni): it is conservative.
    """
    if not isinstance(model.coverage, ValueChao):
        return None
    m = model.multiplier(cells, model.configuration("central") if model.has_share else model.floor_configuration())
    strata = [_stratum(model, cells[part], m[part]) for part in _groups(model.totals, cells)]
    ratio, own = _other_sources(model, cells, float(model.y[cells] @ m), level)
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


def _other_sources(model: Model, cells: np.ndarray, seen: float, level: float) -> tuple[float, float]:
    """Lower quantile of the other uncertainties, relative to the total, and the level left for unseen listings."""
    if not model.has_share or model.interval == "none" or seen == 0:
        return 1.0, level
    if model.estimand == "expected":
        model = replace(model, frozen=model.frozen | {VENDORS_SAMPLED})
    law = model.law(cells)
    if law.variance == 0:
        return 1.0, level
    half = (1 - level) / 2
    return min(1.0, max(0.0, float(law.quantile(half)) / seen)), 1 - half


def _groups(totals: Totals, cells: np.ndarray) -> Iterator[np.ndarray]:
    """Positions among the cells of each group that occurs."""
    packed = np.zeros(len(cells), dtype=np.int64)
    for name in totals.groups:
        key = totals.keys[name]
        packed = np.unique(packed * np.int64(len(key.labels)) + key.codes[cells], return_inverse=True)[1]
    order = np.argsort(packed, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(packed[order])) + 1)


def _captures(model: Model, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Captures of each cell's listings, and the scrape (from 0) of single ones."""
    key = model.totals.keys[CAPTURES]
    parts = [label.partition("@") for label in key.labels]
    number = np.array([int(k) for k, _, _ in parts], dtype=np.int64)
    scrape = np.array([int(j or 1) - 1 for _, _, j in parts], dtype=np.int64)
    return number[key.codes[cells]], scrape[key.codes[cells]]


def _stratum(model: Model, cells: np.ndarray, m: np.ndarray) -> _Stratum:
    spec, columns, t = model.coverage, model.totals.columns, model.totals.header.occasions
    assert isinstance(spec, ValueChao) and t is not None
    number, scrape = _captures(model, cells)
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
