"""Sessions with DuckDB: a connection for one question, a temp folder that goes with it, and progress."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol

from darkmarket_estimates.engines.translation import RELATION, translated
from darkmarket_estimates.errors import DataError, NotSupportedError
from darkmarket_estimates.inference import Progress, showing

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


#: Bytes that Python and its libraries hold before a scan, and then its answer: DuckDB gets the rest, within these shares.
_PYTHON = 275e6
_LEAST, _MOST = 0.5, 0.8
_UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a session may use.

    Attributes
    ----------
    memory : str or None
        Such as "1GB", of the process: DuckDB gets what Python and the answer leave, half of it at least. What does
        not fit is spilled to the temp folder.
    disk : str or None
        Limit of the temp folder.
    progress : callable or bool or None
        Told the fraction done; None shows a bar where standard error is a terminal, False none.
    """

    memory: str | None = None
    disk: str | None = None
    progress: Progress = None


class Session(Protocol):
    """An open table that answers SQL."""

    source: str
    #: Whether the query of `keep` is run once, whatever is selected from its answer.
    keeps: bool

    def types(self) -> dict[str, str]:
        """DuckDB's type of each column."""

    def columns(self) -> list[str]:
        """Names of the columns, as often as they occur."""

    def fetch(self, statement: str) -> pa.Table:
        """The answer to a statement on `source`."""

    def keep(self, query: str) -> str:
        """Something to select from that holds the answer to a query."""


class Place(Protocol):
    """Where rows live that DuckDB can reach."""

    @property
    def engine(self) -> str:
        """Its name in the table of capabilities."""

    @property
    def text_numbers(self) -> bool:
        """Whether numbers arrive as text."""

    @property
    def ordered(self) -> bool:
        """Whether a row's position means something to the caller."""

    @property
    def words(self) -> str:
        """What it is called in errors."""

    def session(self) -> Any:
        """A context that gives a `Session` and leaves nothing behind."""


class OwnSession:
    """A session on a connection of ours.

    Parameters
    ----------
    connection : duckdb connection
    source : str
        What to select from.
    """

    keeps = True

    def __init__(self, connection: duckdb.DuckDBPyConnection, source: str, where: str, progress: Progress) -> None:
        self._connection, self.source, self._where, self._progress = connection, source, where, progress
        self._types: dict[str, str] | None = None

    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.types())

    def types(self) -> dict[str, str]:
        """DuckDB's types, for which all files are opened once."""
        if self._types is None:
            answer = self.fetch(f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {self.source})")
            self._types = dict(zip(answer.column(0).to_pylist(), answer.column(1).to_pylist()))
        return self._types

    def fetch(self, statement: str) -> pa.Table:
        """Run in a thread of its own, so that this one can show progress and be interrupted."""
        answer: list[Any] = []
        # events: join() of Python 3.11, once interrupted, takes a running thread for a dead one
        begun, done = threading.Event(), threading.Event()

        def run() -> None:
            begun.set()
            try:
                answer.append(self._connection.sql(statement).to_arrow_table())
            except BaseException as error:  # handed to the caller below
                answer.append(error)
            finally:
                done.set()

        thread = threading.Thread(target=run, daemon=True, name="darkmarket_estimates scan")
        try:
            thread.start()
            with showing(self._progress, "reading the listings") as tell:
                while not done.wait(0.05):
                    tell(self._connection.query_progress() / 100)  # below 0 where DuckDB does not know
        finally:
            begun.wait(1)  # start(), too, can be interrupted, with or without a thread
            while begun.is_set() and not done.is_set():  # interrupted: nothing of ours goes on running
                self._connection.interrupt()
                done.wait(0.02)
        if isinstance(answer[0], BaseException):
            raise translated(answer[0], self._where) from answer[0]
        return answer[0]

    def keep(self, query: str) -> str:
        """A temporary table, spilled where it is large."""
        table = f"kept_{time.monotonic_ns()}"
        self.fetch(f"CREATE TEMP TABLE {table} AS {query}")
        return table


