"""Where a rule can touch many listings, each row is judged where it lies, by the median of its listing: the same numbers."""

import functools
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from darkmarket_estimates import DataError, ExchangeRate, HoldingPrice, Listings
from darkmarket_estimates.engines import duckdb as sessions
from darkmarket_estimates.engines import lazy
from tests.engines.tables_elsewhere import assert_parity, elsewhere
from tests.engines.test_parity import repeated_listings
from tests.engines.test_push_down import KEPT, TWICE, wild
from tests.tables import ROLES, listing_table

ONLY = HoldingPrice(cap=300, upper_multiple=1.7, lower_multiple=0.6, min_observations=3)


@pytest.fixture
def statements(monkeypatch) -> list[str]:
    """Every statement that DuckDB is asked."""
    found: list[str] = []
    for kind in (sessions.OwnSession, sessions.RelationSession):
        fetch = kind.fetch
        monkeypatch.setattr(kind, "fetch", lambda self, asked, fetch=fetch: found.append(asked) or fetch(self, asked))
    return found


@pytest.fixture(params=["head", "count"])
def joined(request, monkeypatch, statements):
    """Any listing that the rule can touch is many: as the first rows tell, or once they are counted."""
    monkeypatch.setattr(lazy, "MANY", -1)
    monkeypatch.setattr(lazy, "CHUNK", 1)
    monkeypatch.setattr(lazy, "TOLD", 0 if request.param == "head" else math.inf)
    return statements


def joins(statements: list[str]) -> bool:
    """Whether medians were joined; if so, no row of a touched listing was brought into memory."""
    found = any("LEFT JOIN" in asked and "median_price" in asked for asked in statements)
    assert not found or not any("SEMI JOIN" in asked for asked in statements)
    return found


@pytest.mark.parametrize("kind", ["parquet", "csv", "relation", "lazyframe", "sqlite"])
@pytest.mark.parametrize("options", [{"market": "market"}, {"market": "market", "vendor_scope": "all markets"}, {},
                                     {"market": "market", "days": "days"}], ids=["in markets", "across", "no market", "a day"])
def test_every_place_gives_the_same(kind, options, tmp_path, joined):
    want = assert_parity(repeated_listings(), tmp_path, kind, lambda t: t.clean(ONLY), {}, **{**KEPT, **options})
    assert joins(joined) and list(want.audit)[1].rows > 10


@pytest.mark.parametrize("asks", [{}, {"by": "country"}, {"by": ["country", "category"], "bands": [20, 50]}],
                         ids=["all", "groups", "groups and bands"])
@pytest.mark.parametrize("rule", [
    lambda t: t.clean(HoldingPrice(upper_multiple=1.2)), lambda t: t.clean(HoldingPrice(lower_multiple=0.9)),
    lambda t: t.clean(HoldingPrice(cap=40)).clean(ONLY).clean(HoldingPrice(cap=30)),
    lambda t: t.to_currency("EUR", ExchangeRate(0.88)).clean(ONLY).to_currency("GBP", ExchangeRate(0.7)),
    lambda t: t.clean(HoldingPrice(cap=45, upper_multiple=1, min_observations=1)),
    lambda t: t.clean(HoldingPrice(upper_multiple=1e9)),
], ids=["above", "below", "caps around", "converted", "half of all", "nothing"])
def test_every_rule_gives_the_same(rule, asks, tmp_path, joined):
    want = assert_parity(repeated_listings(), tmp_path, "parquet", rule, asks, **{**KEPT, "market": "market"})
    assert joins(joined) or sum(line.rows for line in list(want.audit)[1:]) == 0


@pytest.mark.parametrize(("kind", "asks", "rule", "apart"), [
    ("parquet", {}, [ONLY], True), ("parquet", {"by": "country"}, [ONLY], False), ("parquet", {"bands": [20]}, [ONLY], False),
    ("parquet", {}, [ONLY, HoldingPrice(cap=30)], False), ("relation", {}, [ONLY], False)],
    ids=["all", "groups", "bands", "a cap behind", "nothing is kept there"])
