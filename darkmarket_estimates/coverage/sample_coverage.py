"""Estimators built on sample coverage: how large a share of all captures belongs to listings already seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from darkmarket_estimates._checks import choice, integer
from darkmarket_estimates._checks import confidence_level as _level
from darkmarket_estimates.coverage.abundance import Abundance
from darkmarket_estimates.coverage.frequency import abundance_frequencies
from darkmarket_estimates.coverage.histories import read
from darkmarket_estimates.coverage.intervals import lognormal_interval, normal_quantile
from darkmarket_estimates.errors import DataError, NotIdentifiedError

ASSUMPTIONS = (
    "closed: the same listings existed throughout",
    "chances of capture differ between listings with one coefficient of variation among the rare ones",
)
SHARE = ("closed: the same listings existed throughout",
         "the share is of captures (finds), not of listings and not of money")


def ace(
    counts: Any = None, *, frequencies: Any = None, rare: int = 10, confidence_level: float = 0.95
) -> Abundance:
    r"""Abundance-based coverage estimator (Chao and Lee 1992; Chao, Ma and Yang 1993).

    :math:`S_{abund} + S_{rare}/C + f_1 \gamma^2 / C`, :math:`C = 1 - f_1 / N_{rare}`,
    :math:`\gamma^2 = \max(S_{rare} \sum k (k-1) f_k / (C N_{rare} (N_{rare} - 1)) - 1, 0)`, sums over k <= `rare`.

    Parameters
    ----------
    counts, frequencies
        As for `chao1`.
    rare : int
        Listings found at most so often are "rare"; 10 by convention.
    confidence_level : float

    Returns
    -------
    Abundance
        Delta-method variance with Cov(f_i, f_j) = f_i (i = j) - f_i f_j / N; log-normal interval on the unseen.

    Raises
    ------
    NotIdentifiedError
        All rare listings were found once (C = 0).

    Examples
    --------
    >>> round(ace(frequencies=[25, 22, 13, 5, 1, 2]).value, 4)
    83.1037
    """
    f = abundance_frequencies(counts, frequencies)
    return _coverage_estimate("ace", f, integer(rare, "rare", low=2), None, _level(confidence_level))


def ice(
    histories: Any = None, *, frequencies: Any = None, occasions: int | None = None, rare: int = 10,
    form: str = "chao-jost", confidence_level: float = 0.95,
) -> Abundance:
    r"""Incidence-based coverage estimator (Lee and Chao 1994): ACE for capture histories.

    As `ace` with f_k the listings seen in k scrapes,
    :math:`C = 1 - \frac{f_1}{N_{rare}} \frac{(t-1) f_1}{(t-1) f_1 + 2 f_2}` and
    :math:`\gamma^2 = \max(\frac{S_{rare}}{C} \frac{t}{t-1} \frac{\sum k (k-1) f_k}{(\sum k f_k)^2} - 1, 0)`.

    Parameters
    ----------
    histories, frequencies, occasions
        As for `m0`.
    rare : int
        Listings seen in at most so many scrapes are "rare"; 10 by convention.
    form : {"chao-jost", "good-turing"}
        The coverage C: "good-turing" is the older 1 - f_1 / N_rare. With few scrapes it is far too low and the estimate
        far too high, also when all listings are alike (3 times the truth with two scrapes that see a fifth each).
    confidence_level : float

    Returns
    -------
    Abundance

    Examples
    --------
    >>> round(ice(frequencies=[25, 22, 13, 5, 1, 2], occasions=6).value, 4)
    82.6807
    """
    choice(form, "form", ("chao-jost", "good-turing"))
    s = read(histories, frequencies, occasions)
    return _coverage_estimate("ice", s.frequencies, integer(rare, "rare", low=2), s.occasions, _level(confidence_level),
                              improved=form == "chao-jost")


def good_turing(
    histories: Any = None, *, frequencies: Any = None, occasions: int | None = None, confidence_level: float = 0.95
) -> Abundance:
    r"""Good and Turing's sample coverage :math:`C = 1 - f_1 / n`, n captures (Good 1953).

    Parameters
    ----------
    histories, frequencies, occasions
        As for `m0`; frequencies without `occasions` are of finds.
    confidence_level : float

    Returns
    -------
    Abundance
        A share of captures; normal interval inside [0, 1]. The error is about the coverage of *this* sample: for finds
        :math:`V = [f_1 (1 - f_1/n) + 2 f_2] / n^2` (Esty 1983), for scrapes as in `chao_jost`. With few scrapes the
        value is too low: `chao_jost` is not.

    Examples
    --------
    >>> round(good_turing(frequencies=[25, 22, 13, 5, 1, 2]).value, 4)
    0.8276
    """
    level = _level(confidence_level)
    f, t = _frequencies(histories, frequencies, occasions)

    def coverage(g: np.ndarray) -> Any:
        return 1 - g[0] / (np.arange(1, len(g) + 1) @ g)

    flags = () if t is None or t >= 30 else (f"too low with {t} scrapes: use chao_jost",)
    return _share("good-turing", coverage, f, level, t, flags)


def chao_jost(
    histories: Any = None, *, frequencies: Any = None, occasions: int | None = None, confidence_level: float = 0.95
) -> Abundance:
    r"""Chao and Jost's sample coverage :math:`C = 1 - \frac{f_1}{n} \frac{(n-1) f_1}{(n-1) f_1 + 2 f_2}` (2012).

    Parameters
    ----------
    histories, frequencies, occasions
        As for `m0`; with scrapes, t - 1 takes the place of n - 1 in the second factor. Frequencies without
        `occasions` are of finds.
    confidence_level : float

    Returns
    -------
    Abundance
        A share of captures; normal interval inside [0, 1]. Variance for finds: Esty's (see `good_turing`); for scrapes:
        delta method with independent f_k plus :math:`2 f_2 t / ((t-1) n^2)`, the variance of the unseen listings' own
        share, without their covariance: 1.2 to 1.8 times the mean squared error in simulations.

    Examples
    --------
    >>> round(chao_jost(frequencies=[25, 22, 13, 5, 1, 2], occasions=6).value, 4)
    0.8725
    """
    level = _level(confidence_level)
    f, t = _frequencies(histories, frequencies, occasions)

    def coverage(g: np.ndarray) -> Any:
        size = np.arange(1, len(g) + 1) @ g
        draws = size if t is None else t
        if f[0] + f[1] == 0:
            return 1 + 0 * size
        return 1 - g[0] / size * (draws - 1) * g[0] / ((draws - 1) * g[0] + 2 * g[1])

    return _share("chao-jost", coverage, f, level, t)


def _frequencies(histories: Any, frequencies: Any, occasions: int | None) -> tuple[np.ndarray, int | None]:
    if histories is None and frequencies is not None and occasions is None:
        f = abundance_frequencies(None, frequencies)
        if np.arange(1, len(f) + 1) @ f < 2:
            raise DataError("one find tells nothing about coverage", expected="2 finds or more", got="1")
        return f, None
    s = read(histories, frequencies, occasions)
    return s.frequencies, s.occasions


def _gradient(function: Callable[[np.ndarray], Any], x: np.ndarray) -> np.ndarray:
    """Differentiate by a complex step: exact to rounding, no formula to mistype (Squire and Trapp 1998)."""
    result = np.empty(len(x))
    for i in range(len(x)):
        z = x.astype(np.complex128)
        z[i] += 1e-30j
        result[i] = function(z).imag / 1e-30
    return result


def _share(
    name: str, coverage: Callable[[np.ndarray], Any], f: np.ndarray, level: float, t: int | None,
    flags: tuple[str, ...] = (),
) -> Abundance:
    x = f.astype(np.float64)
    n, value = float(np.arange(1, len(f) + 1) @ x), float(coverage(x))
    if t is None:
        variance = (x[0] * (1 - x[0] / n) + 2 * x[1]) / n**2
    else:
        variance = float(_gradient(coverage, x) ** 2 @ x) + 2 * x[1] * t / ((t - 1) * n**2)
    few = f[0] + f[1] < 10
    if few:
        flags = (*flags, "fewer than 10 listings seen once or twice: the normal interval is too short")
    error, interval = math.sqrt(variance), None
    if f[0] + f[1] == 0 or f[1:].sum() == 0:
        error = math.nan
        flags = (*flags, "every listing was seen once, or none less than three times: its error is unknown")
    else:
        spread = normal_quantile(level) * error
        interval = (max(0.0, value - spread), min(1.0, value + spread))
    return Abundance(
        value=value, standard_error=error, interval=interval, interval_kind="normal", confidence_level=level,
        method=name, assumptions=SHARE, flags=flags, quantity="share of captures",
        details={"f1": int(f[0]), "f2": int(f[1]), "occasions": t},
    )


def _coverage_estimate(
    name: str, f: np.ndarray, rare: int, t: int | None, level: float, *, improved: bool = False
) -> Abundance:
    seen = float(f.sum())
    few = f[:rare].astype(np.float64)
    if few.sum() == 0:
        raise NotIdentifiedError("no listing is rare: coverage cannot be estimated", got="none",
                                 expected=f"one seen at most {rare} times", fix="raise rare=, or take the number seen")
    if (np.arange(1, len(few) + 1) @ few) == few[0]:
        raise NotIdentifiedError("every rare listing was seen once: its coverage is 0", expected="f2 >= 1", got="0",
                                 fix="use chao2 with bias_corrected=True")
    k = np.arange(1, len(few) + 1)

    def coverage(g: np.ndarray) -> Any:
        factor = (t - 1) * g[0] / ((t - 1) * g[0] + 2 * g[1]) if improved and t and few[0] > 0 else 1.0
        return 1 - g[0] / (k @ g) * factor

    def spread(g: np.ndarray) -> Any:
        size = k @ g
        pairs = size * (size - 1) if t is None else size**2 * (t - 1) / t
        return g.sum() / coverage(g) * ((k * (k - 1)) @ g) / pairs - 1

    heterogeneous = spread(few) > 0

    def estimate(g: np.ndarray) -> Any:
        extra = spread(g) if heterogeneous else 0.0
        return (g.sum() + g[0] * extra) / coverage(g)

    abundant = seen - few.sum()
    value = float(estimate(few)) + abundant
    gradient = _gradient(estimate, few)
    mean = float(gradient @ few) + abundant  # abundant listings enter with derivative 1
    variance = max(0.0, float(gradient**2 @ few) + abundant - mean**2 / value)
    flags = () if few[0] >= 10 else ("fewer than 10 listings seen once: unstable",)
    return Abundance(
        value=value, standard_error=math.sqrt(variance),
        interval=lognormal_interval(seen, value - seen, variance, level), interval_kind="log-normal",
        confidence_level=level, method=name, assumptions=ASSUMPTIONS, flags=flags,
        details={"seen": int(seen), "rare_coverage": float(coverage(few)),
                 "squared_cv": max(0.0, float(spread(few))), "occasions": t},
    )
