"""Pictures: each takes `ax=None`, returns the Axes and touches no global style."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from darkmarket_estimates.errors import AssumptionError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def picture(draw: Callable[..., Axes], of: object, ax: Axes | None, options: Mapping[str, Any]) -> Axes:
    """Draw with options that a picture may take.

    Raises
    ------
    AssumptionError
        An option that it does not take, or one that it needs is not there.
    """
    known = [p for p in inspect.signature(draw).parameters.values() if p.kind is p.KEYWORD_ONLY and p.name != "ax"]
    needed = [p.name for p in known if p.default is p.empty]
    unknown, absent = [name for name in options if name not in [p.name for p in known]], [n for n in needed if n not in options]
    if unknown or absent:
        raise AssumptionError("this picture takes other options", got=", ".join(f"{name}=" for name in options) or "none",
                              expected=", ".join(f"{p.name}=" for p in known) or "none",
                              fix=f"say {absent[0]}=" if absent else f"leave {unknown[0]}= out")
    return draw(of, ax=ax, **options)
