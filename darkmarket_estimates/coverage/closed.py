"""Closed-population likelihoods: M0 (one capture probability), Mt (one a scrape), and the Poisson limit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import betaln, digamma

from darkmarket_estimates._checks import confidence_level as _level
from darkmarket_estimates._checks import integer
from darkmarket_estimates.coverage.abundance import Abundance
from darkmarket_estimates.coverage.arguments import counted
from darkmarket_estimates.coverage.fit import unequal_scrapes_flag
from darkmarket_estimates.coverage.histories import read
from darkmarket_estimates.coverage.intervals import profile_interval
from darkmarket_estimates.errors import DataError, NotIdentifiedError

ASSUMPTIONS = (
    "closed: the same listings existed at every scrape",
    "all listings have the same chance of capture (unequal chances make it too low)",
    "independent scrapes",
    "stable listing ids",
)


def m0(
    histories: Any = None, *, frequencies: Any = None, occasions: int | None = None, confidence_level: float = 0.95
) -> Abundance:
    r"""Model M0: one capture probability for all listings and scrapes.

    :math:`S = N [1 - (1 - p)^t]` with :math:`p = \sum k f_k / (t N)`, solved for N;
    :math:`V = N / [(1-p)^{-t} - 1 - t p / (1 - p)]` (Otis et al. 1978).

    Parameters
    ----------
    histories : array, optional
        Capture histories (see `summary`).
    frequencies : array, optional
        f_1, f_2, ...: listings seen once, twice, ...; with `occasions`.
    occasions : int, optional
        Number of scrapes t.
    confidence_level : float

    Returns
    -------
    Abundance
        With a profile-likelihood interval (multinomial likelihood, N continuous; Cormack 1992).

    Raises
    ------
    NotIdentifiedError
        No listing was seen twice.

    Examples
    --------
    >>> est = m0(frequencies=[25, 22, 13, 5, 1, 2], occasions=6)
    >>> round(est.value, 4), round(est.standard_error, 1)
    (75.4336, 3.5)
    """
    level = _level(confidence_level)
    s = read(histories, frequencies, occasions)
    t, seen, total = s.occasions, s.distinct, s.captures
    _need_recaptures(total, seen)

    def missed(n: float) -> float:  # log of (1 - p)^t
        return t * math.log1p(-total / (t * n)) if total < t * n else -math.inf

    value = _solve(missed, seen, total)
    p = total / (t * value)
    information = _odds_seen(missed(value)) - t * p / (1 - p) if p < 1 else math.inf

    def log_likelihood(n: float) -> float:
        rest = t * n - total
        return _ways(n, seen) + total * math.log(total / (t * n)) + (rest * missed(n) / t if rest > 0 else 0.0)

    return _result("m0", value, information, seen, log_likelihood, missed, level, {"p": p, "occasions": t},
                   unequal_scrapes_flag(s.caught, s.frequencies))


def mt(
    histories: Any = None, *, caught: Any = None, distinct: int | None = None, occasions: int | None = None,
    confidence_level: float = 0.95,
) -> Abundance:
    r"""Model Mt (Darroch): each scrape has its own capture probability, the same for all listings.

    :math:`S = N [1 - \prod_j (1 - n_j / N)]`, solved for N;
    :math:`V = N / [\prod_j (1 - p_j)^{-1} - 1 - \sum_j p_j / (1 - p_j)]` (Darroch 1958).

    Parameters
    ----------
    histories : array, optional
        Capture histories (see `summary`); else
    caught : array of shape (scrapes,)
        n_j, with `distinct`, the number of distinct listings seen.
    occasions : int, optional
        Number of scrapes of packed histories.
    confidence_level : float

    Returns
    -------
    Abundance
        With a profile-likelihood interval. With two scrapes the value is Petersen's.

    Examples
    --------
    >>> round(mt(caught=[948, 421], distinct=948 + 421 - 167).value, 4)
    2389.8683
    """
    level = _level(confidence_level)
    n_j, seen = _margins(histories, caught, distinct, occasions)
    total = int(n_j.sum())
    _need_recaptures(total, seen)

    def missed(n: float) -> float:
        return float(np.log1p(-n_j / n).sum()) if n > n_j.max() else -math.inf

    value = _solve(missed, seen, total)
    p = n_j / value
    information = _odds_seen(missed(value)) - float((p / (1 - p)).sum()) if p.max() < 1 else math.inf

    def log_likelihood(n: float) -> float:
        rest = n - n_j
        failures = np.where(rest > 0, rest * np.log1p(-np.minimum(n_j / n, 1 - 1e-16)), 0.0)
        return _ways(n, seen) + float((n_j * np.log(np.where(n_j > 0, n_j, 1) / n) + failures).sum())

    return _result("mt", value, information, seen, log_likelihood, missed, level, {"p": p, "occasions": len(n_j)})


def zero_truncated_poisson(
    histories: Any = None, *, frequencies: Any = None, occasions: int | None = None, confidence_level: float = 0.95
) -> Abundance:
    r"""Zero-truncated Poisson: :math:`\hat N = S / (1 - e^{-\lambda})`, :math:`\lambda / (1 - e^{-\lambda}) = \bar k`.

    The limit of M0 for many scrapes: `occasions` does not enter. :math:`V = N / (e^\lambda - 1 - \lambda)`.

    Parameters
    ----------
    histories, frequencies, occasions, confidence_level
        As for `m0`; with frequencies `occasions` may be left out.

    Returns
    -------
    Abundance
        With a profile-likelihood interval.

    Examples
    --------
    >>> round(zero_truncated_poisson(frequencies=[25, 22, 13, 5, 1, 2]).value, 4)
    81.9833
    """
    level = _level(confidence_level)
    known = None
    if frequencies is not None and occasions is None:
        f = counted(frequencies, "frequencies")
        s = read(None, f, max(2, len(f)))
    else:
        s = read(histories, frequencies, occasions)
        known = s.occasions
    seen, total = s.distinct, s.captures
    _need_recaptures(total, seen)

    def missed(n: float) -> float:
        return -total / n

    value = _solve(missed, seen, total)
    rate = total / value

    def log_likelihood(n: float) -> float:
        return _ways(n, seen) + total * math.log(total / n)

    flags: tuple[str, ...] = ()
    if known is not None and known < 30:
        flags = (f"the Poisson limit is too high for {known} scrapes: use m0",)
    return _result("zero-truncated poisson", value, _odds_seen(-rate) - rate, seen, log_likelihood, missed, level,
                   {"rate": rate}, (*flags, *unequal_scrapes_flag(s.caught, s.frequencies)))


def _margins(histories: Any, caught: Any, distinct: Any, occasions: int | None) -> tuple[np.ndarray, int]:
    """Return n_j and S of Mt from either input form."""
    if histories is not None:
        if caught is not None or distinct is not None:
            raise DataError("give either histories or caught= and distinct=", expected="one of the two", got="both")
        s = read(histories, occasions=occasions)
        if s.caught is None:
            raise NotIdentifiedError("frequencies do not tell what each scrape caught", expected="histories",
                                     got="frequencies", fix="pass the histories, or caught= and distinct=")
        return s.caught, s.distinct
    if caught is None or distinct is None:
        raise DataError("give histories, or caught= and distinct=", expected="both", got="None")
    n_j, seen = counted(caught, "caught"), integer(distinct, "distinct", low=1)
    if len(n_j) < 2:
        raise DataError("one scrape recaptures nothing", expected="2 scrapes or more", got=str(len(n_j)))
    if not n_j.max() <= seen <= n_j.sum():
        raise DataError("distinct does not fit the scrapes", expected=f"from {n_j.max():,} to {n_j.sum():,}",
                        got=f"{seen:,}")
    return n_j, seen


def _need_recaptures(total: int, seen: int) -> None:
    if total == seen:
        raise NotIdentifiedError("no listing was seen twice: the estimate is infinite", expected="one recapture",
                                 got="0", fix="use chao2 with bias_corrected=True for a lower bound, or more scrapes")


def _odds_seen(log_missed: float) -> float:
    """Odds of being seen at all, 1 / P(missed) - 1."""
    return math.expm1(-log_missed) if log_missed > -700 else math.inf


def _ways(n: float, seen: int) -> float:
    """Log of N! / (N - S)! up to a constant; the beta function keeps its digits when N is large."""
    return -float(betaln(n - seen + 1, seen))


def _solve(missed: Any, seen: int, total: int) -> float:
    """Solve S = N (1 - exp(missed(N))); the left side rises from below S to the number of captures."""

    def short(n: float) -> float:
        return -n * math.expm1(missed(n)) - seen

    if short(seen) >= 0:
        return float(seen)
    high = 2.0 * seen
    while short(high) < 0:
        high *= 2
    return brentq(short, seen, high, xtol=1e-12, rtol=1e-14)


def _result(
    method: str, value: float, information: float, seen: int, log_likelihood: Any, missed: Any, level: float,
    details: dict[str, Any], flags: tuple[str, ...] = (),
) -> Abundance:
    def score(n: float) -> float:  # the nuisance parameters are at their maximum, so only N's own terms remain
        return float(digamma(n + 1) - digamma(n - seen + 1)) + missed(n)

    if value == seen:
        flags = (*flags, "every listing seen so often that none is estimated to be missing")
    elif seen / value < 0.1:
        flags = (*flags, "less than a tenth of the estimate was seen")
    return Abundance(
        value=value, standard_error=math.sqrt(value / information) if value > seen else 0.0,
        interval=profile_interval(log_likelihood, score, seen, value, level), interval_kind="profile likelihood",
        confidence_level=level, method=method, assumptions=ASSUMPTIONS, flags=flags,
        details={"seen": seen, **details},
    )
