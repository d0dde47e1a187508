"""Listings go to other processes by any protocol of pickle, unless they hang on a connection of this one."""

import copy
import pickle

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from darkmarket_estimates import HoldingPrice, Listings, NotSupportedError
from tests.engines.tables_elsewhere import TEXT, TYPED, assert_alike, elsewhere
from tests.tables import ROLES, listing_table

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


@pytest.mark.parametrize("kind", [kind for kind in (*TYPED, *TEXT) if kind != "relation"])
def test_copies_answer_the_same(kind, tmp_path):
    frame, options = elsewhere(pa.Table.from_pandas(listing_table(90), preserve_index=False), tmp_path, kind)
    listings = Listings(frame, **ROLES, **options).clean(HoldingPrice(cap=60))
    want = listings.totals(by="category")
    for other in (copy.copy(listings), copy.deepcopy(listings), *(pickle.loads(pickle.dumps(listings, p)) for p in PROTOCOLS)):
        assert type(other) is Listings
        assert_alike(want, other.totals(by="category"))


def test_copies_of_dated_listings():
    pages = {"id": ["a"] * 3, "day": ["2014-01-01", "2014-01-05", "2014-01-09"], "usd": [10.0, 10.0, 12.0], "n": [3, 5, 6],
             "seller": ["x"] * 3}
    listings = Listings.from_scrapes(pages, listing="id", scrape="day", price="usd", vendor="seller", reviews="n", currency="USD")
    for protocol in PROTOCOLS:
        other = pickle.loads(pickle.dumps(listings, protocol))
        assert_alike(listings.totals(), other.totals())
        pd.testing.assert_frame_equal(listings.dates(), other.dates())


def test_a_relation_stays_where_its_connection_is(tmp_path):
    frame, options = elsewhere(pa.Table.from_pandas(listing_table(90), preserve_index=False), tmp_path, "relation")
    listings = Listings(frame, **ROLES, **options)
    for protocol in PROTOCOLS:
        with pytest.raises(NotSupportedError, match="stays in its process") as caught:
            pickle.dumps(listings, protocol)
        assert "Parquet" in caught.value.fix
    for other in (copy.copy(listings), copy.deepcopy(listings)):
        assert_alike(listings.totals(), other.totals())


def test_a_plan_that_breaks_says_so_in_our_words():
    """And not in those of the engine that reads its stream."""
    frame = pl.LazyFrame({"p": ["1", "x"], "n": [1, 1], "v": ["a", "b"]}).with_columns(pl.col("p").cast(pl.Float64))
    with pytest.raises(ValueError, match="polars cannot read the frame") as caught:
        Listings(frame, price="p", reviews="n", vendor="v", currency="USD").totals()
    assert "the_stream" not in str(caught.value) and "Traceback" not in str(caught.value)
