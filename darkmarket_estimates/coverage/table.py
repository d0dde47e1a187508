"""Every estimator that applies, in one table, with a verdict on its fit beside it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from scipy.special import chdtrc

from darkmarket_estimates._checks import confidence_level as _level
from darkmarket_estimates.coverage.abundance import Abundance
from darkmarket_estimates.coverage.closed import m0, mt, zero_truncated_poisson
from darkmarket_estimates.coverage.conditional import huggins
from darkmarket_estimates.coverage.fit import frequency_fit, recapture_fit
from darkmarket_estimates.coverage.frequency import chao2, jackknife
from darkmarket_estimates.coverage.histories import CaptureSummary, read
from darkmarket_estimates.coverage.marked_series import schnabel, schumacher_eschmeyer
from darkmarket_estimates.coverage.open_population import jolly_seber
from darkmarket_estimates.coverage.sample_coverage import ice
from darkmarket_estimates.coverage.two_lists import bailey, chapman, petersen
from darkmarket_estimates.errors import DataError, NotIdentifiedError

if TYPE_CHECKING:
    import pandas as pd


def compare(
    histories: Any = None, *, frequencies: Any = None, occasions: int | None = None, covariates: Any = None,
    clusters: Any = None, confidence_level: float = 0.95,
) -> pd.DataFrame:
    """Run all estimators of the number of listings that apply.

    Parameters
    ----------
    histories, frequencies, occasions
        As for `m0`. Frequencies serve the estimators that need no more.
    covariates, clusters : array, optional
        For `huggins`; need histories.
    confidence_level : float

    Returns
    -------
    pandas.DataFrame
        Indexed by estimator: value, standard_error, low, high, interval_kind, fit, flags, assumptions. What cannot be
        computed has NaN and says why in `fit`. `fit` is a test where there is one: M0 and the Poisson law against
        f_k, Mt and the marked series against the recaptures of each scrape, Huggins against f_k given
        the covariates. A p-value below 0.05 says that the estimator's assumptions do not hold here.

    Examples
    --------
    >>> table = compare(frequencies=[25, 22, 13, 5, 1, 2], occasions=6)
    >>> round(float(table.loc["m0", "value"]), 2), table.loc["chao2", "fit"]
    (75.43, 'lower bound')
    """
    import pandas as pd

    level = _level(confidence_level)
    if frequencies is not None and (covariates is not None or clusters is not None):
        raise DataError("covariates need histories", expected="histories", got="frequencies",
                        fix="pass the histories, a row a listing")
    s = read(histories, frequencies, occasions)
    if isinstance(histories, CaptureSummary) and (covariates is not None or clusters is not None):
        raise DataError("covariates need histories", expected="histories", got="their summary",
                        fix="pass the histories, a row a listing")
    rows = {name: _row(make) for name, make in _estimators(s, level).items()}
    if covariates is not None or clusters is not None:
        rows["huggins"] = _row(lambda: huggins(histories, covariates, occasions=occasions, clusters=clusters,
                                               confidence_level=level))
    tests: dict[str, Callable[[Abundance], str]] = {
        "m0": lambda est: _verdict(*frequency_fit(s, est.details["p"])),
        "zero_truncated_poisson": lambda est: _verdict(*frequency_fit(s, None, est.details["rate"])),
        "mt": lambda est: _verdict(*recapture_fit(s, est.value)),
        "schnabel": lambda est: _verdict(*recapture_fit(s, est.value)),
        "schnabel chapman": lambda est: _verdict(*recapture_fit(s, est.value)),
        "schumacher_eschmeyer": lambda est: _verdict(*recapture_fit(s, est.value)),
        "chao2": lambda est: "lower bound",
        "chao2 classic": lambda est: "lower bound",
        "huggins": lambda est: _verdict(*(est.details["goodness_of_fit"][key] for key in ("statistic", "df"))),
    }
    out = {}
    for name, row in rows.items():
        if isinstance(row, str):
            out[name] = {"value": math.nan, "standard_error": math.nan, "low": math.nan, "high": math.nan,
                         "interval_kind": "", "fit": row, "flags": "", "assumptions": ""}
            continue
        low, high = row.interval or (math.nan, math.nan)
        verdict = tests[name](row) if name in tests else "no test"
        out[name] = {"value": row.value, "standard_error": row.standard_error, "low": low, "high": high,
                     "interval_kind": row.interval_kind, "fit": verdict, "flags": "; ".join(row.flags),
                     "assumptions": "; ".join(row.assumptions)}
    return pd.DataFrame.from_dict(out, orient="index").rename_axis("estimator")


def _estimators(s: CaptureSummary, level: float) -> dict[str, Callable[[], Abundance]]:
    """Name every estimator with a call that makes it; those on two scrapes take the last two."""

    def last_two(function: Callable[..., Abundance]) -> Callable[[], Abundance]:
        def make() -> Abundance:
            if s.together is None:
                raise NotIdentifiedError("needs histories of at most 64 scrapes")
            marked, caught, both = (int(s.together[pair]) for pair in ((-2, -2), (-1, -1), (-2, -1)))
            if marked == 0 or caught == 0:
                raise NotIdentifiedError("one of the last two scrapes saw nothing")
            return function(marked, caught, both, confidence_level=level)

        return make

    def of(function: Callable[..., Abundance], **options: Any) -> Callable[[], Abundance]:
        return lambda: function(s, confidence_level=level, **options)

    return {
        "petersen (last two)": last_two(petersen),
        "chapman (last two)": last_two(chapman),
        "bailey (last two)": last_two(bailey),
        "schnabel": of(schnabel),
        "schnabel chapman": of(schnabel, form="chapman"),
        "schumacher_eschmeyer": of(schumacher_eschmeyer),
        "m0": of(m0),
        "mt": of(mt),
        "zero_truncated_poisson": of(zero_truncated_poisson),
        "chao2": of(chao2),
        "chao2 classic": of(chao2, bias_corrected=False),
        "jackknife 1": of(jackknife, order=1),
        "jackknife 2": of(jackknife, order=2),
        "ice": of(ice),
        "jolly_seber": of(jolly_seber),
    }


def _row(make: Callable[[], Abundance]) -> Abundance | str:
    try:
        return make()
    except NotIdentifiedError as error:
        return error.what


def _verdict(statistic: float, df: int) -> str:
    if df < 1:
        return "needs 3 scrapes (or more captures) to test"
    p_value = float(chdtrc(df, statistic))
    return f"{'fits' if p_value >= 0.05 else 'does not fit'} (p = {p_value:.2g})"
