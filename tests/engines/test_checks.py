"""What a table in memory is refused for, in quick passes over its columns; and that its arrays are read where they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from darkmarket_estimates import DataError, HoldingPrice, Listings
from darkmarket_estimates.engines import kernels
from darkmarket_estimates.engines.source import Source

ROLES = {"price": "price", "reviews": "reviews", "vendor": "seller", "currency": "USD"}
N = 2 * kernels.BLOCK + 100  # three blocks


def columns(n: int = N) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(6)
    return {"seller": rng.integers(0, 1_100, n), "price": rng.lognormal(4, 1, n), "reviews": rng.poisson(3, n).astype(float),
            "days": rng.uniform(1, 90, n), "k": rng.integers(1, 4, n).astype(float)}


OPTIONS = {"price": {}, "reviews": {}, "days": {"days": "days"}, "k": {"captures": "k", "occasions": 3}}
BAD = [(role, value) for role, values in {
    "price": (np.nan, np.inf, -np.inf, -1e-300), "reviews": (np.nan, np.inf, -1.0, 0.5, 2.000_000_1),
    "days": (np.nan, np.inf, 0.0, -1.0), "k": (np.nan, np.inf, 0.0, 4.0, 1.5)}.items() for value in values]


@pytest.mark.parametrize(("role", "value"), BAD, ids=lambda x: str(x))
@pytest.mark.parametrize("at", [0, kernels.BLOCK, N - 1])
def test_one_value_that_cannot_be_used_is_found_wherever_it_stands(role: str, value: float, at: int) -> None:
    table = columns()
    table[role][at] = value
    shown = "missing" if np.isnan(value) else repr(value)
    with pytest.raises(DataError) as caught:
        Listings(table, **ROLES, **OPTIONS[role])
    assert "in 1 of" in caught.value.what and caught.value.got == shown and f"row {at} " in str(caught.value.where)
    table[role][1:3] = value
    with pytest.raises(DataError, match=f"in {len({at, 1, 2})} of"):
        Listings(table, **ROLES, **OPTIONS[role])


@pytest.mark.parametrize(("role", "value"), [("price", 0.0), ("price", 5e-324), ("price", 1e150), ("reviews", 0.0),
                                             ("reviews", 2.0**60), ("days", 5e-300), ("k", 1.0), ("k", 3.0)], ids=str)
def test_values_at_the_ends_can_be_used(role: str, value: float) -> None:
    table = {name: values[:50] for name, values in columns().items()}
    table[role][3] = value
    assert len(Listings(table, **ROLES, **OPTIONS[role])) == 50


def test_money_beyond_the_floats_is_refused() -> None:
    table = {name: values[:50] for name, values in columns().items()}
    table["price"][7], table["reviews"][7] = 1e300, 1e10
    with pytest.raises(DataError, match=r"price x reviews[\s\S]*row 7[\s\S]*1e\+300"):
        Listings(table, **ROLES)
    table["reviews"][7], table["days"][7] = 1.0, 1e-9  # a day's money is a billion times that
    with pytest.raises(DataError, match=r"price x reviews[\s\S]*row 7[\s\S]*1e\+300"):
        Listings(table, **ROLES, days="days")
    table["price"][:] = 1e307
    with pytest.raises(DataError, match="money of all rows is too large"):
        Listings(table, **ROLES)


# -- counts ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["int8", "int16", "int32", "int64", "uint8", "uint64", "Int64", "float32", "object"])
@pytest.mark.parametrize("options", [{}, {"days": "days"}, {"listing": "id", "duplicates": "largest"},
                                     {"listing": "id", "duplicates": "sum"}], ids=["plain", "days", "largest", "sum"])
def test_counts_of_every_kind_are_the_counts(kind: str, options: dict[str, str]) -> None:
    """Bit for bit those of counts as floats, with a cap that drops rows and one that does not."""
    frame = pd.DataFrame(columns(3_000)).assign(id=np.arange(3_000) // 2)
    frame["seller"], frame["days"] = frame.seller.to_numpy()[frame.id], frame.days.to_numpy()[frame.id]
    same = frame.assign(reviews=frame.reviews.astype(kind))
    if kind == "object":
        same["reviews"] = [int(x) for x in frame.reviews]
    for rule in (HoldingPrice(cap=10**9), HoldingPrice(cap=100)):
        want, found = (Listings(x, **ROLES, **options).clean(rule) for x in (frame, same))
        assert found.audit == want.audit and repr(found) == repr(want)
        assert found.to_frame().equals(want.to_frame())
        for name, values in want.totals().columns.items():
            np.testing.assert_array_equal(found.totals().columns[name], values, err_msg=name)


def test_counts_stay_whole_numbers_where_no_sum_of_them_is_rounded() -> None:
    def kept(values: list[int], kind: str = "int64") -> np.dtype:
        return Source(pa.table({"n": np.array(values, dtype=kind)})).counts("n", "reviews").dtype

    assert kept([3, 4]) == np.int64 and kept([3, 4], "int16") == np.int16
    assert kept([3, 2**52 - 1]) == np.int64 and kept([3, 2**52]) == np.float64  # two of them are 2^53
    assert kept([3, 4], "uint8") == kept([3, 4], "float32") == np.float64  # minus an unsigned number is none
    assert Source(pa.table({"n": pa.array([1, None])})).counts("n", "reviews").dtype == np.float64
    assert Source(pa.table({"n": pa.array([], pa.int64())})).counts("n", "reviews").dtype == np.float64


def test_huge_counts_add_up_as_floats() -> None:
    table = {"seller": [1, 1, 2], "price": [1.0, 1.0, 1.0], "reviews": np.array([2**62, 2**62, 2**62])}
    totals = Listings(table, **ROLES).totals()
    assert totals.sum("reviews") == 3 * 2.0**62 and totals.audit.entries[0].count == 3 * 2.0**62


# -- arrays of the caller ---------------------------------------------------------------------------------------------------


def test_numbers_that_can_be_used_as_they_are_are_not_copied() -> None:
    table = {**columns(), "reviews": np.arange(N) % 5}
    opened = Listings(table, **ROLES)._table
    assert np.shares_memory(opened.price, table["price"]) and np.shares_memory(opened.count, table["reviews"])
    assert np.shares_memory(opened.vendor_as_read.codes, table["seller"])
    assert opened.vendor.labels == tuple(sorted(opened.vendor.labels)) != opened.vendor_as_read.labels


@pytest.mark.parametrize("value", [-1, 1_100, 2**61])
@pytest.mark.parametrize("way", ["NumPy", "compiled", "by goods"])
def test_vendors_that_were_changed_after_the_check_are_refused(value: int, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "compiled":
        pytest.importorskip("llvmlite", reason="LLVM is not installed")
    monkeypatch.setattr(kernels, "LARGE", 1 if way == "compiled" else np.inf)
    table = {**columns(), "goods": np.arange(N) % 3}
    listings = Listings(table, **ROLES)
    table["seller"][5] = value
    with pytest.raises(DataError, match=r"has changed since it was checked[\s\S]*column of the vendor"):
        listings.totals(by="goods" if way == "by goods" else None)


def test_other_labels_are_a_copy_of_the_callers_array() -> None:
    """Numbers of one length are in the order of their texts as they stand, and from 0 on without gaps their own codes."""
    for numbers in (np.arange(3_000) % 10, np.arange(3_000)):
        source = Source(pa.table({"x": pa.array(numbers)}))
        assert np.shares_memory(source.codes("x").codes, numbers)
        assert not np.shares_memory(source.labels("x").codes, numbers)


@pytest.mark.parametrize("days", [False, True], ids=["counts", "rates"])
def test_rules_after_a_rule_that_dropped_rows(days: bool) -> None:
    """What is left is a table like any other: its rows taken out by hand give the same."""
    frame = pd.DataFrame(columns(3_000)).assign(id=np.arange(3_000) // 6)
    roles = {**ROLES, "listing": "id", "duplicates": "keep", **({"days": "days"} if days else {})}
    rule = HoldingPrice(upper_multiple=2, min_observations=2, action="median")
    found = Listings(frame, **roles).clean(HoldingPrice(cap=150)).clean(rule)
    want = Listings(frame[frame.price <= 150], **roles).clean(rule)
    assert found.audit.entries[-1] == want.audit.entries[-1] and len(found) == len(want) < 3_000
    for name, values in want.totals().columns.items():
        np.testing.assert_array_equal(found.totals().columns[name], values, err_msg=name)


def test_a_cap_above_every_price_has_its_line_in_the_audit() -> None:
    listings = Listings(columns(), **ROLES)
    top = float(columns()["price"].max())
    for cap in (top, 2 * top):
        cleaned = listings.clean(HoldingPrice(cap=cap))
        line = cleaned.audit.entries[-1]
        assert (line.rows, line.count, line.value, line.value_after) == (0, 0, 0, 0) and len(cleaned) == N
        for name, values in listings.totals().columns.items():
            np.testing.assert_array_equal(cleaned.totals().columns[name], values, err_msg=name)
    below = listings.clean(HoldingPrice(cap=np.nextafter(top, 0)))
    assert below.audit.entries[-1].rows == 1 and len(below) == N - 1
