"""Every rule on every engine gives what the reference engine gives, to 1e-12, audit included."""

import datetime as dt
import decimal
import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from darkmarket_estimates import DataError, ExchangeRate, HoldingPrice, Listings
from tests.engines.tables_elsewhere import TEXT, TYPED, assert_parity, elsewhere
from tests.tables import ROLES, listing_table
from tests.test_totals import BY, assert_same

RATES = {f"2016-01-{day:02d}": 1 + day / 100 for day in range(1, 32)}
PLACES = (*TYPED, *TEXT)


def every(name: str, values, *, quick: tuple[str, ...], everywhere: tuple = ()):
    """All pairs of a place and a value; those outside `quick` places and `everywhere` values are for long runs."""
    pairs = [pytest.param(kind, value, id=f"{kind}-{value if isinstance(value, str) else '+'.join(value)}",
                          marks=() if kind in quick or value in everywhere else pytest.mark.long)
             for kind in PLACES for value in values]
    return pytest.mark.parametrize(("kind", name), pairs)



RULES = {
    "nothing": lambda t: t,
    "cap": lambda t: t.clean(HoldingPrice(cap=60)),
    "two caps": lambda t: t.clean(HoldingPrice(cap=100)).clean(HoldingPrice(cap=60)),
    "multiples": lambda t: t.clean(HoldingPrice(cap=300, upper_multiple=1.7, lower_multiple=0.6, min_observations=3)),
    "upper": lambda t: t.clean(HoldingPrice(upper_multiple=2, min_observations=6)),
    "lower": lambda t: t.clean(HoldingPrice(lower_multiple=0.4)),
    "median": lambda t: t.clean(HoldingPrice(cap=70, action="median")),
    "median of multiples": lambda t: t.clean(HoldingPrice(cap=90, upper_multiple=1.5, action="median")),
    "hopeless": lambda t: t.clean(HoldingPrice(cap=20, action="median")),
    "one rate": lambda t: t.to_currency("EUR", ExchangeRate(0.88)),
    "daily rates": lambda t: t.to_currency("EUR", RATES),
    "all": lambda t: (t.clean(HoldingPrice(cap=200)).to_currency("EUR", RATES).clean(HoldingPrice(upper_multiple=2))
                      .to_currency("GBP", ExchangeRate(0.7)).clean(HoldingPrice(cap=90, lower_multiple=0.3))),
}


def repeated_listings(n: int = 500) -> pa.Table:
    """Listings of five or six rows in several cells, counts included that are 0."""
    frame = listing_table(n)
    frame["id"] = [f"l{i % 90}" for i in range(n)]
    frame["seller"] = [f"s{i % 90 % 17}" for i in range(n)]
    frame["k"] = np.random.default_rng(3).integers(1, 5, n)
    return pa.Table.from_pandas(frame, preserve_index=False)


@every("rule", RULES, quick=("parts",), everywhere=("all",))
def test_rules(kind, rule, tmp_path):
    want = assert_parity(repeated_listings(), tmp_path, kind, RULES[rule], {"by": BY, "bands": [20, 75.5]},
                  **ROLES, market="market", date="day", duplicates="keep")
    touched = {"multiples", "upper", "lower", "median", "median of multiples", "hopeless", "all", "cap", "two caps"}
    assert (max(e.rows for e in list(want.audit)[1:]) > 0 if rule in touched else True)


@every("policy", ["error", "largest", "sum", "keep"], quick=("parts", "dask"))
def test_duplicates(kind, policy, tmp_path):
    table = repeated_listings()
    if policy == "error":
        table = table.slice(0, 90)
    for rule in ("nothing", "multiples", "median"):
        assert_parity(table, tmp_path, kind, RULES[rule], {"by": "country", "bands": [50]}, **ROLES, duplicates=policy)


