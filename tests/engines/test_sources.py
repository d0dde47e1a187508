"""One table, six ways in: the totals must not know."""

import decimal
import pathlib

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from darkmarket_estimates import DataError, HoldingPrice, Listings, NotSupportedError, Totals
from tests.tables import ROLES, listing_table
from tests.test_totals import BY, assert_same


def ways(frame: pd.DataFrame, folder: pathlib.Path) -> dict[str, object]:
    frame.to_csv(folder / "t.csv", index=False)
    frame.to_parquet(folder / "t.parquet")
    connection = duckdb.connect()
    connection.register("listing_frame", frame)
    return {
        "pandas": frame, "shuffled": frame.sample(frac=1, random_state=1), "polars": pl.from_pandas(frame),
        "pyarrow": pa.Table.from_pandas(frame, preserve_index=False), "arrays": {c: frame[c].to_numpy() for c in frame},
        "relation": connection.sql("SELECT * FROM listing_frame ORDER BY random()"),
        "csv": folder / "t.csv", "parquet": str(folder / "t.parquet"), "categories": frame.astype(
            dict.fromkeys(("seller", "market", "category", "country"), "category")),
        "arrow strings": frame.convert_dtypes(dtype_backend="pyarrow"), "nullable": frame.convert_dtypes(),
    }


def totals_of(table: object, **options) -> Totals:
    return (Listings(table, **{**ROLES, "market": "market", "days": "days", **options})
            .clean(HoldingPrice(cap=300)).totals(by=BY, bands=[20, 100]))


def test_same_totals_from_every_kind_of_table(tmp_path):
    tables = ways(listing_table(), tmp_path)
    want = totals_of(tables.pop("pandas"))
    for name, table in tables.items():
        got = totals_of(table)
        assert_same(want, got, rel=1e-12)
        for a, b in zip(want.audit, got.audit, strict=True):
            assert a.count == b.count and a.value == pytest.approx(b.value, rel=1e-12), name


def test_median_rule_is_the_same_everywhere(tmp_path):
    frame = listing_table(400)
    frame["id"] = [f"l{i % 90}" for i in range(400)]
    frame["seller"] = [f"s{i % 90 % 7}" for i in range(400)]
    rule = HoldingPrice(cap=400, upper_multiple=3, lower_multiple=0.4, min_observations=3, action="median")
    tables = ways(frame, tmp_path)
    results = [Listings(t, **ROLES, duplicates="keep").clean(rule).totals(by="country") for t in tables.values()]
    for other in results[1:]:
        assert_same(results[0], other, rel=1e-12)


def test_globs(tmp_path):
    frame = listing_table()
    for i in range(3):
        frame[i::3].to_parquet(tmp_path / f"part{i}.parquet")
        frame[i::3].to_csv(tmp_path / f"part{i}.csv", index=False)
    assert_same(totals_of(str(tmp_path / "part*.parquet")), totals_of(frame))
    assert_same(totals_of(str(tmp_path / "part*.csv")), totals_of(frame))


def test_ids_in_csv_stay_text(tmp_path):
    (tmp_path / "t.csv").write_text("id,price,reviews,seller\n1,5,1,007\n2,6,1,7\n3,7,1,12e4\n4,8,1,120000\n")
    assert Listings(tmp_path / "t.csv", **ROLES).totals().n_vendors == 4


def test_text_late_in_a_csv_column_is_named(tmp_path):
    rows = [f"l{i},{i}.5,1,s" for i in range(30_000)]
    rows[29_000] = 'l29000,"1.234,50",1,s'
    (tmp_path / "t.csv").write_text("id,price,reviews,seller\n" + "\n".join(rows))
    with pytest.raises(DataError, match=r"row 29000[\s\S]*1\.234,50"):
        Listings(tmp_path / "t.csv", **ROLES)


def test_nan_and_inf_as_text_are_not_numbers_to_use(tmp_path):
    for text in ("nan", "inf", ""):
        (tmp_path / "t.csv").write_text(f"id,price,reviews,seller\na,{text},1,s\nb,2,1,s\n")
        with pytest.raises(DataError, match="price cannot be used"):
            Listings(tmp_path / "t.csv", **ROLES)


