"""The reference engine's sums: compiled and not, counted and sorted, small tables and large."""

import math
import sys

import numpy as np
import pandas as pd
import pytest

from darkmarket_estimates import Listings
from darkmarket_estimates.engines import alarms, kernels
from darkmarket_estimates.totals import COLUMNS, Key
from darkmarket_estimates.totals.numbers import Numbers
from tests.tables import ROLES, listing_table
from tests.test_totals import assert_same


@pytest.fixture(autouse=True)
def _numpy_until_told(monkeypatch):
    """Whatever this process has summed before."""
    monkeypatch.setattr(kernels, "LARGE", math.inf)


@pytest.mark.parametrize("size", [40, 10**12])
def test_ranks_are_those_of_unique(size):
    packed = np.random.default_rng(0).integers(0, size, 300)
    distinct, rank = kernels.ranks(packed, size)
    want, want_rank = np.unique(packed, return_inverse=True)
    np.testing.assert_array_equal(distinct, want)
    np.testing.assert_array_equal(rank, want_rank)


def test_cells_hold_every_combination_that_occurs_in_order():
    rng = np.random.default_rng(1)
    keys = {name: Key(rng.integers(0, k, 200), tuple(f"{i:05d}" for i in range(k))) for name, k in
            (("a", 4), ("b", 60_000), ("c", 70_000), ("d", 80_000), ("e", 90_000))}
    merged, cell = kernels.cells(keys)
    rows = list(zip(*(k.codes for k in keys.values())))
    found = list(zip(*(k.codes for k in merged.values())))
    assert found == sorted(set(rows)) and [found[c] for c in cell] == rows
    assert kernels.cells({"a": Key(np.empty(0, dtype=np.int64), ())})[1].size == 0


@pytest.mark.parametrize("days", [False, True], ids=["counts", "rates"])
@pytest.mark.parametrize("repeated", [False, True])
def test_the_compiled_pass_is_the_same(repeated, days, monkeypatch):
    pytest.importorskip("llvmlite", reason="LLVM is not installed")
    frame = listing_table(3_000)
    if repeated:
        frame["id"] = [f"l{i % 700}" for i in range(3_000)]
    options = {**ROLES, "market": "market", "duplicates": "keep", **({"days": "days"} if days else {})}
    want = Listings(frame, **options).totals(by="country", bands=[50])
    monkeypatch.setattr(kernels, "LARGE", 1)
    calls = []
    by_kernel = kernels._by_kernel
    monkeypatch.setattr(kernels, "_by_kernel", lambda *a: calls.append(1) or by_kernel(*a))
    assert_same(want, Listings(frame, **options).totals(by="country", bands=[50]), rel=1e-14)
    assert calls == [1]


@pytest.mark.parametrize("rates", [False, True], ids=["counts", "rates"])
@pytest.mark.parametrize("repeated", [False, True])
def test_parts_and_blocks_add_up_and_both_ways_give_the_same_bits(repeated, rates, monkeypatch):
    """The number of parts follows from the table: a machine with LLVM and one without print the same digits."""
    pytest.importorskip("llvmlite", reason="LLVM is not installed")
    rng = np.random.default_rng(8)
    n, n_cells = 5_000, 40
    cell, price, count = rng.integers(0, n_cells, n), rng.lognormal(4, 1, n), rng.poisson(3, n).astype(float)
    price.setflags(write=False)  # columns of a file are read-only
    unit = rng.uniform(0.01, 1, n) if rates else None
    first, whole = (rng.integers(0, 2, n).astype(float), rng.lognormal(5, 1, n)) if repeated else (None, None)
    given = cell, n_cells, price, count, unit, first, whole
    want = kernels.sums(*given)
    monkeypatch.setattr(kernels, "ROWS_A_PART", 700)
    monkeypatch.setattr(kernels, "BLOCK", 300)
    interpreted = kernels.sums(*given)
    monkeypatch.setattr(kernels, "LARGE", 1)
    parts = []
    by_kernel = kernels._by_kernel
    monkeypatch.setattr(kernels, "_by_kernel", lambda *a: parts.append(len(a[2])) or by_kernel(*a))
    compiled = kernels.sums(*given)
    assert len(parts) == 7 and sum(parts) == n
    for name, values in want.items():
        np.testing.assert_array_equal(interpreted[name], compiled[name], err_msg=name)
        np.testing.assert_allclose(compiled[name], values, rtol=1e-13, err_msg=name)
    money = price * count * (1 if unit is None else unit)
    np.testing.assert_allclose(want["value"], np.bincount(cell, money, n_cells), rtol=1e-13)
    listed = np.ones(n) if first is None else first
    np.testing.assert_allclose(want["listing_value_sq"], np.bincount(cell, listed * (money if whole is None else whole)**2,
                                                                     n_cells), rtol=1e-13)


