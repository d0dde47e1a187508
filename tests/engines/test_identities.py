"""Listings as codes without names: the same rows are one listing as with names."""

import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from darkmarket_estimates import DataError, Listings
from darkmarket_estimates.engines import identities
from darkmarket_estimates.engines.schema import Schema
from darkmarket_estimates.engines.source import Source
from tests.tables import ROLES

N = 3_000
IDS = np.random.default_rng(5).integers(0, 700, N)
COLUMNS = {
    "text": [f"l{i}" for i in IDS], "sorted text": sorted(f"l{i}ü" for i in IDS), "one text": ["x"] * N,
    "numbers": IDS, "small numbers": (IDS % 100).astype(np.int8), "far numbers": IDS * 10**15,
    "unsigned": IDS.astype(np.uint64) + 2**63,
    "negative": -IDS, "fractions": IDS / 2, "decimals": [decimal.Decimal(int(i)) / 4 for i in IDS],
    "days": np.datetime64("2016-01-01") + IDS.astype("timedelta64[D]"), "yes or no": IDS % 2 == 0,
    "chunks": pa.chunked_array([[f"l{i}" for i in IDS[:1_000]], [f"l{i}" for i in IDS[1_000:]]]),
    "categories": pa.array([f"l{i}" for i in IDS]).dictionary_encode(),
    "views": pa.array([f"l{i}" for i in IDS]).cast(pa.string_view()),
    "large text": pa.array([f"l{i}" for i in IDS], pa.large_string()),
}


def source_of(ids, **columns):
    return Source(pa.table({"id": ids, "seller": ["a"] * len(ids), **columns}))


def schema(market=None):
    return Schema(price="price", count="reviews", counted="reviews", vendor="seller", listing="id", market=market, days=None,
                  date=None, captures=None, occasions=None, currency="USD", currency_column=None, window=None,
                  duplicates="keep", vendor_scope="market")


@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize("markets", [None, "one each", "several"])
def test_listings_are_those_with_names(kind, markets):
    ids = COLUMNS[kind]
    texts = pa.array(ids).to_pylist() if not isinstance(ids, pa.ChunkedArray) else ids.to_pylist()
    of = {None: None, "one each": [f"m{len(str(text)) % 3}" for text in texts],
          "several": [f"m{i % 3}" for i in range(N)]}[markets]
    source = source_of(ids) if of is None else source_of(ids, market=of)
    plan = schema() if of is None else schema(market="market")
    found = identities.listings(source, plan, None if of is None else source.labels("market"))
    named = identities.named_listings(source, plan)
    pairs = set(zip(found.codes.tolist(), named.codes.tolist()))
    assert len(pairs) == len(set(found.codes.tolist())) == len(named.labels)  # one name each, one code each
    assert found.codes.dtype == np.int64 and 0 <= found.codes.min() <= found.codes.max() < found.n <= N
    assert found.take(np.array([2, 0])).codes.tolist() == [found.codes[2], found.codes[0]] and found.take([0]).n == found.n


@pytest.mark.parametrize("kind", ["text", "sorted text", "numbers", "far numbers", "fractions", "days", "chunks"])
def test_a_missing_listing_is_told_of_with_its_row(kind):
    ids = pa.array(COLUMNS[kind]) if kind != "chunks" else COLUMNS[kind].combine_chunks()
    ids = pa.array([None if i in (1_700, 1_900) else x for i, x in enumerate(ids.to_pylist())], ids.type)
    for source, market in ((source_of(ids), None), (source_of(ids, market=["m"] * N), "market")):
        with pytest.raises(DataError, match=r"listing is missing in 2 row\(s\)[\s\S]*row 1700"):
            identities.listings(source, schema(market=market), market and source.labels("market"))


def test_nan_is_a_missing_listing_too():
    ids = np.where(np.arange(N) == 7, np.nan, IDS / 2)
    with pytest.raises(DataError, match=r"listing is missing in 1 row\(s\)[\s\S]*row 7"):
        identities.listings(source_of(ids), schema(), None)


@pytest.mark.parametrize("ids", [["a", "(missing)", "b"], ["(missing)", "b", "a"], ["(missing)"] * 1_500 + ["a"],
                                 sorted(["(missing)", *"abc"] * 500)])
def test_a_listing_that_bears_our_name_for_none_is_refused(ids):
    """Also in sorted text, which is looked up where it stands."""
    with pytest.raises(DataError, match="group without a label"):
        identities.listings(source_of(ids), schema(), None)


def test_no_name_of_a_listing_is_made(monkeypatch):
    """It would take most of the time of a table of a million listings; errors make one."""
    frame = pd.DataFrame({"id": [f"l{i}" for i in IDS], "seller": "s", "price": 1.0, "reviews": 1, "market": "m"})
    whole = Listings(frame, **ROLES, market="market", duplicates="keep")
    want = whole.totals().sum("n_listings")
    monkeypatch.setattr(identities, "named_listings", lambda *_: pytest.fail("somebody named all listings"))
    assert Listings(frame, **ROLES, market="market", duplicates="keep").totals().sum("n_listings") == want == len(set(IDS))
    monkeypatch.undo()
    twice = pd.DataFrame({"id": ["d", "c", "b", "b", "a"], "seller": "s", "price": 1.0, "reviews": 1, "market": "m"})
    with pytest.raises(DataError, match=r"1 listing id\(s\) stand on more than one row[\s\S]*row 2[\s\S]*'m / b' on 2 rows"):
        Listings(twice, **ROLES, market="market")


def test_codes_and_names_stay_together_when_rows_go():
    frame = pd.DataFrame({"id": ["b", "a", "b", "c"], "seller": "s", "price": [1.0, 2, 3, 4], "reviews": 1})
    table = Listings(frame, **ROLES, duplicates="keep")._table
    kept = table.keep(np.array([False, True, True, True]), "a rule")
    assert kept.listing.take().tolist() == ["a", "b", "c"] and table.listing.take().tolist() == ["b", "a", "b", "c"]
    assert len(set(kept.listing_as_read.codes.tolist())) == 3
    assert Listings(frame, **{**ROLES, "listing": None})._table.listing is None
