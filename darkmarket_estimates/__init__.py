"""Turnover of online anonymous marketplaces from review counts and prices, with honest uncertainty.

``Listings -> Totals -> Estimate``: a table is asked once for sufficient statistics; every estimator is a pure function
from those and from stated assumptions to one result type.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from darkmarket_estimates._version import __version__
from darkmarket_estimates.api import turnover
from darkmarket_estimates.assumptions import (
    ByGroup,
    CountTimesMean,
    ExchangeRate,
    HoldingPrice,
    Huggins,
    LogitNormal,
    Range,
    ReviewRate,
    ValueChao,
)
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
    from darkmarket_estimates import bayes, coverage, demand, evaluation, published, simulate, triangulate
    from darkmarket_estimates.evaluation import benchmark, compare

#: Loaded when first used: `import darkmarket_estimates` stays light.
SUBMODULES = ("bayes", "coverage", "demand", "evaluation", "published", "simulate", "triangulate")
LATE = {"benchmark": "evaluation", "compare": "evaluation"}

__all__ = [
    "AssumptionError", "ByGroup", "CountTimesMean", "DataError", "Estimate", "ExchangeRate", "HoldingPrice",
    "HoldingPriceWarning", "Huggins", "Listings", "LogitNormal", "NotIdentifiedError", "NotSupportedError", "Range",
    "ReviewRate", "ReviewShareWarning", "StatisticalWarning", "Totals", "ValueChao", "__version__", "bayes", "benchmark",
    "compare", "coverage", "demand", "evaluation", "published", "simulate", "triangulate", "turnover",
]


def __getattr__(name: str) -> Any:
    if name in SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in LATE:
        return getattr(importlib.import_module(f"{__name__}.{LATE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
