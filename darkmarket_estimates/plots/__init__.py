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
        An option that it does not take.
    """
    known = [p.name for p in inspect.signature(draw).parameters.values() if p.kind is p.KEYWORD_ONLY and p.name != "ax"]
    unknown = [name for name in options if name not in known]
    if unknown:
        raise AssumptionError("this picture takes other options", got=", ".join(f"{name}=" for name in options),
                              expected=", ".join(f"{name}=" for name in known) or "none", fix=f"leave {unknown[0]}= out")
    return draw(of, ax=ax, **options)
