"""Labels are scraped text: none makes two cells one, and none reaches a terminal as a command."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from darkmarket_estimates import DataError, ExchangeRate, Listings, Totals
from darkmarket_estimates.errors import escaped
from darkmarket_estimates.totals import collect
from darkmarket_estimates.totals.cells import Key
from tests.engines.tables_elsewhere import elsewhere
from tests.tables import ROLES, listing_table, listings
from tests.test_totals import assert_same

EVIL = "\x1b[31mUSD\u202e"


@pytest.mark.parametrize("kind", ["memory", "parquet", "relation", "lazyframe", "dask"])
def test_two_pairs_of_market_and_vendor_are_never_one_text(kind, tmp_path):
    import pyarrow as pa

    frame = pd.DataFrame({"price": 1.0, "reviews": 1, "market": ["a", "a\x1fb"], "seller": ["b\x1fc", "c"]})
    assert "\x1f".join(frame.iloc[0, 2:]) == "\x1f".join(frame.iloc[1, 2:])  # the naive key
    roles = {**ROLES, "listing": None, "market": "market"}

    def there(rows):
        if kind == "memory":
            return rows, {}
        return elsewhere(pa.Table.from_pandas(rows, preserve_index=False), tmp_path, kind)

    table, options = there(frame)
    with pytest.raises(DataError, match=r"separator of keys[\s\S]*'a\\x1fb'"):
        Listings(table, **roles, **options).totals()
    table, options = there(frame.assign(market=["a", "b"]))  # a vendor may be called anything
    totals = Listings(table, **roles, **options).totals()
    assert totals.n_vendors == 2 and totals.keys["vendor"].labels == ("a\x1fb\x1fc", "b\x1fc")


def test_errors_hold_no_command_to_a_terminal():
    table = {"price": [1.0, 2.0], "reviews": [1, 1], "seller": ["a", "b"], "money": [EVIL, "EUR"]}
    with pytest.raises(DataError, match="more than one currency") as caught:
        Listings(table, price="price", reviews="reviews", vendor="seller", currency="money")
    text = str(caught.value)
    assert "\x1b" not in text and "\u202e" not in text
    assert caught.value.got == r"\x1b[31mUSD\u202e, EUR"
    assert escaped("é\n日本\x1b\u202e\ud800") == "é\n日本" + r"\x1b\u202e\ud800"


@pytest.mark.parametrize("kind", ["memory", "parquet", "dask"])
def test_a_currency_can_be_shown(kind, tmp_path):
    import pyarrow as pa

    frame = listing_table(20).assign(money=EVIL)
    table, options = (frame, {}) if kind == "memory" else elsewhere(pa.Table.from_pandas(frame), tmp_path, kind)
    with pytest.raises(DataError, match="currency is no text that can be shown") as caught:
        Listings(table, **{**ROLES, "currency": "money"}, **options).totals()
    assert "\x1b" not in str(caught.value)
    with pytest.raises(DataError, match="currency is no text"):
        Totals.from_cells(vendor=["a"], value=[1.0], reviews=[1], currency=None)


@pytest.mark.parametrize("blank", ["", " ", "\t"], ids=["nothing", "space", "tab"])
def test_a_currency_is_named(blank):
    """A figure without its currency, or one that was converted and says it was not, is no figure."""
    with pytest.raises(DataError, match="currency is no text"):
        Listings(listing_table(20), **{**ROLES, "currency": blank}).totals()
    with pytest.raises(DataError, match="to is no text"):
        ExchangeRate(0.9, to=blank)
    with pytest.raises(DataError, match="to is no text"):
        Listings(listing_table(20), **ROLES).to_currency(blank, ExchangeRate(0.9))


def test_cells_that_are_already_cells_are_only_put_in_order():
    rng = np.random.default_rng(0)
    keys = {"a": Key(rng.permutation(50) % 10, tuple("abcdefghij")), "b": Key(np.arange(50) // 10, tuple("vwxyz"))}
    keys["a"] = Key(np.arange(50) % 10, keys["a"].labels)
    order = rng.permutation(50)
    shuffled = {name: Key(key.codes[order], key.labels) for name, key in keys.items()}
    columns = {"value": rng.random(50), "max_listing_value": rng.random(50)}
    got_keys, got = collect(shuffled, {name: values[order] for name, values in columns.items()})
    rank = np.lexsort((keys["b"].codes, keys["a"].codes))
    for name, values in columns.items():
        assert got[name].tobytes() == values[rank].tobytes()
    assert [got_keys[k].codes.tolist() for k in keys] == [key.codes[rank].tolist() for key in keys.values()]


def test_saved_labels_are_those_that_occur(tmp_path):
    from darkmarket_estimates import HoldingPrice

    frame = pd.DataFrame({"id": ["x", "y"], "price": [1.0, 99.0], "reviews": 1, "seller": ["kept", "nobody-kept-this"]})
    totals = listings(frame).clean(HoldingPrice(cap=50)).totals()
    totals.save(tmp_path / "t.parquet", vendor_names=True)
    assert b"nobody-kept-this" not in (tmp_path / "t.parquet").read_bytes()
    assert Totals.load(tmp_path / "t.parquet").keys["vendor"].take().tolist() == ["kept"]


@pytest.mark.parametrize("kind", [str, int], ids=["text", "numbers"])
def test_saved_labels_go_with_their_cells(kind, tmp_path):
    from darkmarket_estimates import HoldingPrice

    n = 1_200  # so many that numbers are not read as text
    frame = pd.DataFrame({"price": np.arange(n) % 7.0, "reviews": 1, "seller": [kind(i % 40) for i in range(n)]})
    frame.loc[frame.seller.isin([kind(i) for i in (0, 3, 10, 39)]), "price"] = 99.0
    totals = listings(frame, listing=None).clean(HoldingPrice(cap=50)).totals()
    totals.save(tmp_path / "t.parquet", vendor_names=True)
    loaded = Totals.load(tmp_path / "t.parquet")
    assert_same(totals, loaded)
    assert set(loaded.keys["vendor"].labels) == {str(i) for i in range(40)} - {"0", "3", "10", "39"}


def test_files_whose_keys_are_plain_text_are_read_too(tmp_path):
    totals = listings(market="market").totals(by=["category", "country"], bands=[20])
    totals.save(tmp_path / "t.parquet", vendor_names=True)
    table = pq.read_table(tmp_path / "t.parquet")
    for i, name in enumerate(table.column_names):
        if name.startswith("key:"):
            table = table.set_column(i, name, table.column(name).cast("string"))
    pq.write_table(table, tmp_path / "old.parquet")
    assert_same(totals, Totals.load(tmp_path / "old.parquet"), rel=0)


def test_totals_of_nothing_survive_a_file(tmp_path):
    from darkmarket_estimates import HoldingPrice

    totals = listings().clean(HoldingPrice(cap=0.001)).totals(by="country")
    assert totals.n_cells == 0
    totals.save(tmp_path / "t.parquet", vendor_names=True)
    assert Totals.load(tmp_path / "t.parquet").n_cells == 0
