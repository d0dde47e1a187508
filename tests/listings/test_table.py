"""The table door: what goes in, what is refused, and what the rules do."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from darkmarket_estimates import DataError, ExchangeRate, HoldingPrice, Listings, NotIdentifiedError, Range
from tests.tables import listing_table, listings

ONE = {"price": [10.0, 20.0], "reviews": [1, 2], "seller": ["a", "b"], "id": ["x", "y"]}


def broken(**columns):
    return {**ONE, **columns}


@pytest.mark.parametrize(("columns", "match"), [
    ({"price": [10.0, np.nan]}, "price cannot be used in 1 of 2"), ({"price": [10.0, np.inf]}, "price cannot be used"),
    ({"price": [10.0, -1e-9]}, "price cannot be used"), ({"price": ["10", "20"]}, "price is not a number"),
    ({"price": ["1.234,50", "2"]}, r"1\.234,50"), ({"price": [True, False]}, "price is not a number"),
    ({"reviews": [1, -1]}, "reviews cannot be used"), ({"reviews": [1, 0.5]}, "reviews cannot be used"),
    ({"reviews": [1, np.nan]}, "reviews cannot be used"), ({"seller": ["a", None]}, "vendor is missing in 1 row"),
    ({"id": ["x", "x"]}, "more than one row"), ({"id": ["x", None]}, "listing is missing"),
    ({"price": [1e308, 1e308]}, "too large|below 1e308"), ({"price": [1e200, 1e200]}, "too large"),
])
def test_bad_columns_are_named(columns, match):
    with pytest.raises(DataError, match=match):
        listings(broken(**columns)).totals()


def test_the_row_is_named():
    with pytest.raises(DataError, match=r"column 'price', row 1 \(counting from 0\)"):
        listings(broken(price=[1.0, -3.0]))


@pytest.mark.parametrize(("options", "match"), [
    ({"price": "cost"}, "no column 'cost'"), ({"reviews": None}, "what is counted"), ({"sold": "reviews"}, "what is counted"),
    ({"reviews": 2}, "reviews= is a column"), ({"duplicates": "drop"}, "duplicates"), ({"vendor_scope": "x"}, "scope"),
    ({"window": ("2016-02-01", "2016-01-01")}, "ends before"), ({"window": ("2016-02-01", "2016-02-01")}, "ends before"),
    ({"window": ("soon", "later")}, "window"), ({"window": ("2016-01-01",)}, "window"), ({"window": (None, None)}, "window"),
    ({"captures": "reviews"}, "occasions"), ({"captures": "reviews", "occasions": 1}, "captures cannot be used"),
    ({"days": "zero"}, "days cannot be used"),
])
def test_bad_calls(options, match):
    with pytest.raises(DataError, match=match):
        listings({**ONE, "zero": [1, 0]}, **options)


def test_empty_table():
    with pytest.raises(DataError, match="empty"):
        listings(listing_table().iloc[:0])


def test_two_currencies():
    with pytest.raises(DataError, match="more than one currency"):
        listings(broken(cur=["USD", "EUR"]), currency="cur")
    assert listings(broken(cur=["USD", "USD"]), currency="cur").currency == "USD"


def test_a_price_column_named_like_a_currency():
    table = {"USD": [5.0, 6.0], "reviews": [1, 1], "seller": ["a", "b"]}
    assert Listings(table, price="USD", reviews="reviews", vendor="seller", currency="USD").currency == "USD"


def test_listings_can_be_copied():
    import copy
    import pickle

    table = listings()
    for other in (copy.deepcopy(table), *(pickle.loads(pickle.dumps(table, protocol)) for protocol in range(6))):
        assert other.totals().sum("value") == table.totals().sum("value")


def test_ragged_arrays_and_unknown_tables():
    with pytest.raises(DataError, match="length"):
        listings(broken(price=[1.0]))
    with pytest.raises(DataError, match="not known"):
        listings(42)


def test_column_that_stands_twice():
    frame = pd.DataFrame(ONE)
    with pytest.raises((DataError, ValueError)):
        listings(pd.concat([frame, frame[["price"]]], axis=1))


def test_price_zero_and_no_reviews_are_legal():
    assert listings(broken(price=[0.0, 20.0])).totals().sum("value") == 40.0
    assert listings(broken(reviews=[0, 0])).totals().sum("value") == 0.0


def test_listings_are_immutable():
    table = listings()
    with pytest.raises(AttributeError):
        table.price = 3
    before = table.totals().sum("value")
    table.clean(HoldingPrice(cap=50)).to_currency("EUR", ExchangeRate(2.0))
    assert table.totals().sum("value") == before and len(table.audit) == 1


def test_reviews_one_a_row_keeps_repeated_listings():
    table = {"price": [10.0, 12.0, 5.0], "seller": ["a", "a", "b"], "id": ["x", "x", "y"]}
    totals = listings(table, reviews=1).totals()
    assert totals.sum("value") == 27 and totals.sum("n_listings") == 2 and totals.sum("max_listing_value") == 27
    assert totals.sum("listing_value_sq") == 22**2 + 5**2


def test_vendor_is_one_within_a_market():
    frame = listing_table()
    assert listings(frame, market="market").totals().n_vendors > listings(frame).totals().n_vendors
    one = listings(frame, market="market", vendor_scope="all markets").totals()
    assert one.n_vendors == listings(frame).totals().n_vendors and one.header.markets == ("A", "B")


def test_same_listing_id_on_two_markets_is_two_listings():
    table = {"price": [1.0, 2.0], "reviews": [1, 1], "seller": ["a", "a"], "id": ["x", "x"], "market": ["A", "B"]}
    assert listings(table, market="market").totals().sum("n_listings") == 2
    with pytest.raises(DataError, match="more than one row"):
        listings(table)


def test_groups_missing_numbers_dates_and_reserved_names():
    table = broken(year=[2014.0, np.nan], day=[dt.date(2014, 1, 2), None], flag=[True, False])
    labels = {by: sorted(listings(table).totals(by=by).to_frame()[by]) for by in ("year", "day", "flag")}
    assert labels == {"year": ["(missing)", "2014"], "day": ["(missing)", "2014-01-02"], "flag": ["False", "True"]}
    for bad in ("vendor", "value", "price_band"):
        with pytest.raises(DataError, match="name of ours"):
            listings(table).totals(by=bad)
    with pytest.raises(DataError, match="no column"):
        listings(table).totals(by="colour")
    with pytest.raises(DataError, match="name of the group without"):
        listings(broken(c=["(missing)", "b"])).totals(by="c")
    with pytest.raises(DataError, match="do not rise"):
        listings(table).totals(bands=[5, 1])


# -- duplicates ---------------------------------------------------------------------------------------------------

TWICE = {"price": [10.0, 30.0, 5.0], "reviews": [2, 4, 1], "seller": ["a", "a", "b"], "id": ["x", "x", "y"]}


@pytest.mark.parametrize(("policy", "value", "n", "q"), [
    ("first", 25, 2, 225), ("largest", 125, 2, 3625), ("sum", 145, 2, (140 / 6) ** 2 * 6 + 25), ("keep", 145, 2, 3825),
])
def test_duplicate_policies(policy, value, n, q):
    totals = listings(TWICE, duplicates=policy).totals()
    assert totals.sum("value") == pytest.approx(value)
    assert totals.sum("n_listings") == n
    assert totals.sum("price_sq_reviews") == pytest.approx(q)


def test_largest_does_not_depend_on_row_order():
    table = pd.DataFrame({"price": [10.0, 30.0, 20.0], "reviews": [4, 4, 1], "seller": "a", "id": "x"})
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        assert listings(table.iloc[order], duplicates="largest").totals().sum("value") == 120


def test_dropped_duplicates_are_in_the_audit():
    entry = list(listings(TWICE, duplicates="first").audit)[-1]
    assert (entry.rows, entry.count, entry.value, entry.removed) == (1, 4, 120, 120)


def test_summed_rows_of_different_vendors_are_refused():
    with pytest.raises(DataError, match="different vendors"):
        listings({**TWICE, "seller": ["a", "b", "b"]}, duplicates="sum")


def test_summed_rows_have_one_number_of_days():
    days = {**TWICE, "days": [10.0, 10.0, 10.0]}
    assert listings(days, duplicates="sum", days="days").totals().sum("value") == pytest.approx(
        listings(TWICE, duplicates="sum").totals().sum("value") / 10)
    with pytest.raises(DataError, match="different days of exposure") as caught:
        listings({**TWICE, "days": [10.0, 20.0, 10.0]}, duplicates="sum", days="days").totals()
    assert caught.value.fix.startswith('duplicates="largest"')


# -- holding prices -----------------------------------------------------------------------------------------------

HELD = {"price": [10.0, 12.0, 11.0, 9_999.0, 1.0, 70.0], "reviews": [1, 1, 1, 1, 1, 3],
        "seller": ["a"] * 5 + ["b"], "id": ["x"] * 5 + ["y"]}


def held(**rule):
    return listings(HELD, duplicates="keep").clean(HoldingPrice(**rule))


def test_cap_is_inclusive_and_counted():
    assert held(cap=9_999).totals().sum("value") == pytest.approx(10_243)
    cleaned = held(cap=9_998.99)
    entry = list(cleaned.audit)[-1]
    assert cleaned.totals().sum("value") == 244 and (entry.rows, entry.count, entry.removed) == (1, 1, 9_999)


def test_multiples_of_the_median_after_the_cap():
    # median of x after the cap: 10.5; before it, 11
    assert held(cap=1000, lower_multiple=0.25).totals().sum("value") == 243
    assert held(upper_multiple=5).totals().sum("value") == 244
    assert held(cap=1000, upper_multiple=1.09).totals().sum("value") == 10 + 11 + 1 + 210
    assert held(upper_multiple=1.09).totals().sum("value") == 10 + 11 + 1 + 210  # 11.99 is the limit at median 11


def test_min_observations():
    assert held(upper_multiple=5, min_observations=5).totals().sum("value") == 244
    assert held(upper_multiple=5, min_observations=6).totals().sum("value") == 10_243


def test_median_action_values_the_reviews_at_the_accepted_median():
    cleaned = held(cap=1000, action="median")
    assert cleaned.totals().sum("value") == pytest.approx(244 + 10.5)
    entry = next(e for e in cleaned.audit if "median" in e.rule)
    assert (entry.value, entry.value_after) == (9_999, 10.5)
    hopeless = held(cap=15, action="median")
    assert hopeless.totals().sum("value") == pytest.approx(34 + 10.5)
    assert list(hopeless.audit)[-1].removed == 210


def test_medians_need_the_listing():
    table = listings(HELD, listing=None)
    with pytest.raises(NotIdentifiedError, match='listing="listing_id"'):
        table.clean(HoldingPrice(upper_multiple=5))
    with pytest.raises(DataError, match="takes a rule"):
        table.clean(10_000)


def test_money_read_is_money_kept_and_money_removed():
    cleaned = listings(listing_table()).clean(HoldingPrice(cap=80)).clean(HoldingPrice(cap=40))
    audit = list(cleaned.audit)
    assert audit[0].value == pytest.approx(cleaned.totals().sum("value") + audit[1].removed + audit[2].removed)


# -- currency -----------------------------------------------------------------------------------------------------


def test_one_rate():
    table = listings()
    euro = table.to_currency("EUR", ExchangeRate(0.88, source="s", date="2016-05"))
    assert euro.totals().sum("value") == pytest.approx(0.88 * table.totals().sum("value"), rel=1e-12)
    assert euro.totals().header.conversions == ("USD to EUR at 0.88, 2016-05, s",)
    assert euro.totals().header.currency == "EUR"


@pytest.mark.parametrize("form", ["mapping", "series", "frame"])
def test_daily_rates(form):
    frame = listing_table()
    days = pd.date_range("2016-01-01", periods=31)
    rates = pd.Series(np.linspace(0.8, 1.0, 31), index=days)
    given = {"mapping": dict(zip(days.date, rates)), "series": rates,
             "frame": pd.DataFrame({"date": days, "rate": rates.to_numpy()})}[form]
    got = listings(frame, date="day").to_currency("EUR", given).totals().sum("value")
    assert got == pytest.approx((frame.price * frame.reviews * frame.day.map(rates)).sum(), rel=1e-12)


def test_a_missing_day_is_named():
    days = pd.date_range("2016-01-01", periods=31)
    rates = {day.date(): 0.9 for day in days if day.day != 17}
    with pytest.raises(DataError, match=r"2016-01-17"):
        listings(date="day").to_currency("EUR", rates)


@pytest.mark.parametrize(("rates", "match"), [
    ({}, "empty"), ({"2016-01-01": 0}, "rate is 0"), ({"2016-01-01": -1}, "rates"), ({"x": 1}, "not a day"),
    ({"2016-01-01": 1.0, dt.date(2016, 1, 1): 1.0}, "twice"), (0.88, "bare number"), ("0.88", "cannot be read"),
    (ExchangeRate(Range(0.8, 0.9)), "uncertain"), (ExchangeRate(0.9, to="GBP"), "another currency"),
])
def test_bad_rates(rates, match):
    with pytest.raises(DataError, match=match):
        listings(date="day").to_currency("EUR", rates)


def test_conversion_twice_or_over_long_windows_is_refused():
    with pytest.raises(DataError, match="already"):
        listings().to_currency("USD", ExchangeRate(1.0))
    long = listings(window=("2016-01-01", "2017-01-01"))
    with pytest.raises(DataError, match="one_rate=True"):
        long.to_currency("EUR", ExchangeRate(0.9))
    assert long.to_currency("EUR", ExchangeRate(0.9), one_rate=True).currency == "EUR"
    assert listings(window=("2016-01-01", "2016-04-02")).to_currency("EUR", ExchangeRate(0.9)).currency == "EUR"  # 92 days
    with pytest.raises(DataError, match="over 93 days"):
        listings(window=("2016-01-01", "2016-04-03")).to_currency("EUR", ExchangeRate(0.9))


def test_daily_rates_need_days():
    with pytest.raises(NotIdentifiedError, match="date="):
        listings().to_currency("EUR", {"2016-01-01": 1.0})
    frame = listing_table()
    frame.loc[3, "day"] = pd.NaT
    with pytest.raises(DataError, match="no date"):
        listings(frame, date="day").to_currency("EUR", {"2016-01-01": 1.0})


def test_cap_is_in_the_present_currency():
    table = listings(HELD, duplicates="keep")
    cents = table.to_currency("cent", ExchangeRate(100.0)).clean(HoldingPrice(cap=1_100))
    assert cents.totals().sum("value") == pytest.approx(100 * table.clean(HoldingPrice(cap=11)).totals().sum("value"))


def test_captures_are_keyed():
    frame = listing_table()
    frame["k"] = np.random.default_rng(0).integers(1, 4, len(frame))
    totals = listings(frame, captures="k", occasions=3).totals()
    assert totals.header.occasions == 3
    got = totals.to_frame().set_index("captures").n_listings
    assert got.to_dict() == frame.k.value_counts().rename(index=str).to_dict()


def test_to_frame_and_repr_name_no_vendor():
    table = listings()
    assert list(table.to_frame()) == ["row", "price", "reviews", "value"] and "s1" not in repr(table)
    assert isinstance(table, Listings)


@pytest.mark.parametrize("day", [pd.NaT, None, "", "20160101", 20160101, "2016-01", "2016", "today", "01-01-2016", "2016-13-01"],
                         ids=repr)
def test_a_rate_of_no_day(day):
    """NumPy reads most of them: as no day, as the first of the month, as a day in the year 20160101."""
    with pytest.raises(DataError, match="not a day"):
        listings().to_currency("EUR", {"2016-01-02": 2.0, day: 1.0})