def by_hand_sums(cell, n_cells, price, count, unit, first, whole):
    """Row by row in the order of the table, in Python's floats."""
    found = {name: [0.0] * n_cells for name in COLUMNS} | {"max_listing_value": [-math.inf] * n_cells}
    for i, at in enumerate(cell.tolist()):
        u = 1.0 if unit is None else float(unit[i])
        worth, n = u * float(price[i]), float(count[i])
        value = worth * n
        listed, mine = (1.0, value) if first is None else (float(first[i]), float(whole[i]))
        found["n_listings"][at] += listed
        found["reviews"][at] += u * n
        found["value"][at] += value
        found["price_sq_reviews"][at] += worth * value
        found["rate_sq_reviews"][at] += u * u * n
        found["listing_value_sq"][at] += listed * mine * mine
        found["max_listing_value"][at] = max(found["max_listing_value"][at], mine)
    return found


@pytest.mark.parametrize("n", [0, 1, 2, 23, 24, 25, 26, 49, 700], ids=str)
@pytest.mark.parametrize("n_cells", [10, 4_097], ids=["few cells", "cells beyond the cache"])
@pytest.mark.parametrize("way", ["NumPy", "compiled"])
@pytest.mark.parametrize("given", ["counts", "whole counts", "rates", "whole rates", "repeated", "whole repeated",
                                   "rates of repeated", "whole rates of repeated"])
def test_sums_are_those_by_hand_to_the_last_bit(n, n_cells, way, given, monkeypatch):
    if way == "compiled":
        pytest.importorskip("llvmlite", reason="LLVM is not installed")
        monkeypatch.setattr(kernels, "LARGE", 0)
    monkeypatch.setattr(kernels, "BLOCK", 64)
    rng = np.random.default_rng(n)
    cell, price, count = rng.integers(0, n_cells - 1, n), rng.lognormal(4, 1, n), rng.poisson(3, n)
    unit = rng.uniform(0.01, 1, n) if "rates" in given else None
    first, whole = (rng.integers(0, 2, n).astype(float), rng.lognormal(5, 1, n)) if "repeated" in given else (None, None)
    table = cell, n_cells, price, count if "whole" in given else count.astype(float), unit, first, whole
    found, want = kernels.sums(*table), by_hand_sums(*table)  # the last cell has no row
    assert list(found) == list(COLUMNS)
    for name, values in found.items():
        assert values.tolist() == want[name], name


@pytest.mark.parametrize(("given", "taken"), [("int64", "int64"), ("int16", "int64"), ("float64", "float64")])
def test_counts_reach_the_compiled_pass_as_they_come(given, taken):
    """A column of a million whole numbers is not copied, and no fraction is cut off on the way."""
    count, seen = np.arange(4, dtype=given), []
    kernels._by_kernel(lambda *columns: seen.append(columns), 2, np.zeros(4, dtype=np.int32), np.ones(4), count, None)
    taken_as = seen[0][2]
    assert taken_as.dtype == taken and np.array_equal(taken_as, count) and np.shares_memory(taken_as, count) is (given == taken)
    assert seen[0][0].dtype == np.int64  # it reads eight bytes a cell


