"""One table in any number of partitions on any engine: the same cells, and so the same replicates of the bootstrap."""

import functools
import operator

import numpy as np
import pyarrow as pa
import pytest

from darkmarket_estimates import DataError, HoldingPrice, Listings, ReviewRate, Totals, turnover
from darkmarket_estimates.distribution.resampling import bootstrap, key_of, poisson_weights
from darkmarket_estimates.engines import checks, parts, spark
from darkmarket_estimates.engines.plan import Clean
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


def test_an_answer_of_spark_without_a_piece_is_refused():
    whole = [{"part": part, "at": at, "of": 3, "piece": f"{part}{at} ".encode()} for at in (2, 0, 1) for part in "ab"]
    assert sorted(spark._joined(whole)) == [b"a0 a1 a2 ", b"b0 b1 b2 "]
    for missing in range(len(whole)):
        with pytest.raises(DataError, match="answer of Spark broke off"):
            spark._joined(whole[:missing] + whole[missing + 1:])
