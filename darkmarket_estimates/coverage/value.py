"""A lower bound on the value of what was not seen, and the wrong way to get it.

V_k, Q_k are sums of y and y^2 over listings captured k times, V_1j, Q_1j those of listings seen in scrape j only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from darkmarket_estimates._checks import boolean, choice, float_array, integer, number, same_length
from darkmarket_estimates._checks import confidence_level as _level
from darkmarket_estimates.coverage.abundance import Abundance
from darkmarket_estimates.coverage.arguments import cluster_codes, measured, scrapes, whole_array
from darkmarket_estimates.coverage.frequency import chao2
from darkmarket_estimates.coverage.intervals import lognormal_factor
from darkmarket_estimates.errors import DataError, NotIdentifiedError

FORMS = ("unequal scrapes", "equal scrapes")
ESTIMANDS = ("realised", "expected")
ASSUMPTIONS = (
    "closed: the same listings existed at every scrape",
    "one capture reveals all of a listing's value (the window ends before the first scrape; no page cap was reached)",
    "independent scrapes",
    "a lower bound: of the unseen value it typically recovers 0.3 to 0.75 when listings differ in catchability",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bound:
    """The bound V0 and its slopes by V_1j and V_2."""

    unseen: float
    by_single: np.ndarray
    by_double: float
    shift: float


def value_chao(
    y: Any, k: Any, first_scrape: Any, occasions: int, *, vendor: Any = None, form: str = "unequal scrapes",
    bias_corrected: bool = True, estimand: str = "realised", confidence_level: float = 0.95,
) -> Abundance:
    r"""Lower bound on the total value, seen and unseen, of a market that was scraped t times.

    :math:`V_0 \ge \sum_{i<j} V_{1i} V_{1j} / V_2` ("unequal scrapes"), or :math:`\frac{t-1}{2t} V_1^2 / V_2` ("equal
    scrapes", which can be several times too high when scrapes differ). Bias-corrected: the divisor is
    :math:`V_2 + m`, :math:`m = (Q_1 + Q_2) / (V_1 + V_2)`, and in the second form the numerator
    :math:`V_1^2 - Q_1`. With y = 1 the second form is Chao2; with t = 2 and without correction the first is Petersen.

    Derivation: given listing l's odds of capture in scrape j, :math:`\theta_l \omega_j`, the expectations of
    :math:`V_0, V_{1j}, V_2` are sums of :math:`y P_l`, :math:`y P_l \theta_l \omega_j`,
    :math:`y P_l \theta_l^2 e_2(\omega)`, P the chance of no capture; Cauchy-Schwarz over
    listings gives :math:`V_0 V_2 \ge e_2(\omega) (\sum y P \theta)^2 = \sum_{i<j} V_{1i} V_{1j}`.

    Parameters
    ----------
    y : array of shape (listings,)
        Value of each listing seen, >= 0, in any currency.
    k : array of shape (listings,)
        Number of captures, 1..t.
    first_scrape : array of shape (listings,) or None
        Scrape (from 0) of the first capture; used where k = 1. None is allowed in the "equal scrapes" form.
    occasions : int
        Number of scrapes t >= 2.
    vendor : array of shape (listings,), optional
        Clusters whose captures (realised) or presence (expected) go together.
    form : {"unequal scrapes", "equal scrapes"}
    bias_corrected : bool
    estimand : {"realised", "expected"}
        Total of the listings that exist, or the expectation over markets like this one (vendors, or listings where no
        vendor is given, are then a Poisson sample).
    confidence_level : float
        One-sided.

    Returns
    -------
    Abundance
        `value` = seen + V0; `interval` = (one-sided lower limit, infinity): seen + V0 / C for the realised total,
        (seen + V0) / C for the expected one (there what was seen is random too). With fewer than 10 listings of
        positive value seen once, or twice, `value` is that limit. ``details``: seen, unseen, limit, share_unseen.
        Variance (realised) :math:`Q_0 + \sum_j g_j^2 Q_{1j} + g_2^2 Q_2`, :math:`g_j = (V_1 - V_{1j}) / (V_2 + m)`
        (equal scrapes: :math:`\frac{t-1}{t} V_1 / (V_2 + m)`), :math:`g_2 = -V_0 / (V_2 + m)`,
        :math:`Q_0 = \frac{t-1}{2t} Q_1^2 / Q_2` (m V_0 if Q_2 = 0); with vendors, or expected:
        :math:`\sum_v (\sum_{l \in v} y_l (1 + g_l))^2`.

    Raises
    ------
    NotIdentifiedError
        One scrape; or no listing seen twice without bias correction.

    Examples
    --------
    >>> y = np.r_[np.full(40, 100.0), np.full(30, 250.0), np.full(20, 900.0)]
    >>> k = np.repeat([1, 2, 3], [40, 30, 20])
    >>> est = value_chao(y, k, np.arange(90) % 3, 3)
    >>> round(est.value, 2), round(est.interval[0], 2)
    (30192.4, 29848.1)
    """
    t = scrapes(occasions)
    y = measured(y, "y", low=0)
    k = whole_array(k, "k", low=1, high=t)
    same_length(y=y, k=k)
    choice(form, "form", FORMS)
    once, twice = k == 1, k == 2
    if first_scrape is None:
        if form == "unequal scrapes":
            raise NotIdentifiedError("the scrape of the single captures is needed", expected="first_scrape=",
                                     got="None", fix='pass first_scrape=, or form="equal scrapes" if they are alike')
        scrape = np.zeros(int(once.sum()), dtype=np.int64)
    else:
        first = whole_array(first_scrape, "first_scrape", high=t - 1)
        same_length(k=k, first_scrape=first)
        scrape = first[once]
    y1, y2 = y[once], y[twice]
    clusters: dict[str, np.ndarray] = {}
    if vendor is not None:
        codes, n = cluster_codes(vendor, "vendor", len(y))
        cell = codes[once] * t + scrape
        clusters = {
            "vendor_seen": np.bincount(codes, weights=y, minlength=n),
            "vendor_single": np.bincount(cell, weights=y1, minlength=n * t).reshape(n, t),
            "vendor_double": np.bincount(codes[twice], weights=y2, minlength=n),
        }
    return value_chao_from_sums(
        seen=float(y.sum()), single_value=np.bincount(scrape, weights=y1, minlength=t),
        single_square=np.bincount(scrape, weights=y1**2, minlength=t), double_value=float(y2.sum()),
        double_square=float(y2 @ y2), n_single=int((y1 > 0).sum()), n_double=int((y2 > 0).sum()), form=form,
        bias_corrected=bias_corrected, estimand=estimand, confidence_level=confidence_level,
        seen_square=float(y @ y), **clusters,
    )


def value_chao_from_sums(
    *, seen: float, single_value: Any, single_square: Any, double_value: float, double_square: float, n_single: int,
    n_double: int, seen_square: float | None = None, vendor_seen: Any = None, vendor_single: Any = None,
    vendor_double: Any = None, form: str = "unequal scrapes", bias_corrected: bool = True, estimand: str = "realised",
    confidence_level: float = 0.95,
) -> Abundance:
    """`value_chao` from sufficient statistics.

    Parameters
    ----------
    seen : float
        Value of all listings seen.
    single_value, single_square : array of shape (scrapes,)
        V_1j and Q_1j.
    double_value, double_square : float
        V_2 and Q_2.
    n_single, n_double : int
        Listings of positive value seen once, and twice.
    seen_square : float, optional
        Sum of y^2 over all listings seen: for the expected total without vendors.
    vendor_seen, vendor_double : array of shape (vendors,), optional
        Value seen, and that of listings seen twice, by vendor; with
    vendor_single : array of shape (vendors, scrapes), optional
        value of listings seen in that scrape only. All three or none.
    form, bias_corrected, estimand, confidence_level
        As for `value_chao`.

    Returns
    -------
    Abundance
    """
    choice(form, "form", FORMS)
    choice(estimand, "estimand", ESTIMANDS)
    boolean(bias_corrected, "bias_corrected")
    level = _level(confidence_level)
    v1 = measured(single_value, "single_value", low=0)
    q1 = measured(single_square, "single_square", low=0, power=2)
    t = same_length(single_value=v1, single_square=q1)
    scrapes(t, "single_value")
    v2, q2 = _sum(double_value, "double_value"), _sum(double_square, "double_square", power=2)
    seen = _sum(seen, "seen")
    whole = None if seen_square is None else _sum(seen_square, "seen_square", power=2)
    n_single, n_double = integer(n_single, "n_single", low=0), integer(n_double, "n_double", low=0)
    if v1.sum() + v2 > seen * (1 + 1e-9):
        raise DataError("the parts exceed the whole", expected="seen >= value seen once + value seen twice",
                        got=f"{seen:g} < {v1.sum() + v2:g}")
    bound = _bound(v1, q1, v2, q2, form, bias_corrected)
    by_vendor = (vendor_seen, vendor_single, vendor_double)
    if all(part is not None for part in by_vendor):
        variance = _clustered(bound, *by_vendor)
    elif any(part is not None for part in by_vendor):
        raise NotIdentifiedError("sums by vendor are incomplete", got="some of them",
                                 expected="vendor_seen, vendor_single and vendor_double", fix="pass all three or none")
    elif estimand == "expected":
        if whole is None:
            raise NotIdentifiedError("the expected total needs sums by vendor", expected="vendor_seen, vendor_single, "
                                     "vendor_double, or seen_square (listings apart)", got="None", fix="pass them")
        others = max(0.0, whole - float(q1.sum()) - q2)
        variance = others + float((1 + bound.by_single) ** 2 @ q1) + (1 + bound.by_double) ** 2 * q2
    else:
        missing = (t - 1) / (2 * t) * q1.sum() * (q1.sum() / q2) if q2 > 0 else bound.shift * bound.unseen
        variance = missing + float(bound.by_single**2 @ q1) + bound.by_double**2 * q2
    return _result(seen, bound, variance, n_single, n_double, t, form, bias_corrected, estimand, level)


def _sum(x: Any, name: str, *, power: int = 1) -> float:
    """Return a sum of values, or of their squares, of a size that some unit explains."""
    return float(measured([number(x, name, low=0)], name, power=power)[0])


def count_times_mean(y: Any, k: Any, occasions: int, *, confidence_level: float = 0.95) -> Abundance:
    """Unseen COUNT (Chao2) times the mean value of the seen: WRONG, here to show by how much.

    Popular listings are seen more often, so the unseen are worth less than the seen: 9-13 % too high in total in
    simulations with that dependence, while the count is itself a lower bound. Use `value_chao` or `huggins_value`.

    Parameters
    ----------
    y, k, occasions, confidence_level
        As for `value_chao`.

    Returns
    -------
    Abundance
        Always flagged; its interval counts the error of the unseen count alone.

    Examples
    --------
    >>> est = count_times_mean([10.0, 20.0, 30.0], [1, 1, 2], 2)
    >>> round(est.value, 4), est.flags[0][:5]
    (65.0, 'wrong')
    """
    t = scrapes(occasions)
    y, k = measured(y, "y", low=0), whole_array(k, "k", low=1, high=t)
    same_length(y=y, k=k)
    count = chao2(frequencies=np.bincount(k, minlength=t + 1)[1:], occasions=t, confidence_level=confidence_level)
    mean = float(y.mean())
    low, high = count.interval or (math.nan, math.nan)
    return Abundance(
        value=count.value * mean, standard_error=count.standard_error * mean, interval=(low * mean, high * mean),
        interval_kind="log-normal, of the count alone", confidence_level=count.confidence_level,
        method="unseen count times mean value", quantity="value", flags=(
            "wrong where value and chance of capture go together: 9-13 % too high in simulations", *count.flags),
        assumptions=("the unseen listings are worth as much as the seen ones on average", *count.assumptions),
        details={"seen": float(y.sum()), "unseen_count": count.value - len(y), "mean_value": mean},
    )


def _bound(v1: np.ndarray, q1: np.ndarray, v2: float, q2: float, form: str, bias_corrected: bool) -> _Bound:
    t, total = len(v1), float(v1.sum())
    if total == 0:
        return _Bound(unseen=0.0, by_single=np.zeros(t), by_double=0.0, shift=0.0)
    if v2 == 0 and not bias_corrected:
        raise NotIdentifiedError("no listing of positive value was seen exactly twice: the bound is infinite",
                                 expected="V_2 > 0", got="0", fix="use bias_corrected=True")
    shift = (float(q1.sum()) + q2) / (total + v2) if bias_corrected else 0.0
    divisor = v2 + shift
    if form == "unequal scrapes":
        pairs = float(v1 @ (total - v1)) / 2  # sum over i < j
        slopes = (total - v1) / divisor
    else:
        pairs = (t - 1) / (2 * t) * max(0.0, total**2 - (float(q1.sum()) if bias_corrected else 0.0))
        slopes = np.full(t, (t - 1) / t * total / divisor)
    unseen = pairs / divisor
    return _Bound(unseen=unseen, by_single=slopes, by_double=-unseen / divisor, shift=shift)


def _clustered(bound: _Bound, seen: Any, single: Any, double: Any) -> float:
    seen, double = float_array(seen, "vendor_seen", low=0), float_array(double, "vendor_double", low=0)
    single = float_array(single, "vendor_single", low=0, ndim=2)
    same_length(vendor_seen=seen, vendor_single=single, vendor_double=double)
    if single.shape[1] != len(bound.by_single):
        raise DataError("vendor_single has the wrong shape", expected=f"{len(bound.by_single)} columns, one a scrape",
                        got=str(single.shape[1]))
    z = seen + single @ bound.by_single + bound.by_double * double
    return float(z @ z)


def _result(
    seen: float, bound: _Bound, variance: float, n_single: int, n_double: int, t: int, form: str, bias_corrected: bool,
    estimand: str, level: float,
) -> Abundance:
    total, z = seen + bound.unseen, float(ndtri(level))
    if estimand == "realised":
        limit = seen + (bound.unseen / lognormal_factor(bound.unseen, variance, z) if bound.unseen > 0 else 0.0)
    else:
        limit = total / lognormal_factor(total, variance, z) if total > 0 else 0.0
    flags = ["lower bound: no value with an interval"]
    few = min(n_single, n_double) < 10
    if few:
        flags.append("fewer than 10 listings of positive value seen once or twice: the value is the lower limit")
    if form == "equal scrapes":
        flags.append("several times too high where scrapes differ in size")
    return Abundance(
        value=limit if few else total, standard_error=math.sqrt(variance), interval=(limit, math.inf),
        interval_kind="one-sided lower limit", confidence_level=level, assumptions=ASSUMPTIONS, flags=tuple(flags),
        method=f"value chao ({form}{', bias-corrected' if bias_corrected else ''}, {estimand})", quantity="value",
        details={"seen": seen, "unseen": bound.unseen, "limit": limit, "occasions": t, "n_single": int(n_single),
                 "n_double": int(n_double), "share_unseen": bound.unseen / total if total > 0 else 0.0},
    )