class RelationSession:
    """A session on a user's relation: its connection is theirs, and no table of ours can be joined with it."""

    source = "listings_of_darkmarket_estimates"
    keeps = False

    def __init__(self, relation: Any) -> None:
        self._relation = relation

    def columns(self) -> list[str]:
        """Names of the columns."""
        return self._ask(lambda relation: list(relation.columns))

    def types(self) -> dict[str, str]:
        """DuckDB's types."""
        return self._ask(lambda relation: dict(zip(relation.columns, map(str, relation.types))))

    def fetch(self, statement: str) -> pa.Table:
        """Run on the user's connection, under a name that only this statement knows."""
        return self._ask(lambda relation: relation.query(self.source, statement).to_arrow_table())

    def _ask(self, question: Callable[[Any], Any]) -> Any:
        import duckdb

        try:
            return _told_of_interrupts(question, self._relation)
        except duckdb.Error as error:
            raise translated(error, RELATION) from error

    def keep(self, query: str) -> str:
        """The query itself, which is asked again."""
        return f"({query})"


@dataclass(frozen=True, slots=True, eq=False)
class RelationPlace:
    """A relation on a connection of the user's."""

    relation: Any
    engine: str = "duckdb"
    text_numbers: bool = False
    ordered: bool = False
    words: str = RELATION

    @contextmanager
    def session(self) -> Iterator[RelationSession]:
        """A view of the relation; the user's settings hold."""
        yield RelationSession(self.relation)

    def __deepcopy__(self, memo: Any) -> RelationPlace:
        return self

    def __reduce__(self) -> Any:
        raise NotSupportedError("a relation stays in its process", got="a connection, which cannot be pickled",
                                fix="write it to Parquet and pass the path")


@contextmanager
def connection(limits: Limits) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of ours that installs no extension and spills into a folder that goes with it.

    Parameters
    ----------
    limits : Limits

    Raises
    ------
    DataError
        DuckDB does not know the limit; no temp folder can be made.
    """
    import duckdb

    if limits.memory is not None and limits.memory.strip().startswith("-"):  # for DuckDB: without a limit
        raise DataError("memory_limit= is below 0", got=repr(limits.memory), expected='text such as "1GB"',
                        fix="leave it out for no limit")
    try:
        spilled = TemporaryDirectory(prefix="darkmarket_estimates_", ignore_cleanup_errors=True)
    except OSError as error:
        raise DataError("no temp folder can be made", got=str(error),
                        fix="let TMPDIR name a folder that has room, and in which you may write") from error
    with spilled as folder:
        config: dict[str, Any] = {"autoinstall_known_extensions": False, "autoload_known_extensions": False,
                                  "temp_directory": folder}
        config |= {} if limits.memory is None else {"memory_limit": limits.memory}
        config |= {} if limits.disk is None else {"max_temp_directory_size": limits.disk}
        try:
            ours = duckdb.connect(":memory:", config=config)
            _told_of_interrupts(ours.execute, "SET enable_progress_bar_print = false")  # it would print into our answers
            if limits.memory is not None:
                known, unit = _told_of_interrupts(
                    ours.execute, "SELECT current_setting('memory_limit')").fetchall()[0][0].split()
                limit = float(known) * _UNITS[unit]
                share = min(max(limit - _PYTHON, _LEAST * limit), _MOST * limit)
                _told_of_interrupts(ours.execute, f"SET memory_limit = '{share / 2**10:.0f} KiB'")
        except duckdb.Error as error:
            raise DataError("memory_limit= cannot be read", got=repr(limits.memory), expected='text such as "1GB"',
                            fix='memory_limit="1GB"') from error
        try:
            yield ours
        finally:
            _close(ours)


def _told_of_interrupts(ask: Callable[..., Any], *arguments: Any) -> Any:
    """Ask DuckDB in this thread, where it makes errors of its own of Ctrl-C."""
    try:
        return ask(*arguments)
    except Exception as error:
        if "Query interrupted" in str(error) or "KeyboardInterrupt" in str(error):
            raise KeyboardInterrupt from error
        raise


def _close(ours: duckdb.DuckDBPyConnection) -> None:
    """Close a connection, also where a second Ctrl-C came before the first had stopped its statement."""
    import duckdb

    for _ in range(500):
        try:
            return ours.close()
        except duckdb.Error:  # busy
            ours.interrupt()
            time.sleep(0.02)