def test_sums_beyond_the_floats_are_infinite_both_ways(monkeypatch):
    """And no warning on the way: they are refused with the largest price when all are made."""
    pytest.importorskip("llvmlite", reason="LLVM is not installed")
    cell, price, count = np.zeros(4, dtype=np.int64), np.array([1e300, 1e200, 1.0, 1e300]), np.array([1e5, 2.0, 3.0, 1e9])
    found = []
    monkeypatch.setattr(kernels, "ROWS_A_PART", 1)
    monkeypatch.setattr(kernels, "ROWS_A_CELL", 1)
    for least in (math.inf, 0):
        monkeypatch.setattr(kernels, "LARGE", least)
        found.append(kernels.sums(cell, 2, price, count, None, None, None))
    for name, values in found[0].items():
        assert values.tolist() == found[1][name].tolist(), name
    assert found[0]["price_sq_reviews"].tolist() == [np.inf, 0] and found[0]["value"].tolist() == [np.inf, 0]


def test_cells_whose_labels_all_occur_need_not_be_looked_for():
    rng = np.random.default_rng(2)
    keys = {"a": Key(rng.integers(0, 9, 350), tuple("abcdefghij")),  # nobody is in j
            "b": Key(np.append(rng.integers(0, 50, 300), np.arange(50)), tuple(f"{i:02d}" for i in range(50)))}
    for some in (keys, {"b": keys["b"]}):
        (ours, cell), (theirs, its) = kernels.cells(some, complete=True), kernels.cells(some)
        assert repr(ours) == repr(theirs)
        np.testing.assert_array_equal(cell, its)
    empty = {"a": Key(np.empty(0, dtype=np.int64), ())}
    assert all(len(x["a"].codes) == len(cell) == 0 for x, cell in [kernels.cells(empty, complete=True)])


def test_cells_are_put_in_the_order_of_texts():
    keys = {"g": Key(np.array([0, 0, 0, 1, 1]), ("x", "y")),
            "v": Key(np.array([0, 1, 2, 1, 2]), Numbers(np.array([8, 9, 10])).as_tuple())}
    spread = np.arange(10.0)[::2]
    ours, columns = kernels.in_order(keys, {"n": spread})
    assert [*zip(ours["g"].take(), ours["v"].take(), columns["n"])] == [
        ("x", "10", 4), ("x", "8", 0), ("x", "9", 2), ("y", "10", 8), ("y", "9", 6)]
    same, columns = kernels.in_order({"g": keys["g"]}, {"n": spread})
    assert same["g"] is keys["g"] and columns["n"].flags.c_contiguous and columns["n"].tolist() == spread.tolist()


@pytest.mark.parametrize("seed", range(40))
def test_the_alarm_is_the_plain_rule_in_every_order_of_rows(seed, monkeypatch):
    """The short cut must not be seen: prices with and without a price that towers, sold or not."""
    monkeypatch.setattr(kernels, "BLOCK", 50)
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 600))
    prices, counts = rng.lognormal(3, rng.uniform(0.1, 3), n).round(2), rng.poisson(rng.uniform(0.1, 3), n)
    prices[rng.random(n) < rng.uniform(0, 1)] = 0
    prices[rng.integers(0, n, seed % 4)] = 10.0 ** rng.uniform(3, 7)
    sold = prices[counts > 0]
    limit = alarms.threshold(sold.max(initial=0))
    want = alarms.suspected(len(sold), int((sold > 0).sum()), int((sold >= limit).sum()))
    for order in (np.arange(n), np.argsort(prices), np.argsort(-prices), np.argsort(counts)):
        for count in (counts, counts.astype(float), counts > 0):
            assert bool(alarms.flags(prices[order], count[order])) == want


def test_rows_without_reviews_neither_ring_nor_silence_the_alarm():
    prices, counts = np.ones(500), np.ones(500)
    prices[10] = 1e6
    assert alarms.flags(prices, counts) == (alarms.FLAG,)
    prices[20], counts[20] = 1e9, 0  # a hundredth of it is above all that is sold
    assert alarms.flags(prices, counts) == (alarms.FLAG,)
    prices[200:], counts[200:] = 1e9, 0  # and so many that they alone would be more than one in a hundred
    assert alarms.flags(prices, counts) == (alarms.FLAG,)
    counts[10] = 0
    assert alarms.flags(prices, counts) == ()


def test_the_compiled_pass_is_made_when_the_rows_so_far_would_have_paid_for_it(monkeypatch):
    """Rows are those of all tables: many that are small pay as one that is large does."""
    asked = []
    monkeypatch.setattr(kernels, "LARGE", 10)
    monkeypatch.setattr(kernels, "_rows", 0)
    monkeypatch.setattr(kernels, "compiled", lambda *kind: asked.append(kind))
    for n in (4, 5, 1, 0, 2):
        kernels.sums(np.zeros(n, dtype=np.int64), 1, np.ones(n), np.ones(n), None, None, None)
    assert len(asked) == 3


