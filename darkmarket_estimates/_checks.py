"""Checks of single arguments, so that every function says the same thing about the same mistake."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from darkmarket_estimates.errors import AssumptionError, DataError


def is_number(x: Any) -> bool:
    """Whether `x` is a real scalar (and not a bool)."""
    return isinstance(x, numbers.Real) and not isinstance(x, bool | np.bool_)


def number(
    x: Any,
    name: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    open_low: bool = False,
    open_high: bool = False,
    fix: str | None = None,
) -> float:
    """Return `x` as a finite float inside the interval, else raise `AssumptionError`."""
    left, right = "(" if open_low or math.isinf(low) else "[", ")" if open_high or math.isinf(high) else "]"
    expected = f"a finite number in {left}{low:g}, {high:g}{right}"
    if not is_number(x):
        raise AssumptionError(f"{name} is not a number", expected=expected, got=repr(x), fix=fix)
    value = float(x)
    inside = (value > low if open_low else value >= low) and (value < high if open_high else value <= high)
    if not math.isfinite(value) or not inside:
        raise AssumptionError(f"{name} is out of range", expected=expected, got=repr(x), fix=fix)
    return value


def integer(x: Any, name: str, *, low: int | None = None, high: int | None = None) -> int:
    """Return `x` as an int inside [low, high], else raise `AssumptionError`."""
    limits = [f">= {low}" if low is not None else "", f"<= {high}" if high is not None else ""]
    expected = " ".join(["a whole number", *filter(None, limits)])
    whole = isinstance(x, int | np.integer) or (is_number(x) and math.isfinite(x) and float(x).is_integer())
    if not whole or not is_number(x):
        raise AssumptionError(f"{name} is not a whole number", expected=expected, got=repr(x))
    value = int(x)
    if (low is not None and value < low) or (high is not None and value > high):
        raise AssumptionError(f"{name} is out of range", expected=expected, got=repr(x))
    return value


def confidence_level(x: Any) -> float:
    """Return a confidence level in (0, 1); 95 is refused, with a hint."""
    fix = f"write confidence_level={float(x) / 100:g}" if is_number(x) and 1 < float(x) < 100 else None
    return number(x, "confidence_level", low=0, high=1, open_low=True, open_high=True, fix=fix)


def choice(x: Any, name: str, options: Sequence[Any]) -> Any:
    """Return `x` if it is one of the options, else raise `AssumptionError` naming them."""
    if not any(x is option or (isinstance(x, str) and x == option) for option in options):
        raise AssumptionError(
            f"{name} is unknown", expected="one of " + ", ".join(repr(o) for o in options), got=repr(x)
        )
    return x


def float_array(x: Any, name: str, *, low: float = -math.inf, ndim: int = 1) -> np.ndarray:
    """Return `x` as a finite float64 array with entries >= `low`, else raise `DataError` naming the first bad entry."""
    try:
        array = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} does not hold numbers", expected=f"a {ndim}-dimensional array of numbers",
                        got=type(x).__name__) from error
    if array.ndim != ndim:
        raise DataError(f"{name} has the wrong shape", expected=f"{ndim} dimension(s)", got=f"shape {array.shape}")
    bad = ~np.isfinite(array) | (array < low)
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        raise DataError(
            f"{name} holds {int(bad.sum()):,} value(s) that cannot be used",
            where=f"entry {at[0] if ndim == 1 else at}",
            expected="finite numbers" + (f" >= {low:g}" if math.isfinite(low) else ""),
            got=repr(float(array[at])),
        )
    return array


def same_length(**arrays: np.ndarray) -> int:
    """Return the common length of the arrays, else raise `DataError` naming the lengths."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise DataError("arrays differ in length", expected="equal lengths",
                        got=", ".join(f"{name}: {n}" for name, n in lengths.items()))
    return next(iter(lengths.values()))


def strings(x: str | Iterable[str] | None, name: str) -> tuple[str, ...]:
    """Return one name, several or none as a tuple of distinct strings."""
    values = () if x is None else (x,) if isinstance(x, str) else tuple(x)
    if not all(isinstance(v, str) for v in values):
        raise DataError(f"{name} does not hold names", expected="column names (text)", got=repr(x))
    repeated = sorted({v for v in values if values.count(v) > 1})
    if repeated:
        raise DataError(f"{name} names a column twice", expected="distinct names", got=", ".join(repeated))
    return values


def generator(rng: int | np.random.Generator | np.random.SeedSequence | None) -> np.random.Generator:
    """Return a generator by SPEC 7: an int, a Generator, a SeedSequence or None."""
    if isinstance(rng, bool) or not (
        rng is None or isinstance(rng, int | np.integer | np.random.Generator | np.random.SeedSequence)
    ):
        raise AssumptionError("rng cannot be used", expected="an int, a Generator, a SeedSequence or None",
                              got=type(rng).__name__)
    return np.random.default_rng(rng)