@every("options", [
    {"days": "days"}, {"market": "market", "vendor_scope": "all markets"}, {"captures": "k", "occasions": 5},
    {"listing": None}, {"reviews": None, "sold": "reviews"}, {"reviews": 1}, {"currency": "money"},
    {"days": "days", "listing": None, "market": "market"}, {"window": ("2016-01-01", "2016-02-01")},
], quick=("parts",), everywhere=({"days": "days"},))
def test_roles(kind, options, tmp_path):
    table = repeated_listings()
    table = table.append_column("money", pa.array(["USD"] * len(table)))
    for rule in ("cap", "one rate"):
        assert_parity(table, tmp_path, kind, RULES[rule], {"by": ["category", "day"]},
               **{**ROLES, "duplicates": "keep", **options})


@pytest.mark.parametrize("kind", TYPED)
def test_kinds_of_columns(kind, tmp_path):
    n = 240
    rng = np.random.default_rng(1)
    table = pa.table({
        "id": pa.array(rng.integers(0, 50, n) + 2**62), "price": pa.array(
            [decimal.Decimal(int(v)) / 100 for v in rng.integers(1, 99_999, n)], pa.decimal128(12, 2)),
        "reviews": pa.array(rng.integers(0, 2**40, n).astype(np.uint64)),
        "seller": pa.array([[2014.0, 1.5, -0.0, 0.0, 3e20][i % 5] for i in range(n)]),
        "market": pa.array(["a", "a\x1eb", "ü", "u\u0308", "日本", "a\x20"][i % 6] for i in range(n)),
        "level": pa.array([[decimal.Decimal("1.10"), decimal.Decimal("2"), None][i % 3] for i in range(n)],
                          pa.decimal128(38, 2)),
        "zone": pa.array(pd.to_datetime(["2016-01-01T23:30Z", "2016-01-02T00:30Z", None] * 80).tz_convert(
            "America/New_York"), pa.timestamp("us", "America/New_York")),
        "sort": pa.array(["x", None, "y\x00z", ""] * 60).dictionary_encode(),
        "year": pa.array([2014.0, np.nan, None, 2015.0] * 60), "flag": pa.array([True, False, None] * 80),
        "on": pa.array([dt.date(2016, 1, 1), dt.date(2016, 1, 3), dt.date(2016, 1, 2)] * 80),
        "big": pa.array([decimal.Decimal(10**30 + i % 4) for i in range(n)], pa.decimal128(38, 0)),
    })
    roles = {**ROLES, "market": "market", "duplicates": "keep"}
    groups = ["level", "sort", "year", "flag", "on", "big"] + ([] if kind == "dask" else ["zone"])
    want = assert_parity(table, tmp_path, kind, RULES["multiples"], {"by": groups}, **roles)
    assert set(want.keys["year"].labels) == {"(missing)", "2014", "2015"} and len(want.keys["big"].labels) == 4
    table = table.set_column(table.column_names.index("zone"), "zone", table.column("zone").fill_null(
        pa.scalar(pd.Timestamp("2016-01-03", tz="UTC"), table.column("zone").type)))
    rates = {"2016-01-01": 1.0, "2016-01-02": 2.0, "2016-01-03": 4.0}
    assert_parity(table, tmp_path, kind, lambda t: t.to_currency("EUR", rates), {}, **roles, date="zone")


cells = st.fixed_dictionaries({
    "price": st.sampled_from([0.0, 1.0, 2.5, 1e6]) | st.floats(0, 1e6), "reviews": st.integers(0, 10**6),
    "seller": st.text(min_size=1, max_size=3), "id": st.sampled_from(["", "a", "b", "c", "\x1f0", "'; --", '"']),
    "group": st.none() | st.text(max_size=4).filter(lambda s: s != "(missing)"),
})


@pytest.mark.parametrize("kind", ["parts", pytest.param("relation", marks=pytest.mark.long),
                                  pytest.param("lazyframe", marks=pytest.mark.long)])
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(cells, min_size=1, max_size=12))
def test_any_table(kind, rows, tmp_path):
    table = pa.Table.from_pylist(rows, schema=pa.schema([
        ("price", pa.float64()), ("reviews", pa.int64()), ("seller", pa.string()), ("group", pa.string()),
        ("id", pa.string())]))
    rule = HoldingPrice(cap=1e5, upper_multiple=2, lower_multiple=0.5, action="median")
    assert_parity(table, tmp_path, kind, lambda t: t.clean(rule), {"by": "group", "bands": [2.5]}, **ROLES, duplicates="keep")


