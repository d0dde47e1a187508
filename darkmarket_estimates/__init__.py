"""Turnover of online anonymous marketplaces from review counts and prices, with honest uncertainty.

``Listings -> Totals -> Estimate``: a table is asked once for sufficient statistics; every estimator is a pure function
from those and from stated assumptions to one result type.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from darkmarket_estimates._version import __version__
from darkmarket_estimates.api import turnover
from darkmarket_estimates.assumptions import ByGroup, ExchangeRate, HoldingPrice, LogitNormal, Range, ReviewRate
from darkmarket_estimates.errors import (
    AssumptionError,
    DataError,
    HoldingPriceWarning,
    NotIdentifiedError,
    NotSupportedError,
    ReviewShareWarning,
    StatisticalWarning,
)
from darkmarket_estimates.estimate import Estimate
from darkmarket_estimates.listings import Listings
from darkmarket_estimates.totals import Totals

if TYPE_CHECKING:
    from darkmarket_estimates import coverage, published, simulate

#: Loaded when first used: `import darkmarket_estimates` stays light.
SUBMODULES = ("coverage", "published", "simulate")

__all__ = [
    "AssumptionError", "ByGroup", "DataError", "Estimate", "ExchangeRate", "HoldingPrice", "HoldingPriceWarning",
    "Listings", "LogitNormal", "NotIdentifiedError", "NotSupportedError", "Range", "ReviewRate", "ReviewShareWarning",
    "StatisticalWarning", "Totals", "__version__", "coverage", "published", "simulate", "turnover",
]


def __getattr__(name: str) -> Any:
    if name in SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
