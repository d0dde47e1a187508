"""The statements of the push-down, piece by piece: checks by type, listings by hash, texts and numbers as literals."""

from decimal import Decimal

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from darkmarket_estimates import DataError, ExchangeRate, HoldingPrice, Listings
from darkmarket_estimates.engines.medians import grouped_median
from tests.engines.tables_elsewhere import assert_alike, assert_parity, elsewhere
from tests.engines.test_parity import repeated_listings
from tests.tables import ROLES

KEPT = {**ROLES, "duplicates": "keep"}


# -- rows that are fine, by type -------------------------------------------------------------------------------------

@pytest.mark.parametrize(("kind", "bad"), [
    *((kind, None) for kind in ("int8", "int32", "int64", "uint64", "float32", "float64", "decimal128(9, 2)")),
    *((kind, -1) for kind in ("int8", "int32", "int64", "float32", "float64", "decimal128(9, 2)")),
    *((kind, 0.5) for kind in ("float32", "float64", "decimal128(9, 2)"))])
def test_bad_counts_of_every_type(kind, bad, tmp_path):
    """Whole types are not asked for fractions; what they can hold is still refused."""
    kinds = pa.decimal128(9, 2) if kind.startswith("decimal") else pa.type_for_alias(kind)
    values = [Decimal(str(v)) if kind.startswith("decimal") and v is not None else v for v in (1, bad, 3)]
    table = pa.table({"id": ["a", "b", "c"], "price": [1.0, 2.0, 3.0], "reviews": pa.array(values, kinds),
                      "seller": ["x", "y", "z"]})
    frame, options = elsewhere(table, tmp_path, "parquet")
    with pytest.raises(DataError) as want:
        Listings(table, **ROLES).totals()
    with pytest.raises(DataError) as got:
        Listings(frame, **{**ROLES, **options}).totals()
    assert str(got.value) == str(want.value)
    assert_parity(table.slice(2), tmp_path, "parquet", lambda t: t, {}, **ROLES)


def test_money_a_day_beyond_floats_is_told_of_its_row(tmp_path):
    table = pa.table({"id": ["a", "b"], "price": [1.0, 1e300], "reviews": [1, 1], "seller": ["x", "y"], "days": [1.0, 1e-10]})
    frame, options = elsewhere(table, tmp_path, "parquet")
    with pytest.raises(DataError, match="price x reviews cannot be used") as want:
        Listings(table, **ROLES, days="days").totals()
    with pytest.raises(DataError) as got:
        Listings(frame, **{**ROLES, **options}, days="days").totals()
    assert str(got.value) == str(want.value)


# -- listings by hash ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("scope", ["market", "all markets"])
@pytest.mark.parametrize("ids", ["text", "number", "fraction", "day"])
def test_listings_of_a_cell_are_told_apart(ids, scope, tmp_path):
    """Equal ids in other markets, of other vendors and in other groups are others; -0.0 is 0.0."""
    n = 400
    code = np.arange(n) % 37
    labels = {"text": [f"listing {c}" for c in code], "number": code + 2**60, "fraction": np.where(code, code / 8, -0.0),
              "day": pd.Timestamp("2016-01-01") + pd.to_timedelta(code, "D")}[ids]
    if ids == "fraction":
        labels[::2] += 0.0
    table = pa.table({"id": labels, "price": 1 + np.arange(n) % 11.0, "reviews": np.arange(n) % 4,
                      "seller": [f"s{i % 5}" for i in range(n)], "group": [f"g{i % 2}" for i in range(n)],
                      "market": [None if i % 3 == 0 else "ab"[i % 2] for i in range(n)]})
    for rule in (HoldingPrice(cap=9), HoldingPrice(cap=10, upper_multiple=1.6)):
        want = assert_parity(table, tmp_path, "parquet", lambda t, rule=rule: t.clean(rule), {"by": "group", "bands": [5]},
                             **KEPT, market="market", vendor_scope=scope)
        assert want.sum("n_listings") > 300


def test_hashes_of_ids_that_look_alike_differ():
    """Ids count up, are padded or cut: a million of each has a million hashes (chance alone: 3e-8 a kind)."""
    kinds = ["i", "i::VARCHAR", "'listing-' || i", "lpad(i::VARCHAR, 12, '0')", "left(md5(i::VARCHAR), 12)",
             "(i % 1000) || '_' || (i // 1000)", "reverse(i::VARCHAR) || 'abc'", "'http://m.onion/l?id=' || i"]
    for kind in kinds:
        found = duckdb.sql(f"SELECT count(DISTINCT hash('A', {kind})) FROM range(1000000) t(i)").fetchall()
        assert found == [(1_000_000,)], kind


