"""One table in any number of partitions on any engine: the same cells, and so the same replicates of the bootstrap."""

import functools
import json
import operator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from darkmarket_estimates import (
    DataError,
    HoldingPrice,
    Listings,
    NotIdentifiedError,
    NotSupportedError,
    ReviewRate,
    Totals,
    turnover,
)
from darkmarket_estimates.distribution.resampling import bootstrap, key_of, poisson_weights
from darkmarket_estimates.engines import checks, parts, spark
from darkmarket_estimates.engines.plan import Clean, Convert
from darkmarket_estimates.engines.source import Source
from tests.engines.tables_elsewhere import assert_alike, elsewhere
from tests.engines.test_parity import repeated_listings
from tests.tables import ROLES

RULE = HoldingPrice(cap=300, upper_multiple=2, min_observations=3)
RATE = ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.11)


def answer(frame, **options) -> Totals:
    return Listings(frame, **ROLES, market="market", duplicates="keep", **options).clean(RULE).totals(by="country")


def replicates(totals: Totals) -> tuple[np.ndarray, np.ndarray]:
    """The weights of vendors by name, and replicates of the total."""
    key = totals.keys["vendor"]
    y = np.bincount(key.codes, totals.columns["value"], len(key.labels))
    some = np.unique(key.codes)
    names = [key.labels[code] for code in some]
    draws = bootstrap(lambda w: w @ y[some], key_of(names), n_resamples=200, seed=7)
    return poisson_weights(key_of(names), 50, seed=7), draws


def split(table: pa.Table, n: int) -> Totals:
    """Totals of parts by listing, saved and loaded as bytes, merged: parts split vendors."""
    part = np.array([int(text[1:]) % n for text in table.column("id").to_pylist()])
    packed = [parts.Part(answer(table.filter(pa.array(part == i))), 0, parts.Counter()).to_bytes() for i in range(n)]
    return functools.reduce(operator.add, (parts.Part.from_bytes(p) for p in packed)).totals


@pytest.mark.parametrize("kind", ["merged 2", "merged 7", "parquet", "parts", "relation", "lazyframe", "sqlite", "dask"])
def test_replicates_do_not_depend_on_engine_or_partition(kind, tmp_path):
    table = repeated_listings()
    want = answer(table)
    if kind.startswith("merged"):
        got = split(table, int(kind.split()[1]))
    else:
        frame, options = elsewhere(table, tmp_path, kind)
        got = answer(frame, **options)
    (weights, draws), (want_weights, want_draws) = replicates(got), replicates(want)
    np.testing.assert_array_equal(weights, want_weights)
    np.testing.assert_allclose(draws, want_draws, rtol=1e-12)
    options = {"review_rate": RATE, "estimand": "expected", "interval": "poisson-bootstrap", "rng": 5, "n_resamples": 300}
    a, b = turnover(got, **options), turnover(want, **options)
    np.testing.assert_allclose(a.interval, b.interval, rtol=1e-9)


def test_a_stream_of_numbers_would_depend_on_the_partition():
    """The naive way: the next number of one generator goes to another vendor where a part comes first."""
    names = np.array(["ann", "bob", "cem", "dan"])
    naive = lambda order: dict(zip(names[order], np.random.default_rng(7).poisson(1, 4).tolist()))  # noqa: E731
    ours = lambda order: dict(zip(  # noqa: E731
        names[order], poisson_weights(key_of(names[order].tolist()), 40, seed=7)[-1].tolist()))
    assert naive([0, 1, 2, 3]) != naive([2, 3, 0, 1])
    assert ours([0, 1, 2, 3]) == ours([2, 3, 0, 1])


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
def test_any_number_of_parts_is_added(n):
    table = repeated_listings()
    schema = Listings(table, **ROLES, duplicates="keep")._table.schema
    number = np.array([int(text[1:]) % n for text in table.column("id").to_pylist()])
    found = [parts.answer(Source(table.filter(pa.array(number == i)), ordered=False), schema, (Clean(RULE),), ("country",),
                          ()) for i in range(n)]
    totals, rows = parts.added([parts.Part.from_bytes(part.to_bytes()) for part in found]).finished()
    want = Listings(table, **ROLES, duplicates="keep").clean(RULE)
    assert_alike(want.totals(by="country"), totals)
    assert rows == len(want) and parts.added(found).prices == sum((p.prices for p in found), parts.Counter())


def test_an_error_says_that_it_counted_one_partition():
    table = repeated_listings(30)
    schema = Listings(table, **ROLES, duplicates="keep")._table.schema
    with pytest.raises(DataError, match="counted in one partition") as caught:
        bad = table.set_column(table.column_names.index("price"), "price", pa.array([-1.0] * 30))
        parts.answer(Source(bad, ordered=False), schema, (), (), ())
    assert caught.value.fix == checks.PRICE[1] and "30 row(s)" in caught.value.what


