"""What goes wrong in tables that are elsewhere: said early and clearly, naming what can be named, leaving nothing behind."""

import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from darkmarket_estimates import DataError, HoldingPrice, Listings, NotIdentifiedError, NotSupportedError
from darkmarket_estimates.engines import duckdb as sessions
from darkmarket_estimates.engines import files, lazy
from tests.engines.tables_elsewhere import TEXT, TYPED, elsewhere
from tests.tables import ROLES, listing_table
from tests.test_totals import assert_same

ALL = ("parquet", "csv", "relation", "dask", pytest.param("lazyframe", marks=pytest.mark.long),
       pytest.param("sqlite", marks=pytest.mark.long))


def table(**columns) -> pa.Table:
    frame = listing_table(60).assign(**columns)
    return pa.Table.from_pandas(frame, preserve_index=False)


def some(value, n: int = 60, at: int = 41, fill: object = 1.0) -> list:
    return [value if i == at else fill for i in range(n)]


@pytest.fixture(autouse=True)
def temp_folder(tmp_path_factory, monkeypatch):
    """Temp folders of the library go here, and are gone after each test."""
    folder = tmp_path_factory.mktemp("spill")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert ours(folder) == []


def ours(folder: pathlib.Path) -> list[str]:
    return [p.name for p in folder.iterdir() if p.name.startswith("darkmarket_estimates")]


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(("columns", "match", "named"), [
    ({"price": some(None)}, "price cannot be used in 1", "missing"), ({"price": some(-1.5)}, "price cannot", "-1.5"),
    ({"price": some(float("inf"))}, "price cannot be used", "inf"), ({"reviews": some(0.5)}, "reviews cannot be used", "0.5"),
    ({"reviews": some(None)}, "reviews cannot be used", "missing"), ({"price": some(1e308), "reviews": some(2.0, fill=1.0)},
     "below 1e308", "1e\\+308"), ({"seller": some(None, fill="s")}, "vendor is missing in 1", "every row names its vendor"),
    ({"id": [f"l{min(i, 58)}" for i in range(60)]}, "1 listing id.* more than one row", "'l58' on 2 rows"),
])
def test_bad_rows_are_found(kind, columns, match, named, tmp_path):
    frame, options = elsewhere(table(**columns), tmp_path, kind)
    with pytest.raises(DataError, match=match) as caught:
        Listings(frame, **ROLES, **options).totals()
    text = str(caught.value)
    assert re.search(named, text), text
    if "cannot be used" in match:
        where = {"csv": "row 41 ", "parquet": "row 41 "}.get(kind, "seller 's")
        assert where in text and ("id 'l0041'" in text or "row 41" in text)


@pytest.mark.parametrize("kind", ["parquet", "csv", "relation"])
def test_the_first_problem_is_the_one_that_memory_names(kind, tmp_path):
    given = table(price=some(-1.0, at=50), reviews=some(-2.0, at=3), seller=some(None, at=1, fill="s"))
    with pytest.raises(DataError) as want:
        Listings(given, **ROLES)
    frame, options = elsewhere(given, tmp_path, kind)
    with pytest.raises(DataError) as got:
        Listings(frame, **ROLES, **options).totals()
    assert got.value.what == want.value.what and (kind == "relation" or got.value.where == want.value.where)


@pytest.mark.parametrize("kind", ["parquet", "relation", "lazyframe", "dask", "sqlite"])
def test_what_needs_no_scan_is_said_at_once(kind, tmp_path):
    frame, options = elsewhere(table(text=["x"] * 60), tmp_path, kind)
    for roles, match in (({"price": "cost"}, "no column 'cost'"), ({"duplicates": "first"}, "cannot do this")):
        with pytest.raises(DataError, match=match):
            Listings(frame, **{**ROLES, **roles, **options})
    with pytest.raises(DataError, match="not a number"):
        Listings(frame, **{**ROLES, "price": "text"}, **options).totals()
    lazily = Listings(frame, **ROLES, **options)
    with pytest.raises(DataError, match="no column 'colour'"):
        lazily.totals(by="colour")
    with pytest.raises(NotIdentifiedError, match="date="):
        lazily.to_currency("EUR", {"2016-01-01": 1.0})
    with pytest.raises(NotIdentifiedError, match="listing="):
        Listings(frame, **{**ROLES, "listing": None}, **options).clean(HoldingPrice(upper_multiple=5))
    with pytest.raises(NotSupportedError, match="rows as a frame"):
        lazily.to_frame()
    with pytest.raises(DataError, match="too large"):
        frame, options = elsewhere(table(price=[1e200] * 60), tmp_path, kind)
        Listings(frame, **ROLES, **options).totals()


