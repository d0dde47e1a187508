"""What travels between the workers of Spark and the driver, without Spark: pieces, rounds, and the words of errors."""

import itertools
import json

import pyarrow as pa
import pytest

from darkmarket_estimates import DataError, NotIdentifiedError
from darkmarket_estimates.engines import spark
from darkmarket_estimates.engines.parts import Part, answer
from darkmarket_estimates.engines.schema import Schema
from darkmarket_estimates.engines.source import Source
from tests.engines.tables_elsewhere import assert_alike

NAMES = ["price", "reviews", "seller"]
SCHEMA = Schema(price="price", count="reviews", counted="reviews", vendor="seller", listing=None, market=None, days=None,
                date=None, captures=None, occasions=None, currency="USD", currency_column=None, window=None,
                duplicates="error", vendor_scope="market")


def batch(prices: list) -> pa.RecordBatch:
    """Columns have the names of a query, not of the user."""
    n = len(prices)
    return pa.record_batch({"column_0": pa.array(prices, pa.float64()), "column_1": pa.array([2] * n, pa.int64()),
                            "column_2": pa.array([f"s{i}" for i in range(n)], pa.string())})


def work(*batches: pa.RecordBatch) -> list[dict]:
    found = spark._worker(NAMES, SCHEMA, (), (), ())(iter(batches))
    return list(itertools.chain.from_iterable(b.to_pylist() for b in found))


@pytest.mark.parametrize("piece", [1, 100, 10**6], ids=str)
def test_a_partition_answers_in_pieces(piece, monkeypatch):
    """Batches without rows are none; what is put together again is what the reference engine says."""
    monkeypatch.setattr(spark, "_PIECE", piece)
    rows = work(batch([]), batch([1.0, 2.0]), batch([]), batch([4.0]))
    assert {row["problem"] for row in rows} == {None} and len({row["part"] for row in rows}) == 1
    assert [row["at"] for row in rows] == list(range(len(rows))) and {row["of"] for row in rows} == {len(rows)}
    assert {len(row["piece"]) for row in rows[:-1]} <= {piece} and 0 < len(rows[-1]["piece"]) <= piece
    (packed,) = spark._joined(rows, rows[::-1])
    got = Part.from_bytes(packed)
    table = pa.Table.from_batches([batch([1.0, 2.0]), batch([4.0])]).rename_columns(NAMES)
    want = answer(Source(table), SCHEMA, (), (), ())
    assert_alike(want.totals, got.totals)
    assert (got.rows, got.prices) == (3, want.prices)
    assert {row["part"] for row in work(batch([1.0]))}.isdisjoint(row["part"] for row in rows)


def test_a_partition_without_rows_says_nothing():
    assert work() == [] and work(batch([]), batch([])) == []


def test_what_is_wrong_travels_in_words():
    """Rows of a partition have no numbers that the user knows: the vendor is named."""
    (row,) = work(batch([1.0, -1.0]))
    assert (row["at"], row["of"], row["piece"]) == (0, 1, b"")
    with pytest.raises(DataError, match=r"(?s)price cannot be used in 1 row.*seller 's1' \(counted in one partition\)") as caught:
        spark._checked([{"problem": None}, row])
    assert type(caught.value) is DataError and caught.value.got == "-1.0" and caught.value.expected and caught.value.fix
    problem = json.dumps({"kind": "NotIdentifiedError", "what": "w", "where": None, "expected": None, "got": None, "fix": "f"})
    with pytest.raises(NotIdentifiedError, match="w"):
        spark._checked([{"problem": problem}])
    with pytest.raises(DataError, match="the table is empty"):
        spark._checked([])
    assert spark._checked([{"problem": None}]) == [{"problem": None}]


def listed(*sizes: tuple[str, int, int]) -> list[dict]:
    return [{"part": part, "at": at, "size": size} for part, at, size in sizes]


def ends(rounds) -> list[tuple]:
    return [(first["part"], first["at"], last["part"], last["at"]) for first, last in rounds]


def test_rounds_are_full_and_in_order(monkeypatch):
    """By part and piece, as many as there is room for; one that is larger than the room comes alone."""
    monkeypatch.setattr(spark, "_ROUND", 10)
    assert spark._rounds([]) == []
    assert ends(spark._rounds(listed(("a", 0, 4), ("a", 1, 6), ("b", 0, 1)))) == [("a", 0, "a", 1), ("b", 0, "b", 0)]
    assert ends(spark._rounds(listed(("b", 0, 5), ("a", 1, 4), ("a", 0, 2)))) == [("a", 0, "a", 1), ("b", 0, "b", 0)]
    assert ends(spark._rounds(listed(("a", 0, 5), ("a", 1, 99), ("a", 2, 5)))) == [
        ("a", 0, "a", 0), ("a", 1, "a", 1), ("a", 2, "a", 2)]
    many = listed(*((f"p{i % 3}", i // 3, 1 + i % 5) for i in range(60)))
    ordered = sorted((row["part"], row["at"], row["size"]) for row in many)
    found = [[row[2] for row in ordered if first <= row[:2] <= last]
             for first, last in (((a, b), (c, d)) for a, b, c, d in ends(spark._rounds(many)))]
    assert sum(map(len, found)) == 60 and max(map(sum, found)) <= 10
    assert all(sum(mine) + theirs[0] > 10 for mine, theirs in itertools.pairwise(found))


def test_an_answer_whose_pieces_are_others_broke_off():
    pieces = [{"part": "x", "at": at, "of": 2, "piece": text} for at, text in enumerate((b"one ", b"two"))]
    other = [{"part": "y", "at": 0, "of": 1, "piece": b"three"}]
    assert sorted(spark._joined([pieces[0], other[0]], [*other, *pieces[::-1]])) == [b"one two", b"three"]
    for got in (pieces[:1], pieces[1:], [], [*pieces, *other]):
        with pytest.raises(DataError, match="broke off"):
            spark._joined(pieces, got)


def test_names_are_never_code():
    assert spark._quoted("a.b`; DROP") == "`a.b``; DROP`"
