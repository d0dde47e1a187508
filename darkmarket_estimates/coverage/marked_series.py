"""Several scrapes of a closed market, marks counted up: Schnabel and Schumacher-Eschmeyer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from darkmarket_estimates._checks import choice, same_length
from darkmarket_estimates._checks import confidence_level as _level
from darkmarket_estimates.coverage.abundance import Abundance
from darkmarket_estimates.coverage.arguments import counted
from darkmarket_estimates.coverage.histories import read
from darkmarket_estimates.coverage.intervals import poisson_limits, reciprocal_interval, t_quantile
from darkmarket_estimates.errors import DataError, NotIdentifiedError

ASSUMPTIONS = (
    "closed: no listing appears or goes between the first and the last scrape",
    "every listing is equally likely to be seen in a scrape (unequal chances make it too low)",
    "independent scrapes",
    "stable listing ids",
)


def schnabel(
    histories: Any = None, *, caught: Any = None, recaptured: Any = None, released: Any = None,
    occasions: int | None = None, form: str = "classic", confidence_level: float = 0.95,
) -> Abundance:
    r"""Schnabel's estimate :math:`\hat N = \sum n_i M_i / \sum m_i`; ``form="chapman"`` adds 1 to the divisor.

    Parameters
    ----------
    histories : array, optional
        Capture histories (see `summary`); else give the counts per scrape:
    caught, recaptured : array of shape (scrapes,)
        n_i and m_i.
    released : array of shape (scrapes,), optional
        R_i, listings still there after scrape i; n_i when not given.
    occasions : int, optional
        Number of scrapes of packed histories.
    form : {"classic", "chapman"}
    confidence_level : float

    Returns
    -------
    Abundance
        No interval where the estimate lies below the number seen. Else exact Poisson limits of the sum of m if that sum
        is below 50, Student's t with s - 1 degrees of freedom on 1/N above,
        :math:`V(1/N) = \sum m_i / (\sum n_i M_i)^2` (Krebs 1989, 2.11; Ricker 1975, 3.15-3.16).

    Raises
    ------
    NotIdentifiedError
        No recapture (classic form).

    Examples
    --------
    >>> est = schnabel(caught=[27, 18, 14, 9], recaptured=[0, 3, 4, 4])
    >>> round(est.value, 4)
    140.1818
    """
    choice(form, "form", ("classic", "chapman"))
    level = _level(confidence_level)
    n, m, big, seen = _series(histories, caught, recaptured, released, occasions)
    product, total, extra = float(n.astype(np.float64) @ big), int(m.sum()), int(form == "chapman")
    if total + extra == 0:
        raise NotIdentifiedError("no listing was seen twice: the Schnabel estimate is infinite",
                                 expected="one recapture or more", got="0", fix='use form="chapman", or chao2')
    divisor = total + extra
    if total < 50:
        few, many = (limit + extra for limit in poisson_limits(total, level))
        interval = max(seen, product / many), max(seen, product / few) if few > 0 else math.inf
        kind = "exact Poisson"
    else:
        spread = t_quantile(level, len(n) - 1) * math.sqrt(total) / product
        interval = reciprocal_interval(divisor / product, spread, seen)
        kind = "Student's t for 1/N"
    return Abundance(
        value=product / divisor, standard_error=product * math.sqrt(total) / divisor**2 if total else math.nan,
        interval=interval if product / divisor >= seen else None, interval_kind=kind, confidence_level=level,
        method=f"schnabel ({form})",
        assumptions=ASSUMPTIONS, flags=_flags(product / divisor, total, seen),
        details={"seen": seen, "sum_nM": product, "sum_m": total, "marked": big},
    )


def schumacher_eschmeyer(
    histories: Any = None, *, caught: Any = None, recaptured: Any = None, released: Any = None,
    occasions: int | None = None, confidence_level: float = 0.95,
) -> Abundance:
    r"""Schumacher and Eschmeyer's regression :math:`\hat N = \sum n_i M_i^2 / \sum m_i M_i`.

    Parameters
    ----------
    histories, caught, recaptured, released, occasions, confidence_level
        As for `schnabel`; three scrapes or more.

    Returns
    -------
    Abundance
        :math:`s^2 = [\sum m_i^2 / n_i - (\sum m_i M_i)^2 / \sum n_i M_i^2] / (s - 2)`,
        :math:`V(1/N) = s^2 / \sum n_i M_i^2`, Student's t with s - 2 degrees of freedom on 1/N (Krebs 1989, 2.14;
        Ricker's divisor differs).

    Examples
    --------
    >>> n, m = [27, 18, 14, 9], [0, 3, 4, 4]
    >>> round(schumacher_eschmeyer(caught=n, recaptured=m).value, 4)
    136.0044
    """
    level = _level(confidence_level)
    n, m, big, seen = _series(histories, caught, recaptured, released, occasions)
    if len(n) < 3:
        raise NotIdentifiedError("Schumacher-Eschmeyer needs 3 scrapes", expected="3 or more", got=str(len(n)),
                        fix="use petersen or chapman")
    wide = big.astype(np.float64)  # n M^2 of millions of listings is beyond 64-bit whole numbers
    cross, square = float(m @ wide), float(n @ wide**2)
    if cross == 0:
        raise NotIdentifiedError("no listing was seen twice: the estimate is infinite", expected="one recapture",
                                 got="0", fix="use chao2, or more scrapes")
    residual = max(0.0, float((m * (m / n)).sum()) - cross**2 / square)
    inverse, deviation = cross / square, math.sqrt(residual / (len(n) - 2) / square)
    interval = reciprocal_interval(inverse, t_quantile(level, len(n) - 2) * deviation, seen)
    return Abundance(
        value=1 / inverse, standard_error=deviation / inverse**2, interval=interval if 1 / inverse >= seen else None,
        interval_kind="Student's t for 1/N", confidence_level=level, method="schumacher-eschmeyer",
        assumptions=ASSUMPTIONS, flags=_flags(1 / inverse, int(m.sum()), seen),
        details={"seen": seen, "sum_mM": cross, "sum_nM2": square, "marked": big},
    )


def _series(
    histories: Any, caught: Any, recaptured: Any, released: Any, occasions: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Return n, m, M (marked and still there before each scrape) and the number of distinct listings seen."""
    if histories is not None:
        if caught is not None or recaptured is not None or released is not None:
            raise DataError("give either histories or counts per scrape", expected="one of the two", got="both")
        s = read(histories, occasions=occasions)
        if s.caught is None or s.recaptured is None or s.marked is None:
            raise NotIdentifiedError("frequencies do not tell what each scrape caught", expected="histories",
                                     got="frequencies", fix="pass the histories, or caught= and recaptured=")
        n, m, big = s.caught, s.recaptured, s.marked
    else:
        if caught is None or recaptured is None:
            raise DataError("give histories, or caught= and recaptured=", expected="both counts", got="None")
        n, m = counted(caught, "caught"), counted(recaptured, "recaptured")
        left = n if released is None else counted(released, "released")
        same_length(caught=n, recaptured=m, released=left)
        big = np.concatenate([[0], np.cumsum(left - m)[:-1]])
        for bad, name, expected in ((m > n, "recaptured", "<= caught"), (left > n, "released", "<= caught"),
                                    (m > big, "recaptured", "<= the listings known before that scrape")):
            if bad.any():
                raise DataError(f"{name} holds a count that is too high", where=f"scrape {int(bad.argmax())}",
                                expected=expected, got=str(int((left if name == "released" else m)[bad.argmax()])))
    if len(n) < 2:
        raise DataError("one scrape recaptures nothing", expected="2 scrapes or more", got=str(len(n)))
    used = n > 0  # an empty scrape tells nothing
    if used.sum() < 2:
        raise NotIdentifiedError("fewer than two scrapes saw a listing", expected="2 or more", got=str(int(used.sum())),
                                 fix="add a scrape")
    return n[used], m[used], big[used], int((n - m).sum())


def _flags(value: float, recaptures: int, seen: int) -> tuple[str, ...]:
    flags = ["no recapture: the value is no better than a lower bound"] if recaptures == 0 else (
        ["fewer than 7 recaptures: biased low"] if recaptures < 7 else [])
    if value < seen:
        flags.append("the estimate lies below the number seen: the market was not closed")
    return tuple(flags)
