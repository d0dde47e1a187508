import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest

from darkmarket_estimates import DataError, NotIdentifiedError, Totals
from darkmarket_estimates.totals import COLUMNS, MISSING, band_labels, collect
from darkmarket_estimates.totals.header import check_window
from tests.tables import listing_table, listings

BY = ["market", "category", "country"]


def assert_same(a: Totals, b: Totals, rel: float = 1e-12) -> None:
    """Equal cells, sums to `rel`, audit and header."""
    assert list(a.keys) == list(b.keys)
    for name in a.keys:
        assert list(a.keys[name].take()) == list(b.keys[name].take())
    for name in COLUMNS:
        np.testing.assert_allclose(a.columns[name], b.columns[name], rtol=rel, atol=0)
    assert a.header == b.header
    assert [(e.rule, e.rows) for e in a.audit] == [(e.rule, e.rows) for e in b.audit]


def test_sums_by_hand_against_pandas():
    frame = listing_table()
    totals = listings(frame, market="market").totals(by=BY)
    frame["value"] = frame.price * frame.reviews
    frame["q"] = frame.price**2 * frame.reviews
    frame["y2"] = frame.value**2
    want = frame.assign(country=frame.country.fillna(MISSING)).groupby(BY).agg(
        n_listings=("id", "size"), reviews=("reviews", "sum"), value=("value", "sum"), price_sq_reviews=("q", "sum"),
        rate_sq_reviews=("reviews", "sum"), listing_value_sq=("y2", "sum"), max_listing_value=("value", "max"))
    got = totals.to_frame().set_index(BY)
    pd.testing.assert_frame_equal(got, want.astype(float), rtol=1e-12, check_index_type=False)


def test_days_divide_counts_and_squares():
    frame = listing_table()
    totals = listings(frame, days="days").totals()
    u, p, r = 1 / frame.days, frame.price, frame.reviews
    want = {"reviews": u * r, "value": u * p * r, "price_sq_reviews": (u * p) ** 2 * r, "rate_sq_reviews": u**2 * r,
            "listing_value_sq": (u * p * r) ** 2}
    for name, values in want.items():
        assert totals.sum(name) == pytest.approx(values.sum(), rel=1e-12)
    assert totals.header.per_day and totals.header.days == 1.0


@pytest.mark.parametrize("seed", range(3))
def test_parts_by_listing_add_up_to_the_whole(seed):
    frame = listing_table(seed=seed)
    make = lambda part: listings(part, market="market").totals(by=BY, bands=[20, 100])  # noqa: E731
    part = np.random.default_rng(seed).integers(0, 3, len(frame))
    a, b, c = (make(frame[part == i]) for i in range(3))
    assert_same((a + b) + c, make(frame), rel=1e-12)
    assert_same(a + (b + c), (c + a) + b)


def test_row_order_leaves_no_trace():
    frame = listing_table()
    assert_same(listings(frame).totals(by=BY), listings(frame.sample(frac=1, random_state=3)).totals(by=BY))


def test_bands_hold_all_money_and_are_ordered():
    totals = listings().totals(bands=[20, 100])
    assert totals.keys["price_band"].labels == ("< 20", "20 to < 100", ">= 100")
    frame = listing_table()
    cheap = frame[frame.price < 20]
    got = totals.to_frame().set_index("price_band").value
    assert got["< 20"] == pytest.approx((cheap.price * cheap.reviews).sum(), rel=1e-12)
    assert got.sum() == pytest.approx(totals.sum("value"), rel=1e-12)
    assert band_labels(()) == () and band_labels([0.5]) == ("< 0.5", ">= 0.5")


def test_price_on_an_edge_belongs_to_the_upper_band():
    table = {"price": [100.0], "reviews": [1], "seller": ["a"], "id": ["x"]}
    assert listings(table).totals(bands=[100]).to_frame().price_band.tolist() == [">= 100"]


@pytest.mark.parametrize(("field", "options"), [
    ("currency", {"currency": "EUR"}), ("window", {"window": ("2016-01-01", "2016-02-01")}), ("per_day", {"days": "days"}),
])
def test_unlike_headers_are_not_added(field, options):
    with pytest.raises(DataError, match=field):
        listings().totals() + listings(**options).totals()


def test_parts_that_were_cleaned_differently_are_not_added():
    from darkmarket_estimates import HoldingPrice

    whole = listings()
    with pytest.raises(DataError, match="treated alike"):
        whole.totals() + whole.clean(HoldingPrice(cap=50)).totals()


def test_a_missing_key_error_prints_the_call():
    totals = listings().totals(by=["country"])
    with pytest.raises(NotIdentifiedError, match=r"totals\(by=\['country', 'category'\]\)"):
        totals.require_key("category")


def test_save_and_load(tmp_path):
    totals = listings(market="market", window=("2016-01-01", "2016-02-01")).totals(by=BY, bands=[20, 100])
    totals.save(tmp_path / "t.parquet", vendor_names=True)
    back = Totals.load(tmp_path / "t.parquet")
    assert_same(totals, back, rel=0)
    assert back.audit == totals.audit
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]


