"""Lower bounds and extrapolations from how many listings were seen once, twice, ...: Chao and the jackknife."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from darkmarket_estimates._checks import boolean, choice
from darkmarket_estimates._checks import confidence_level as _level
from darkmarket_estimates.coverage.abundance import Abundance
from darkmarket_estimates.coverage.arguments import MOST_FINDS, counted, whole_array
from darkmarket_estimates.coverage.fit import unequal_scrapes_flag
from darkmarket_estimates.coverage.histories import CaptureSummary, read
from darkmarket_estimates.coverage.intervals import lognormal_interval
from darkmarket_estimates.errors import DataError, NotIdentifiedError

LOWER_BOUND = (
    "closed: the same listings existed throughout",
    "a lower bound on the number of listings when their chances of capture differ",
)


def chao1(
    counts: Any = None, *, frequencies: Any = None, bias_corrected: bool = True, finite_sample: bool = False,
    confidence_level: float = 0.95,
) -> Abundance:
    r"""Chao's lower bound from abundances: how many times each listing was found, without scrapes.

    Classic: :math:`S + k f_1^2 / (2 f_2)`; bias-corrected: :math:`S + k f_1 (f_1 - 1) / (2 (f_2 + 1))`; k = 1, or
    (n - 1) / n with ``finite_sample=True``, n the number of finds.

    Parameters
    ----------
    counts : array of shape (listings,), optional
        Finds of each listing, >= 1; or
    frequencies : array, optional
        f_1, f_2, ...
    bias_corrected, finite_sample : bool
    confidence_level : float

    Returns
    -------
    Abundance
        Log-normal interval on the unseen (Chao 1987).

    Raises
    ------
    NotIdentifiedError
        Classic form without a listing found twice.

    Examples
    --------
    >>> round(chao1(frequencies=[31, 18, 44]).value, 6)
    117.473684
    """
    boolean(finite_sample, "finite_sample")
    f = abundance_frequencies(counts, frequencies)
    n = float(np.arange(1, len(f) + 1) @ f)
    factor = (n - 1) / n if finite_sample else 1.0
    return _chao("chao1", f, factor, bias_corrected, _level(confidence_level), {})


def chao2(
    histories: Any = None, *, frequencies: Any = None, occasions: int | None = None, bias_corrected: bool = True,
    confidence_level: float = 0.95,
) -> Abundance:
    r"""Chao's lower bound from capture histories of t scrapes, k = (t - 1) / t.

    Classic: :math:`S + k f_1^2 / (2 f_2)`; bias-corrected: :math:`S + k f_1 (f_1 - 1) / (2 (f_2 + 1))`. A lower bound
    when listings differ; when *scrapes* differ much and listings little it can be too high (see `value_chao`, whose
    default form allows for it).

    Parameters
    ----------
    histories, frequencies, occasions
        As for `m0`.
    bias_corrected : bool
        Published values are mostly the classic form, ``bias_corrected=False``.
    confidence_level : float

    Returns
    -------
    Abundance
        Log-normal interval on the unseen (Chao 1987).

    Raises
    ------
    NotIdentifiedError
        Classic form without a listing seen twice.

    Examples
    --------
    >>> est = chao2(frequencies=[25, 22, 13, 5, 1, 2], occasions=6, bias_corrected=False)
    >>> round(est.value, 4), round(est.standard_error, 4), [round(end, 2) for end in est.interval]
    (79.8371, 6.3738, [72.4, 99.82])
    """
    s = read(histories, frequencies, occasions)
    t = s.occasions
    return _chao("chao2", s.frequencies, (t - 1) / t, bias_corrected, _level(confidence_level), {"occasions": t},
                 unequal_scrapes_flag(s.caught, s.frequencies))


def jackknife(
    histories: Any = None, *, order: int = 1, frequencies: Any = None, occasions: int | None = None,
    confidence_level: float = 0.95,
) -> Abundance:
    r"""Jackknife over scrapes (Burnham and Overton 1978).

    Order 1: :math:`S + f_1 (t-1)/t`. Order 2: :math:`S + f_1 (2t-3)/t - f_2 (t-2)^2 / (t (t-1))`.

    Parameters
    ----------
    histories, frequencies, occasions
        As for `m0`.
    order : {1, 2}
    confidence_level : float

    Returns
    -------
    Abundance
        The value is a sum :math:`\sum a_k f_k`; its variance :math:`\sum a_k^2 f_k - \hat N` (Burnham and Overton).
        For order 1 and full histories ``details["standard_error_over_scrapes"]`` is the jackknife's own,
        :math:`\sqrt{\frac{t-1}{t} (\sum_j L_j^2 - f_1^2 / t)}`, L_j listings seen in scrape j only (Heltshe and
        Forrester 1983). Log-normal interval on the unseen.

    Examples
    --------
    >>> round(jackknife(frequencies=[21, 19, 185], occasions=50, order=2).value, 5)
    247.87224
    """
    choice(order, "order", (1, 2))
    level = _level(confidence_level)
    s = read(histories, frequencies, occasions)
    t, f = s.occasions, s.frequencies
    weights = np.ones(t)
    weights[0] += (t - 1) / t if order == 1 else (2 * t - 3) / t
    if order == 2:
        weights[1] -= (t - 2) ** 2 / (t * (t - 1))
    value = float(weights @ f)
    variance = max(0.0, float(weights**2 @ f) - value)
    flags = list(_few(f)) + (["the estimate lies below the number seen"] if value < s.distinct else [])
    interval = lognormal_interval(s.distinct, value - s.distinct, variance, level) if value >= s.distinct else None
    return Abundance(
        value=value, standard_error=math.sqrt(variance), interval=interval, interval_kind="log-normal",
        confidence_level=level, method=f"jackknife (order {order})",
        assumptions=("closed: the same listings existed at every scrape", "independent scrapes",
                     f"the bias falls with the number of scrapes as a polynomial of order {order} in 1/t"),
        flags=tuple(flags),
        details={"seen": s.distinct, "occasions": t, "f1": int(f[0]), "f2": int(f[1]), **_over_scrapes(s, order)},
    )


def _over_scrapes(s: CaptureSummary, order: int) -> dict[str, float]:
    if s.single is None or order == 2:
        return {}
    t = s.occasions
    spread = float(s.single @ s.single) - float(s.single.sum()) ** 2 / t
    return {"standard_error_over_scrapes": math.sqrt(max(0.0, (t - 1) / t * spread))}


def abundance_frequencies(counts: Any, frequencies: Any) -> np.ndarray:
    """Return f_1, f_2, ... (at least two entries) from counts per listing or from frequencies."""
    if (counts is None) == (frequencies is None):
        raise DataError("give either counts or frequencies", expected="one of the two",
                        got="neither" if counts is None else "both")
    if counts is not None:
        f = np.bincount(whole_array(counts, "counts", low=1, high=MOST_FINDS))[1:]
    else:
        f = counted(frequencies, "frequencies")
        if not f.any():
            raise DataError("no listing was seen", where="frequencies", expected="a positive count", got="all 0")
    return np.pad(f, (0, max(0, 2 - len(f))))


def _chao(
    name: str, f: np.ndarray, factor: float, bias_corrected: bool, level: float, details: dict[str, Any],
    flags: tuple[str, ...] = (),
) -> Abundance:
    seen, f1, f2 = float(f.sum()), float(f[0]), float(f[1])
    if boolean(bias_corrected, "bias_corrected"):
        unseen = factor * f1 * (f1 - 1) / (2 * (f2 + 1))
        slope = factor * (2 * f1 - 1) / (2 * (f2 + 1))
        curve = factor * f1 * (f1 - 1) / (2 * (f2 + 1) ** 2)
        variance = unseen + slope**2 * f1 + curve**2 * f2
    elif f2 == 0:
        raise NotIdentifiedError(f"no listing was seen exactly twice: the classic {name} is infinite",
                                 expected="f2 >= 1", got="0", fix="use bias_corrected=True")
    else:
        ratio = f1 / f2
        unseen = factor * f1 * ratio / 2
        variance = f2 * (factor * ratio**2 / 2 + factor**2 * ratio**3 + factor**2 * ratio**4 / 4)
    return Abundance(
        value=seen + unseen, standard_error=math.sqrt(variance),
        interval=lognormal_interval(seen, unseen, variance, level), interval_kind="log-normal, of the lower bound",
        confidence_level=level, method=f"{name} ({'bias-corrected' if bias_corrected else 'classic'})",
        assumptions=LOWER_BOUND, flags=(*flags, *_few(f)),
        details={"seen": int(seen), "f1": int(f1), "f2": int(f2), **details},
    )


def _few(f: np.ndarray) -> tuple[str, ...]:
    flags = []
    if f[0] == 0:
        flags.append("f1 = 0: nothing is estimated to be unseen")
    if f[1] == 0:
        flags.append("f2 = 0: unstable")
    elif min(f[0], f[1]) < 10:
        flags.append("fewer than 10 listings seen once or twice: unstable")
    return tuple(flags)