def test_which_pass_is_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(kernels, "LARGE", 0)
    monkeypatch.setattr(kernels, "compiled", lambda *kind: asked.append(kind))
    cell, price, whole = np.zeros(3, dtype=np.int64), np.ones(3), np.arange(3)
    kernels.sums(cell, 1, price, whole, None, None, None)
    kernels.sums(cell, 1, price, whole.astype(np.uint64), price, None, None)
    kernels.sums(cell, kernels.NEAR + 1, price, price, None, price, price)
    assert asked == [(True, False, False, False), (False, True, False, False), (False, False, True, True)]


def test_without_llvm_large_tables_are_added_all_the_same(monkeypatch):
    monkeypatch.setattr(kernels, "LARGE", 1)
    cell, price, count = np.array([0, 1, 0]), np.array([2.0, 3.0, 5.0]), np.array([1.0, 2.0, 3.0])
    monkeypatch.setitem(sys.modules, "darkmarket_estimates.engines.compiled", None)  # its import fails
    kernels.compiled.cache_clear()
    try:
        found = kernels.sums(cell, 3, price, count, None, None, None)
    finally:
        kernels.compiled.cache_clear()
    assert found["value"].tolist() == [17, 6, 0] and found["max_listing_value"].tolist() == [15, 6, -np.inf]


def test_merged_puts_in_order_and_adds():
    key = Key(np.array([2, 0, 1]), ("a", "b", "c"))
    columns = {"value": np.array([3.0, 1.0, 2.0]), "max_listing_value": np.array([3.0, 1.0, 2.0])}
    assert kernels.merged({"k": key}, columns)[1]["value"].tolist() == [1, 2, 3]
    assert kernels.merged({"k": Key(np.arange(3), ("a", "b", "c"))}, columns)[1]["value"].tolist() == [3, 1, 2]
    twice = Key(np.array([1, 0, 1]), ("a", "b"))
    got = kernels.merged({"k": twice}, columns)[1]
    assert got["value"].tolist() == [1, 5] and got["max_listing_value"].tolist() == [1, 3]


@pytest.mark.parametrize("seed", range(30))
def test_the_alarm_is_the_same_from_a_histogram(seed):
    rng = np.random.default_rng(seed)
    prices = np.concatenate([np.round(rng.lognormal(0, rng.uniform(0.1, 2.5), 400), 2), np.zeros(seed)])
    prices[0] = rng.choice([prices.max() * 30, prices.max() * 100, 100 * np.quantile(prices, 0.99)])
    halves = [alarms.histogram(part) for part in (prices[:170], prices[170:])]
    added = {k: halves[0].get(k, 0) + halves[1].get(k, 0) for k in {*halves[0], *halves[1]}}
    assert alarms.flags_of_histogram(added) == alarms.flags(prices, np.ones(len(prices), dtype=bool))


def test_the_alarm_is_about_a_hundred_times_the_99th_percentile():
    """Rounded down to a class of prices at most 1/256 wide: from 100 to 100.8 times."""
    base = np.ones(1_000)
    for multiple, rings in ((99.0, False), (101.0, True)):
        prices = np.append(base, multiple)
        assert bool(alarms.flags(prices, prices > 0)) == rings == (multiple > 100 * np.quantile(prices, 0.99))
    assert alarms.flags(np.empty(0), np.empty(0, dtype=bool)) == () == alarms.flags_of_histogram({})
    assert alarms.flags(np.zeros(5), np.ones(5, dtype=bool)) == ()
    unsold = np.append(np.ones(1_000), 1e9)
    assert alarms.flags(unsold, unsold < 1e9) == () != alarms.flags(unsold, unsold > 0)


def test_labels_that_are_the_beginning_of_others_stay_sorted():
    frame = pd.DataFrame({"price": 1.0, "reviews": 1, "market": ["a", "a\x1e", "a\x1e", "a"], "seller": ["b", "b", "", "z"]})
    key = Listings(frame, **{**ROLES, "listing": None}, market="market").totals().keys["vendor"]
    assert list(key.labels) == sorted(key.labels) and len(key.labels) == 4