@pytest.mark.parametrize("kind", ["parquet", "csv", "relation", "dask"])
def test_days_and_rates(kind, tmp_path):
    rates = {f"2016-01-{d:02d}": 1.0 for d in range(1, 32) if d != 17}
    frame, options = elsewhere(table(day=pd.Timestamp("2016-01-17")), tmp_path, kind)
    with pytest.raises(DataError, match=r"lacks 1 day\(s\)[\s\S]*2016-01-17"):
        Listings(frame, **ROLES, date="day", **options).to_currency("EUR", rates).totals()
    frame, options = elsewhere(table(day=some(None, fill=pd.Timestamp("2016-01-03"))), tmp_path, kind)
    with pytest.raises(DataError, match=r"1 row.* no date"):
        Listings(frame, **ROLES, date="day", **options).to_currency("EUR", rates).totals()
    frame, options = elsewhere(table(day=some("soon", fill="2016-01-03")), tmp_path, kind)
    with pytest.raises(DataError, match="date is not a date"):
        Listings(frame, **ROLES, date="day", **options).to_currency("EUR", rates).totals()


@pytest.mark.parametrize("kind", ALL)
def test_two_currencies(kind, tmp_path):
    frame, options = elsewhere(table(money=some("EUR", fill="USD")), tmp_path, kind)
    with pytest.raises(DataError, match=r"more than one currency[\s\S]*EUR, USD"):
        Listings(frame, **{**ROLES, "currency": "money"}, **options).totals()


@pytest.mark.parametrize("kind", [k for k in (*TYPED, *TEXT) if k not in ("folder", "csv parts", "sqlite")])
def test_empty_tables(kind, tmp_path):
    frame, options = elsewhere(table().slice(0, 0), tmp_path, kind)
    with pytest.raises(DataError, match="table is empty"):
        Listings(frame, **ROLES, **options).totals()


@pytest.mark.parametrize("name", ["none.parquet", "none.csv", "truncated.parquet", "none.sqlite", "text.sqlite", "folder",
                                  "empty", "none.duckdb"])
def test_files_that_cannot_be_read(tmp_path, name):
    listing_table().to_parquet(tmp_path / "whole.parquet")
    (tmp_path / "truncated.parquet").write_bytes((tmp_path / "whole.parquet").read_bytes()[:5000])
    (tmp_path / "text.sqlite").write_text("no database at all, but long enough to look at its first bytes" * 9)
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.csv").write_text("a\n1\n")
    listing_table().to_parquet(tmp_path / "folder" / "b.parquet")
    for engine in ("auto", "lazy"):
        options = {"table": "t"} if name.endswith(("sqlite", "duckdb")) else {}
        with pytest.raises(DataError, match="cannot be read"):
            Listings(tmp_path / name, **ROLES, engine=engine, **options)