@pytest.mark.parametrize("name", ["none.parquet", "none.csv", "none.xlsx", "truncated.parquet"])
def test_files_that_cannot_be_read(tmp_path, name):
    listing_table().to_parquet(tmp_path / "whole.parquet")
    (tmp_path / "truncated.parquet").write_bytes((tmp_path / "whole.parquet").read_bytes()[:5000])
    with pytest.raises(DataError, match=r"cannot be read"):
        Listings(tmp_path / name, **ROLES)


BAD_FILES = {
    "another encoding": (["id,price,reviews,seller\na,1,1,J\xe9r\xf4me\n"], "not utf-8", "save it as UTF-8"),
    "a short line": (["id,price,reviews,seller\n" + "a,1,1,s\n" * 30_000 + "b,1\n"], "Expected Number of Columns: 4 Found: 2",
                     "mend that line"),
    "other columns": (["id,price,reviews,seller,land\na,1,1,s,NL\n", "id,price,reviews,seller\nb,1,1,s\n"],
                      '"land" is missing', "the same columns"),
}


@pytest.mark.parametrize(("files", "told", "fix"), BAD_FILES.values(), ids=BAD_FILES)
def test_csv_files_that_cannot_be_read_say_why(files, told, fix, tmp_path):
    for i, text in enumerate(files):
        (tmp_path / f"{i}.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError) as caught:
        Listings(tmp_path / "*.csv", **ROLES).totals()
    assert told in caught.value.got and fix in caught.value.fix
    assert not any(word in str(caught.value) for word in ("Possible", "Potential", "ignore_errors", "Auto-Detected"))


def test_a_file_that_lies_elsewhere():
    with pytest.raises(DataError) as caught:
        Listings("https://example.org/listings.csv", **ROLES)
    assert "save a copy here" in caught.value.fix


@pytest.mark.parametrize("engine", ["memory", "lazy"])
def test_no_row_of_a_csv_is_taken_for_a_comment(engine, tmp_path):
    """A sample of these tells that # begins a comment, and a tenth of the rows was gone."""
    rows = [f"{'#' if i % 10 == 0 else ''}{i},1.5,2,s" for i in range(100)]
    (tmp_path / "t.csv").write_text("\n".join(["id,price,reviews,seller", *rows, ""]))
    listings = Listings(tmp_path / "t.csv", **ROLES, engine=engine)
    assert len(listings) == 100 and listings.totals().sum("value") == 300


@pytest.mark.parametrize("engine", ["memory", "lazy"])
@pytest.mark.parametrize("first", [30, 0], ids=["two files joined", "a preamble"])
def test_no_row_of_a_csv_is_taken_for_a_preamble(first, engine, tmp_path):
    """Two files joined, the second with a column more: a sample takes its header for the first line of the table."""
    rows = ["price,id,reviews,seller", *[f"1.5,{i},2,s" for i in range(first)], "price,id,reviews,seller,country"]
    (tmp_path / "t.csv").write_text("\n".join([*rows, *[f"1.5,b{i},2,s,NL" for i in range(300)], ""]))
    with pytest.raises(DataError, match="cannot be read") as caught:
        Listings(tmp_path / "t.csv", **ROLES, engine=engine).totals()
    assert f"Line: {first + 2}; Original Line: price,id," in caught.value.got
    assert "mend that line" in caught.value.fix


@pytest.mark.parametrize("path", ["", "  "], ids=["nothing", "blanks"])
def test_no_path_is_not_the_working_folder(path, tmp_path, monkeypatch):
    """A shell variable that is not set would read whatever tables lie there."""
    listing_table().to_csv(tmp_path / "t.csv", index=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="the path is empty"):
        Listings(path, **ROLES)
    assert len(Listings(".", **ROLES)) == len(listing_table())


def test_lazy_frames_are_read_or_sent_to_a_file():
    assert_same(totals_of(pl.from_pandas(listing_table()).lazy()), totals_of(listing_table()))

    class Unknown:
        def collect(self):
            raise AssertionError

    with pytest.raises(NotSupportedError, match="collect the lazy frame"):
        Listings(Unknown(), **ROLES)
    with pytest.raises(DataError, match="connection is not a table"):
        Listings(duckdb.connect(), **ROLES)


def test_decimals_big_integers_zones_and_unicode():
    table = pa.table({
        "id": ["a", "b", "c"], "price": [decimal.Decimal("10.10"), decimal.Decimal("0.20"), decimal.Decimal("5")],
        "reviews": pa.array([1, 2, 2**40], pa.int64()), "seller": ["ü", "u\u0308", "日本"],
        "day": pd.to_datetime(["2016-01-01T23:30Z", "2016-01-02T00:30Z", "2016-01-03T12:00Z"]),
        "level": [decimal.Decimal("1.10"), decimal.Decimal("1.1"), decimal.Decimal("2")],
    })
    totals = Listings(table, **ROLES, date="day").to_currency(
        "EUR", {"2016-01-01": 1.0, "2016-01-02": 2.0, "2016-01-03": 3.0}).totals(by="level")
    assert totals.sum("value") == pytest.approx(10.10 + 2 * 0.4 + 3 * 5 * 2**40, rel=1e-15)
    assert totals.n_vendors == 3 and set(totals.to_frame().level) == {"1.1", "2"}


def test_mixed_object_column_is_a_label_and_no_number():
    frame = pd.DataFrame({"id": ["a", "b"], "price": [1.0, 2.0], "reviews": [1, 1], "seller": ["x", 7], "p": [1, "2"]})
    assert Listings(frame, **ROLES).totals().n_vendors == 2
    with pytest.raises(DataError, match="not a number"):
        Listings(frame, **{**ROLES, "price": "p"})


cells = st.fixed_dictionaries({
    "price": st.floats(0, 1e6), "reviews": st.integers(0, 10**6), "seller": st.text(min_size=1, max_size=5),
    "group": st.none() | st.text(max_size=4).filter(lambda s: s != "(missing)"),
})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(cells, min_size=1, max_size=12))
def test_any_table_gives_the_same_totals_in_memory_and_from_parquet(rows, tmp_path):
    frame = pd.DataFrame(rows).assign(id=[f"l{i}" for i in range(len(rows))])
    table = pa.Table.from_pylist([{**row, "id": f"l{i}"} for i, row in enumerate(rows)], schema=pa.schema([
        ("price", pa.float64()), ("reviews", pa.int64()), ("seller", pa.string()), ("group", pa.string()),
        ("id", pa.string())]))
    import pyarrow.parquet as pq

    pq.write_table(table, tmp_path / "h.parquet")
    frames = [table, pl.from_arrow(table), str(tmp_path / "h.parquet")]
    want = Listings(frame, **ROLES).totals(by="group", bands=[10])
    assert want.sum("value") == pytest.approx(float((frame.price * frame.reviews).sum()), rel=1e-12)
    for other in frames:
        assert_same(want, Listings(other, **ROLES).totals(by="group", bands=[10]))


