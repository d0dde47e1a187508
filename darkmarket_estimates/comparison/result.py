"""A share or a ratio, with its law."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from darkmarket_estimates import _render
from darkmarket_estimates._checks import number
from darkmarket_estimates.distribution.law import Hull, Law
from darkmarket_estimates.errors import NotIdentifiedError
from darkmarket_estimates.inference import Configuration, Model

#: Which law of a ratio goes with an interval of totals; the others have the default.
METHODS = {"bca-tail": "default", "bca": "bca", "tail": "tail", "compound-poisson": "compound-poisson"}


@dataclass(frozen=True, slots=True, eq=False)
class Ratio:
    """A share of a total, or the ratio of two.

    Attributes
    ----------
    title : str
        What is divided by what.
    is_share : bool
    value : float
        NaN where a Range leaves no single value.
    bounds : (float, float) or None
        At the ends of the Ranges that do not cancel.
    law : Law or None
        Its distribution, where there is one.
    kind : str
        "prediction interval", "confidence interval" (or hybrid), "bounds" or "point".
    flags : tuple of str
    confidence_level : float
    no_denominator : float
        Probability of an empty denominator, which the law conditions away.
    """

    title: str
    is_share: bool
    value: float
    bounds: tuple[float, float] | None
    law: Law | None
    kind: str
    flags: tuple[str, ...]
    confidence_level: float
    no_denominator: float = 0.0

    @property
    def interval(self) -> tuple[float, float] | None:
        """Interval at `confidence_level`."""
        if self.law is None or self.law.variance == 0:
            return None
        p = (1 - self.confidence_level) / 2
        low, high = self.law.quantile(np.array([p, 1 - p]))
        return float(low), float(high)

    def cdf(self, x: Any) -> Any:
        """Probability that the ratio is at most `x`."""
        return self._law.cdf(x)

    def quantile(self, p: Any) -> Any:
        """The ratio that is not exceeded with probability `p`."""
        return self._law.quantile(p)

    @property
    def median(self) -> float:
        """The ratio that is exceeded with probability one half."""
        return float(self._law.quantile(0.5))

    @property
    def _law(self) -> Law:
        if self.law is None:
            raise NotIdentifiedError(f"a comparison of kind {self.kind!r} has no distribution")
        return self.law

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {"title": self.title, "value": None if math.isnan(self.value) else self.value,
                "bounds": None if self.bounds is None else list(self.bounds),
                "interval": None if self.interval is None else list(self.interval), "kind": self.kind,
                "confidence_level": self.confidence_level, "flags": list(self.flags),
                "no_denominator": self.no_denominator}

    def __str__(self) -> str:
        def show(x: float) -> str:
            return f"{_render.significant(100 * x)}%" if self.is_share else _render.significant(x)

        if self.bounds is not None:
            return f"{self.title}: {show(self.bounds[0])} to {show(self.bounds[1])} (bounds, not an interval)"
        text = f"{self.title}: {show(self.value)}"
        if self.interval is not None:
            low, high = self.interval
            text += f", {100 * self.confidence_level:.4g}% {self.kind} {show(low)} to {show(high)}"
        return text

    def __repr__(self) -> str:
        return f"<Ratio: {self}>"


def check_group_cv(x: float | None) -> None:
    """Refuse what is no coefficient of variation between groups."""
    if x is not None:
        number(x, "between_group_cv", low=0, high=10, fix="0.1 says that groups differ by about 10 %")


def over_ends(
    model: Model, laws_at: Callable[[Configuration], list[tuple[Law, float]]]
) -> list[tuple[Law, float]]:
    """Each law, or the hull of the laws at both ends of a Range that cancels in the value but not in the width."""
    if not any(f.is_range for f in model.factors):
        return laws_at(model.configuration("middle"))
    ends = (laws_at(model.configuration(end)) for end in ("low", "high"))
    return [(Hull(low, high), empty) for (low, empty), (high, _) in zip(*ends, strict=True)]


def kind_of(model: Model, law: Law | None, factors: Any, stated: bool | float | None) -> str:
    """What the law of a comparison is called; `stated` says that an assumption beside the factors has a law."""
    if law is None or law.variance == 0:
        return "point"
    name = "prediction interval" if model.estimand == "realised" else "confidence interval"
    prior = stated or any(f.is_uncertain and (f.rate is None or f.rate.is_prior) for f in factors)
    return f"hybrid {name}" if prior else name
