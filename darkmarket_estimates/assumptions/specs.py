"""Numbers, ranges and distributions: the three ways to say how well a common value is known."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from darkmarket_estimates._checks import is_number, number, shown
from darkmarket_estimates.errors import AssumptionError

#: Sizes of a known value that are no mistake of the unit.
EXTREMES = (1e-50, 1e50)


@runtime_checkable
class Distribution(Protocol):
    """What is asked of a distribution of a common value; frozen `scipy.stats` distributions have it."""

    def cdf(self, x: Any) -> Any: ...  # noqa: D102
    def ppf(self, p: Any) -> Any: ...  # noqa: D102
    def isf(self, p: Any) -> Any: ...  # noqa: D102
    def pdf(self, x: Any) -> Any: ...  # noqa: D102
    def mean(self) -> Any: ...  # noqa: D102
    def var(self) -> Any: ...  # noqa: D102
    def std(self) -> Any: ...  # noqa: D102
    def support(self) -> Any: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Range:
    """A scenario: the value lies between `low` and `high`, and nothing more is claimed.

    A `Range` gives bounds, never an interval.

    Examples
    --------
    >>> Range(0.57, 1.0)
    Range(low=0.57, high=1.0)
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        low, high = number(self.low, "Range.low"), number(self.high, "Range.high")
        if low > high:
            raise AssumptionError("the ends of a Range are swapped", expected="low <= high", got=f"{low:g}, {high:g}",
                                  fix=f"Range({high:g}, {low:g})")

    @property
    def middle(self) -> float:
        """The middle of the range: a place to stand for second moments, not an estimate."""
        return 0.5 * (self.low + self.high)


def is_distribution(x: Any) -> bool:
    """Whether `x` can stand for the uncertainty about a common value."""
    return isinstance(x, Distribution) and not isinstance(x, type)


def centre_of(spec: float | Range | Distribution) -> float:
    """The value that a point estimate uses: the number, the mean, or the middle of a Range (second moments only)."""
    if isinstance(spec, Range):
        return spec.middle
    return float(spec) if is_number(spec) else float(spec.mean())  # type: ignore[union-attr,arg-type]


def check_spec(
    spec: Any, name: str, *, low: float, high: float = math.inf, open_low: bool = False, open_high: bool = False
) -> None:
    """Raise `AssumptionError` unless `spec` is a number, Range or distribution inside the interval."""
    limits: dict[str, Any] = {"low": low, "high": high, "open_low": open_low, "open_high": open_high}
    if high == 1 and is_number(spec) and 1 < spec <= 100:
        limits["fix"] = f"{spec / 100:g}, if that was a percentage"
    if isinstance(spec, Range):
        if high == 1 and 1 < spec.high <= 100:
            limits["fix"] = f"Range({spec.low / 100:g}, {spec.high / 100:g}), if those were percentages"
        computable(number(spec.low, f"{name} (Range.low)", **limits), name)
        computable(number(spec.high, f"{name} (Range.high)", **limits), name)
    elif is_number(spec):
        computable(number(spec, name, **limits), name)
    elif is_distribution(spec):
        inside = f"a distribution on {'(' if open_low else '['}{low:g}, {high:g}{')' if open_high else ']'}"
        try:
            moments = (float(spec.mean()), float(spec.var()))
        except TypeError as error:
            raise AssumptionError(f"{name}: the distribution has no parameters", expected="a frozen distribution",
                                  got=shown(spec), fix="write scipy.stats.beta(44, 56), not scipy.stats.beta") from error
        if not all(map(math.isfinite, moments)) or moments[1] <= 0:
            raise AssumptionError(f"{name}: the distribution has no usable mean and variance",
                                  expected="a finite mean and a variance > 0",
                                  got=f"mean {moments[0]:g}, variance {moments[1]:g}",
                                  fix="write a known value as a number")
        first, last = (float(end) for end in spec.support())
        if not (low <= first <= last <= high):  # also catches NaN
            raise AssumptionError(f"{name}: the distribution reaches outside its range", expected=inside,
                                  got=f"a distribution on [{first:g}, {last:g}]",
                                  fix="use a distribution with that support, such as beta, truncnorm or lognorm")
    else:
        raise AssumptionError(f"{name} cannot be read", got=shown(spec), fix=_meant(spec),
                              expected="a number (known), a Range (scenario) or a frozen scipy.stats distribution")


def computable(x: float, name: str) -> float:
    """Return `x` unless its square or its reciprocal would leave what floats can hold."""
    if x != 0 and not EXTREMES[0] <= abs(x) <= EXTREMES[1]:
        raise AssumptionError(f"{name} is too small or too large to compute with", got=repr(x),
                              expected=f"0, or between {EXTREMES[0]:g} and {EXTREMES[1]:g}", fix="check its unit")
    return x


def _meant(spec: Any) -> str | None:
    """What was probably meant by something that is no assumption."""
    if isinstance(spec, Mapping):
        return 'ByGroup("the column of these groups", {...})'
    if isinstance(spec, type):
        return f"{spec.__name__}(...)"
    if isinstance(spec, str) and (ends := re.fullmatch(r"\s*(0?\.\d+|[01])\s*(?:-|–|:|to)\s*(0?\.\d+|[01])\s*", spec)):
        spec = tuple(map(float, ends.groups()))
    if isinstance(spec, tuple | list) and len(spec) == 2 and all(is_number(x) and abs(x) <= EXTREMES[1] for x in spec):
        return f"Range({min(spec):g}, {max(spec):g})"
    if isinstance(spec, str):
        try:
            return f"{float(spec):g}, without quotes"
        except ValueError:
            return None
    return None
