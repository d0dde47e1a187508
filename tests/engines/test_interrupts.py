"""Ctrl-C at any moment of a scan: it comes out as such, the statement is stopped, and nothing of ours goes on."""

import sqlite3
import tempfile
import threading
import time
from contextlib import closing

import duckdb
import pytest

from darkmarket_estimates import Listings
from darkmarket_estimates.engines import duckdb as sessions
from darkmarket_estimates.engines.files import FilePlace
from tests.tables import ROLES, listing_table

#: Runs for minutes unless it is stopped.
ENDLESS = "SELECT sum(a.range * b.range) FROM range(10_000_000) a, range(10_000_000) b"


@pytest.fixture
def spill(tmp_path, monkeypatch):
    """Temp folders of the library go here, and are gone after the test, as are its threads."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("darkmarket_estimates")]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("darkmarket_estimates")]


def interrupted_at(monkeypatch, moment: str) -> None:
    """Thread.start() waits for the thread: Ctrl-C then finds one that runs, or none."""
    start = threading.Thread.start

    def broken(thread):
        run = thread.run

        def late():
            time.sleep(0.2)
            run()

        if moment == "after":
            thread.run = late
            start(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", broken)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_while_the_thread_begins(moment, spill, monkeypatch):
    began = time.monotonic()
    with FilePlace("x", "x", sessions.Limits(progress=False)).session() as session:
        interrupted_at(monkeypatch, moment)
        with pytest.raises(KeyboardInterrupt):
            session.fetch(ENDLESS)
        monkeypatch.undo()
        assert session.fetch("SELECT 1 AS one").to_pylist() == [{"one": 1}]
    assert time.monotonic() - began < 30


def test_while_a_stream_begins(spill, monkeypatch):
    """The stream is closed after the statement that reads it, never while it does."""
    path = spill / "t.sqlite"
    with closing(sqlite3.connect(path)) as database:
        listing_table(60).drop(columns="day").to_sql("t", database, index=False)
    listings = Listings(path, table="t", **ROLES, engine="lazy", progress=False)
    interrupted_at(monkeypatch, "after")
    with pytest.raises(KeyboardInterrupt):
        listings.totals()
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "tempdir", str(spill))
    assert listings.totals().sum("n_listings") == 60


def test_a_connection_that_is_busy_is_closed(spill):
    """After a second Ctrl-C the statement may still run."""
    connection, ended = duckdb.connect(), threading.Event()

    def run():
        with pytest.raises(duckdb.Error):
            connection.sql(ENDLESS).fetchall()
        ended.set()

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.3)
    sessions._close(connection)
    assert ended.wait(30)
    thread.join()
    with pytest.raises(duckdb.Error):
        connection.sql("SELECT 1")


@pytest.mark.parametrize("error", [RuntimeError("Query interrupted"), duckdb.Error("failed: KeyboardInterrupt: ")],
                         ids=["between statements", "in an object of Python"])
def test_in_this_thread_it_is_no_error_of_duckdb(error):
    def ask():
        raise error

    with pytest.raises(KeyboardInterrupt):
        sessions._told_of_interrupts(ask)

    class Relation:
        def query(self, *_):
            raise error

    with pytest.raises(KeyboardInterrupt):
        sessions.RelationSession(Relation()).fetch("SELECT 1")
    with pytest.raises(ValueError, match="other"):
        sessions._told_of_interrupts(int, "other")


def test_duckdb_prints_no_bar_of_its_own(spill):
    """After two seconds it printed one to standard output, among our answers, whatever progress= said."""
    for place in (FilePlace("x", "x", sessions.Limits()), FilePlace("x", "x", sessions.Limits(memory="1GB"))):
        with place.session() as session:
            assert session.fetch("SELECT current_setting('enable_progress_bar_print') AS bar").to_pylist() == [{"bar": False}]
