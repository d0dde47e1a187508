"""Exchange rates, assumptions by group, and which prices are no prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from darkmarket_estimates._checks import choice, currency_code, integer, label, number, shown, text
from darkmarket_estimates.assumptions.specs import Distribution, Range, check_spec
from darkmarket_estimates.errors import AssumptionError


@dataclass(frozen=True, slots=True)
class ExchangeRate:
    """Units of the target currency per unit of the present one.

    Parameters
    ----------
    rate : float, Range or frozen distribution
        Known in `Listings.to_currency`; uncertain ones go into `turnover`.
    to : str, optional
        Target currency; needed in `turnover`.
    source, date : str, optional
        Printed with the result.

    Examples
    --------
    >>> ExchangeRate(0.92, source="monthly mean", date="2016-01")
    ExchangeRate(rate=0.92, to=None, source='monthly mean', date='2016-01')
    >>> ExchangeRate(Range(0.87, 0.92), to="EUR").rate
    Range(low=0.87, high=0.92)
    """

    rate: float | Range | Distribution
    to: str | None = None
    source: str | None = None
    date: str | None = None

    def __post_init__(self) -> None:
        check_spec(self.rate, "the exchange rate", low=0.0, open_low=True)
        if self.to is not None:
            currency_code(self.to, "to")
        for field in ("source", "date"):
            text(getattr(self, field), field, optional=True)


class ByGroup:
    """An assumption that differs between the groups of a column.

    Parameters
    ----------
    column : str
        A column of the totals (`by=`).
    values : mapping of label to assumption
        One for every label that occurs.

    Examples
    --------
    >>> ByGroup("market", {"Hansa": 0.5, "AlphaBay": Range(0.5, 1)})
    ByGroup('market', {'Hansa': 0.5, 'AlphaBay': Range(low=0.5, high=1)})
    """

    __slots__ = ("column", "values")

    def __init__(self, column: str, values: Mapping[Any, Any]) -> None:
        if not isinstance(column, str):
            raise AssumptionError("ByGroup needs a column name", got=shown(column))
        if not isinstance(values, Mapping) or not values:
            raise AssumptionError("ByGroup needs a value a label", expected="a non-empty mapping", got=shown(values),
                                  fix='ByGroup("market", {"Hansa": 0.5, "AlphaBay": Range(0.5, 1)})')
        object.__setattr__(self, "column", column)
        object.__setattr__(self, "values", {label(key): value for key, value in values.items()})
        if len(self.values) < len(values):
            raise AssumptionError("ByGroup names a label twice", expected="labels that differ as text",
                                  got=", ".join(map(shown, values)))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("ByGroup is frozen")

    def __reduce__(self) -> tuple[type[ByGroup], tuple[str, dict[str, Any]]]:
        return ByGroup, (self.column, self.values)

    def __repr__(self) -> str:
        return f"ByGroup({self.column!r}, {self.values!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByGroup) and (self.column, self.values) == (other.column, other.values)

    def __hash__(self) -> int:
        return hash((self.column, tuple(self.values)))

    column: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingPrice:
    """Which prices are not prices: sellers out of stock raise a price out of reach instead of delisting.

    A part that is not given does not act. The cap comes first; medians are taken over the rows of a listing that
    pass the cap. A price of 0 is legal.

    Parameters
    ----------
    cap : float, optional
        Prices above it are refused; in the listings' present currency.
    upper_multiple, lower_multiple : float, optional
        Prices above (below) this multiple of the listing's own median price are refused; need ``listing=``.
    min_observations : int
        Rows of a listing below which the multiples do not act.
    action : {"drop", "median"}
        Drop the row with its reviews, or value its reviews at the listing's median of accepted prices (a listing
        without one is dropped).

    Examples
    --------
    >>> print(HoldingPrice(cap=10_000, upper_multiple=5, min_observations=3, action="median"))
    holding price (median): price > 10,000 or price > 5 x the listing's median
    """

    cap: float | None = None
    upper_multiple: float | None = None
    lower_multiple: float | None = None
    min_observations: int = 2
    action: str = "drop"

    def __post_init__(self) -> None:
        if self.cap is None and self.upper_multiple is None and self.lower_multiple is None:
            raise AssumptionError("a HoldingPrice rule without a part does nothing",
                                  fix="HoldingPrice(cap=10_000), or upper_multiple=, lower_multiple=")
        if self.cap is not None:
            number(self.cap, "cap", low=0, open_low=True)
        if self.upper_multiple is not None:
            number(self.upper_multiple, "upper_multiple", low=1)
        if self.lower_multiple is not None:
            number(self.lower_multiple, "lower_multiple", low=0, high=1)
        integer(self.min_observations, "min_observations", low=1)
        choice(self.action, "action", ("drop", "median"))

    @property
    def uses_median(self) -> bool:
        """Whether the rule asks for the listing's own median."""
        return self.upper_multiple is not None or self.lower_multiple is not None or self.action == "median"

    def __str__(self) -> str:
        parts = [] if self.cap is None else [f"price > {self.cap:,.10g}"]
        parts += [] if self.upper_multiple is None else [f"price > {self.upper_multiple:g} x the listing's median"]
        parts += [] if self.lower_multiple is None else [f"price < {self.lower_multiple:g} x the listing's median"]
        return f"holding price ({self.action}): " + " or ".join(parts)
