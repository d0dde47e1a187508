"""Checks of single arguments, so that every function says the same thing about the same mistake."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from darkmarket_estimates.errors import AssumptionError, DataError


def is_number(x: Any) -> bool:
    """Whether `x` is a real scalar (and not a bool, nor a span of time, which NumPy takes for a whole number)."""
    return isinstance(x, numbers.Real) and not isinstance(x, bool | np.bool_ | np.timedelta64)


def _float(x: Any) -> float:
    """The number as a float; whole numbers beyond every float are infinite."""
    try:
        return float(x)
    except OverflowError:
        return math.inf if x > 0 else -math.inf


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
        raise AssumptionError(f"{name} is not a number", expected=expected, got=shown(x), fix=fix)
    value = _float(x)
    inside = (value > low if open_low else value >= low) and (value < high if open_high else value <= high)
    if not math.isfinite(value) or not inside:
        raise AssumptionError(f"{name} is out of range", expected=expected, got=shown(x), fix=fix)
    return value


def integer(x: Any, name: str, *, low: int | None = None, high: int | None = None) -> int:
    """Return `x` as an int inside [low, high], else raise `AssumptionError`."""
    limits = [f">= {low}" if low is not None else "", f"<= {high}" if high is not None else ""]
    expected = " ".join(["a whole number", " and ".join(filter(None, limits))]).strip()
    whole = isinstance(x, int | np.integer) or (is_number(x) and math.isfinite(_float(x)) and float(x).is_integer())
    if not whole or not is_number(x):
        raise AssumptionError(f"{name} is not a whole number", expected=expected, got=shown(x))
    value = int(x)
    if (low is not None and value < low) or (high is not None and value > high):
        raise AssumptionError(f"{name} is out of range", expected=expected, got=shown(x))
    return value


def confidence_level(x: Any) -> float:
    """Return a confidence level in (0, 1); 95 is refused, with a hint."""
    fix = f"write confidence_level={float(x) / 100:g}" if is_number(x) and 1 < x < 100 else None
    return number(x, "confidence_level", low=0, high=1, open_low=True, open_high=True, fix=fix)


def choice(x: Any, name: str, options: Sequence[Any]) -> Any:
    """Return `x` if it is one of the options, else raise `AssumptionError` naming them."""
    if not any(x is option or (isinstance(x, str) and x == option) for option in options):
        raise AssumptionError(
            f"{name} is unknown", expected="one of " + ", ".join(repr(o) for o in options), got=shown(x)
        )
    return x


def float_array(x: Any, name: str, *, low: float = -math.inf, ndim: int = 1) -> np.ndarray:
    """Return `x` as a finite float64 array with entries >= `low`, else raise `DataError` naming the first bad entry."""
    array = real_array(x, name)
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
    try:
        values = () if x is None else (x,) if isinstance(x, str) else tuple(x)
    except TypeError:
        values = None
    if values is None or not all(isinstance(v, str) for v in values):
        raise DataError(f"{name} does not hold names", expected="column names (text)", got=shown(x))
    repeated = sorted({v for v in values if values.count(v) > 1})
    if repeated:
        raise DataError(f"{name} names a column twice", expected="distinct names", got=", ".join(repeated))
    return values


def generator(rng: int | np.random.Generator | np.random.SeedSequence | None) -> np.random.Generator:
    """Return a generator by SPEC 7: an int, a Generator, a SeedSequence or None."""
    if isinstance(rng, bool | np.timedelta64) or not (
        rng is None or isinstance(rng, int | np.integer | np.random.Generator | np.random.SeedSequence)
    ):
        raise AssumptionError("rng cannot be used", expected="an int, a Generator, a SeedSequence or None",
                              got=type(rng).__name__)
    if isinstance(rng, int | np.integer) and rng < 0:
        raise AssumptionError("rng is negative", expected="a whole number >= 0", got=shown(rng))
    return np.random.default_rng(rng)


def real_array(x: Any, name: str) -> np.ndarray:
    """Return `x` as a float64 array of any shape: no text that looks like numbers, no dates, no complex numbers."""
    try:
        raw = np.asarray(x)
        if raw.dtype.kind not in "biufO" or (raw.dtype.kind == "O" and any(isinstance(v, str | bytes) for v in raw.flat)):
            raise TypeError(raw.dtype)
        return raw.astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{name} does not hold numbers", expected="numbers, none of them as text", got=kind(x)) from error


def kind(x: Any) -> str:
    """What `x` is, in a word or two: a table is not printed."""
    return repr(x) if isinstance(x, str | bytes | complex) else type(x).__name__


def text(x: Any, name: str, *, optional: bool = False) -> str | None:
    """Return `x` if it is text (or None, where that is allowed), else raise `AssumptionError`."""
    if not isinstance(x, str) and not (optional and x is None):
        raise AssumptionError(f"{name} is not text", expected="text" + (", or None" if optional else ""), got=kind(x))
    return x


def probabilities(x: Any, name: str = "p") -> np.ndarray:
    """Return `x` as a float64 array of numbers in [0, 1], of any shape, else raise `AssumptionError`."""
    levels = real_array(x, name)
    inside = (levels >= 0) & (levels <= 1)  # False for NaN
    if not inside.all():
        raise AssumptionError(f"{name} is not a probability", expected="numbers in [0, 1]",
                              got=repr(float(levels[~inside].ravel()[0])))
    return levels


def not_nan(x: Any, name: str) -> np.ndarray:
    """Return `x` as a float64 array of any shape, infinite ends allowed, else raise `DataError`."""
    values = real_array(x, name)
    if np.isnan(values).any():
        raise DataError(f"{name} holds a value that is no number", expected="numbers", got="NaN")
    return values


def shown(x: Any) -> str:
    """``repr(x)``, also of whole numbers with more digits than Python prints."""
    try:
        return repr(x)
    except ValueError:
        return f"{'-' if x < 0 else ''}a whole number of {x.bit_length():,} bits" if isinstance(x, int) else kind(x)


def boolean(x: Any, name: str) -> bool:
    """Return `x` as a bool if it is True or False, else raise `AssumptionError`: what merely counts as true may be a slip."""
    if not isinstance(x, bool | np.bool_):
        raise AssumptionError(f"{name} is neither True nor False", expected="True or False", got=kind(x))
    return bool(x)


def plain_array(x: Any, name: str) -> np.ndarray:
    """Return ``np.asarray(x)``; nests of unequal length, which make no array, raise `DataError`."""
    try:
        return np.asarray(x)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} is no array", expected="rows of equal length", got=kind(x)) from error


def beta_shapes(x: Any, name: str) -> tuple[float, float]:
    """Return the two shapes of a Beta law, both > 0, else raise `AssumptionError`."""
    if not isinstance(x, tuple | list) or len(x) != 2:
        raise AssumptionError(f"{name} does not hold the two shapes of a Beta law", expected="(a, b)", got=shown(x))
    a, b = (number(shape, name, low=0, high=1e12, open_low=True) for shape in x)
    return a, b


def label(x: Any) -> str:
    """``str(x)``, also of whole numbers with more digits than Python prints: names that no table holds."""
    try:
        return str(x)
    except ValueError:
        return shown(x)


#: Bytes that the results of replicates may take.
MOST_BYTES = 2**31


def replicates(x: Any, name: str, *, low: int = 1, each: int = 8) -> int:
    """Return `x` as a number of replicates, `each` bytes of results, that fit `MOST_BYTES`, else raise `AssumptionError`."""
    n, most = integer(x, name, low=low), max(low, MOST_BYTES // each)
    if n > most:
        raise AssumptionError(
            f"{name} would need {_in_bytes(n * each)} of memory",
            expected=f"a whole number in [{low}, {most:,}]: {each:,} bytes each, {_in_bytes(MOST_BYTES)} together",
            got=_short(n), fix="10,000 replicates give an end of a 95% interval to 0.2% in probability")
    return n


def _in_bytes(n: int) -> str:
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB")):
        if n >= 1000**power:
            return f"{_short(n // 1000**power)} {unit}"
    return f"{n:,} bytes"


def _short(n: int) -> str:
    """A whole number in a few characters, however many digits it has."""
    return f"{n:,}" if n < 10**15 else f"about 10^{round((n.bit_length() - 0.5) * math.log10(2))}"


def currency_code(x: Any, name: str) -> str:
    """Return `x` if it is text that can be shown, and is not blank, else raise `AssumptionError`."""
    if not (isinstance(x, str) and x.strip() and x.isprintable()):
        raise AssumptionError(f"{name} is no text that can be shown", got=shown(x), expected='such as "USD"',
                              fix="name it; mend the column of the currency, if it is one")
    return x