def test_a_file_that_breaks_late(tmp_path):
    table().to_pandas().to_parquet(tmp_path / "0.parquet")
    whole = (tmp_path / "0.parquet").read_bytes()
    (tmp_path / "1.parquet").write_bytes(whole[:200] + b"\xff" * (len(whole) // 2) + whole[200 + len(whole) // 2:])
    with pytest.raises(DataError, match="cannot be read"):
        Listings(str(tmp_path / "*.parquet"), **ROLES, engine="lazy").totals()


def test_text_that_comes_late_in_a_csv(tmp_path):
    rows = [f"l{i},{i}.5,1,s" for i in range(60_000)]
    for bad in ('"1.234,50"', "1_000", "12 000", "5 EUR"):
        rows[59_000] = f"l59000,{bad},1,s"
        (tmp_path / "t.csv").write_text("id,price,reviews,seller\n" + "\n".join(rows))
        for engine in ("memory", "lazy"):
            with pytest.raises(DataError, match=rf"not a number in 1 row[\s\S]*row 59000[\s\S]*{bad.strip(chr(34))}"):
                Listings(tmp_path / "t.csv", **ROLES, engine=engine).totals()


def test_files_of_one_glob_that_differ(tmp_path):
    frame = listing_table(20)
    frame.to_csv(tmp_path / "0.csv", index=False)
    frame[frame.columns[::-1]].assign(id=frame.id + "b").to_csv(tmp_path / "1.csv", index=False)
    whole = pd.concat([frame, frame.assign(id=frame.id + "b")])
    assert_same(Listings(str(tmp_path / "*.csv"), **ROLES, engine="lazy").totals(), Listings(whole, **ROLES).totals())
    frame.drop(columns="country").to_csv(tmp_path / "2.csv", index=False)
    with pytest.raises(DataError, match="cannot be read"):
        Listings(str(tmp_path / "*.csv"), **ROLES, engine="lazy").totals(by="country")


def test_a_folder_partitioned_by_market(tmp_path):
    frame = listing_table(60)
    for market, part in frame.groupby("market"):
        place = tmp_path / "all" / f"market={market}" / "year=007"
        place.mkdir(parents=True)
        part.drop(columns="market").to_parquet(place / "x.parquet")
    for engine in ("auto", "lazy"):
        got = Listings(tmp_path / "all", **ROLES, market="market", engine=engine).totals(by="year")
        assert got.keys["year"].labels == ("007",) and got.header.markets == ("A", "B")
        assert got.sum("value") == pytest.approx((frame.price * frame.reviews).sum(), rel=1e-12)


def test_a_temp_folder_that_is_full(tmp_path, temp_folder):
    rng = np.random.default_rng(0)
    n = 1_500_000
    frame = pd.DataFrame({"id": rng.permutation(n), "price": 1.0, "reviews": 1, "seller": rng.integers(0, 10**9, n)})
    frame.to_parquet(tmp_path / "big.parquet")
    options = {**ROLES, "duplicates": "keep"}
    tight = sessions.Limits(memory="25MB", disk="1MB", progress=False)
    place = files.place(str(tmp_path / "big.parquet"), None, tight)
    with pytest.raises(DataError, match="too small for this table"):
        from darkmarket_estimates.engines.schema import Schema

        lazy.opener(place).open(Schema(
            price="price", count="reviews", counted="reviews", vendor="seller", listing="id", market=None, days=None,
            date=None, captures=None, occasions=None, currency="USD", currency_column=None, window=None,
            duplicates="keep", vendor_scope="market")).totals((), ())
    assert ours(temp_folder) == []
    with pytest.raises(DataError, match=r"memory_limit= cannot be read"):
        Listings(tmp_path / "big.parquet", **options, engine="lazy", memory_limit="a lot")


ENDLESS = """
import sys, tempfile, threading
tempfile.tempdir = sys.argv[1]
from darkmarket_estimates.engines import files
from darkmarket_estimates.engines import duckdb as sessions
place = files.FilePlace("endless", "nothing", sessions.Limits(progress=False))
try:
    with place.session() as session:
        print("scanning", flush=True)
        session.fetch("SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b")
except KeyboardInterrupt:
    print("interrupted", [t.name for t in threading.enumerate() if "scan" in t.name], flush=True)
"""


def test_an_interrupted_scan_leaves_nothing(temp_folder):
    # a process of its own: an interrupt that is lost must not leave the tests waiting for an endless scan
    scan = subprocess.Popen([sys.executable, "-c", ENDLESS, str(temp_folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert scan.stdout is not None and scan.stdout.readline() == "scanning\n"
        assert len(ours(temp_folder)) == 1
        time.sleep(0.4)
        scan.send_signal(signal.SIGINT)
        assert scan.communicate(timeout=60)[0] == "interrupted []\n"
    finally:
        scan.kill()
        scan.wait()
    assert ours(temp_folder) == []


def test_progress_is_told_and_not_printed(tmp_path, capfd):
    frame, options = elsewhere(table(), tmp_path, "parquet")
    told: list[float] = []
    Listings(frame, **ROLES, **options, progress=told.append).totals()
    assert told[-1] == 1.0 and all(0 <= x <= 1 for x in told)
    Listings(frame, **ROLES, **options).totals()
    Listings(frame, **ROLES, **options, progress=True).totals()  # shorter than our patience
    assert capfd.readouterr() == ("", "")


def test_relations_leave_no_trace_on_their_connection():
    with duckdb.connect() as connection:
        frame = listing_table(60)
        connection.register("given", frame)
        relation = connection.sql("SELECT * FROM given")
        before = connection.sql("SELECT table_name FROM information_schema.tables").fetchall()
        Listings(relation, **ROLES).clean(HoldingPrice(upper_multiple=2)).totals(by="country")
        assert connection.sql("SELECT table_name FROM information_schema.tables").fetchall() == before
        with pytest.raises(DataError, match="on your connection"):
            Listings(relation, **ROLES, memory_limit="1GB")
        assert Listings(relation, **ROLES, engine="memory").to_frame().shape == (60, 4)


@pytest.mark.parametrize(("limit", "share"), [("100MB", 0.05e9), ("1GB", 0.725e9), ("2GB", 1.6e9), ("300GB", 240e9)])
def test_memory_is_left_for_the_answer(limit, share):
    """`memory_limit=` is of the process: DuckDB gets what Python leaves, between half of it and four fifths."""
    with files.FilePlace("x", "x", sessions.Limits(memory=limit)).session() as session:
        setting = session.fetch("SELECT current_setting('memory_limit')").column(0)[0].as_py()
    number, unit = setting.split()
    scale = {"MiB": 2**20, "GiB": 2**30}[unit]  # DuckDB shows a tenth, rounded down, when it is asked and when it is told
    assert share - 0.2 * scale < float(number) * scale <= share


def test_extensions_are_not_installed():
    place = files.FilePlace("x", "x", sessions.Limits())
    with place.session() as session:
        wanted = "SELECT name, value FROM duckdb_settings() WHERE name LIKE 'auto%known_extensions'"
        assert set(session.fetch(wanted).column("value").to_pylist()) == {"false"}


def test_nothing_is_scanned_before_a_number_is_asked_for(tmp_path):
    frame, options = elsewhere(table(), tmp_path, "parquet")
    listings = Listings(frame, **ROLES, **options).clean(HoldingPrice(cap=80))
    pathlib.Path(frame).unlink()
    assert "1 rule(s) waiting" in repr(listings) and listings.currency == "USD"
    with pytest.raises(DataError, match="cannot be read"):
        len(listings)


def test_one_scan_for_checks_cap_audit_bands_and_sums(tmp_path, monkeypatch):
    asked: list[str] = []
    fetch = sessions.OwnSession.fetch
    monkeypatch.setattr(sessions.OwnSession, "fetch", lambda self, s: asked.append(s) or fetch(self, s))
    frame, options = elsewhere(table(), tmp_path, "parquet")
    listings = Listings(frame, **{**ROLES, "listing": None}, **options)
    asked.clear()
    cleaned = listings.clean(HoldingPrice(cap=80))
    cleaned.totals(by="country", bands=[10])
    assert len(asked) == 1
    assert len(cleaned) > 0 and len(cleaned.audit) == 2 and len(asked) == 1  # both came with the totals


def test_engine_is_checked(tmp_path):
    with pytest.raises(DataError, match="engine is unknown"):
        Listings(listing_table(), **ROLES, engine="spark")
    with pytest.raises(NotSupportedError, match="not lazy"):
        Listings(listing_table(), **ROLES, engine="lazy")
    with pytest.raises(DataError, match="table= names"):
        Listings(listing_table(), **ROLES, table="t")
    frame, _ = elsewhere(table(), tmp_path, "sqlite")
    with pytest.raises(DataError, match="many tables"):
        Listings(frame, **ROLES)
    with pytest.raises(DataError, match="no such table"):
        Listings(frame, **ROLES, table="nothing")
    with pytest.raises(DataError, match="polars cannot read"):
        Listings(pl.LazyFrame({"a": [1]}).select("b"), **ROLES)


def test_a_relation_may_bear_any_name():
    with duckdb.connect() as connection:
        frame = listing_table(40)
        connection.register("given", frame)
        for name in ("rows", "touched", "ours", sessions.RelationSession.source + "_"):
            connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM given')
            got = Listings(connection.table(f'"{name}"'), **ROLES).clean(HoldingPrice(cap=100, action="median")).totals()
            assert_same(Listings(frame, **ROLES).clean(HoldingPrice(cap=100, action="median")).totals(), got)


@pytest.mark.parametrize("kind", ["parquet", "csv", "relation"])
@pytest.mark.parametrize("bad", [0, 1.5, 6, None])
def test_captures_that_cannot_be(kind, bad, tmp_path):
    frame, options = elsewhere(table(k=some(bad, fill=2)), tmp_path, kind)
    with pytest.raises(DataError, match="captures cannot be used in 1 of 60"):
        Listings(frame, **ROLES, captures="k", occasions=5, **options).totals()


@pytest.mark.parametrize("kind", ["parquet", "csv", "relation"])
@pytest.mark.parametrize("bad", [0, -1, None, float("inf")])
def test_days_that_cannot_be(kind, bad, tmp_path):
    frame, options = elsewhere(table(days=some(bad, fill=2.0)), tmp_path, kind)
    with pytest.raises(DataError, match="days cannot be used in 1 of 60"):
        Listings(frame, **ROLES, days="days", **options).totals()