def test_names_are_never_code(tmp_path):
    frame = listing_table(60)
    evil = {"price": 'p"; DROP TABLE given; --', "seller": "h", "id": 'the "row', "category": "'); SELECT 1 --"}
    table = pa.Table.from_pandas(frame.rename(columns=evil), preserve_index=False)
    roles = {"price": evil["price"], "reviews": "reviews", "vendor": "h", "listing": evil["id"], "currency": "USD"}
    for kind in ("parquet", "relation", "csv"):
        assert_parity(table, tmp_path, kind, RULES["multiples"], {"by": evil["category"]}, **roles, duplicates="keep")


def test_a_price_on_the_cap_counts_for_the_median(tmp_path):
    """Where the cap is the highest price, it alone makes the listing one that the rule can touch."""
    table = pa.table({"id": ["x"] * 4, "price": [10.0, 10.0, 10.0, 40.0], "reviews": [1] * 4, "seller": ["a"] * 4})
    for action in ("drop", "median"):
        rule = HoldingPrice(cap=40, upper_multiple=3, action=action)
        want = assert_parity(table, tmp_path, "parquet", lambda t, rule=rule: t.clean(rule), {}, **ROLES, duplicates="keep")
        assert want.sum("value") == (30 if action == "drop" else 40)


@pytest.mark.parametrize("kind", ["parquet", "relation", "csv", "lazyframe"])
def test_a_date_that_is_none_is_refused_on_rows_that_a_rule_drops_too(kind, tmp_path):
    table = pa.table({"price": [5.0, 90.0, 7.0], "reviews": [1] * 3, "seller": ["a", "b", "c"], "id": ["x", "y", "z"],
                      "day": ["2016-01-01", "31/01/2016", "2016-01-02"]})
    frame, options = elsewhere(table, tmp_path, kind)
    for source, more in ((table, {}), (frame, options)):
        listings = Listings(source, **ROLES, date="day", **more).clean(HoldingPrice(cap=50))
        assert listings.totals().sum("value") == 12  # nobody asks for days
        with pytest.raises(DataError, match="not a date") as caught:
            listings.to_currency("EUR", ExchangeRate(0.9)).to_currency("GBP", RATES).totals()
        assert "31/01/2016" in caught.value.got and "'day'" in caught.value.where


@pytest.mark.parametrize("kind", ["parquet", "relation"])
@pytest.mark.parametrize("column", [pa.array([1, 1, 2, 2], pa.date32()), pa.array([decimal.Decimal("1.5")] * 4),
                                    pa.array([True, True, False, False])], ids=["days", "decimals", "truth values"])
def test_labels_of_any_kind_where_every_listing_is_brought_into_memory(kind, column, tmp_path):
    """No row is left for the grouped scan, whose answer has the columns and no label."""
    table = pa.table({"price": [5.0] * 4, "reviews": [1] * 4, "seller": column, "id": ["x", "x", "y", "y"], "group": column})
    assert_parity(table, tmp_path, kind, lambda t: t, {"by": "group"}, **ROLES, duplicates="sum")
    rule = HoldingPrice(cap=1)
    got = assert_parity(table, tmp_path, kind, lambda t: t.clean(rule), {"by": "group"}, **ROLES, duplicates="keep")
    assert got.n_cells == 0


def test_nan_and_null_are_one_group_within_a_listing(tmp_path):
    table = pa.table({"id": ["x"] * 3, "price": [1.0, 2.0, 4.0], "reviews": [1] * 3, "seller": ["a"] * 3,
                      "year": pa.array([np.nan, None, 2014.0])})
    want = assert_parity(table, tmp_path, "parquet", lambda t: t, {"by": "year"}, **ROLES, duplicates="keep")
    assert want.sum("n_listings") == 2 and want.sum("listing_value_sq") == 9 + 16


