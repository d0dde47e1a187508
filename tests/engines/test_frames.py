"""What users hold in memory: every column is read as what it means, or refused by name."""

import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from darkmarket_estimates import DataError, Listings
from darkmarket_estimates.engines.frames import from_arrays, from_frame

ROLES = {"price": "p", "reviews": "n", "vendor": "v", "currency": "USD"}
PLAIN = {"p": [1.0, 2.0, 3.0], "n": [1, 2, 3], "v": ["a", "b", "c"]}


def frame(**columns) -> pd.DataFrame:
    return pd.DataFrame({**PLAIN, **columns})


LABELS = {
    "intervals": (pd.cut([5, 15, np.nan], [0, 10, 20]), ["(0.0, 10.0]", "(10.0, 20.0]", "(missing)"]),
    "months": (pd.PeriodIndex(["2016-02", "2016-01", "NaT"], freq="M"), ["(missing)", "2016-01", "2016-02"]),
    "mixed": (pd.Series([1, "x", pd.NA], dtype=object), ["(missing)", "1", "x"]),
    "mixed numbers": (pd.Series([2014.0, "2014", decimal.Decimal("2014.0")], dtype=object), ["2014"]),
    "whole numbers beyond 64 bits": ([10**30, 10**30 + 1, 1], ["1", str(10**30), str(10**30 + 1)]),
    "categories": (pd.Categorical(["y", "x", None], categories=["unused", "x", "y"]), ["(missing)", "x", "y"]),
}


@pytest.mark.parametrize(("values", "labels"), LABELS.values(), ids=LABELS)
def test_labels(values, labels):
    totals = Listings(frame(g=values), **ROLES).totals(by="g")
    assert totals.to_frame()["g"].tolist() == labels
    assert totals.sum("value") == 14


NUMBERS = {
    "sparse": pd.arrays.SparseArray([1.0, 2.0, 3.0]), "long double": np.array([1, 2, 3], dtype=np.longdouble),
    "objects": pd.Series([np.float32(1), 2, np.longdouble(3)], dtype=object),
    "half": np.array([1, 2, 3], dtype=np.float16), "nullable": pd.array([1, 2, 3], dtype="Int64"),
}


@pytest.mark.parametrize("prices", NUMBERS.values(), ids=NUMBERS)
def test_numbers(prices):
    assert Listings(frame(p=prices), **ROLES).totals().sum("value") == 14


@pytest.mark.parametrize("prices", [[1, "2", 3], [True, False, True], [1.0, 10**400, 2.0], [1, 2j, 3]],
                         ids=["text", "truth values", "beyond floats", "complex"])
def test_what_is_no_number_is_refused(prices):
    with pytest.raises(DataError, match="the price"):
        Listings(frame(p=pd.Series(prices, dtype=object)), **ROLES)


def test_names_of_columns():
    numbered = pd.DataFrame([[1.0, 2, "a"]])
    assert Listings(numbered, price="0", reviews="1", vendor="2", currency="USD").totals().sum("value") == 2
    assert list(numbered.columns) == [0, 1, 2]  # the user's frame stays as it was
    with pytest.raises(DataError, match="'x' more than once"):
        Listings(frame(x=1, y=2).set_axis([*PLAIN, "x", "x"], axis=1), **ROLES)
    with pytest.raises(DataError, match="'1' more than once"):
        from_frame(pd.DataFrame([[1, 2]], columns=[1, "1"]))
    with pytest.raises(DataError, match="several levels") as caught:
        Listings(pd.concat({"table": frame()}, axis=1), **ROLES)
    mended = pd.concat({"table": frame()}, axis=1)
    exec(caught.value.fix, {"frame": mended})  # what the error says to do
    assert list(mended.columns) == ["table_p", "table_n", "table_v"]


@pytest.mark.parametrize("make", [
    lambda bad: {**PLAIN, "v": bad}, lambda bad: {**PLAIN, "v": np.array(bad)},
    lambda bad: frame(v=pd.Series(bad, dtype=object)), lambda bad: frame(v=pd.Series([7, *bad[1:]], dtype=object)),
], ids=["lists", "array", "frame", "mixed"])
def test_half_of_a_surrogate_pair_is_named(make):
    with pytest.raises(DataError, match="not valid Unicode") as caught:
        Listings(make(["a", "b", "c\ud800"]), **ROLES)
    assert caught.value.where == "column 'v', row 2 (counting from 0)" and caught.value.got == r"'c\ud800'"


@pytest.mark.parametrize("values", [np.ones((3, 2)), [[1], [1, 2], [3]], [[1, 2], [3, 4], [5, 6]]],
                         ids=["two dimensions", "ragged", "nested"])
def test_arrays_of_other_shapes_are_refused(values):
    with pytest.raises(DataError, match="column"):
        from_arrays({**PLAIN, "p": values})


def test_plain_arrays_are_not_copied():
    prices = np.array([1.0, 2.0, 3.0])
    assert from_arrays({"p": prices}).column("p").chunk(0).buffers()[1].address == prices.ctypes.data
    assert from_arrays({"v": ["a", None]}).column("v").type in (pa.string(), pa.large_string())
