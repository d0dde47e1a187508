"""What a printed figure stands for: the interval that its rounding allows, and exact arithmetic on such intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from darkmarket_estimates._checks import number, shown
from darkmarket_estimates._checks import text as check_text
from darkmarket_estimates.errors import DataError

Scalar = int | Fraction | Decimal | str

#: How tightly an expression holds together, for brackets in `text`.
SUM, PRODUCT, ATOM = 1, 2, 3
#: No figure in print is larger, and floats hold products of a few such.
LARGEST = 10**50
#: What no product of figures in print comes near, and floats still hold.
BEYOND = 10**300
#: At most, in print.
DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Rounded:
    """An interval of exact rational numbers, and the arithmetic that led to it.

    "14.2" stands for [14.15, 14.25): every number that rounds half up to it. Sums, differences, products and quotients
    are the smallest intervals that hold every combination, as if the operands were unrelated; an operand that occurs
    twice makes the result wider than it need be, never narrower.

    Attributes
    ----------
    low : Fraction
    high : Fraction or None
        None where nothing bounds the figure from above ("more than 100,000").
    low_open, high_open : bool
        Whether the end itself is excluded.
    text : str
        The expression, with figures as printed. Not part of equality.

    Examples
    --------
    >>> factor = Rounded.printed("21.1") / Rounded.printed("12.0")
    >>> print(factor.text, "=", factor)
    21.1 / 12.0 = 1.747 to 1.770
    >>> Rounded.printed("14.2") * factor
    Rounded(14.2 × (21.1 / 12.0) = 24.72 to 25.22)
    """

    low: Fraction
    high: Fraction | None
    low_open: bool = False
    high_open: bool = True
    text: str = field(default="", compare=False)
    level: int = field(default=ATOM, compare=False)

    def __post_init__(self) -> None:
        check_text(self.text, "the text of a figure")
        if not isinstance(self.low, Fraction) or not isinstance(self.high, Fraction | None):
            raise DataError("an end of an interval is no Fraction", got=f"{shown(self.low)} to {shown(self.high)}",
                            expected="two Fractions, or None above", fix="Rounded.between(low, high)")
        if any(end is not None and abs(end) > BEYOND for end in (self.low, self.high)):
            raise DataError("a figure is larger than floats hold", where=self.text or None, expected="at most 1e300")
        if self.high is None:
            return
        empty = self.low > self.high or (self.low == self.high and (self.low_open or self.high_open))
        if empty:
            raise DataError("an interval holds no number", expected="low < high", where=self.text or None,
                            got=f"{float(self.low):g} to {float(self.high):g}")

    # -- from print -------------------------------------------------------------------------------------------------

    @classmethod
    def printed(cls, figure: str, *, step: Scalar | None = None) -> Rounded:
        """Every number that rounds to `figure`.

        Parameters
        ----------
        figure : str
            As printed, thousands separated by commas. Text, because 12.0 says more than 12.
        step : number, optional
            The unit of rounding, where the figure was rounded before its last printed digit ("95,000": 1000).

        Examples
        --------
        >>> Rounded.printed("12").as_floats(), Rounded.printed("12.0").as_floats()
        ((11.5, 12.5), (11.95, 12.05))
        """
        if not isinstance(figure, str):
            raise DataError("a printed figure is text", got=shown(figure), fix=f'Rounded.printed("{shown(figure)}")')
        value = _exact(figure)
        exponent = Decimal(_plain(figure)).as_tuple().exponent
        unit = _exact(step) if step is not None else Fraction(10) ** int(exponent)
        if unit <= 0:
            raise DataError("the unit of rounding must be positive", got=shown(step))
        return cls(value - unit / 2, value + unit / 2, text=figure)

    @classmethod
    def exact(cls, figure: Scalar) -> Rounded:
        """One number: a count, a number of months."""
        value = _exact(figure)
        return cls(value, value, high_open=False, text=str(figure))

    @classmethod
    def between(cls, low: Scalar, high: Scalar, *, text: str | None = None, high_open: bool = False) -> Rounded:
        """From `low` to `high`, which is included unless `high_open`."""
        return cls(_exact(low), _exact(high), high_open=high_open, text=f"{low} to {high}" if text is None else text)

    @classmethod
    def more_than(cls, figure: Scalar) -> Rounded:
        """Above `figure`; nothing was said of an upper end."""
        return cls(_exact(figure), None, low_open=True, text=f"more than {figure}")

    @classmethod
    def at_least(cls, figure: Scalar | Rounded) -> Rounded:
        """From the lowest value of `figure` on, without an upper end."""
        x = _lift(figure)
        return cls(x.low, None, x.low_open, text=f"at least {x.text}")

    @classmethod
    def less_than(cls, figure: Scalar) -> Rounded:
        """From 0 to below `figure`."""
        return cls(Fraction(0), _exact(figure), text=f"less than {figure}")

    @classmethod
    def computed(cls, low: float, high: float, text: str) -> Rounded:
        """From floating-point results, both ends included."""
        check_text(text, "text")
        low, high = (number(x, f"the {end} end of {text}") for x, end in ((low, "low"), (high, "high")))
        return cls(Fraction(low), Fraction(high), high_open=False, text=text)

    # -- arithmetic -------------------------------------------------------------------------------------------------

    def __add__(self, other: Rounded | Scalar) -> Rounded:
        b = _lift(other)
        high = None if self.high is None or b.high is None else self.high + b.high
        return Rounded(self.low + b.low, high, self.low_open or b.low_open, self.high_open or b.high_open,
                       *_write(self, "+", b, SUM))

    def __sub__(self, other: Rounded | Scalar) -> Rounded:
        b = _lift(other)
        if b.high is None:
            raise DataError("a figure without an upper end cannot be subtracted", where=b.text)
        high = None if self.high is None else self.high - b.low
        return Rounded(self.low - b.high, high, self.low_open or b.high_open, self.high_open or b.low_open,
                       *_write(self, "−", b, SUM))

    def __mul__(self, other: Rounded | Scalar) -> Rounded:
        a, b = _amount(self), _amount(_lift(other))
        high = None if a.high is None or b.high is None else a.high * b.high
        zero = any(x.low == 0 and not x.low_open for x in (a, b))
        return Rounded(a.low * b.low, high, not zero and (a.low_open or b.low_open),
                       (a.high_open or b.high_open) and high != 0, *_write(a, "×", b, PRODUCT))

    def __truediv__(self, other: Rounded | Scalar) -> Rounded:
        a, b = _amount(self), _amount(_lift(other))
        if b.low == 0 and not b.low_open:
            raise DataError("division by a figure that may be 0", where=f"{a.text} / {b.text}",
                            got=f"{float(b.low):g} to {b}")
        zero = a.low == 0 and not a.low_open
        low = Fraction(0) if b.high is None else a.low / b.high
        high = None if a.high is None or b.low == 0 else a.high / b.low
        return Rounded(low, high, not zero and (a.low_open or b.high_open),
                       (a.high_open or b.low_open) and high != 0, *_write(a, "/", b, PRODUCT))

    def __radd__(self, other: Scalar) -> Rounded:
        return _lift(other) + self

    def __rsub__(self, other: Scalar) -> Rounded:
        return _lift(other) - self

    def __rmul__(self, other: Scalar) -> Rounded:
        return _lift(other) * self

    def __rtruediv__(self, other: Scalar) -> Rounded:
        return _lift(other) / self

    def __and__(self, other: Rounded) -> Rounded:
        """Return what both allow; `DataError` where that is nothing."""
        if not self.meets(other):
            raise DataError("two intervals have no number in common", expected=f"{self.text}: {self}",
                            got=f"{other.text}: {other}")
        low, low_open = max((self.low, self.low_open), (other.low, other.low_open))
        ends = [(x.high, not x.high_open) for x in (self, other) if x.high is not None]
        high, closed = min(ends) if ends else (None, False)
        return Rounded(low, high, low_open, not closed, f"both {self.text} and {other.text}", SUM)

    def to(self, other: Rounded | Scalar) -> Rounded:
        """From the low end of this to the high end of `other`: a published range."""
        other = _lift(other)
        return Rounded(self.low, other.high, self.low_open, other.high_open, f"{self.text} to {other.text}", SUM)

    def named(self, text: str) -> Rounded:
        """Return the same interval under a name: a step that later arithmetic refers to."""
        return replace(self, text=text, level=ATOM)

    # -- reading ----------------------------------------------------------------------------------------------------

    @property
    def is_point(self) -> bool:
        """Whether only one number is allowed."""
        return self.low == self.high

    def meets(self, other: Rounded | Scalar) -> bool:
        """Whether some number lies in both."""
        other = _lift(other)
        return not (_ends_before(self, other) or _ends_before(other, self))

    def as_floats(self) -> tuple[float, float]:
        """Both ends; infinite where there is no upper end."""
        return float(self.low), math.inf if self.high is None else float(self.high)

    def __str__(self) -> str:
        low, high = self.as_floats()
        if low == high:  # to the precision of print
            return figure(low)
        if math.isinf(high):
            return f"{'more than' if self.low_open else 'at least'} {figure(low)}"
        # as many decimals as tell the ends apart, and at least four digits
        decimals = max(0, 1 - math.floor(math.log10(high - low)), 3 - math.floor(math.log10(max(abs(low), abs(high)))))
        left, right = (f"{x:,.{min(decimals, DECIMALS)}f}" for x in (low, high))
        while "." in left and left[-1] == right[-1] == "0":
            left, right = left[:-1], right[:-1]
        return f"{left.removesuffix('.')} to {right.removesuffix('.')}"

    def __repr__(self) -> str:
        return f"Rounded({self.text} = {self})"


def figure(x: float) -> str:
    """Write a number with five digits, thousands separated, and no exponent."""
    if x == 0 or not math.isfinite(x):
        return f"{x:g}"
    decimals = min(max(0, 4 - math.floor(math.log10(abs(x)))), 8)
    text = f"{x:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _plain(figure: str) -> str:
    return figure.replace(",", "").strip()


def _exact(x: Scalar) -> Fraction:
    if isinstance(x, bool) or not isinstance(x, int | Fraction | Decimal | str):
        raise DataError("a figure must be exact", got=shown(x), expected="text, a whole number, a Decimal or a Fraction",
                        fix='write "14.2", not 14.2')
    try:
        value = Fraction(Decimal(_plain(x))) if isinstance(x, str) else Fraction(x)
        if abs(value) > LARGEST:
            raise OverflowError
        return value
    except (ValueError, InvalidOperation, OverflowError, ZeroDivisionError) as error:
        raise DataError("a printed figure cannot be read", expected='digits such as "14.2" or "95,000"',
                        got=shown(x)) from error


def _lift(x: Rounded | Scalar) -> Rounded:
    return x if isinstance(x, Rounded) else Rounded.exact(x)


def _amount(x: Rounded) -> Rounded:
    if x.low < 0:
        raise DataError("products and quotients are of amounts, which are not negative", where=x.text, got=str(x))
    return x


def _ends_before(a: Rounded, b: Rounded) -> bool:
    return a.high is not None and (a.high < b.low or (a.high == b.low and (a.high_open or b.low_open)))


def _write(a: Rounded, sign: str, b: Rounded, level: int) -> tuple[str, int]:
    left = f"({a.text})" if a.level < level else a.text
    # a − (b − c) and a / (b × c) keep their brackets; so does a × (b / c), which says what was computed first
    bracket = b.level < level or (b.level == level and sign != "+")
    return f"{left} {sign} {f'({b.text})' if bracket else b.text}", level
