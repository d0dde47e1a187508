"""The one result type of this package: a number, its uncertainty, and what it rests on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from darkmarket_estimates.errors import NotIdentifiedError, NotSupportedError

#: The quantity of results that ``turnover(coverage=...)`` can take.
SHARE = "share of value"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Abundance:
    """How many listings (or how much value) there are, seen and unseen.

    Attributes
    ----------
    value : float
        The estimate: listings, value in the currency of `y`, or a share, as `quantity` says.
    standard_error : float
        NaN where none is known.
    interval : tuple of float or None
        (low, high); high may be infinite. The low end of a count is never below the number seen.
    interval_kind : str
        How the interval is made: "profile likelihood", "log-normal", "lower limit", ...
    confidence_level : float
    method : str
        The estimator and its form.
    assumptions : tuple of str
        What must hold for `value` to mean what it says.
    flags : tuple of str
        What in these data makes the result fragile; empty when nothing was found.
    details : mapping
        Intermediate figures by name (arrays allowed).
    quantity : str
        "listings", "value", "share of captures" or "share of value".
    """

    value: float
    standard_error: float
    interval: tuple[float, float] | None
    interval_kind: str
    confidence_level: float
    method: str
    assumptions: tuple[str, ...]
    flags: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    quantity: str = "listings"

    def __post_init__(self) -> None:
        for name in ("value", "standard_error"):
            object.__setattr__(self, name, float(getattr(self, name)))
        if self.interval is not None:
            object.__setattr__(self, "interval", (float(self.interval[0]), float(self.interval[1])))

    def __repr__(self) -> str:
        text = f"{_digits(self.value)} {self.quantity}"
        if self.interval is not None:
            low, high = (_digits(end) for end in self.interval)
            level = f"{100 * self.confidence_level:g}%"
            if self.interval[1] == math.inf:
                text += f", {level} at least {low} ({self.interval_kind})"
            else:
                text += f", {level} interval {low} to {high} ({self.interval_kind})"
        flags = "".join(f"; {flag}" for flag in self.flags)
        return f"<{self.method}: {text}{flags}>"

    def law(self) -> Any:
        """Return a share of value as ``turnover(coverage=...)`` takes it: a Beta law, or the number if it has no error.

        Raises
        ------
        NotSupportedError
            The result is no share of value.
        """
        if self.quantity != SHARE:
            raise NotSupportedError("only a share of value has a law", got=f"{self.method}: {self.quantity}",
                                    fix="pages_opened(...) or life_table(...)")
        return _share_law(self.value, self.standard_error)

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python objects (arrays become lists), ready for JSON but for infinities and NaN."""
        names = ("value", "standard_error", "interval", "interval_kind", "confidence_level", "quantity", "method",
                 "assumptions", "flags", "details")
        return {name: _plain(getattr(self, name)) for name in names}


def share_interval(share: float, error: float, level: float) -> tuple[float, float]:
    """Central interval of the Beta law of a share."""
    law = _share_law(share, error)
    tail = (1 - level) / 2
    return (share, share) if isinstance(law, float) else (float(law.ppf(tail)), float(law.isf(tail)))


def _share_law(share: float, error: float) -> Any:
    if error == 0:
        return share
    size = share * (1 - share) / error**2 - 1
    if not size > 0:
        raise NotIdentifiedError("too little was seen to say what share that is", got=f"{share:.3g}, error {error:.3g}",
                                 expected="several listings of comparable value", fix="state a Range")
    return stats.beta(share * size, (1 - share) * size)


def _digits(x: float) -> str:
    """Write `x` with the digits that a reader can use."""
    return f"{x:,.1f}" if math.isfinite(x) and abs(x) >= 10 else f"{x:.4g}"


def _plain(x: Any) -> Any:
    if isinstance(x, Mapping):
        return {str(key): _plain(value) for key, value in x.items()}
    if isinstance(x, np.ndarray | np.generic):
        return x.tolist()
    return [_plain(value) for value in x] if isinstance(x, tuple | list) else x
