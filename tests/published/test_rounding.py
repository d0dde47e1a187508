"""Intervals of printed figures: exact, enclosing, sharp."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkmarket_estimates.errors import DataError
from darkmarket_estimates.published.rounding import Rounded, figure

P = Rounded.printed


@pytest.mark.parametrize(("text", "step", "low", "high"), [
    ("14.2", None, "14.15", "14.25"), ("12.0", None, "11.95", "12.05"), ("12", None, "11.5", "12.5"),
    ("25", None, "24.5", "25.5"), ("0.9212", None, "0.92115", "0.92125"), ("95,000", "1,000", "94500", "95500"),
    ("95,000", None, "94999.5", "95000.5"), ("300", 10, "295", "305"), (" 7 ", None, "6.5", "7.5"),
])
def test_a_printed_figure_stands_for_its_rounding_interval(text, step, low, high):
    x = P(text, step=step)
    assert (x.low, x.high) == (Fraction(low), Fraction(high))
    assert not x.low_open and x.high_open


def test_kruithof_in_fractions():
    factor = P("21.1") / P("12.0")
    assert (factor.low, factor.high) == (Fraction(2105, 1205), Fraction(2115, 1195))
    upper = P("14.2") * factor
    assert (upper.low, upper.high) == (Fraction(1415, 100) * Fraction(2105, 1205), Fraction(1425, 100) * Fraction(2115, 1195))
    rate = P("10.5") / P("12.0") & P("18.5") / P("21.1")
    assert (rate.low, rate.high) == (Fraction(1845, 2115), Fraction(1855, 2105))
    assert factor.low_open and factor.high_open  # 12.05 itself rounds to 12.1, 21.15 to 21.2


def test_ends_that_belong():
    a, b = Rounded.exact(5), P("5")
    assert a.is_point and not b.is_point and (a & b) == a
    assert Rounded.between(1, 2).meets(Rounded.between(2, 3))  # both hold 2
    assert not Rounded.between(1, 2, high_open=True).meets(Rounded.between(2, 3))
    assert not Rounded.between(1, 2).meets(Rounded.more_than(2))
    assert not P("12").meets(P("13"))  # 12.5 rounds to 13 alone
    assert Rounded.between(1, 2, high_open=True) - Rounded.exact(1) == Rounded.between(0, 1, high_open=True)
    assert (Rounded.exact(7) - P("2")).low_open  # 2.5 is not in, so 4.5 is not reached
    assert not (Rounded.exact(7) - P("2")).high_open


def test_zero():
    assert (Rounded.between(0, 1) * Rounded.more_than(3)).low == 0
    assert not (Rounded.between(0, 1) * Rounded.more_than(3)).low_open  # 0 is reached
    assert (Rounded.between(0, 1) / Rounded.more_than(4)).as_floats() == (0.0, 0.25)
    assert Rounded.exact(0) * P("3") == Rounded.exact(0)
    assert Rounded.exact(0) / Rounded.more_than(3) == Rounded.exact(0)
    with pytest.raises(DataError, match="may be 0"):
        P("3") / Rounded.less_than(2)
    assert (P("3") / Rounded.more_than(0)).high is None


def test_one_sided():
    assert Rounded.more_than("100,000").as_floats() == (100_000, float("inf"))
    assert str(Rounded.more_than(5)) == "more than 5" and str(Rounded.at_least(P("5"))) == "at least 4.5"
    assert (Rounded.more_than(6) * 2 + 1).low == 13 and (Rounded.more_than(6) * 2).high is None
    assert (Rounded.exact(10) / Rounded.more_than(5)).as_floats() == (0.0, 2.0)
    assert (Rounded.exact(10) / Rounded.more_than(5)).low_open  # 0 is not reached
    assert Rounded.at_least(Rounded.more_than(5)) == Rounded.more_than(5) != Rounded.at_least(5)
    assert Rounded.more_than(3) & Rounded.between(2, 5) == Rounded(Fraction(3), Fraction(5), True, False)
    assert Rounded.more_than(3).to(Rounded.between(4, 5)) == Rounded(Fraction(3), Fraction(5), True, False)
    assert Rounded.between(3, 4).to(P("5")) == Rounded(Fraction(3), Fraction(11, 2), False, True)
    assert (P("3") & Rounded.more_than(3)) == Rounded(Fraction(3), Fraction(7, 2), True, True)
    with pytest.raises(DataError, match="without an upper end"):
        Rounded.exact(1) - Rounded.more_than(0)


def test_scalars_on_both_sides():
    x = P("4")
    assert 2 * x == x * 2 and 1 + x == x + 1 and (10 - x).as_floats() == (5.5, 6.5) and (9 / x).high == Fraction(18, 7)
    assert x / "0.5" == x * 2 and x * Decimal("0.1") == x / 10


def test_text_keeps_its_brackets():
    a, b, c = P("1"), P("2"), P("3")
    assert (a * (b / c)).text == "1 × (2 / 3)" and (a * b / c).text == "1 × 2 / 3"
    assert ((a + b) * c).text == "(1 + 2) × 3" and (a + b * c).text == "1 + 2 × 3"
    assert (c - (a + b)).text == "3 − (1 + 2)" and (a + (b + c)).text == "1 + 2 + 3"
    assert (a * b).named("[product]").text == "[product]"
    assert (a & P("1.0")).text == "both 1 and 1.0"


@pytest.mark.parametrize(("x", "text"), [
    (P("25"), "24.5 to 25.5"), (P("14.2") * P("21.1") / P("12.0"), "24.72 to 25.22"), (P("0.9212"), "0.92115 to 0.92125"),
    (Rounded.exact("10,927"), "10,927"), (Rounded.between(1, 2_000_000), "1 to 2,000,000"),
    (Rounded.between("5", "5.0000000000000000001"), "5"), (P("982,447"), "982,446.5 to 982,447.5"),
])
def test_print(x, text):
    assert str(x) == text


def test_figures_have_no_exponent():
    assert [figure(x) for x in (0.0, 123_456_789.0, 0.004231, 5.0)] == ["0", "123,456,789", "0.004231", "5"]


@pytest.mark.parametrize("bad", [14.2, True, None, "abc", "", "1e", "1/2", "nan", "inf", "14.2.1", float("nan")])
def test_only_exact_figures_are_read(bad):
    for read in (P, Rounded.exact, lambda x: P("3") + x, lambda x: x / P("3"), lambda x: P("3", step=x) if x else P(x)):
        with pytest.raises(DataError):
            read(bad)


def test_bad_intervals():
    with pytest.raises(DataError, match="no number"):
        Rounded.between(2, 1)
    with pytest.raises(DataError, match="no number in common"):
        P("1") & P("3")
    with pytest.raises(DataError, match="is text"):
        P(14)
    with pytest.raises(DataError, match="unit of rounding"):
        P("3", step=0)
    with pytest.raises(DataError, match="not negative"):
        (P("1") - P("3")) * 2
    with pytest.raises(DataError, match="high end of x is out of range"):
        Rounded.computed(0.0, float("inf"), "x")


DIGITS = st.decimals(min_value="0.1", max_value="9999", places=2).map(str)
INSIDE = st.fractions(min_value=0, max_value=Fraction(999, 1000))


@settings(max_examples=150, deadline=None)
@given(DIGITS, DIGITS, INSIDE, INSIDE, st.sampled_from(["+", "-", "*", "/"]))
def test_every_combination_is_inside_and_the_ends_are_reached(a, b, s, t, sign):
    operations = {"+": lambda x, y: x + y, "-": lambda x, y: x - y, "*": lambda x, y: x * y, "/": lambda x, y: x / y}
    x, y = P(a), P(b)
    result = operations[sign](x, y)
    inner = operations[sign](x.low + s * (x.high - x.low), y.low + t * (y.high - y.low))
    assert result.low <= inner <= result.high
    corners = [operations[sign](u, v) for u in (x.low, x.high) for v in (y.low, y.high)]
    assert (result.low, result.high) == (min(corners), max(corners))


@settings(max_examples=50, deadline=None)
@given(DIGITS, DIGITS)
def test_intersection_is_what_both_hold(a, b):
    x, y = P(a), P(b, step=1)
    if not x.meets(y):
        assert x.high <= y.low or y.high <= x.low
        return
    z = x & y
    assert z == y & x and z.low == max(x.low, y.low) and z.high == min(x.high, y.high)


def test_products_that_no_float_holds():
    x = Rounded.exact(10**50)
    assert (x * x * x * x * x * x).as_floats() == (1e300, 1e300)
    with pytest.raises(DataError, match="larger than floats hold"):
        x * x * x * x * x * x * 2