def test_a_part_is_the_same_after_its_bytes():
    part = parts.answer(Source(repeated_listings(200), ordered=False), schema_of(), (Clean(RULE),), ("country",), (50.0,))
    again = parts.Part.from_bytes(part.to_bytes())
    assert_alike(part.totals, again.totals)
    assert again.rows == part.rows and again.prices == part.prices and max(part.prices.values()) > 1


def schema_of(**options):
    return Listings(repeated_listings(), **ROLES, duplicates="keep", **options)._table.schema


def test_errors_keep_their_kind_on_the_way_from_a_partition():
    rates = (np.array(["2016-01-01"], dtype="datetime64[D]"), np.ones(1))
    with pytest.raises(NotIdentifiedError, match="day of each row") as caught:
        parts.answer(Source(repeated_listings(30), ordered=False), schema_of(), (Convert("EUR", rates, "daily"),), (), ())
    assert caught.value.where == "one partition of the table"
    told = {"kind": "NotIdentifiedError", "what": "a", "where": "b", "expected": "c", "got": "d", "fix": "e"}
    with pytest.raises(NotIdentifiedError) as caught:
        spark._checked([{"problem": None}, {"problem": json.dumps(told)}])
    assert [getattr(caught.value, name) for name in ("what", "where", "expected", "got", "fix")] == list("abcde")
    with pytest.raises(DataError, match="table is empty"):
        spark._checked([])


def test_what_clusters_check_before_a_job():
    table, asked = repeated_listings(), []
    schema = schema_of()

    def currencies(column: str) -> pa.Table:
        asked.append(column)
        return pa.table({column: ["EUR"] * 3})

    check = functools.partial(parts.checked, columns=table.column_names, engine="dask")
    assert check(schema, currencies=currencies) is schema and asked == []
    alone = replace(schema, listing=None, duplicates="first")  # without listings nothing repeats
    assert check(alone, currencies=currencies) is alone
    with pytest.raises(NotSupportedError):
        check(replace(schema, duplicates="first"), currencies=currencies)
    named = replace(schema, currency_column="country")
    assert check(named, currencies=currencies).currency == "EUR" and asked == ["country"]
    with pytest.raises(DataError, match="table is empty"):
        check(named, currencies=lambda column: pa.table({column: pa.array([], pa.string())}))
    with pytest.raises(DataError, match="no column 'cost'"):
        check(replace(schema, price="cost"), currencies=currencies)


@pytest.mark.parametrize("kind", ["dask", "lazyframe"])
def test_any_lazy_table_can_be_read_whole(kind, tmp_path):
    table = repeated_listings(60)
    frame, _ = elsewhere(table, tmp_path, kind)
    listings = Listings(frame, **ROLES, duplicates="keep", engine="memory")
    assert_alike(Listings(table, **ROLES, duplicates="keep").totals(), listings.totals())
    assert len(listings.to_frame()) == 60


def test_pieces_of_spark_come_in_rounds():
    """In the order of parts and pieces, as many at a time as the driver has room for, each exactly once."""
    rows = [{"part": part, "at": at, "size": 2**20} for at in (2, 0, 1) for part in ("b", "a")]
    rows += [{"part": "c", "at": 0, "size": 3 * spark._ROUND}, {"part": "d", "at": 0, "size": 5}]
    ends = [(first["part"], first["at"], last["part"], last["at"]) for first, last in spark._rounds(rows)]
    assert ends == [("a", 0, "b", 2), ("c", 0, "c", 0), ("d", 0, "d", 0)]
    full = [{"part": "a", "at": at, "size": spark._ROUND // 4} for at in range(8)]
    assert [(first["at"], last["at"]) for first, last in spark._rounds(full)] == [(0, 3), (4, 7)]
    assert spark._rounds([]) == []


def test_an_answer_of_spark_that_is_not_whole_is_refused():
    """A partition that is made again between two rounds comes under another name: its first pieces, or all, are gone."""
    whole = [{"part": part, "at": at, "of": 3, "piece": f"{part}{at} ".encode()} for at in (2, 0, 1) for part in "ab"]
    assert sorted(spark._joined(whole, whole)) == [b"a0 a1 a2 ", b"b0 b1 b2 "]
    again = [{**row, "part": "c"} for row in whole if row["part"] == "b"]
    lost = [row for row in whole if row["part"] == "a"]
    for listed, pieces in ((whole, lost), (whole, lost + again), (whole, whole + again), (lost, whole), (whole, []),
                           *((whole, whole[:i] + whole[i + 1:]) for i in range(6)),
                           *((whole[:i] + whole[i + 1:], whole[:i] + whole[i + 1:]) for i in range(6))):
        with pytest.raises(DataError, match="answer of Spark broke off"):
            spark._joined(listed, pieces)
