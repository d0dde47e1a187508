import numpy as np
import pytest

from darkmarket_estimates import _checks, errors


def test_error_says_what_where_expected_got_and_what_to_do():
    error = errors.DataError("the price is missing", where="row 3", expected="a number", got="nothing", fix="drop it")
    assert str(error).splitlines() == ["the price is missing", "  where: row 3", "  expected: a number",
                                       "  got: nothing", "  to do: drop it"]
    assert isinstance(error, ValueError) and error.where == "row 3"


@pytest.mark.parametrize("kind", [errors.AssumptionError, errors.NotIdentifiedError, errors.NotSupportedError])
def test_every_error_is_a_data_error(kind):
    with pytest.raises(errors.DataError):
        raise kind("x")


@pytest.mark.parametrize("bad", [None, "0.5", True, float("nan"), float("inf"), -0.1, 1.1])
def test_number_refuses(bad):
    with pytest.raises(errors.AssumptionError, match="share"):
        _checks.number(bad, "the share", low=0, high=1)


def test_number_open_ends():
    assert _checks.number(np.float32(1), "x", low=0, high=1) == 1.0
    with pytest.raises(errors.AssumptionError):
        _checks.number(0, "x", low=0, open_low=True)
    with pytest.raises(errors.AssumptionError):
        _checks.number(1, "x", high=1, open_high=True)


def test_confidence_level_as_percent_gets_a_hint():
    with pytest.raises(errors.AssumptionError, match=r"confidence_level=0\.95"):
        _checks.confidence_level(95)


@pytest.mark.parametrize("bad", [1.5, "3", None, True, float("nan"), 0, 11])
def test_integer_refuses(bad):
    with pytest.raises(errors.AssumptionError):
        _checks.integer(bad, "n", low=1, high=10)


def test_float_array_names_the_first_bad_entry():
    with pytest.raises(errors.DataError, match=r"2 value\(s\)[\s\S]*entry 1[\s\S]*-1\.0"):
        _checks.float_array([0, -1, np.nan], "x", low=0)
    with pytest.raises(errors.DataError, match="does not hold numbers"):
        _checks.float_array(["a"], "x")
    with pytest.raises(errors.DataError, match="shape"):
        _checks.float_array([[1.0]], "x")


def test_strings_refuses_repeats_and_other_things():
    assert _checks.strings("a", "by") == ("a",) and _checks.strings(None, "by") == ()
    with pytest.raises(errors.DataError, match="twice"):
        _checks.strings(["a", "a"], "by")
    with pytest.raises(errors.DataError, match="names"):
        _checks.strings([1], "by")


@pytest.mark.parametrize("bad", ["seed", 1.5, True])
def test_generator_refuses(bad):
    with pytest.raises(errors.AssumptionError):
        _checks.generator(bad)


def test_generator_same_seed_same_numbers():
    assert _checks.generator(3).random() == _checks.generator(np.random.SeedSequence(3)).random()


def test_a_label_is_its_text_whatever_its_length():
    assert [_checks.label(x) for x in ("a", 2014, 1.5, None)] == ["a", "2014", "1.5", "None"]
    assert _checks.label(10**5000) == "a whole number of 16,610 bits"
    assert _checks.label(-(10**5000)) == "-a whole number of 16,610 bits"


def test_both_ends_of_a_range_are_told():
    with pytest.raises(errors.AssumptionError, match=r"expected: a whole number >= 1 and <= 256"):
        _checks.integer(0, "n", low=1, high=256)
    with pytest.raises(errors.AssumptionError, match=r"expected: a whole number$|expected: a whole number\n"):
        _checks.integer(0.5, "n")
