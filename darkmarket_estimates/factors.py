"""Assumptions laid over totals: each becomes a factor on the cells that it concerns.

T = sum over cells of y x genuine share x units per order x exchange rate
    / (review share x market coverage x listing coverage)
"""

from __future__ import annotations

import functools
import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from darkmarket_estimates import _checks as check
from darkmarket_estimates._checks import is_number
from darkmarket_estimates._render import shown
from darkmarket_estimates.assumptions import (
    ByGroup,
    Distribution,
    ExchangeRate,
    Range,
    ReviewRate,
    as_review_rate,
    centre_of,
    check_spec,
)
from darkmarket_estimates.errors import AssumptionError, DataError
from darkmarket_estimates.totals import Totals

REVIEW_SHARE, GENUINE_SHARE = "review share", "genuine share"
#: Name, sign of the power, limits.
LIMITS: dict[str, tuple[int, dict[str, Any]]] = {
    REVIEW_SHARE: (-1, {"low": 0.0, "high": 1.0, "open_low": True}),
    GENUINE_SHARE: (1, {"low": 0.0, "high": 1.0, "open_low": True}),
    "units per order": (1, {"low": 0.0, "open_low": True}),
    "market coverage": (-1, {"low": 0.0, "high": 1.0, "open_low": True}),
    "listing coverage": (-1, {"low": 0.0, "high": 1.0, "open_low": True}),
    "exchange rate": (1, {"low": 0.0, "open_low": True}),
}


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """One assumption on the cells that it concerns.

    Attributes
    ----------
    name : str
        "review share", "genuine share", "units per order", "market coverage", "listing coverage" or "exchange rate".
    spec : float, Range or distribution
        Of the common value.
    power : {1, -1}
        Whether it multiplies or divides.
    cells : bool array of shape (n_cells,) or None
        None: all.
    group : (column, label) or None
    rate : ReviewRate or None
        Of a review share: holds the spread between vendors.
    source : str or None
    """

    name: str
    spec: float | Range | Distribution
    power: int
    cells: np.ndarray | None = None
    group: tuple[str, str] | None = None
    rate: ReviewRate | None = None
    source: str | None = None

    @property
    def is_range(self) -> bool:
        """Whether it is a scenario."""
        return isinstance(self.spec, Range)

    @property
    def is_uncertain(self) -> bool:
        """Whether it has a distribution."""
        return not self.is_range and not is_number(self.spec)

    @property
    def title(self) -> str:
        """Name, with the group where it belongs to one."""
        return self.name if self.group is None else f"{self.name} ({shown(self.group[0])} {shown(self.group[1])})"

    def at(self, scenario: str) -> float:
        """The value itself in a scenario.

        "low" and "high" are the ends of a Range that make the total low and high, "middle" its middle; in "central" a
        Range has no value (NaN).
        """
        if isinstance(self.spec, Range):
            if scenario in ("central", "middle"):
                return math.nan if scenario == "central" else self.spec.middle
            return self.spec.low if (scenario == "low") == (self.power > 0) else self.spec.high
        return _centre(self.spec) if isinstance(self.spec, Hashable) else centre_of(self.spec)

    def relative_variance(self) -> float:
        """Squared coefficient of variation of the common value; 0 where it has none."""
        return 0.0 if not self.is_uncertain else float(self.spec.var()) / float(self.spec.mean()) ** 2  # type: ignore[union-attr]

    def share_of(self, cells: np.ndarray) -> np.ndarray:
        """Which of these cells it concerns."""
        return np.ones(len(cells), dtype=bool) if self.cells is None else self.cells[cells]

    def words(self) -> str:
        """The assumption as a reader would say it."""
        spec = self.spec
        if isinstance(spec, Range):
            text = f"between {spec.low:g} and {spec.high:g} (scenario)"
        elif is_number(spec):
            text = f"{float(spec):g} (taken as known)"  # type: ignore[arg-type]
        else:
            low, high = float(spec.ppf(0.025)), float(spec.ppf(0.975))  # type: ignore[union-attr]
            text = f"{float(spec.mean()):.4g}, 95% of its distribution in {low:.4g} to {high:.4g}"  # type: ignore[union-attr]
        if self.rate is not None:
            spread = self.rate.between_vendor_sd
            text += "" if spread is None else f"; standard deviation between vendors {spread:.3g}"
        return f"{self.title} {text}" + (f" [{shown(self.source)}]" if self.source else "")