def test_many_touched_rows_come_in_parts(tmp_path, monkeypatch):
    from darkmarket_estimates.engines import lazy

    monkeypatch.setattr(lazy, "CHUNK", 20)
    for kind in ("parquet", "relation"):
        assert_parity(repeated_listings(), tmp_path, kind, RULES["all"], {"by": BY}, **ROLES, date="day", duplicates="keep")


def test_sums_of_parts_are_few_and_merge_with_their_like():
    """A hundred parts of a million vendors each would not fit into memory side by side."""
    from darkmarket_estimates.engines.lazy import _push

    sums, held = [], []
    for i in range(1, 101):
        _push(sums, 1, f"{i} ")  # texts show the order
        held.append(len(sums))
        assert sum(parts for parts, _ in sums) == i and all(a > b for (a, _), (b, _) in itertools.pairwise(sums))
    assert max(held) == 6 and "".join(text for _, text in sums) == "".join(f"{i} " for i in range(1, 101))


def test_small_files_and_the_same_files_left_where_they_are(tmp_path):
    for kind in ("parquet", "csv"):
        frame, _ = elsewhere(repeated_listings(), tmp_path, kind)
        small, whole, lazy = (Listings(frame, **ROLES, duplicates="keep", engine=e) for e in ("auto", "memory", "lazy"))
        assert type(small._table) is type(whole._table) is not type(lazy._table)
        assert_same(whole.totals(by=BY), lazy.totals(by=BY))


@pytest.mark.parametrize("kind", ["parts", "relation", "dask"])
@pytest.mark.parametrize("prices", [[1.0] * 150 + [5_000.0], [1.0] * 98 + [5_000.0], [0.0] * 150 + [5.0], [1.0, 90.0]])
def test_the_alarm(kind, prices, tmp_path):
    n = len(prices)
    table = pa.table({"id": [f"l{i}" for i in range(n)], "price": prices, "reviews": [1] * n,
                      "seller": [f"s{i % 2}" for i in range(n)]})
    want = assert_parity(table, tmp_path, kind, lambda t: t, {}, **ROLES)
    assert bool(want.header.flags) == (prices[0] == 1 and n == 151)


@pytest.mark.parametrize("kind", ["parts", "dask", *(pytest.param(k, marks=pytest.mark.long) for k in PLACES
                                                     if k not in ("parts", "dask", "sqlite"))])
def test_real_sales(kind, real_data, tmp_path):
    import pyarrow.parquet as pq

    table = pq.read_table(real_data / "alphabay2017" / "listings.parquet")
    roles = {"price": "price_usd", "sold": "n_sold", "days": "days_listed", "vendor": "vendor_id",
             "listing": "listing_id", "currency": "USD"}
    want = assert_parity(table, tmp_path, kind, lambda t: t, {}, **roles, duplicates="keep")
    assert round(want.sum("value")) == 982_447
    want = assert_parity(table, tmp_path, kind, lambda t: t.clean(HoldingPrice(cap=9_998.99)), {"bands": [10, 100, 1000]},
                  **roles, duplicates="largest")
    assert list(want.audit)[-1].rows > 0


@pytest.mark.parametrize("kind", ["parts", "dask", *(pytest.param(k, marks=pytest.mark.long) for k in PLACES
                                                     if k not in ("parts", "dask", "sqlite"))])
def test_real_reviews(kind, real_data, tmp_path):
    import pyarrow.parquet as pq

    table = pq.read_table(real_data / "agora2014" / "reviews.parquet")
    roles = {"price": "price_usd_at_first_seen", "reviews": 1, "vendor": "vendor_id", "listing": "listing_id",
             "currency": "USD"}
    want = assert_parity(table, tmp_path, kind, lambda t: t.clean(HoldingPrice(cap=10_000)), {"by": "category"}, **roles)
    assert round(want.sum("value") / 1e6, 2) == 2.58
    rule = HoldingPrice(cap=10_000, upper_multiple=3, lower_multiple=0.3, min_observations=3, action="median")
    want = assert_parity(table, tmp_path, kind, lambda t: t.clean(rule), {"by": "category", "bands": [100]}, **roles)
    assert list(want.audit)[1].rows > 0