def test_real_figures(real_data):
    path = real_data / "alphabay2017" / "listings.parquet"
    roles = {"price": "price_usd", "sold": "n_sold", "days": "days_listed", "vendor": "vendor_id",
             "listing": "listing_id", "currency": "USD", "duplicates": "keep"}
    for table in (path, pd.read_parquet(path), pl.read_parquet(path)):
        whole = Listings(table, **roles)
        assert round(whole.totals().sum("value")) == 982_447
        cleaned = whole.clean(HoldingPrice(cap=9_998.99))
        assert round(cleaned.totals().sum("value")) == 658_918
        assert round(list(cleaned.audit)[-1].removed) == 982_447 - 658_918 == 323_529


def test_real_reviews_by_category_and_origin(real_data):
    folder = real_data / "agora2014"
    reviews, listings = (pd.read_parquet(folder / f"{n}.parquet") for n in ("reviews", "listings"))
    origin = listings.sort_values("scrape_date").groupby("listing_id").ships_from.last()
    reviews["country"] = reviews.listing_id.map(origin)
    raw = Listings(reviews, price="price_usd_at_first_seen", reviews=1, vendor="vendor_id", listing="listing_id",
                   currency="USD")
    totals = raw.totals()
    assert round(totals.sum("value") / 1e6, 2) == 40.36 and "times the 99th percentile" in totals.header.flags[0]
    clean = raw.clean(HoldingPrice(cap=10_000)).totals(by=["category", "country"])
    assert round(clean.sum("value") / 1e6, 2) == 2.58 and clean.header.flags == ()
    assert clean.to_frame().value.sum() == pytest.approx(clean.sum("value"), rel=1e-12)
    assert "(missing)" in set(clean.keys["country"].labels) and np.isfinite(clean.columns["value"]).all()


