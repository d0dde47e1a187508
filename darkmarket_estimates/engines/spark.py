"""Spark: one shuffle that brings the rows of a listing together, the reference engine on each partition, then `+`.

No rule is written in Spark's own SQL: the workers run the library on Arrow tables, and what they send back is small.
"""

from __future__ import annotations

import json
import secrets
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from darkmarket_estimates import errors
from darkmarket_estimates.engines import parts
from darkmarket_estimates.engines.plan import PlannedTable, Step, empty
from darkmarket_estimates.engines.schema import Schema
from darkmarket_estimates.engines.source import Source, require
from darkmarket_estimates.errors import DataError, NotSupportedError
from darkmarket_estimates.totals import Totals, check_by

_NESTED = ("array", "map", "struct", "variant")
_REST = ("what", "where", "expected", "got", "fix")
#: An answer is a few rows: Spark keeps a large value in memory many times over, the driver's heap is 1 GB by default.
_ANSWER = pa.schema([("part", pa.string()), ("at", pa.int32()), ("of", pa.int32()), ("piece", pa.binary()),
                     ("problem", pa.string())])
_PIECE = 2**20
#: Bytes of pieces that come to the driver at a time; and of a whole answer that comes with the list of pieces.
_ROUND, _SMALL = 2**25, 2**16


@dataclass(frozen=True, slots=True, eq=False)
class SparkOpener:
    """A Spark DataFrame whose columns have no meaning yet."""

    frame: Any

    @property
    def columns(self) -> Sequence[str]:
        """Names of the columns."""
        with _our_words():
            return list(self.frame.columns)

    def open(self, schema: Schema) -> SparkTable:
        """Check what can be checked without a job; a column of currencies is asked which there are."""
        def currencies(column: str) -> pa.Table:
            return self.frame.selectExpr(_quoted(column)).distinct().limit(1000).toArrow()

        with _our_words():
            return SparkTable(engine="spark", frame=self.frame,
                              schema=parts.checked(schema, self.columns, "spark", currencies))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class SparkTable(PlannedTable):
    """A Spark DataFrame, its schema, and the rules that wait."""

    frame: Any

    def scan(self, by: Sequence[str], bands: Sequence[float]) -> tuple[Totals, int]:
        """Totals of each partition, added on the driver; a partition that is lost with its executor is made again."""
        groups = check_by(by)
        with _our_words():
            require(self.frame.columns, groups)
            names = list(dict.fromkeys((*self.schema.columns, *groups)))
            keys = [_shuffle_key(self.frame, c) for c in (self.schema.market, self.schema.listing) if c is not None]
            # names of ours: mapInArrow cannot take a column whose name has a dot or a backtick
            ours, parted = [f"column_{i}" for i in range(len(names))], [f"part_{i}" for i in range(len(keys))]
            frame = self.frame.selectExpr(*(f"{_quoted(column)} AS {name}" for column, name in zip(names, ours)),
                                          *(f"{key} AS {name}" for key, name in zip(keys, parted)))
            if self.schema.listing is not None:
                # without a number of partitions: spark.sql.shuffle.partitions holds, and Spark may join small ones
                frame = frame.repartition(*parted)
            worker = _worker(names, self.schema, self.steps, tuple(groups), tuple(bands))
            answers = frame.select(*ours).mapInArrow(worker, "part string, at int, of int, piece binary, problem string")
            packed = _collected(answers)
        return parts.added([parts.Part.from_bytes(part) for part in packed]).finished()

    def __deepcopy__(self, memo: Any) -> SparkTable:
        return self

    def __reduce__(self) -> Any:
        raise NotSupportedError("a Spark DataFrame stays in its process", got="a session, which cannot be pickled",
                                fix="write it to Parquet and pass the path")


def opener(frame: Any) -> SparkOpener:
    """A Spark DataFrame, classic or Connect.

    Raises
    ------
    NotSupportedError
        A stream, or pandas on Spark.
    """
    if not hasattr(frame, "mapInArrow"):
        raise NotSupportedError("this kind of Spark table is not known", expected="a pyspark.sql DataFrame",
                                got=f"{type(frame).__module__}.{type(frame).__qualname__}",
                                fix="pandas on Spark: pass frame.to_spark()")
    with _our_words():  # over Spark Connect this is asked of the server
        streams = frame.isStreaming
    if streams:
        raise NotSupportedError("a stream has no end", expected="a DataFrame of a finished window",
                                fix="take the totals of each batch in foreachBatch, and join them with Totals.then")
    return SparkOpener(frame)


def whole(frame: Any) -> pa.Table:
    """All rows, on the driver."""
    with _our_words():
        return opener(frame).frame.toArrow()