def test_listings_are_summed_apart_where_that_is_the_same(kind, asks, rule, apart, tmp_path, joined):
    """By numbers instead of by the names of their vendors."""
    assert_parity(repeated_listings(), tmp_path, kind, lambda t: functools.reduce(lambda t, r: t.clean(r), rule, t), asks,
                  **{**KEPT, "market": "market"})
    assert joins(joined) and any("GROUP BY h, g" in asked for asked in joined) == apart


def test_rates_by_day_and_captures(tmp_path, joined):
    table = repeated_listings()
    days = pd.date_range("2015-12-01", "2016-03-01")
    rates = pd.DataFrame({"date": days, "rate": np.linspace(0.5, 2, len(days))})
    sold = days[np.arange(table.num_rows) % len(days)]
    table = table.append_column("sold_on", pa.array(sold.to_numpy().astype("datetime64[ms]")))
    assert_parity(table, tmp_path, "parquet", lambda t: t.to_currency("EUR", rates).clean(ONLY), {"by": "category"},
                  **{**KEPT, "date": "sold_on", "captures": "k", "occasions": 5})
    assert joins(joined)


@pytest.mark.parametrize("seed", range(30))
def test_random_tables(seed, tmp_path, joined):
    """Ties at the multiple, even and odd numbers of prices, prices of nothing and of next to nothing, listings of one row."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 80))
    price = rng.choice([0.0, 5e-324, 0.1, 0.3, 1.0, 2.0, 3.0, 1e150], n) if seed % 2 else np.round(rng.lognormal(2, 1, n), 1)
    table = pa.table({"id": [f"l{i}" for i in rng.integers(0, 1 + n // 4, n)], "price": price,
                      "reviews": rng.poisson(1.5, n), "seller": [f"s{i}" for i in rng.integers(0, 5, n)]})
    rule = HoldingPrice(upper_multiple=float(rng.choice([1, 1.5, 2, 3])), min_observations=int(rng.integers(1, 4)),
                        lower_multiple=[None, 0.5, 1.0, 1 / 3][seed % 4], cap=[None, 2.0, 10.0][seed % 3])
    assert_parity(table, tmp_path, "parquet", lambda t: t.clean(rule), {}, **KEPT)
    joins(joined)


@pytest.mark.parametrize("bad", [{"price": [-1.0]}, {"price": [None]}, {"price": [math.nan]}, {"reviews": [0.5]},
                                 {"seller": [None]}, {"price": [math.inf], "reviews": [-1.0]}], ids=str)
def test_bad_rows_are_told_as_in_memory(bad, tmp_path, joined):
    table = wild().to_pandas()
    for column, (value,) in bad.items():
        table.loc[4, column] = value
    table = pa.Table.from_pandas(table, preserve_index=False)
    frame, options = elsewhere(table, tmp_path, "parquet")
    told = []
    for place, more in ((table, {}), (frame, options)):
        with pytest.raises(DataError) as error:
            Listings(place, **KEPT, **more).clean(HoldingPrice(upper_multiple=5)).totals()
        told.append(str(error.value).splitlines()[0])
    assert told[0] == told[1] and joins(joined)


def test_the_alarm_hears_what_is_left(tmp_path, joined):
    table = pa.table({"id": ["a"] * 2 + ["b"] * 300, "price": [100.0, 12_000.0, 1.0] + [101.0] * 299, "reviews": [1] * 302,
                      "seller": ["s"] * 302})
    for rule, rings in ((HoldingPrice(upper_multiple=100), True), (HoldingPrice(upper_multiple=1.5), False)):
        want = assert_parity(table, tmp_path, "parquet", lambda t, rule=rule: t.clean(rule), {}, **KEPT)
        assert bool(want.header.flags) == rings
    assert joins(joined)


@pytest.mark.parametrize("rule", ["a later cap", "an earlier cap", "a cap between"])
def test_rules_on_single_rows_around_it(rule, tmp_path, joined):
    assert_parity(repeated_listings(), tmp_path, "parquet", TWICE[rule], {}, **KEPT)
    assert joins(joined)


@pytest.mark.parametrize(("rule", "policy"), [
    (TWICE["two medians"], "keep"), (TWICE["mended, then multiples"], "keep"),
    (lambda t: t.clean(HoldingPrice(cap=30, action="median")), "keep"),
    (lambda t: t.clean(HoldingPrice(upper_multiple=2, action="median")), "keep"), (lambda t: t.clean(ONLY), "sum"),
    (lambda t: t.clean(ONLY), "largest"), (lambda t: t.clean(HoldingPrice(cap=30)), "keep"),
], ids=["two medians", "mended, then multiples", "a mended cap", "mended", "summed", "the largest", "a cap"])
def test_other_rules_are_applied_in_memory(rule, policy, tmp_path, joined):
    assert_parity(repeated_listings(), tmp_path, "parquet", rule, {}, **{**ROLES, "duplicates": policy})
    assert not joins(joined)


@pytest.mark.parametrize(("chunk", "many", "head", "told", "way"), [
    (29, 0.25, 60, 21, "count"), (30, 0.25, 60, 21, None), (29, 0.5, 60, 21, None), (29, 0.49, 60, 21, "count"),
    (99, 0.25, 60, 20, "head"), (99, 0.25, 60, 21, None), (99, 0.49, 60, 20, "head"), (99, 0.5, 60, 20, None),
    (99, 0.25, 30, 10, "head"), (99, 0.25, 30, 11, None), (29, 0.25, 60, 20, "head"),
])
def test_what_counts_as_many(chunk, many, head, told, way, tmp_path, monkeypatch, statements):
    """Thirty of sixty rows are of listings that the rule can touch, ten of twenty."""
    for name, value in (("CHUNK", chunk), ("MANY", many), ("HEAD", head), ("TOLD", told)):
        monkeypatch.setattr(lazy, name, value)
    frame, options = elsewhere(wild(), tmp_path, "parquet")
    listings = Listings(frame, **KEPT, **options).clean(HoldingPrice(upper_multiple=5, min_observations=3))
    statements.clear()
    listings.totals()
    assert joins(statements) == (way is not None)
    assert any("list_sort" in asked for asked in statements) == (way is not None)
    looked = any("is_touched" in asked and "LIMIT" not in asked for asked in statements)
    assert looked == (way != "head")


def test_where_each_listing_has_one_row_nothing_is_asked_beforehand(tmp_path, joined):
    """It is its own median; a listing that has more is refused."""
    table = pa.Table.from_pandas(listing_table(60), preserve_index=False)
    assert_parity(table, tmp_path, "parquet", lambda t: t.clean(HoldingPrice(upper_multiple=2)), {}, **ROLES)
    assert not joins(joined) and not any(f"LIMIT {lazy.HEAD}" in asked for asked in joined)


@pytest.mark.parametrize("kind", ["relation", "lazyframe"])
def test_the_head_of_a_query_is_not_asked_for(kind, tmp_path, monkeypatch, statements):
    """It may cost as much as the whole."""
    monkeypatch.setattr(lazy, "TOLD", 0)
    frame, options = elsewhere(wild(), tmp_path, kind)
    Listings(frame, **KEPT, **options).clean(HoldingPrice(upper_multiple=5)).totals()
    assert not any(f"LIMIT {lazy.HEAD}" in asked for asked in statements)


def test_what_the_first_rows_tell(tmp_path, monkeypatch):
    """Listings on several rows below the cap: more prices may follow, so that the least number of them is not asked for."""
    answers, fetch = [], sessions.OwnSession.fetch

    def told_too(self, asked):
        answers.append((asked, fetch(self, asked)))
        return answers[-1][1]

    monkeypatch.setattr(sessions.OwnSession, "fetch", told_too)
    monkeypatch.setattr(lazy, "HEAD", 9)
    table = pa.table({"id": list("aabbcceeda"), "price": [10.0, 90, 10, 90, 10, 5_000, 10, 11, 10, 12], "reviews": [1] * 10,
                      "seller": ["s"] * 10})
    frame, options = elsewhere(table, tmp_path, "parquet")
    Listings(frame, **KEPT, **options).clean(HoldingPrice(cap=1_000, upper_multiple=5, min_observations=3)).totals()
    (told,) = [answer.to_pylist() for asked, answer in answers if "LIMIT 9" in asked]
    assert told == [{"n": 3, "touched": 2}]
