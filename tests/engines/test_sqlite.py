"""Tables of SQLite files: values of several types, views, odd names, files that change, and errors in our words."""

import copy
import pickle
import sqlite3
from contextlib import closing

import pytest

from darkmarket_estimates import DataError, HoldingPrice, Listings
from tests.engines.tables_elsewhere import assert_alike

ROLES = {"price": "p", "reviews": "n", "vendor": "v", "currency": "USD"}
ENGINES = pytest.mark.parametrize("engine", ["memory", "lazy"])


def made(path, *statements: str, rows=()):
    """A database after some statements; `rows` go into the table t."""
    with closing(sqlite3.connect(path)) as database, database:
        for statement in statements or ("CREATE TABLE t (p, n, v)",):
            database.execute(statement)
        if rows:
            database.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    return path


@ENGINES
@pytest.mark.parametrize(("rows", "where", "got", "n"), [
    ([(1.5, 1, "a"), (2, 2, "b"), ("1.234,50", 3, "c"), (3, 3, "d"), ("x", 1, "e")], "column 'p', row 2 ", "'1.234,50'", 2),
    ([(None, 1, "a"), ("2", 2, "b")], "column 'p', row 1 ", "'2'", 1),
    ([(1, 1, "a"), (2, b"3", "b")], "column 'n', row 1 ", "b'3'", 1),
    ([(0.5, 1, "a"), (2**53 + 1, 1, "b")], "column 'p', row 1 ", "9007199254740993", 1),
], ids=["text", "text that is a number", "bytes", "a whole number that is no float"])
def test_text_among_numbers_is_named(engine, rows, where, got, n, tmp_path):
    """By its row and value, and not by the first row of the column, whose value may be a number."""
    path = made(tmp_path / "a.sqlite", "CREATE TABLE t (p, n, v)", "CREATE INDEX narrow ON t (p DESC)", rows=rows)
    with pytest.raises(DataError, match=rf"is not a number in {n} row") as caught:
        Listings(path, table="t", **ROLES, engine=engine)
    assert where in caught.value.where and caught.value.got == got


@ENGINES
def test_text_in_other_columns_is_no_concern(engine, tmp_path):
    path = made(tmp_path / "a.sqlite", "CREATE TABLE t (p, n, v)", "ALTER TABLE t ADD COLUMN noted")
    with closing(sqlite3.connect(path)) as database, database:
        database.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", [(1, 2, "a", 1), (2.5, 2, "b", "x"), (1, 1, "a", None)])
    totals = Listings(path, table="t", **ROLES, engine=engine).totals(by="noted")
    assert totals.sum("value") == 8 and totals.keys["noted"].labels == ("(missing)", "1", "x")


@ENGINES
def test_labels_of_several_types(engine, tmp_path):
    """2014.0 is "2014", as everywhere; two ids that are one float stay two."""
    path = made(tmp_path / "a.sqlite", rows=[(1, 1, 2014), (1, 1, 2014.0), (1, 1, "b")])
    assert Listings(path, table="t", **ROLES, engine=engine).totals().keys["vendor"].labels == ("2014", "b")
    path = made(tmp_path / "b.sqlite", rows=[(1, 1, 2**53), (1, 1, 2**53 + 1), (1, 1, 0.5)])
    totals = Listings(path, table="t", **ROLES, engine=engine).totals()
    assert totals.keys["vendor"].labels == ("0.5", "9007199254740992", "9007199254740993")


@ENGINES
def test_views_names_and_generated_columns(engine, tmp_path):
    path = made(
        tmp_path / "a.db", "CREATE TABLE t (p, n, v, double_p GENERATED ALWAYS AS (p * 2) VIRTUAL)",
        "INSERT INTO t VALUES (2, 1, 'a'), (3, 2, 'b')", """CREATE VIEW "a ""b'" AS SELECT p AS "p;--", n, v FROM t""",
        "CREATE TABLE keyed (v TEXT PRIMARY KEY, p REAL, n INT) WITHOUT ROWID",
        "INSERT INTO keyed VALUES ('b', 3, 2), ('a', 2, 1)")
    want = Listings(path, table="t", **ROLES, engine=engine).totals()
    assert want.sum("value") == 8
    assert_alike(want, Listings(path, table="a \"b'", **{**ROLES, "price": "p;--"}, engine=engine).totals())
    assert_alike(want, Listings(path, table="keyed", **ROLES, engine=engine).totals())
    assert Listings(path, table="t", **{**ROLES, "price": "double_p"}, engine=engine).totals().sum("value") == 16


@pytest.mark.parametrize(("change", "what", "got"), [
    ("UPDATE t SET p = 'x' WHERE v = 'a'", "changed since it was opened", "'x'"),
    ("DROP TABLE t", "cannot be read", "no such table"),
    ("ALTER TABLE t RENAME COLUMN v TO w", "cannot be read", "no such column"), ("DELETE FROM t", "is empty", "0 rows"),
], ids=["text", "table", "column", "rows"])
def test_a_table_that_changes_after_it_was_opened(change, what, got, tmp_path):
    """In our words, without those of the engine that read the stream; and no lock stays on the file.

    SQLite takes "v" for the text 'v' where no column has that name: one vendor without an error.
    """
    path = made(tmp_path / "a.sqlite", rows=[(1, 1, "a"), (2, 2, "b")])
    listings = Listings(path, table="t", **ROLES, engine="lazy").clean(HoldingPrice(cap=100))
    assert listings.totals().sum("value") == 5
    made(path, change)
    with pytest.raises(DataError, match=what) as caught:
        listings.totals()
    assert got in caught.value.got and "Traceback" not in str(caught.value) and "stream" not in str(caught.value)
    made(path, "BEGIN EXCLUSIVE")


@ENGINES
def test_text_that_is_not_unicode(engine, tmp_path):
    path = made(tmp_path / "a.sqlite", "CREATE TABLE t (p, n, v TEXT)", "INSERT INTO t VALUES (1, 1, CAST(x'ff41' AS TEXT))")
    with pytest.raises(DataError, match="cannot be read") as caught:
        Listings(path, table="t", **ROLES, engine=engine).totals()
    assert "UTF-8" in caught.value.got and "Traceback" not in caught.value.got


def test_a_file_that_is_being_written(tmp_path, monkeypatch):
    path, connect = made(tmp_path / "a.sqlite", rows=[(1, 1, "a")]), sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: connect(*args, **options, timeout=0.05))
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DataError, match="cannot be read") as caught:
            Listings(path, table="t", **ROLES)
    assert "locked" in caught.value.got and "locked" in caught.value.fix


@ENGINES
def test_they_go_to_other_processes(engine, tmp_path):
    listings = Listings(made(tmp_path / "a.sqlite", rows=[(1, 1, "a"), (2, 2, "b")]), table="t", **ROLES, engine=engine)
    for other in (copy.deepcopy(listings), *(pickle.loads(pickle.dumps(listings, protocol)) for protocol in range(6))):
        assert_alike(listings.totals(), other.totals())
