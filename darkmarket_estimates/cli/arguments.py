"""Arguments as text: assumptions, windows."""

from __future__ import annotations

import math
import re
from typing import Any

from scipy import stats

from darkmarket_estimates.assumptions import Range, ReviewRate
from darkmarket_estimates.errors import AssumptionError
from darkmarket_estimates.review_share import beta_shape

_NUMBER = r"[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?"
_SPEC = re.compile(rf"(?P<mean>{_NUMBER})(?:(?:\+-|±)(?P<error>{_NUMBER})|:(?P<high>{_NUMBER}))?")


def parse_spec(text: str | None, name: str, *, between_vendor_sd: float | None = None) -> Any:
    """Read ``0.44`` (known), ``0.44+-0.02`` (mean and standard error) or ``0.57:1`` (range).

    Examples
    --------
    >>> parse_spec("0.57:1", "market coverage")
    Range(low=0.57, high=1.0)
    """
    if text is None:
        if between_vendor_sd is not None:
            raise AssumptionError("--between-vendor-sd needs --review-rate")
        return None
    match = _SPEC.fullmatch(text.replace(" ", ""))
    if match is None:
        raise AssumptionError(f"the {name} cannot be read", expected="0.44, 0.44+-0.02 or 0.57:1", got=repr(text),
                              fix=_meant(text.replace(" ", "")))
    mean, error, high = (None if v is None else float(v) for v in match.group("mean", "error", "high"))
    assert mean is not None
    if high is not None and mean > high:
        raise AssumptionError(f"the ends of the {name} are swapped", expected="low:high", got=repr(text),
                              fix=f"{high:g}:{mean:g}")
    centre: float | Range = mean if high is None else Range(mean, high)
    if name == "review rate":
        if error is not None and mean >= 1:
            raise AssumptionError("the review rate cannot be a share with that error", got=repr(text), fix="a range, as 0.8:1",
                                  expected="a mean below 1")
        return ReviewRate(mean=centre, standard_error=error or 0.0, between_vendor_sd=between_vendor_sd)
    if error is not None:
        if name == "exchange rate" or name == "units per order":
            if not 0 < error < mean:
                raise AssumptionError(f"the {name} cannot have that error", got=repr(text), fix="a range, as 0.85:0.95",
                                      expected="an error above 0 and below the mean")
            square = math.log1p((error / mean) ** 2)  # log-normal with this mean and standard deviation
            return stats.lognorm(math.sqrt(square), scale=mean * math.exp(-square / 2))
        if not 0 < error**2 < mean * (1 - mean):
            raise AssumptionError(f"the {name} cannot be a share with that error", got=repr(text), fix="a range, as 0.8:1",
                                  expected="a mean below 1, and an error that leaves room on both sides")
        return stats.beta(*beta_shape(mean, error))
    return centre


def _meant(text: str) -> str | None:
    """What was probably meant: a percentage, decimal commas."""
    if percent := re.fullmatch(rf"({_NUMBER})%", text):
        return f"{float(percent[1]) / 100:g}"
    dotted = text.replace(",", ".")
    return dotted if dotted != text and _SPEC.fullmatch(dotted) else None


def window_of(text: str | None) -> tuple[str, str] | None:
    """The two days of `2016-01-01:2016-02-01`."""
    if text is None:
        return None
    start, colon, end = text.partition(":")
    if not colon:
        raise AssumptionError("the window cannot be read", expected="2016-01-01:2016-02-01, the last one not included",
                              got=repr(text))
    return start, end