def _worker(
    names: list[str], schema: Schema, steps: Sequence[Step], by: tuple[str, ...], bands: tuple[float, ...]
) -> Callable[..., Any]:
    """What each partition runs: its batches become one answer, or the words of what is wrong."""
    def answer(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = [batch for batch in batches if batch.num_rows]
        if not rows:
            return
        packed, problem = b"", None
        try:
            table = pa.Table.from_batches(rows).rename_columns(names)
            packed = parts.answer(Source(table, ordered=False), schema, steps, by, bands).to_bytes()
        except DataError as error:
            problem = json.dumps({"kind": type(error).__name__, **{name: getattr(error, name) for name in _REST}})
        part, starts = secrets.token_hex(8), range(0, max(len(packed), 1), _PIECE)
        for at, start in enumerate(starts):
            row = {"part": part, "at": at, "of": len(starts), "piece": packed[start:start + _PIECE], "problem": problem}
            yield pa.RecordBatch.from_pylist([row], schema=_ANSWER)

    return answer


def _collected(answers: Any) -> list[bytes]:
    """The answers, in rounds that the driver has room for: until then they wait on the disks of the executors.

    Raises
    ------
    DataError
        What a worker found wrong; no row at all; an answer that was lost.
    """
    from pyspark import StorageLevel
    from pyspark.errors import PySparkException

    # toArrow() and not collect(), which takes an answer that breaks off for one that ends
    try:
        kept = answers.persist(StorageLevel.DISK_ONLY)
    except PySparkException:  # Spark without servers of one's own keeps nothing: all in one round
        found = _checked(answers.toArrow().to_pylist())
        return _joined(found, found)
    try:
        small = f"of = 1 AND length(piece) <= {_SMALL}"
        found = _checked(kept.selectExpr("part", "at", "of", "problem", "length(piece) AS size",
                                         f"CASE WHEN {small} THEN piece END AS piece").toArrow().to_pylist())
        pieces = [row for row in found if row["piece"] is not None]
        for first, last in _rounds([row for row in found if row["piece"] is None]):
            pieces += kept.where(
                f"(part, at) >= ('{first['part']}', {first['at']}) AND (part, at) <= ('{last['part']}', {last['at']}) "
                f"AND NOT ({small})").select("part", "at", "of", "piece").toArrow().to_pylist()
        return _joined(found, pieces)
    finally:
        kept.unpersist()


def _checked(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, unless a worker found something wrong, or there is none."""
    for row in rows:
        if row["problem"] is not None:
            problem = json.loads(row["problem"])
            raise getattr(errors, problem.pop("kind"))(**problem)
    if not rows:
        raise empty()
    return rows


def _rounds(rows: list[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The first and the last piece of each round, in the order of parts and pieces."""
    found: list[list[dict[str, Any]]] = []
    room = 0
    for row in sorted(rows, key=lambda row: (row["part"], row["at"])):
        room -= row["size"]
        if room < 0:
            found.append([])
            room = _ROUND - row["size"]
        found[-1].append(row)
    return [(mine[0], mine[-1]) for mine in found]


def _joined(listed: list[dict[str, Any]], pieces: list[dict[str, Any]]) -> list[bytes]:
    """The answers, put together from their pieces.

    Raises
    ------
    DataError
        Other pieces than were listed: an executor was lost between the rounds, and its partition was made again.
    """
    parted: dict[str, dict[int, bytes]] = {}
    for row in pieces:
        parted.setdefault(row["part"], {})[row["at"]] = row["piece"]
    wanted = {(row["part"], at) for row in listed for at in range(row["of"])}
    if wanted != {(row["part"], row["at"]) for row in pieces}:
        raise DataError("the answer of Spark broke off", got="an executor was lost while its answer was read",
                        fix="ask again")
    return [b"".join(mine[at] for at in range(len(mine))) for mine in parted.values()]


def _quoted(column: str) -> str:
    return "`" + column.replace("`", "``") + "`"


def _shuffle_key(frame: Any, column: str) -> str:
    """A column such that labels that are equal as text are equal here: NaN is missing, -0.0 is 0.0."""
    kind = frame.selectExpr(_quoted(column)).schema.fields[0].dataType.typeName()
    if kind in _NESTED:
        raise DataError("the column cannot label anything", where=f"column {column!r}", got=f"type {kind}",
                        expected="text, numbers, days or truth values")
    quoted = _quoted(column)
    return f"CASE WHEN isnan({quoted}) THEN NULL ELSE {quoted} + 0D END" if kind in ("float", "double") else quoted


@contextmanager
def _our_words() -> Iterator[None]:
    """Errors of Spark as ours, in one line; its warning about pandas 3 is not about what is used here."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
            yield
    except (EOFError, OSError, pa.ArrowInvalid) as error:
        raise DataError("the answer of Spark broke off", got=f"{type(error).__name__}: {error}",
                        fix="see Spark's log: an executor or the driver may lack memory") from error
    except (PySparkException, Py4JError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        if any("No module named 'darkmarket_estimates'" in line for line in lines):
            raise DataError("the workers of Spark cannot import the library", got=lines[-1].strip(),
                            fix="install darkmarket-estimates for the Python of every worker (PYSPARK_PYTHON names it)"
                            ) from error
        shown = next((line for line in reversed(lines) if line.strip().startswith("Caused by")), lines[0])
        raise DataError("Spark cannot read the frame", got=shown.strip(), fix="frame.limit(5).show() tells more") from error
