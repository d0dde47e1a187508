"""Listings that no scrape saw: what `coverage=` adds to the total of some cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import stats

from darkmarket_estimates.assumptions import CountTimesMean, Huggins, ValueChao
from darkmarket_estimates.coverage.frequency import chao2
from darkmarket_estimates.errors import AssumptionError, NotIdentifiedError, NotSupportedError
from darkmarket_estimates.factors import Factor
from darkmarket_estimates.inference import Model, Tell, quiet
from darkmarket_estimates.inference.intervals import intervals
from darkmarket_estimates.totals import CAPTURES, Totals

#: Name of the factor (seen + unseen) / seen.
UNDETECTED = "undetected listings"
WAY_OUT = ('a window that ends before the first scrape, or count_captures="after the window" in from_scrapes or '
           "from_reviews; where listings die between scrapes, coverage=listings.life_table(opened=...).law()")


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
    number, _ = captures(model, cells)
    listings = np.rint(model.totals.columns["n_listings"][cells])
    frequencies = np.bincount(number, weights=listings, minlength=t + 1)[1:].astype(np.int64)
    return chao2(frequencies=frequencies, occasions=t).value / float(frequencies.sum())


def interval(model: Model, cells: np.ndarray, level: float) -> tuple[float, float] | None:
    """Interval of the total of some cells, unseen listings included; None for a lower bound."""
    return None if isinstance(model.coverage, ValueChao) else covered(model, cells).interval_of(cells, level)


def with_unseen(
    model: Model, wholes: Sequence[Model], rows: Sequence[np.ndarray], level: float, tell: Tell = quiet
) -> list[tuple[float, float] | None]:
    """Intervals of many rows, unseen listings included; `wholes` are the models that `covered` makes of them."""
    factors = [whole.factors[-1] for whole in wholes if whole is not model and whole.factors[-1].is_uncertain]
    together = [i for i, whole in enumerate(wholes) if whole is not model and whole.factors[-1].is_uncertain]
    out: list[tuple[float, float] | None] = [None] * len(rows)
    if any(f.is_range for f in model.factors):
        together, factors = [], []
    found = intervals(model, [rows[i] for i in together], level, own=factors, tell=tell)
    for i, pair in zip(together, found, strict=True):
        out[i] = pair
    for i in sorted({*range(len(rows))} - {*together}):
        out[i] = wholes[i].interval_of(rows[i], level)
    return out


def captures(model: Model, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Captures of each cell's listings, and the scrape (from 0) of single ones."""
    key = model.totals.keys[CAPTURES]
    parts = [label.partition("@") for label in key.labels]
    number = np.array([int(k) for k, _, _ in parts], dtype=np.int64)
    scrape = np.array([int(j or 1) - 1 for _, _, j in parts], dtype=np.int64)
    return number[key.codes[cells]], scrape[key.codes[cells]]
