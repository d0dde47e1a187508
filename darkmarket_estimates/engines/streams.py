"""Tables that come as a stream of Arrow batches, such as polars LazyFrames. DuckDB reads them as they flow."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from darkmarket_estimates.engines.duckdb import Limits, OwnSession, connection
from darkmarket_estimates.engines.source import Source
from darkmarket_estimates.engines.translation import LAZYFRAME
from darkmarket_estimates.errors import DataError, NotSupportedError

if TYPE_CHECKING:
    import duckdb
    import polars as pl

Batches = Generator[pa.RecordBatch, None, None]
_BATCH = 50_000


class StreamSession(OwnSession):
    """A session on a stream that starts anew for each statement, whose errors stay its own: DuckDB's wrap a traceback.

    Parameters
    ----------
    connection : duckdb connection
    place : StreamPlace
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, place: StreamPlace) -> None:
        OwnSession.__init__(self, connection, "the_stream", place.words, place.limits.progress)
        self._place = place

    def fetch(self, statement: str) -> pa.Table:
        """The answer to a statement; the stream is closed then, read to its end or not."""
        broken: list[DataError] = []

        def told(batches: Batches) -> Batches:
            try:
                yield from batches
            except DataError as error:
                broken.append(error)
                raise

        with closing(told(self._place.start())) as batches:
            self._connection.register(self.source, pa.RecordBatchReader.from_batches(self._place.schema, batches))
            try:
                return OwnSession.fetch(self, statement)
            except DataError:
                if broken:
                    raise broken[0] from None
                raise


@dataclass(frozen=True, slots=True, eq=False)
class StreamPlace:
    """A source of batches that can be started again for each scan.

    Attributes
    ----------
    schema : pyarrow.Schema
        Of every batch.
    start : callable
        Gives the batches, from the first.
    """

    words: str
    schema: pa.Schema
    start: Callable[[], Batches]
    limits: Limits
    engine: str = "stream"
    text_numbers: bool = False
    ordered: bool = False

    @contextmanager
    def session(self) -> Iterator[StreamSession]:
        """A connection for one question."""
        with connection(self.limits) as ours:
            yield StreamSession(ours, self)

    def in_memory(self) -> Source:
        """The whole table."""
        return Source(pa.Table.from_batches(self.start(), self.schema))


def polars_place(frame: pl.LazyFrame, limits: Limits) -> StreamPlace:
    """A LazyFrame: its plan runs in polars' streaming engine, once a scan."""
    if not hasattr(frame, "collect_batches"):
        raise NotSupportedError("this polars cannot stream a LazyFrame", fix="install a newer polars, or "
                                "sink_parquet(path) and pass the path")
    plan = _Plan(frame, collected(frame.limit(0)).to_arrow().schema)
    return StreamPlace(LAZYFRAME, plan.schema, plan, limits)


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """What starts the plan: no function, which another process could not be sent."""

    frame: pl.LazyFrame
    schema: pa.Schema

    def __call__(self) -> Batches:
        """The batches, from the first."""
        with _our_words():
            for batch in self.frame.collect_batches(chunk_size=_BATCH):
                yield from batch.to_arrow().cast(self.schema).to_batches()


def collected(frame: pl.LazyFrame) -> pl.DataFrame:
    """The whole of a LazyFrame.

    Raises
    ------
    DataError
        What polars says.
    """
    with _our_words():
        return frame.collect()


@contextmanager
def _our_words() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # polars has many kinds, without one base that is public
        raise DataError("polars cannot read the frame", got=f"{type(error).__name__}: {str(error).splitlines()[0]}",
                        fix="collect() it to see why") from error
