"""Totals that grow day by day are those of one scan; what does not add up over days is refused."""

import functools
import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from darkmarket_estimates import (
    DataError,
    ExchangeRate,
    HoldingPrice,
    Listings,
    ReviewRate,
    Totals,
    turnover,
)
from darkmarket_estimates.totals.header import Detection
from tests.tables import ROLES, listing_table

DAYS = [f"2016-01-{d:02d}" for d in range(1, 8)]


def reviews(n: int = 900) -> pd.DataFrame:
    """Dated reviews: listings and vendors come back on other days."""
    frame = listing_table(n)
    frame["id"] = [f"l{i % 190}" for i in range(n)]
    frame["seller"] = [f"s{i % 190 % 31}" for i in range(n)]
    frame["day"] = np.random.default_rng(2).choice(DAYS[:-1], n)
    return frame


def scan(frame: pd.DataFrame, first: str, after: str, **options) -> Totals:
    part = frame[(frame.day >= first) & (frame.day < after)]
    listings = Listings(part, **{**ROLES, "reviews": 1, "market": "market", "window": (first, after), **options})
    return listings.clean(HoldingPrice(cap=300)).to_currency("EUR", ExchangeRate(0.88)).totals(by="country", bands=[50])


def test_days_joined_are_one_scan():
    frame = reviews()
    whole = scan(frame, DAYS[0], DAYS[-1])
    days = [scan(frame, first, after) for first, after in itertools.pairwise(DAYS)]
    joined = functools.reduce(Totals.then, days)
    assert joined.header.window == whole.header.window and joined.header.n_windows == 6
    for name, key in whole.keys.items():
        assert list(key.take()) == list(joined.keys[name].take())
    for name in ("reviews", "value", "price_sq_reviews", "rate_sq_reviews"):
        np.testing.assert_allclose(joined.columns[name], whole.columns[name], rtol=1e-12)
    assert joined.sum("n_listings") == sum(day.sum("n_listings") for day in days) > whole.sum("n_listings")
    for a, b in zip(joined.audit, whole.audit, strict=True):
        assert (a.rule, a.rows) == (b.rule, b.rows) and a.value == pytest.approx(b.value, rel=1e-12)
    rate = ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.11)
    for estimand in ("realised", "expected"):
        a, b = (turnover(t, review_rate=rate, estimand=estimand) for t in (joined, whole))
        np.testing.assert_allclose([a.value, *a.interval], [b.value, *b.interval], rtol=1e-9)


def test_days_that_were_saved(tmp_path):
    frame = reviews()
    for name, first, after in (("a", DAYS[0], DAYS[3]), ("b", DAYS[3], DAYS[-1])):
        scan(frame, first, after).save(tmp_path / name, vendor_key="secret")
    joined = Totals.load(tmp_path / "a").then(Totals.load(tmp_path / "b"))
    whole = scan(frame, DAYS[0], DAYS[-1])
    assert joined.n_vendors == whole.n_vendors and "joined from 2 windows" in repr(joined)
    joined.save(tmp_path / "c", vendor_key="secret")
    assert Totals.load(tmp_path / "c").header == joined.header
    assert joined.sum("value") == pytest.approx(whole.sum("value"), rel=1e-12)


@pytest.mark.parametrize(("second", "match"), [
    ((DAYS[2], DAYS[3]), "do not follow"), ((DAYS[0], DAYS[1]), "do not follow"), (None, "do not follow"),
], ids=["gap", "overlap", "unknown"])
def test_windows_have_to_follow_each_other(second, match):
    frame = reviews()
    first = scan(frame, DAYS[0], DAYS[1])
    other = scan(frame, *second) if second else Totals.from_cells(vendor=["a"], value=[1.0], reviews=[1], currency="EUR")
    with pytest.raises(DataError, match=match):
        first.then(other)
    with pytest.raises(DataError, match=match):
        other.then(first)


def test_what_does_not_add_up_over_days_is_refused():
    cells = {"vendor": ["a"], "value": [1.0], "reviews": [1]}
    one, two = {"window": (DAYS[0], DAYS[1])}, {"window": (DAYS[1], DAYS[2])}
    with pytest.raises(DataError, match="rates a day"):
        Totals.from_cells(**cells, **one, currency="USD", per_day=True).then(
            Totals.from_cells(**cells, **two, currency="USD", per_day=True))
    with pytest.raises(DataError, match="'currency'"):
        Totals.from_cells(**cells, **one, currency="USD").then(Totals.from_cells(**cells, **two, currency="EUR"))
    frame = reviews().assign(k=1)
    with pytest.raises(DataError, match="how often a listing was seen"):
        scan(frame, DAYS[0], DAYS[1], captures="k", occasions=3).then(
            scan(frame, DAYS[1], DAYS[2], captures="k", occasions=3))
    joined = scan(frame, DAYS[0], DAYS[1]).then(scan(frame, DAYS[1], DAYS[2]))
    with pytest.raises(DataError, match="'n_windows'"):
        joined + scan(frame, DAYS[0], DAYS[2])
    # one window is added, not joined: a listing in both would count twice without a word
    with pytest.raises(DataError, match="'window'"):
        scan(frame, DAYS[0], DAYS[1]) + scan(frame, DAYS[1], DAYS[2])


def cells(first: str, after: str, vendor: str = "ann", **header) -> Totals:
    """One vendor's day."""
    totals = Totals.from_cells(vendor=[vendor], value=[1.0], reviews=[1], currency="USD", window=(first, after))
    return replace(totals, header=replace(totals.header, **header))


def test_joining_is_associative():
    a, b, c, d = (cells(first, after) for first, after in itertools.pairwise(DAYS[:5]))
    left, right = a.then(b).then(c).then(d), a.then(b).then(c.then(d))
    assert left.header == right.header and left.header.n_windows == 4 and left.header.window == (DAYS[0], DAYS[4])


def test_markets_and_flags_of_either_day_are_kept():
    one = cells(DAYS[0], DAYS[1], markets=("B",), flags=("late", "odd"))
    joined = one.then(cells(DAYS[1], DAYS[2], markets=("A", "B"), flags=("odd", "new")))
    assert joined.header.markets == ("A", "B") and joined.header.flags == ("late", "odd", "new")


@pytest.mark.parametrize("which", [0, 1])
def test_a_rate_on_either_day_is_refused(which):
    days = [cells(DAYS[0], DAYS[1], per_day=which == 0), cells(DAYS[1], DAYS[2], per_day=which == 1)]
    with pytest.raises(DataError, match="rates a day do not add up"):
        days[0].then(days[1])


def test_a_detection_model_is_refused():
    model = Detection(covariates=(), clustered=True, covariance=((1.0,),), c_hat=1.0, p_value=None, flags=())
    one, two = cells(DAYS[0], DAYS[1], detection=model), cells(DAYS[1], DAYS[2], detection=model)
    with pytest.raises(DataError, match="how often a listing was seen"):
        one.then(two)


def test_anonymous_vendors_of_two_days_cannot_be_joined():
    one = cells(DAYS[0], DAYS[1]).anonymised()
    two = replace(cells(DAYS[1], DAYS[2]), header=replace(one.header, window=(DAYS[1], DAYS[2])))
    with pytest.raises(DataError, match="cannot be told apart"):
        one.then(two)
