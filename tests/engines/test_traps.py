"""What engines get wrong in silence: each test shows the naive way failing, and ours not."""

import datetime as dt
import decimal

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from darkmarket_estimates import DataError, HoldingPrice, Listings
from tests.tables import ROLES


def listings(frame, **options) -> Listings:
    return Listings(frame, **{**ROLES, "listing": None, **options})


def relation(frame: pd.DataFrame) -> duckdb.DuckDBPyRelation:
    connection = duckdb.connect()
    connection.register("given", frame)
    return connection.sql("SELECT * FROM given")


def test_sums_of_integers_come_back_as_decimals():
    frame = pd.DataFrame({"price": [2, 3], "reviews": [2**61, 2**62], "seller": ["a", "a"]})
    naive = relation(frame).query("v", "SELECT sum(reviews) FROM v").to_arrow_table().column(0)
    assert isinstance(naive[0].as_py(), decimal.Decimal)
    for table in (frame, relation(frame)):
        totals = listings(table).totals()
        assert {values.dtype for values in totals.columns.values()} == {np.dtype(float)}
        assert totals.sum("value") == 2.0**62 + 3 * 2.0**62


def test_casts_to_integers_round():
    frame = pd.DataFrame({"price": [1.0], "reviews": [2.5], "seller": ["a"]})
    assert relation(frame).query("v", "SELECT CAST(reviews AS INTEGER) FROM v").fetchall() == [(2,)]
    with pytest.raises(DataError, match="reviews cannot be used"):
        listings(relation(frame)).totals()


def test_a_relation_cannot_be_joined_with_a_table_of_ours():
    ours = duckdb.connect()
    ours.register("touched", pd.DataFrame({"h": [1]}))
    frame = pd.DataFrame({"price": [1.0, 1.0, 9.0], "reviews": 1, "seller": "a", "id": "x"})
    with pytest.raises(duckdb.Error):
        relation(frame).join(ours.sql("SELECT * FROM touched"), "price = h").fetchall()
    table = listings(relation(frame), listing="id", duplicates="keep").clean(HoldingPrice(upper_multiple=2))
    assert table.totals().sum("value") == 2


def test_the_day_of_an_instant_depends_on_the_session():
    frame = pd.DataFrame({"price": [1.0], "reviews": [1], "seller": ["a"], "on": pd.to_datetime(["2016-01-02T00:30Z"])})
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'America/New_York'")
    connection.register("given", frame)
    theirs = connection.sql("SELECT * FROM given")
    assert theirs.query("v", 'SELECT CAST("on" AS DATE) FROM v').fetchall() == [(dt.date(2016, 1, 1),)]
    for table in (frame, theirs):
        euro = listings(table, date="on").to_currency("EUR", {"2016-01-01": 5.0, "2016-01-02": 2.0})
        totals = euro.totals(by="on")
        assert totals.sum("value") == 2 and totals.keys["on"].labels == ("2016-01-02T00:30:00+00:00",)


def test_duckdb_reads_more_texts_as_numbers_than_people_do(tmp_path):
    (tmp_path / "t.csv").write_text("price,reviews,seller\n1_000,1,a\n")
    assert duckdb.sql("SELECT TRY_CAST('1_000' AS DOUBLE)").fetchall() == [(1000.0,)]
    for engine in ("memory", "lazy"):
        with pytest.raises(DataError, match="1_000"):
            listings(tmp_path / "t.csv", engine=engine).totals()


def test_duckdb_reads_more_texts_as_days_than_people_do():
    frame = pd.DataFrame({"price": [1.0], "reviews": [1], "seller": ["a"], "on": ["2016/1/2"]})
    assert duckdb.sql("SELECT TRY_CAST('2016/1/2' AS DATE)").fetchall() == [(dt.date(2016, 1, 2),)]
    for table in (frame, relation(frame)):
        with pytest.raises(DataError, match="date is not a date"):
            listings(table, date="on").to_currency("EUR", {"2016-01-02": 1.0}).totals()


@pytest.mark.parametrize("text,day", [
    ("2016-01-02", "2016-01-02"), ("2016-01-02 23:59", "2016-01-02"), ("2016-01-02T00:30:00+01:00", "2016-01-01"),
    ("2016-01-02T00:30:00.25+0030", "2016-01-02"), ("2016-01-01T23:30-02:00", "2016-01-02"),
    ("2016-01-02T00:30:00.123456789Z", "2016-01-02"), ("2016-01-02xyz", None), ("2016-01-02T24:00", None),
    ("2016-01-02T10:00 UTC", None), ("2016-02-30", None), ("2016-01-02T10:00:00+1", None)])
def test_text_with_a_zone_is_a_day_in_utc_and_text_after_a_day_is_none(text, day):
    """Ten letters of it are a day too, but not always the right one."""
    frame = pd.DataFrame({"price": [1.0, 1.0], "reviews": [1, 1], "seller": ["a", "b"], "on": [text, "2016-01-03"]})
    rates = {"2016-01-01": 100.0, "2016-01-02": 200.0, "2016-01-03": 1.0}
    for table in (frame, relation(frame)):
        euro = listings(table, date="on")
        if day is None:
            with pytest.raises(DataError, match="date is not a date"):
                euro.to_currency("EUR", rates).totals()
        else:
            assert euro.to_currency("EUR", rates).totals().sum("value") == rates[day] + 1


