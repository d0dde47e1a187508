"""Published estimates of market turnover, as objects that compute themselves again.

Every study is a file of figures as printed (`Study.figures`) and a recipe (`Study.reproduce`) that recomputes what can
be recomputed from the study's own published inputs. A printed figure stands for the interval that its rounding allows.

Examples
--------
>>> from darkmarket_estimates import published
>>> row = published.get("kruithof2016").reproduce().row("wide scope, upper bound")
>>> print(row.ours, "|", row.theirs.printed, row.unit, "|", row.status)
24.72 to 25.22 | 25 USD million a month | reproduced
"""

from __future__ import annotations

from collections.abc import Sequence

from darkmarket_estimates.published.order_values import compare_order_values, fit_order_values, plot_order_values
from darkmarket_estimates.published.recipes import RECIPES
from darkmarket_estimates.published.reconstruction import Reconstruction, reconstruct
from darkmarket_estimates.published.reproduction import Reproduction, Row
from darkmarket_estimates.published.rounding import Rounded
from darkmarket_estimates.published.size_laws import SizeLaw
from darkmarket_estimates.published.study import Study, get, study_from_toml

__all__ = [
    "Reconstruction", "Reproduction", "Rounded", "Row", "SizeLaw", "Study", "compare_order_values",
    "fit_order_values", "get", "list", "plot_order_values", "reconstruct", "study_from_toml",
]


def list() -> tuple[str, ...]:
    """Names of the studies.

    Examples
    --------
    >>> "kruithof2016" in list()
    True
    """
    return tuple(RECIPES)


def __dir__() -> Sequence[str]:
    return sorted(__all__)
