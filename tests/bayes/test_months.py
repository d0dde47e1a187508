"""Months side by side: days that a window covers, tables of several windows joined, and what cannot be joined."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import darkmarket_estimates as dme
from darkmarket_estimates.audit import Entry
from darkmarket_estimates.bayes.months import by_month
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.totals import Key

JANUARY, FEBRUARY, MARCH = ("2016-01-05", "2016-01-20"), ("2016-02-01", "2016-03-01"), ("2016-03-02", "2016-03-04")


def part(value=(5.0, 7.0), vendor=("a", "b"), **header):
    return dme.Totals.from_cells(vendor=vendor, value=value, reviews=[1] * len(vendor), **{"currency": "USD", **header})


def parts(**of_march):
    return {"2016-01": part(window=JANUARY), "2016-02": part((1.0, 2.0), window=FEBRUARY),
            "2016-03": part(**{"value": (3.0, 4.0), "vendor": ("b", "c"), "window": MARCH, **of_march})}


def grouped(labels, **header):
    n = len(labels)
    return dme.Totals.from_cells(vendor=["a"] * n, value=[1.0] * n, reviews=[1] * n, groups={"month": labels}, currency="USD",
                                 **header)


def test_a_window_may_begin_and_end_within_a_month():
    totals = grouped(["2016-01", "2016-02", "2016-04"], window=("2016-01-11", "2016-04-21"))
    assert by_month(totals, "month").days.tolist() == [21, 29, 20]
    assert by_month(grouped(["2015-12", "2016-01", "2016-02"]), "month").days.tolist() == [31, 31, 29]
    assert by_month(grouped(["2015-12", "2016-01", "2016-02"]), "month").t.tolist() == [0, 1, 2]


def test_every_month_has_its_own_window():
    months = by_month(parts(), "month")
    assert months.days.tolist() == [15, 29, 2]
    np.testing.assert_array_equal(months.marks, [[5, 1, 0], [7, 2, 3], [0, 0, 4]])
    assert months.totals.header.window == ("2016-01-05", "2016-03-04")
    assert months.totals.header.by == ("month",)


def test_without_a_window_a_month_has_its_days():
    months = by_month(parts(window=None), "month")
    assert months.days.tolist() == [15, 29, 31]
    assert months.totals.header.window is None  # nobody knows where the third ends


def test_months_are_in_order_of_time_whatever_the_order_of_the_mapping():
    given = parts()
    np.testing.assert_array_equal(by_month(dict(reversed(given.items())), "month").marks, by_month(given, "month").marks)


@pytest.mark.parametrize(("name", "other"), [("currency", {"currency": "EUR"}), ("counted", {"counted": "sold"}),
                                             ("per_day", {"per_day": True}), ("vendor_ids", {"vendor_ids": "anonymous"})])
def test_months_are_treated_alike(name, other):
    with pytest.raises(DataError, match=f"differ in {name}") as caught:
        by_month(parts(**other), "month")
    assert caught.value.where == "month 2016-03"


def test_columns_that_one_month_lacks_are_left_out():
    given = parts()
    less = given["2016-02"]
    given["2016-02"] = replace(less, columns={k: v for k, v in less.columns.items() if k != "n_listings"})
    months = by_month(given, "month")
    assert "n_listings" not in months.totals.columns
    assert months.totals.sum("value") == 22


def test_what_happened_to_every_month_is_kept():
    given, flagged = parts(), parts(flags=("a flag of March",))
    for label, rows in (("2016-01", 3), ("2016-02", 4), ("2016-03", 5)):
        entry = Entry(rule="holding price", rows=rows, count=1.0 * rows, value=10.0 * rows, value_after=0.0, currency="USD")
        given[label] = replace(given[label], audit=given[label].audit.add(entry))
    found, = by_month(given, "month").totals.audit
    assert (found.rows, found.count, found.value) == (12, 12.0, 120.0)
    assert by_month(flagged, "month").totals.header.flags == ("a flag of March",)


def test_labels_of_months_that_do_not_occur_are_no_months():
    totals = grouped(["2016-01", "2016-02", "2016-03"])
    key = totals.keys["month"]
    wider = replace(totals, keys={**totals.keys, "month": Key(key.codes + 1, ("2015-12", *key.labels, "none"))})
    months = by_month(wider, "month")
    assert months.labels == ("2016-01", "2016-02", "2016-03")
    np.testing.assert_array_equal(months.marks, [[1, 1, 1]])


def test_a_vendor_may_be_without_money_and_a_month_may_not():
    given = parts(value=(3.0, 0.0))
    np.testing.assert_array_equal(by_month(given, "month").marks, [[5, 1, 0], [7, 2, 3], [0, 0, 0]])
    with pytest.raises(DataError, match="no money") as caught:
        by_month(parts(value=(0.0, 0.0)), "month")
    assert caught.value.where == "month 2016-03"


@pytest.mark.parametrize("label", ["2016-00", "2016-13", "2016-1", "16-01", "2016-01-01", "January"])
def test_labels_that_are_no_months(label):
    with pytest.raises(DataError, match="no month"):
        by_month(grouped(["2016-01", "2016-02", "2016-03", label]), "month")


def test_a_month_of_no_day():
    with pytest.raises(DataError, match="outside the window"):
        by_month(grouped(["2016-01", "2016-02", "2016-03"], window=("2016-01-01", "2016-03-01")), "month")
    last = grouped(["2016-01", "2016-02", "2016-03"], window=("2016-01-01", "2016-03-02"))
    assert by_month(last, "month").days.tolist() == [31, 29, 1]