def test_saved_vendors_are_pseudonymous_by_default(tmp_path):
    totals = listings().totals()
    totals.save(tmp_path / "a.parquet")
    text = (tmp_path / "a.parquet").read_bytes()
    assert b"s17" not in text and Totals.load(tmp_path / "a.parquet").n_vendors == totals.n_vendors
    a = Totals.load(tmp_path / "a.parquet")
    totals.save(tmp_path / "b.parquet")
    with pytest.raises(DataError, match="vendor_ids"):
        a + Totals.load(tmp_path / "b.parquet")


def test_vendors_saved_with_one_key_can_be_compared(tmp_path):
    frame = listing_table()
    first, second = frame.iloc[:250], frame.iloc[250:]
    for name, part, key in (("a", first, "secret"), ("b", second, "secret"), ("c", second, "other")):
        listings(part).totals().save(tmp_path / name, vendor_key=key)
    a, b, c = (Totals.load(tmp_path / name) for name in "abc")
    both, whole = a + b, listings(frame).totals()
    assert both.n_vendors == whole.n_vendors
    np.testing.assert_allclose(np.sort(both.columns["value"]), np.sort(whole.columns["value"]), rtol=1e-12)
    with pytest.raises(DataError, match="vendor_ids"):
        a + c


def test_not_a_file_of_totals(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        Totals.load(tmp_path / "none.parquet")
    listing_table().to_parquet(tmp_path / "x.parquet")
    with pytest.raises(DataError, match="not a file of totals"):
        Totals.load(tmp_path / "x.parquet")
    (tmp_path / "y.parquet").write_bytes(b"PAR1 truncated")
    with pytest.raises(DataError, match="not a file of totals"):
        Totals.load(tmp_path / "y.parquet")


def test_frames_hide_vendor_names_unless_asked():
    totals = listings(market="market").totals(by=["country"])
    shown = totals.to_frame(vendors=True)
    assert shown.vendor.str.fullmatch(r"vendor \d+").all()
    worth = shown.groupby("vendor").value.sum()
    assert worth["vendor 1"] == worth.max()
    assert totals.to_frame(vendors=True, names=True).vendor.str.fullmatch(r"[AB] / s\d+").all()


@pytest.mark.parametrize("bad", [
    {"value": [1, -1], "reviews": [1, 1]}, {"value": [1, np.nan], "reviews": [1, 1]}, {"value": [1, 1], "reviews": [1, 0]},
    {"value": [100, 10], "reviews": [4, 3], "price_sq_reviews": [1, 1]}, {"value": [1e200, 1], "reviews": [1, 1]},
    {"value": [1, 1], "reviews": [1, 1], "counted": "sales"},
    {"value": [1, 1], "reviews": [1, 1], "window": ("2016-02-01", "2016-01-01")},
    {"value": [1], "reviews": [1, 1]}, {"value": [1, 1], "reviews": [1, 1], "price_sq_reviews": [1]},
])
def test_cells_by_hand_are_checked(bad):
    with pytest.raises(DataError):
        Totals.from_cells(vendor=["a", "b"], currency="USD", **bad)


def test_many_possible_cells_do_not_overflow_the_code():
    from darkmarket_estimates.totals import Key

    n, labels = 50, tuple(f"{i:05d}" for i in range(40_000))
    rng = np.random.default_rng(0)
    keys = {f"k{j}": Key(rng.integers(0, 40_000, n), labels) for j in range(6)}
    merged, columns = collect(keys, {"value": np.ones(n)})
    want = len({tuple(k.codes[i] for k in keys.values()) for i in range(n)})
    assert len(columns["value"]) == want and columns["value"].sum() == n
    rows = list(zip(*(merged[k].codes for k in keys)))
    assert set(rows) == set(zip(*(k.codes for k in keys.values())))


@pytest.mark.parametrize("name", ["kind", "floor", "low", "high", "flags", "count", "n_eff", "share", "value", "vendor"])
def test_a_group_cannot_take_the_name_of_a_result(name):
    with pytest.raises(DataError, match="name of ours"):
        listings(listing_table().rename(columns={"category": name})).totals(by=name)


def test_anonymous_totals_are_not_added_even_to_themselves():
    totals = listings().totals().anonymised()
    with pytest.raises(DataError, match="vendor_ids"):
        totals + totals


@pytest.mark.parametrize("day", ["20160201", "2016-02-01T00:00:00", "today", "2016-02-01Z", dt.datetime(2016, 2, 1, 23, 59),
                                 np.datetime64("2016-02-01T12:00"), 20160201, pd.NaT])
def test_a_window_is_made_of_days(day):
    with pytest.raises(DataError, match="window"):
        check_window(("2016-01-01", day))


@pytest.mark.parametrize("day", ["2016-02-01", dt.date(2016, 2, 1), dt.datetime(2016, 2, 1), pd.Timestamp("2016-02-01"),
                                 np.datetime64("2016-02-01")])
def test_days_in_any_form(day):
    assert check_window(("2016-01-01", day)) == ("2016-01-01", "2016-02-01")


def test_header_and_audit_survive_json():
    totals = listings().totals()
    assert json.loads(json.dumps(totals.audit.to_dicts())) == totals.audit.to_dicts()
    assert "USD" in repr(totals) and "vendors" in repr(totals)