# -- medians ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("seed", range(5))
def test_medians_of_groups_are_those_of_numpy(seed):
    """Odd and even numbers of rows, ties, groups without a row in use and rows that are not in use."""
    rng = np.random.default_rng(seed)
    values, group, use = rng.integers(0, 9, 300) / 4, rng.integers(0, 90, 300), rng.random(300) < 0.7
    median, count = grouped_median(values, group, use, 100)
    rows = [values[use & (group == g)] for g in range(100)]
    assert count.tolist() == [len(mine) for mine in rows] and {0, 1, 2, 3, 4} <= set(count.tolist())
    np.testing.assert_array_equal(median, [np.median(mine) if len(mine) else np.nan for mine in rows])


@pytest.mark.parametrize("value", [5e-324, 1.5e-323, 0.1, 1.7e308])
def test_the_median_of_equal_prices_is_that_price(value):
    """Half of the least number is 0, and twice the highest infinite."""
    median, _ = grouped_median(np.full(4, value), np.zeros(4, dtype=np.int64), np.ones(4, dtype=bool), 1)
    assert median.tolist() == [value]


@pytest.mark.parametrize("name", ["it's", "'); SELECT 1 --", "''"])
def test_texts_in_statements_are_never_code(name, tmp_path):
    """The path of a file and the currency are the texts of others that a statement holds."""
    table = repeated_listings(90).append_column("money", pa.array([name] * 90))
    (folder := tmp_path / f"of {name}").mkdir()
    want = assert_parity(table, folder, "parquet", lambda t: t, {}, **{**ROLES, "currency": "money"})
    assert want.header.currency == name
    table = table.set_column(table.num_columns - 1, "money", pa.array([name] * 89 + ["USD"]))
    frame, options = elsewhere(table, folder, "parquet")
    with pytest.raises(DataError, match="more than one currency"):
        Listings(frame, **{**ROLES, "currency": "money", **options}).totals()


def test_numbers_of_rules_are_written_bit_for_bit(tmp_path):
    """Caps, rates, edges and multiples of many digits: at six digits each of these would take in another price."""
    prices = [1234567.25, np.nextafter(1234567.25, 2e6), 1234567.0, np.nextafter(1234567.0, 0), 10.0]
    table = pa.table({"price": prices * 3, "reviews": [1] * 15, "seller": ["a", "b", "c"] * 5, "id": ["x"] * 15,
                      "day": [pd.Timestamp("2016-01-03")] * 15})
    rate, daily = 1 / 0.8123456789, {"2016-01-03": 1 / 3}
    for question in (lambda t: t.clean(HoldingPrice(cap=1234567.25)), lambda t: t.to_currency("EUR", ExchangeRate(rate)),
                     lambda t: t.to_currency("EUR", daily), lambda t: t.clean(HoldingPrice(upper_multiple=1.0000002))):
        assert_parity(table, tmp_path, "parquet", question, {"bands": [1234567.0]}, **KEPT, date="day")
    kept = Listings(elsewhere(table, tmp_path, "parquet")[0], **KEPT, engine="lazy").clean(HoldingPrice(cap=1234567.25))
    assert kept.totals().sum("reviews") == 12


@pytest.mark.parametrize(("text", "day"), [
    ("2016-01-02T10:05:00+10:00", 2), ("2016-01-02T09:55:00+10:00", 1), ("2016-01-02T13:50-1000", 2),
    ("2016-01-02T14:05-10:00", 3), ("2016-01-02T05:31+05:30", 2), ("2016-01-02T05:29+05:30", 1)])
def test_zones_in_text_shift_by_hours_and_minutes(text, day, tmp_path):
    rates = {f"2016-01-{d:02d}": float(d) for d in range(1, 5)}
    table = pa.table({"price": [1.0], "reviews": [1], "seller": ["a"], "id": ["x"], "day": [text]})
    for kind in ("parquet", "csv"):
        want = assert_parity(table, tmp_path, kind, lambda t: t.to_currency("EUR", rates), {}, **ROLES, date="day")
        assert want.sum("value") == day


@pytest.mark.parametrize("text", [" 5 ", "\t5", "5\u00a0", "+5", "5.", "5e0", ".5e1"], ids=ascii)
def test_numbers_in_text_may_have_room_around_them(text, tmp_path):
    table = pa.table({"price": [text, "1.5"], "reviews": ["1", "2"], "seller": ["a", "b"], "id": ["x", "y"]})
    frame = elsewhere(table, tmp_path, "csv")[0]
    want, got = (Listings(frame, **ROLES, engine=engine).totals() for engine in ("memory", "lazy"))
    assert_alike(want, got)
    assert want.sum("value") == 8
