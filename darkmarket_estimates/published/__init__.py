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

from darkmarket_estimates.published.recipes import RECIPES
from darkmarket_estimates.published.reproduction import Reproduction, Row
from darkmarket_estimates.published.rounding import Rounded
from darkmarket_estimates.published.study import Study, study_from_toml, study_text

__all__ = ["Reproduction", "Rounded", "Row", "Study", "get", "list", "study_from_toml"]


def list() -> tuple[str, ...]:
    """Names of the studies.

    Examples
    --------
    >>> "kruithof2016" in list()
    True
    """
    return tuple(RECIPES)


def get(name: str) -> Study:
    """Return a study by name.

    Raises
    ------
    DataError
        The name is unknown (the message lists those that are known), or the study's file has a fault.
    """
    return study_from_toml(name, study_text(name))
