"""Two scrapes: Petersen, and the forms of Chapman and Bailey that are less biased in small samples."""

from __future__ import annotations

import math
from typing import Any

from darkmarket_estimates._checks import choice, integer
from darkmarket_estimates._checks import confidence_level as _level
from darkmarket_estimates.coverage.abundance import Abundance
from darkmarket_estimates.coverage.arguments import MOST
from darkmarket_estimates.coverage.intervals import binomial_limits, normal_quantile, poisson_limits
from darkmarket_estimates.errors import DataError, NotIdentifiedError

ASSUMPTIONS = (
    "closed: the same listings existed at both scrapes",
    "every listing is equally likely to be seen in one of the scrapes at least (unequal chances make it too low)",
    "independent scrapes",
    "stable listing ids",
)
INTERVALS = ("seber", "binomial", "poisson", "normal", "proportion")


def petersen(
    marked: int, caught: int, recaptured: int, *, variance: str = "hypergeometric", interval: str = "seber",
    confidence_level: float = 0.95,
) -> Abundance:
    r"""Lincoln-Petersen estimate :math:`\hat N = M n / m`.

    Parameters
    ----------
    marked, caught, recaptured : int
        Listings seen in the first scrape (M), in the second (n), and in both (m).
    variance : {"hypergeometric", "binomial"}
        :math:`M n (M - m)(n - m) / m^3`, or :math:`M^2 n (n - m) / m^3` (Ricker 1975, 3.6).
    interval : {"seber", "binomial", "poisson", "normal", "proportion"}
        "seber" chooses: m / n > 0.1: exact binomial limits of m; else m > 50: normal; else exact Poisson limits of m.
        "proportion" is the normal approximation for m / n with continuity and finite-population corrections
        (Krebs 1989, 2.1; Seber 1982).
    confidence_level : float

    Returns
    -------
    Abundance
        Number of listings. No interval end lies below the M + n - m listings seen.

    Raises
    ------
    NotIdentifiedError
        No listing was seen twice.

    Examples
    --------
    >>> round(petersen(948, 421, 167).value, 4)
    2389.8683
    """
    choice(variance, "variance", ("hypergeometric", "binomial"))
    big, n, m = _counts(marked, caught, recaptured)
    if m == 0:
        raise NotIdentifiedError("no listing was seen in both scrapes: the Petersen estimate is infinite",
                                 expected="recaptured >= 1", got="0", fix="use chapman(...), or a third scrape")
    second = big * (big - m) if variance == "hypergeometric" else big**2
    return _result(f"petersen ({variance} variance)", big, n, m, big * n / m, second * n * (n - m) / m**3,
                   lambda x: big * n / x if x > 0 else math.inf, interval, confidence_level)


def chapman(
    marked: int, caught: int, recaptured: int, *, interval: str = "seber", confidence_level: float = 0.95
) -> Abundance:
    r"""Chapman's estimate :math:`\hat N = (M + 1)(n + 1) / (m + 1) - 1`: unbiased when M + n >= N.

    :math:`V = (M + 1)(n + 1)(M - m)(n - m) / ((m + 1)^2 (m + 2))` (Seber 1982, p. 60).

    Parameters
    ----------
    marked, caught, recaptured, interval, confidence_level
        As for `petersen`.

    Returns
    -------
    Abundance

    Examples
    --------
    >>> est = chapman(421, 332, 88, interval="normal")
    >>> round(est.value, 2), round(est.standard_error, 2), [round(end, 1) for end in est.interval]
    (1577.94, 126.56, [1329.9, 1826.0])
    """
    big, n, m = _counts(marked, caught, recaptured)
    variance = (big + 1) * (n + 1) * (big - m) * (n - m) / ((m + 1) ** 2 * (m + 2))
    return _result("chapman", big, n, m, (big + 1) * (n + 1) / (m + 1) - 1, variance,
                   lambda x: (big + 1) * (n + 1) / (x + 1) - 1, interval, confidence_level)


def bailey(
    marked: int, caught: int, recaptured: int, *, interval: str = "seber", confidence_level: float = 0.95
) -> Abundance:
    r"""Bailey's estimate :math:`\hat N = M (n + 1) / (m + 1)`: the second scrape sampled with replacement.

    :math:`V = M^2 (n + 1)(n - m) / ((m + 1)^2 (m + 2))` (Bailey 1951; Seber 1982, p. 61).

    Parameters
    ----------
    marked, caught, recaptured, interval, confidence_level
        As for `petersen`. `recaptured` may exceed `marked`: a listing can be drawn twice.

    Returns
    -------
    Abundance

    Examples
    --------
    >>> round(bailey(948, 421, 167).value, 4)
    2381.2857
    """
    big, n, m = _counts(marked, caught, recaptured, with_replacement=True)
    variance = big**2 * (n + 1) * (n - m) / ((m + 1) ** 2 * (m + 2))
    return _result("bailey", big, n, m, big * (n + 1) / (m + 1), variance, lambda x: big * (n + 1) / (x + 1), interval,
                   confidence_level)


def _counts(marked: Any, caught: Any, recaptured: Any, *, with_replacement: bool = False) -> tuple[int, int, int]:
    big, n = integer(marked, "marked", low=1, high=MOST), integer(caught, "caught", low=1, high=MOST)
    m = integer(recaptured, "recaptured", low=0, high=MOST)
    limit = n if with_replacement else min(big, n)
    if m > limit:
        raise DataError("more listings were recaptured than could be", where="recaptured", expected=f"<= {limit:,}",
                        got=f"{m:,}")
    return big, n, m


def _result(
    method: str, big: int, n: int, m: int, value: float, variance: float, formula: Any, interval: str, level: float
) -> Abundance:
    level = _level(level)
    choice(interval, "interval", INTERVALS)
    kind = interval
    if kind == "seber":
        kind = "binomial" if m / n > 0.1 else "normal" if m > 50 else "poisson"
    seen = max(big, big + n - m)
    if kind == "normal":
        spread = normal_quantile(level) * math.sqrt(variance)
        low, high = value - spread, value + spread
    else:
        few, many = _limits(kind, big, n, m, level)
        low, high = formula(many), formula(few)
    flags = ["fewer than 7 recaptures: biased low (Robson and Regier 1964)"] if m < 7 else []
    if m == 0:
        flags = ["no recapture: the value is no better than a lower bound"]
    if value < seen:
        flags.append("the estimate lies below the number seen")
    return Abundance(
        value=value, standard_error=math.sqrt(variance), interval=(max(low, seen), max(high, seen)),
        interval_kind={"normal": "normal", "proportion": "normal for the proportion"}.get(kind, f"exact {kind}"),
        confidence_level=level, method=method, assumptions=ASSUMPTIONS, flags=tuple(flags),
        details={"seen": seen, "marked": big, "caught": n, "recaptured": m},
    )


def _limits(kind: str, big: int, n: int, m: int, level: float) -> tuple[float, float]:
    """Limits of the number of recaptures, never above what is possible."""
    if kind == "binomial":
        low, high = binomial_limits(m, n, level)
        return n * low, n * high
    if kind == "poisson":
        few, many = poisson_limits(m, level)
        return few, min(many, n)
    p = m / n
    half = normal_quantile(level) * math.sqrt(max(0.0, 1 - m / big) * p * (1 - p) / max(n - 1, 1)) + 0.5 / n
    return n * max(p - half, 0.0), n * min(p + half, 1.0)