@functools.lru_cache(maxsize=4096)
def _centre(spec: float | Distribution) -> float:
    """The value of a point estimate, which thousands of rows ask for."""
    return centre_of(spec)


def resolve(
    totals: Totals,
    *,
    review_rate: Any = None,
    genuine_share: Any = None,
    units_per_order: Any = None,
    market_coverage: Any = None,
    listing_coverage: Any = None,
    exchange_rate: ExchangeRate | None = None,
    measure: str,
) -> tuple[Factor, ...]:
    """Check every assumption against the totals and return the factors.

    Raises
    ------
    AssumptionError
        An assumption that cannot be, that is stated twice, or that has no effect on what is measured.
    NotIdentifiedError
        A `ByGroup` over a column that the totals are not grouped by.
    DataError
        A `ByGroup` that leaves out a label, or names one that does not occur.
    """
    if totals.header.counted == "sold" and review_rate is not None:
        raise AssumptionError("these counts are sales: a review share would count them twice",
                              expected="review_rate=None", got=check.shown(review_rate), fix="leave review_rate out")
    if measure == "orders" and (units_per_order is not None or exchange_rate is not None):
        raise AssumptionError("units per order and exchange rate do not act on a number of orders",
                              fix='leave them out, or use measure="money"')
    given = {REVIEW_SHARE: review_rate, GENUINE_SHARE: genuine_share, "units per order": units_per_order,
             "market coverage": market_coverage, "listing coverage": listing_coverage}
    factors: list[Factor] = []
    for name, spec in given.items():
        if spec is not None:
            factors += _spread_over(totals, name, spec)
    if exchange_rate is not None:
        factors.append(_exchange(totals, exchange_rate))
    return tuple(factors)


def _spread_over(totals: Totals, name: str, spec: Any) -> Iterable[Factor]:
    if not isinstance(spec, ByGroup):
        return [_factor(name, spec)]
    key = totals.require_key(spec.column)
    occurring = [key.labels[code] for code in np.unique(key.codes)]
    absent = [label for label in occurring if label not in spec.values]
    unknown = [label for label in spec.values if label not in occurring]
    if absent or unknown:
        raise DataError(f"the {name} by {spec.column!r} does not fit the table",
                        expected="one value for each of " + ", ".join(map(repr, occurring)),
                        got="; ".join(["none for " + ", ".join(map(repr, absent))] * bool(absent)
                                      + ["unknown group " + ", ".join(map(repr, unknown))] * bool(unknown)),
                        fix="name every group, as the table spells it")
    return [_factor(name, spec.values[label], key.codes == key.labels.index(label), (spec.column, label))
            for label in occurring]


def _factor(name: str, spec: Any, cells: np.ndarray | None = None, group: tuple[str, str] | None = None) -> Factor:
    power, limits = LIMITS[name]
    if name == REVIEW_SHARE:
        rate = as_review_rate(spec)
        return Factor(name, rate.mean_spec, power, cells, group, rate, rate.source)
    check_spec(spec, f"the {name}", **limits)
    return Factor(name, spec, power, cells, group)


def _exchange(totals: Totals, rate: Any) -> Factor:
    if not isinstance(rate, ExchangeRate) or rate.to is None:
        raise AssumptionError("the exchange rate does not say where it leads", got=check.shown(rate),
                              expected='ExchangeRate(rate, to="EUR", source="...", date="...")')
    if rate.to == totals.header.currency:
        raise AssumptionError(f"the totals are in {rate.to} already: a second conversion would count twice",
                              got="; ".join(totals.header.conversions) or f"listings in {rate.to}",
                              fix="leave exchange_rate out")
    words = ", ".join(part for part in (rate.date, rate.source) if part)
    return Factor("exchange rate", rate.rate, 1, source=words or None)
