"""Labels that are whole numbers are a tuple of texts in all that they do, and are not made before somebody asks."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkmarket_estimates import HoldingPrice, Listings, ReviewRate, Totals, turnover
from darkmarket_estimates.totals import VENDOR
from darkmarket_estimates.totals.cells import Key, concatenate, inverse
from darkmarket_estimates.totals.numbers import Numbers
from tests.test_totals import assert_same

SOME = st.lists(st.one_of(st.integers(0, 120), st.integers(0, 10**18 - 1), st.sampled_from([10**k for k in range(18)])),
                max_size=30, unique=True)
ROLES = {"price": "price", "reviews": "reviews", "vendor": "seller", "currency": "USD"}


def rising(numbers: list[int]) -> Numbers:
    return Numbers(np.array(sorted(numbers), dtype=np.int64))


def table(n: int = 4_000, n_vendors: int = 1_200) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    return pd.DataFrame({"seller": np.floor(n_vendors * rng.random(n) ** 2).astype(np.int64), "id": rng.integers(0, n, n),
                         "price": rng.lognormal(4, 1, n).round(2), "reviews": rng.poisson(3, n),
                         "market": rng.choice(["A", "AB"], n), "shop": rng.choice(["A", "B"], n),
                         "goods": rng.integers(7, 12, n)})


# -- a tuple ------------------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None, derandomize=True)
@given(numbers=SOME)
def test_numbers_are_the_tuple_of_their_texts(numbers: list[int]) -> None:
    ours, theirs = rising(numbers), tuple(map(str, sorted(numbers)))
    assert ours == theirs and theirs == ours and hash(ours) == hash(theirs) and repr(ours) == repr(theirs)
    assert len(ours) == len(theirs) and tuple(ours) == theirs and ours[1:-1] == theirs[1:-1] and bool(ours) == bool(theirs)
    assert [ours[i] for i in range(-len(theirs), len(theirs))] == [*theirs, *theirs]
    for at, text in enumerate(theirs):
        assert text in ours and ours.index(text) == at
    assert ours == rising(numbers) and (not numbers or ours != rising(numbers[1:]))
    assert ours != [*theirs] and ours != (*theirs, "x") and ours != 3
    for twin in (copy.copy(ours), copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert isinstance(twin, Numbers) and twin == ours == twin.texts


@pytest.mark.parametrize("label", ["", "x", "07", " 7", "7 ", "+7", "-0", "-1", "1_0", "7.0", "٧", "8", "9" * 5_000, "1" * 30, 7,
                                   None, 7.0], ids=lambda x: repr(x)[:12])
def test_what_is_no_label_is_not_found(label: object) -> None:
    ours = Numbers(np.array([0, 7, 10]))
    assert label not in ours and ours.count(label) == 0  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="is no label"):
        ours.index(label)


def test_the_place_of_a_label_can_be_bounded_as_in_a_tuple() -> None:
    ours = Numbers(np.array([0, 7, 10]))
    assert ours.index("7", 1) == ours.index("7", -2, 2) == 1
    for bounds in ((2,), (0, 1), (-1,)):
        with pytest.raises(ValueError):
            ours.index("7", *bounds)
    for at in (3, -4):
        with pytest.raises(IndexError):
            ours[at]


# -- their order --------------------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None, derandomize=True)
@given(numbers=SOME)
def test_the_order_of_numbers_is_that_of_their_texts(numbers: list[int]) -> None:
    ours = rising(numbers)
    order, theirs = ours.order(), tuple(sorted(map(str, numbers)))
    if order is None:
        assert ours == theirs
    else:
        assert ours != theirs and ours.take(order) == theirs and ours.take(order).order() is None


def test_a_key_in_order_names_the_same_cells() -> None:
    key = Key(np.array([2, 0, 1, 2]), Numbers(np.array([9, 10, 100])).as_tuple())
    ours = key.in_order()
    assert ours.labels == ("10", "100", "9") and ours.take().tolist() == key.take().tolist() == ["100", "9", "10", "100"]
    assert ours.in_order() is ours
    text = Key(np.array([1, 0]), ("b", "a"))  # bands are in an order of their own
    assert text.in_order() is text


def test_the_inverse_of_an_order() -> None:
    order = np.array([2, 0, 1])
    assert inverse(order).tolist() == [1, 2, 0] and order[inverse(order)].tolist() == [0, 1, 2]


def test_keys_of_numbers_and_of_texts_become_one() -> None:
    numbers = Key(np.array([1, 0]), Numbers(np.array([10, 9])).as_tuple())
    both = concatenate(numbers, Key(np.array([0, 1]), ("9", "x")), ordered=False)
    assert both.labels == ("10", "9", "x") and both.take().tolist() == ["9", "10", "9", "x"]
    other = concatenate(numbers, Key(np.array([0, 1]), Numbers(np.array([11, 9])).as_tuple()), ordered=False)
    assert other.labels == ("10", "11", "9") and other.take().tolist() == ["9", "10", "11", "9"]
    same = concatenate(numbers, numbers, ordered=False)
    assert isinstance(same.labels, Numbers) and same.codes.tolist() == [1, 0, 1, 0]


# -- totals ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"market": "market"}, {"market": "shop"},
                                     {"listing": "id", "duplicates": "largest"}, {"listing": "id", "duplicates": "keep"}],
                         ids=["plain", "market", "shop", "largest", "keep"])
@pytest.mark.parametrize("by", [None, ["goods"]], ids=["all", "by goods"])
def test_vendors_as_numbers_are_vendors_as_text(options: dict[str, str], by: list[str] | None) -> None:
    """Bit for bit: codes, labels, sums, audit; whole, in parts and without the rows above a cap."""
    frame = table()
    same = frame.assign(seller=frame.seller.astype(str))
    for rule in (HoldingPrice(cap=10**9), HoldingPrice(cap=200)):
        found, want = (Listings(x, **ROLES, **options).clean(rule).totals(by=by) for x in (frame, same))
        parts = [Listings(x, **ROLES, **options).clean(rule).totals(by=by) for x in (frame[:1_900], frame[1_900:])]
        for ours in (found, pickle.loads(pickle.dumps(found))):
            assert repr(ours.keys) == repr(want.keys) and ours.audit == want.audit and repr(ours) == repr(want)
            for name, values in want.columns.items():
                assert ours.columns[name].flags.c_contiguous
                np.testing.assert_array_equal(ours.columns[name], values, err_msg=name)
        if "listing" not in options:  # the parts share listings
            assert_same(want, parts[0] + parts[1])
    assert found.keys[VENDOR].labels == tuple(sorted(found.keys[VENDOR].labels))


def test_ties_of_the_largest_row_go_by_the_name_and_not_by_the_number() -> None:
    frame = pd.DataFrame({"seller": np.arange(1_200) % 12, "price": 5.0, "reviews": 2, "id": np.arange(1_200) % 600})
    for start in (0, 600):  # the rows of a listing are of vendors v and v, then of 9 and 10
        frame.loc[start, "seller"] = 9 + start // 600
    for some in (frame, frame[::-1]):
        totals = Listings(some, **ROLES, listing="id", duplicates="largest").totals()
        kept = dict(zip(totals.keys[VENDOR].take(), totals.columns["n_listings"]))
        assert kept["10"] == 51 and kept["9"] == 50  # of equal rows that of the first name is kept


def test_totals_with_numbers_survive_a_file_and_a_key(tmp_path) -> None:  # type: ignore[no-untyped-def]
    frame = table()
    found, want = (Listings(x, **ROLES).totals() for x in (frame, frame.assign(seller=frame.seller.astype(str))))
    for options in ({"vendor_names": True}, {"vendor_key": "secret"}):
        found.save(tmp_path / "ours", **options)
        want.save(tmp_path / "theirs", **options)
        assert_same(Totals.load(tmp_path / "ours"), Totals.load(tmp_path / "theirs"))
    assert found.to_frame(vendors=True, names=True).equals(want.to_frame(vendors=True, names=True))
    assert found.to_frame(vendors=True).equals(want.to_frame(vendors=True))


@pytest.mark.parametrize("kind", ["parquet", "relation"])
def test_files_put_vendors_in_the_same_order(kind: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    import pyarrow as pa

    from tests.engines.tables_elsewhere import elsewhere

    frame = table()
    there, options = elsewhere(pa.Table.from_pandas(frame, preserve_index=False), tmp_path, kind)
    want = Listings(frame, **ROLES).totals(by="goods")
    assert_same(want, Listings(there, **ROLES, **options).totals(by="goods"))


def test_an_estimate_makes_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, rate = table(), ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.11)
    with monkeypatch.context() as patched:
        patched.setattr(Numbers, "texts", property(lambda self: pytest.fail("somebody made all names")))
        totals = Listings(frame, **ROLES).clean(HoldingPrice(cap=5_000)).totals()
        both = totals + Listings(frame, **ROLES).clean(HoldingPrice(cap=5_000)).totals()
        for estimand in ("expected", "realised"):
            low, high = turnover(totals, review_rate=rate, estimand=estimand).interval
            assert low < totals.sum("value") / 0.44 < high
        assert totals.n_vendors == len(totals.keys[VENDOR].labels) > 1_000 and "vendors" in repr(totals)
        with pytest.raises(pytest.fail.Exception, match="all names"):
            list(totals.keys[VENDOR].labels)
    assert both.sum("value") == 2 * totals.sum("value")
    assert set(totals.keys[VENDOR].take()) == set(frame.seller.astype(str))


@pytest.mark.parametrize("options", [{"interval": "poisson-bootstrap", "estimand": "expected", "rng": 1},
                                     {"estimand": "realised"}], ids=["resampled by name", "realised"])
def test_estimates_from_numbers_and_from_texts_are_one(options: dict[str, object]) -> None:
    """Resampling is keyed by the names of vendors, growth and shares find vendors again by them."""
    frame, rate = table(), ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.11)
    found, want = (turnover(Listings(x, **ROLES).totals(by="shop"), review_rate=rate, **options)
                   for x in (frame, frame.assign(seller=frame.seller.astype(str))))
    assert found.to_frame().equals(want.to_frame()) and found.budget().to_string() == want.budget().to_string()
    assert found.influence().to_string() == want.influence().to_string()
    assert found.share("A", of="shop").interval == want.share("A", of="shop").interval