def test_the_median_of_groups_in_arrow_is_approximate():
    rng = np.random.default_rng(1)
    price = np.round(rng.lognormal(4, 2, 5_001), 2)
    naive = pa.table({"g": [0] * 5_001, "p": price}).group_by("g").aggregate([("p", "approximate_median")])
    assert naive.column("p_approximate_median")[0].as_py() != np.median(price)
    frame = pd.DataFrame({"price": price, "reviews": 1, "seller": "a", "id": "x"})
    limit = price[price <= 2 * np.median(price)]
    for table in (pa.Table.from_pandas(frame), relation(frame)):
        cleaned = listings(table, listing="id", duplicates="keep").clean(HoldingPrice(upper_multiple=2)).totals()
        assert cleaned.sum("value") == pytest.approx(limit.sum(), rel=1e-12)
        assert cleaned.sum("reviews") == len(limit)


def test_missing_keys_vanish_in_dask():
    dd = pytest.importorskip("dask.dataframe", reason="dask is not installed")
    frame = pd.DataFrame({"price": 1.0, "reviews": 1, "seller": ["a", "a", "b", "b"], "country": [None, "NL", None, "NL"],
                          "id": ["x", "y", "x2", "y2"]})
    theirs = dd.from_pandas(frame, npartitions=2)
    assert len(theirs.groupby("country").price.sum().compute()) == 1
    totals = listings(theirs, listing="id").totals(by="country")
    assert totals.to_frame().set_index("country").value.to_dict() == {"(missing)": 2.0, "NL": 2.0}


def test_a_listing_in_two_partitions_is_one_listing_in_dask():
    dd = pytest.importorskip("dask.dataframe", reason="dask is not installed")
    frame = pd.DataFrame({"price": [1.0, 3.0, 2.0, 2.0], "reviews": 1, "seller": "a", "id": ["x", "y", "x", "y"]})
    theirs = dd.from_pandas(frame, npartitions=2)
    parts = [listings(theirs.partitions[i].compute(), listing="id").totals() for i in range(2)]
    assert (parts[0] + parts[1]).sum("n_listings") == 4  # the naive way, without a shuffle
    totals = listings(theirs, listing="id", duplicates="keep").totals()
    assert totals.sum("n_listings") == 2 and totals.sum("listing_value_sq") == 9 + 25
    with pytest.raises(DataError, match="more than one row"):
        listings(theirs, listing="id").totals()


def test_adding_parts_after_a_conversion():
    """The line of a conversion once held the money of its part, so that no two parts could be added."""
    from darkmarket_estimates import ExchangeRate

    frame = pd.DataFrame({"price": [1.0, 3.0], "reviews": 1, "seller": "a", "id": ["x", "y"]})
    a, b = (listings(frame[i:i + 1], listing="id", duplicates="largest").to_currency("EUR", ExchangeRate(2.0)).totals()
            for i in range(2))
    assert (a + b).sum("value") == 8 and list((a + b).audit)[-1].value_after == 8


NUMBERS = {"price": "price", "reviews": "reviews", "days": "days", "captures": "captures",
           "the vendor": "seller", "the listing": "id"}


@pytest.mark.parametrize("place", ["file", "relation"])
@pytest.mark.parametrize("role", NUMBERS)
def test_the_bounds_of_a_parquet_file_leave_nan_out(role, place, tmp_path):
    """DuckDB concludes from them that a condition holds for every row, and does not ask the rows."""
    columns = {"price": [1.0, 2.0, 3.0], "reviews": [1.0, 2.0, 3.0], "days": [1.0, 2.0, 3.0], "captures": [1.0, 2.0, 3.0],
               "seller": [1.5, 2.5, 3.5], "id": [1.5, 2.5, 3.5]}
    column = NUMBERS[role]
    columns[column][2] = np.nan
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table(columns), path)
    source = f"FROM '{path}'"
    assert duckdb.sql(f"SELECT sum(CAST(isnan({column}) AS INTEGER)) {source}").fetchall() == [(0,)]
    roles = {"listing": "id", "days": "days", "captures": "captures", "occasions": 3, "duplicates": "keep"}
    with pytest.raises(DataError) as ours:
        listings(pd.DataFrame(columns), **roles).totals()
    frame, options = (path, {"engine": "lazy"}) if place == "file" else (duckdb.sql(source), {})
    with pytest.raises(DataError) as theirs:
        listings(frame, **roles, **options).totals()
    assert (theirs.value.what, theirs.value.got) == (ours.value.what, ours.value.got)
    assert column in str(theirs.value.where)


@pytest.mark.parametrize("name", ["h", "H", "listing", "n", "market"])
def test_a_column_may_have_a_name_of_ours(name):
    """Within a statement a name means the table's column before it means ours."""
    frame = pd.DataFrame({"price": [1.0, 2.0], "reviews": [1, 1], "seller": ["a", "b"], "id": [7, 7], name: ["x", "y"]})
    table = listings(relation(frame), listing="id", market=name)
    assert table.totals().sum("value") == 3
    with pytest.raises(DataError, match="1 listing id"):
        listings(relation(frame.assign(**{name: "x"})), listing="id", market=name).totals()