def a_closed_connection(folder):
    connection = duckdb.connect()
    connection.register("given", listing_table())
    relation = connection.sql("FROM given")
    connection.close()
    return Listings(relation, **ROLES)


def a_broken_plan(engine):
    frame = pl.from_pandas(listing_table()).lazy().with_columns(pl.col("seller").cast(pl.Float64))
    return lambda folder: Listings(frame, **ROLES, engine=engine)


def a_file_of_other_types(folder):
    listing_table().to_parquet(folder / "a.parquet")
    listing_table().assign(price="x").to_parquet(folder / "b.parquet")
    return Listings(str(folder / "*.parquet"), **ROLES)


def a_database(folder, **options):
    with duckdb.connect(str(folder / "d.duckdb")) as connection:
        connection.register("given", listing_table())
        connection.execute("CREATE TABLE t AS FROM given")
        return Listings(folder / "d.duckdb", **ROLES, **options)


ELSEWHERE = {
    "a closed connection": (a_closed_connection, "cannot read the relation", None),
    "a plan that fails": (a_broken_plan("auto"), "polars cannot read", "collect()"),
    "a plan that fails in memory": (a_broken_plan("memory"), "polars cannot read", "collect()"),
    "files of other types": (a_file_of_other_types, "no column 'price'", "one type in all files"),
    "a database that is open": (lambda folder: a_database(folder, table="t"), "cannot be read", "it is open in this process"),
    "a table for a plain file": (lambda folder: Listings(folder / "t.csv", **ROLES, table="t"), "table= names", "leave it out"),
    "memory below 0": (lambda folder: Listings(folder / "t.csv", **ROLES, engine="lazy", memory_limit="-1GB"), "below 0",
                       "leave it out"),
}


@pytest.mark.parametrize(("make", "what", "fix"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_what_goes_wrong_elsewhere_is_said_in_our_words(make, what, fix, tmp_path):
    listing_table().to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=what) as caught:
        make(tmp_path).totals()
    assert (caught.value.fix is None) if fix is None else (fix in caught.value.fix)


def test_a_table_that_is_not_in_the_database_is_named(tmp_path):
    a_database_path = tmp_path / "d.duckdb"
    with duckdb.connect(str(a_database_path)) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS price")
    with pytest.raises(DataError, match="cannot be read") as caught:
        Listings(a_database_path, **ROLES, table="listings")
    assert "listings does not exist" in caught.value.got and "a table in it" in caught.value.fix


@pytest.mark.parametrize("engine", ["memory", "lazy"])
@pytest.mark.parametrize("folder", [False, True])
def test_a_csv_that_names_a_column_twice_is_refused_where_it_is_used(engine, folder, tmp_path):
    """DuckDB renames the second, and would read the first."""
    path = tmp_path / "market=Hansa" / "x.csv" if folder else tmp_path / "x.csv"
    path.parent.mkdir(exist_ok=True)
    roles = {"price": "price", "reviews": "reviews", "vendor": "seller", "currency": "USD", "engine": engine}
    path.write_text("price,reviews,price,seller,note,note,price_1\n1,2,30,a,x,y,z\n")
    with pytest.raises(DataError, match="'price' more than once"):
        Listings(str(tmp_path if folder else path), **roles).totals()
    path.write_text("price,reviews,cost,seller,note,note,,\n1,2,30,a,x,y,,\n")
    listings = Listings(str(tmp_path if folder else path), **roles, **({"market": "market"} if folder else {}))
    assert listings.totals().sum("value") == 2
    with pytest.raises(DataError, match="'note' more than once"):
        listings.totals(by="note")
    path.write_text("price,reviews,seller\n")
    with pytest.raises(DataError, match="empty"):
        Listings(str(tmp_path if folder else path), **roles).totals()