def test_one_price_in_a_hundred_is_no_alarm():
    assert not alarms.suspected(100, 100, 1) and alarms.suspected(101, 101, 1)
    assert not alarms.suspected(1_000, 9, 1) and alarms.suspected(1_000, 10, 1)


def test_the_largest_of_a_tie_does_not_depend_on_row_order():
    frame = pd.DataFrame({"price": 2.0, "reviews": 6, "seller": ["a", "b", "a"], "id": "x", "days": [3, 2, 2]})
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        totals = Listings(frame.iloc[order], **ROLES, days="days", duplicates="largest").totals()
        assert totals.sum("value") == 6 and totals.keys["vendor"].take().tolist() == ["a"]


def by_hand(values) -> tuple[list[str], tuple[str, ...]]:
    texts = ["(missing)" if v is None else str(v) for v in values]
    return texts, tuple(sorted(set(texts)))


@pytest.mark.parametrize("kind", ["int64", "int8", "uint16", "from 0", "up to 10^18", "far apart", "sorted text", "gaps", "text",
                                  "missing", "two chunks"])
def test_quick_ways_to_codes_are_the_slow_way(kind):
    """Text that is sorted and numbers in a narrow range are coded without a dictionary, and come out the same."""
    import pyarrow as pa

    from darkmarket_estimates.engines.source import Source

    rng = np.random.default_rng(3)
    numbers = rng.integers(-120, 120, 4_000)
    column = {
        "int64": pa.array(numbers * 3 + 2**40), "int8": pa.array(numbers.astype(np.int8)),
        "from 0": pa.array(rng.integers(0, 3_000, 4_000)), "up to 10^18": pa.array(10**18 - 5 + rng.integers(0, 10, 4_000)),
        "uint16": pa.array((numbers + 120).astype(np.uint16)), "far apart": pa.array(numbers * 10**15),
        "sorted text": pa.array(sorted(f"v{n}\u00fc" for n in numbers)), "text": pa.array([f"v{n}" for n in numbers]),
        "gaps": pa.array([None if i % 7 == 3 else f"v{i // 10:04d}" for i in range(4_000)]),
        "missing": pa.array([None if n > 100 else int(n) for n in numbers]),
        "two chunks": pa.chunked_array([sorted(f"v{n}" for n in part) for part in (numbers[:2_000], numbers[2_000:])]),
    }[kind]
    key = Source(pa.table({"x": column})).labels("x")
    texts, labels = by_hand(column.to_pylist())
    assert key.labels == labels and key.take().tolist() == texts and key.codes.dtype == np.int64


def test_sorted_text_that_bears_our_name_is_refused_too():
    import pyarrow as pa

    from darkmarket_estimates import DataError
    from darkmarket_estimates.engines.source import Source

    with pytest.raises(DataError, match="group without a label"):
        Source(pa.table({"x": ["(missing)"] * 1_500 + ["a"]})).labels("x")


def test_arrays_become_columns_without_a_frame():
    from darkmarket_estimates.engines.frames import from_arrays

    arrays = {"i": np.arange(3, dtype=np.int16), "f": [1.5, np.nan, 2], "t": ["a", None, "b"], "b": [True, False, True],
              "h": np.arange(3, dtype=np.float32), "d": np.array(["2016-01-01", "NaT", "2016-01-02"], dtype="datetime64[s]")}
    table = from_arrays(arrays)
    frame = pd.DataFrame(arrays)
    assert table.column("i").to_pylist() == [0, 1, 2] and table.column("b").to_pylist() == [True, False, True]
    assert np.array_equal(table.column("f").to_numpy(), arrays["f"], equal_nan=True)
    assert table.column("d").to_pylist()[1] is None and len(table) == len(frame)
    with pytest.raises(ValueError, match="no column"):
        from_arrays({"x": np.zeros((3, 2))})


def test_rows_of_sums_are_cache_lines():
    for n in (1, 5, 1_000):
        table = kernels._cache_lines(n)
        assert table.shape == (n, 8) and table.ctypes.data % 64 == 0 and not table.any()
