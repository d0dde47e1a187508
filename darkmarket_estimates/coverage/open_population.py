"""Jolly-Seber: listings appear and go between scrapes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from darkmarket_estimates._checks import choice, integer, same_length
from darkmarket_estimates._checks import confidence_level as _level
from darkmarket_estimates.coverage.abundance import Abundance
from darkmarket_estimates.coverage.arguments import counted
from darkmarket_estimates.coverage.histories import read
from darkmarket_estimates.coverage.intervals import lognormal_interval
from darkmarket_estimates.errors import DataError, NotIdentifiedError

ASSUMPTIONS = (
    "every listing that is live has the same chance to be seen in a scrape and the same chance to stay until the next",
    "a listing that went does not come back",
    "scrapes are short against the time between them",
    "stable listing ids",
)


def jolly_seber(
    histories: Any = None, *, caught: Any = None, recaptured: Any = None, released: Any = None, later: Any = None,
    around: Any = None, occasions: int | None = None, form: str = "bias corrected", occasion: int | None = None,
    confidence_level: float = 0.95,
) -> Abundance:
    r"""Jolly-Seber estimates for every scrape; `value` is the number live at one of them.

    "classic": :math:`M_i = m_i + R_i z_i / r_i`, :math:`N_i = n_i M_i / m_i`. "bias corrected":
    :math:`M_i = m_i + (R_i + 1) z_i / (r_i + 1)`, :math:`N_i = (n_i + 1) M_i / (m_i + 1)`. Both:
    :math:`\phi_i = M_{i+1} / (M_i - m_i + R_i)`, :math:`B_i = N_{i+1} - \phi_i (N_i - n_i + R_i)` (Seber 1982, ch. 5;
    Pollock et al. 1990).

    Parameters
    ----------
    histories : array, optional
        Capture histories (see `summary`); else the counts per scrape:
    caught, recaptured, released, later, around : array of shape (scrapes,)
        n_i; m_i, those seen before; R_i, those still there after it (n_i when not given); r_i, those of R_i seen again
        later; z_i, those seen before and after but not in scrape i. The last r and the first and last z are not used.
    occasions : int, optional
        Number of scrapes of packed histories.
    form : {"bias corrected", "classic"}
    occasion : int, optional
        Scrape (from 0) that `value` belongs to; when not given the last one with recaptures and later sightings.
    confidence_level : float

    Returns
    -------
    Abundance
        ``details["table"]`` holds arrays of length t, NaN where not identified: marked (M), alive (N), survival (phi),
        entered (B) and their standard errors `*_se`. That of N is given N (Pollock et al. 1990, 4.9), so that
        it measures the error of the estimate, as do those of B; those of M are given M; those of phi contain the
        binomial variation of survival. Log-normal interval on the live listings that the scrape did not see.

    Raises
    ------
    NotIdentifiedError
        Fewer than three scrapes, or no scrape with both recaptures and later sightings.

    Examples
    --------
    >>> h = [[1, 1, 0], [1, 0, 1], [1, 1, 1], [0, 1, 1], [0, 1, 0], [1, 1, 1]]
    >>> est = jolly_seber(h, form="classic")
    >>> round(est.value, 4), est.details["occasion"]
    (7.7778, 1)
    """
    choice(form, "form", ("bias corrected", "classic"))
    level = _level(confidence_level)
    n, m, left, r, z = _counts(histories, caught, recaptured, released, later, around, occasions)
    t = len(n)
    if t < 3:
        raise NotIdentifiedError("Jolly-Seber needs 3 scrapes", expected="3 or more", got=str(t),
                                 fix="use chapman, with a closed market as assumption")
    table = _table(n, m, left, r, z, int(form == "bias corrected"))
    usable = np.isfinite(table["alive"])
    if not usable.any():
        raise NotIdentifiedError("no scrape has both recaptures and later sightings", expected="m >= 1 and r >= 1",
                                 got="none", fix="use more or larger scrapes")
    firm = usable & (m > 0) & (r > 0)
    last = int((firm if firm.any() else usable).nonzero()[0][-1])
    at = last if occasion is None else integer(occasion, "occasion", low=0, high=t - 1)
    if not usable[at]:
        raise NotIdentifiedError(f"the number live at scrape {at} is not identified",
                                 expected=f"one of {usable.nonzero()[0].tolist()}", got=str(at), fix="choose another")
    alive, error, seen = float(table["alive"][at]), float(table["alive_se"][at]), float(n[at])
    sound = math.isfinite(error) and alive >= seen
    interval = lognormal_interval(seen, alive - seen, error**2, level) if sound else None
    return Abundance(
        value=alive, standard_error=error, interval=interval, interval_kind="log-normal", confidence_level=level,
        method=f"jolly-seber ({form})", assumptions=ASSUMPTIONS, flags=_flags(table, m, r, at, alive, seen),
        details={"seen": int(seen), "occasion": at, "table": table},
    )


def _table(
    n: np.ndarray, m: np.ndarray, left: np.ndarray, r: np.ndarray, z: np.ndarray, one: int
) -> dict[str, np.ndarray]:
    """All estimates and standard errors; `one` is 1 in the bias-corrected form. NaN marks what is not identified."""
    t = len(n)
    n, m, left, r, z = (x.astype(np.float64) for x in (n, m, left, r, z))  # R z of huge counts is beyond 64 bits
    inner = (np.arange(t) > 0) & (np.arange(t) < t - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        marked = np.where(inner & (r + one > 0), m + (left + one) * z / (r + one), np.nan)
        marked[0] = 0.0
        alive = np.where(inner & (m + one > 0), (n + one) * marked / (m + one), np.nan)
        stay = marked - m + left  # marked listings just after the scrape
        survival = np.full(t, np.nan)
        survival[:-2] = np.where(stay[:-2] > 0, marked[1:-1] / stay[:-2], np.nan)
        entered = np.full(t, np.nan)
        entered[1:-2] = alive[2:-1] - survival[1:-2] * (alive[1:-2] - n[1:-2] + left[1:-2])
        again = np.where((r > 0) & (left > 0), 1 / r - 1 / left, np.nan)
        again[-1] = np.nan
        marked_var = (marked - m) * stay * again
        alive_var = alive * (alive - n) * (stay / marked * again + (alive - marked) / (alive * m))
        next_term = np.full(t, np.nan)  # relative variance that M_{i+1} brings
        next_term[:-1] = ((marked - m) * stay / marked**2 * again)[1:]
        here = (marked - m) / stay * again
        here[0] = again[0] * 0.0
        following = np.full(t, np.nan)
        following[:-1] = marked[1:]
        survival_var = survival**2 * (next_term + here + (1 - survival) / following)
        entered_var = _entered_variance(n, m, left, marked, alive, survival, entered, stay, next_term, here)
    result = {"marked": marked, "alive": alive, "survival": survival, "entered": entered}
    variances = {"marked": marked_var, "alive": alive_var, "survival": survival_var, "entered": entered_var}
    for name, variance in variances.items():
        result[f"{name}_se"] = np.sqrt(np.where(np.isfinite(variance), np.maximum(variance, 0.0), np.nan))
    result["marked_se"][0] = 0.0
    return result


def _entered_variance(
    n: np.ndarray, m: np.ndarray, left: np.ndarray, marked: np.ndarray, alive: np.ndarray, survival: np.ndarray,
    entered: np.ndarray, stay: np.ndarray, next_term: np.ndarray, here: np.ndarray,
) -> np.ndarray:
    """Variance of B_i: five terms, of M_{i+1}, r_i, survival, and the two samples (Seber 1982, ch. 5)."""
    result = np.full(len(n), np.nan)
    i, j = slice(1, -2), slice(2, -1)
    unmarked = (alive - marked) / alive
    by_next = entered[i] ** 2 * next_term[i]
    by_here = here[i] * (survival[i] * left[i] * (alive[i] - marked[i]) / marked[i]) ** 2
    by_stay = (alive[i] - n[i]) * (alive[j] - entered[i]) * unmarked[i] * (1 - survival[i]) / stay[i]
    by_sample_next = alive[j] * (alive[j] - n[j]) * unmarked[j] / m[j]
    by_sample = survival[i] ** 2 * alive[i] * (alive[i] - n[i]) * unmarked[i] / m[i]
    result[i] = by_next + by_here + by_stay + by_sample_next + by_sample
    return result


def _counts(
    histories: Any, caught: Any, recaptured: Any, released: Any, later: Any, around: Any, occasions: int | None
) -> tuple[np.ndarray, ...]:
    """Return n, m, R, r, z of either input form."""
    given = {"caught": caught, "recaptured": recaptured, "later": later, "around": around}
    if histories is not None:
        if released is not None or any(x is not None for x in given.values()):
            raise DataError("give either histories or counts per scrape", expected="one of the two", got="both")
        s = read(histories, occasions=occasions)
        if s.caught is None or s.recaptured is None or s.later is None or s.around is None:
            raise NotIdentifiedError("frequencies do not tell what each scrape caught", expected="histories",
                                     got="frequencies", fix="pass the histories, or the counts per scrape")
        return s.caught, s.recaptured, s.caught, s.later, s.around
    missing = [name for name, x in given.items() if x is None]
    if missing:
        raise DataError("counts per scrape are incomplete", expected=", ".join(given), got="no " + ", ".join(missing))
    n, m, r, z = (counted(x, name) for name, x in given.items())
    left = n if released is None else counted(released, "released")
    same_length(caught=n, recaptured=m, released=left, later=r, around=z)
    for bad, name, expected in ((m > n, "recaptured", "<= caught"), (left > n, "released", "<= caught"),
                                (r > left, "later", "<= released")):
        if bad.any():
            raise DataError(f"{name} holds a count that is too high", where=f"scrape {int(bad.argmax())}",
                            expected=expected, got="more")
    return n, m, left, r, z


def _flags(
    table: dict[str, np.ndarray], m: np.ndarray, r: np.ndarray, at: int, alive: float, seen: float
) -> tuple[str, ...]:
    flags = []
    if r[at] == 0:
        flags.append("no listing of this scrape was seen later (r = 0): unstable")
    if m[at] == 0:
        flags.append("no recapture in this scrape (m = 0): unstable")
    elif min(m[at], r[at]) < 10 and r[at] > 0:
        flags.append("fewer than 10 recaptures or later sightings at this scrape: unstable")
    weak = [int(i) for i in range(1, len(m) - 1) if i != at and (m[i] == 0 or r[i] == 0)]
    if weak:
        flags.append(f"not identified or unstable at scrape(s) {', '.join(map(str, weak))}")
    if alive < seen:
        flags.append("the estimate lies below the number seen in this scrape")
    if np.nanmax(table["survival"], initial=0.0) > 1:
        flags.append("a survival estimate exceeds 1")
    return tuple(flags)
