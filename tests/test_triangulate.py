"""Sources on one scale: conversions, kinds, and what cannot hold together."""

import math

import pytest

import darkmarket_estimates as dme
from darkmarket_estimates.errors import DataError, NotIdentifiedError
from darkmarket_estimates.triangulate import MISSES, Source, one_scale

INF = math.inf
MONTH = 365.2425 / 12


def source(**options):
    return Source(**{"name": "a", "side": "supply side", "low": 10.0, "high": 20.0, "kind": "bounds", "currency": "USD",
                     "per": "month", **options})


@pytest.fixture
def totals():
    return dme.Totals.from_cells(vendor=list("abcdef"), value=[900.0, 600, 300, 200, 150, 50], reviews=[9, 10, 3, 5, 5, 1],
                                 currency="USD", window=("2016-01-01", "2016-02-01"))


@pytest.mark.parametrize(("per", "to", "factor"), [("day", "month", MONTH), ("year", "month", 1 / 12), ("day", "year", 365.2425),
                                                   ("month", "month", 1.0), ("month", "day", 1 / MONTH)])
def test_time(per, to, factor):
    scaled = one_scale([source(per=per)], currency="USD", per=to).sources[0]
    assert (scaled.low, scaled.high) == pytest.approx((10 * factor, 20 * factor)) and scaled.per == to


def test_money():
    rates = {"EUR": dme.ExchangeRate(1.1, to="USD")}
    scaled = one_scale([source(currency="EUR")], currency="USD", rates=rates).sources[0]
    assert (scaled.low, scaled.high, scaled.currency) == (11.0, 22.0, "USD")
    wide = one_scale([source(currency="EUR", low=10.0, high=10.0, kind="point")], currency="USD",
                     rates={"EUR": dme.ExchangeRate(dme.Range(1.0, 1.2))}).sources[0]
    assert (wide.low, wide.high, wide.kind) == (10.0, 12.0, "bounds")
    with pytest.raises(DataError, match="another currency"):
        one_scale([source(currency="EUR")], currency="USD")
    with pytest.raises(DataError, match="leads to another"):
        one_scale([source(currency="EUR")], currency="USD", rates={"EUR": dme.ExchangeRate(1.1, to="GBP")})


def test_from_estimates(totals):
    floor = Source.from_estimate(dme.turnover(totals), "reviews")
    assert floor.kind == "lower bound" and floor.high == INF and floor.low == pytest.approx(2200 * MONTH / 31)
    bounds = Source.from_estimate(dme.turnover(totals, review_rate=dme.Range(0.5, 1)), "reviews", per="day")
    assert bounds.kind == "bounds" and (bounds.low, bounds.high) == pytest.approx((2200 / 31, 4400 / 31))
    rate = dme.ReviewRate(mean=0.5, between_vendor_sd=0.1)
    estimate = dme.turnover(totals, review_rate=rate)
    interval = Source.from_estimate(estimate, "reviews", per="month")
    assert interval.kind == "interval"
    assert (interval.low, interval.high) == pytest.approx([x * MONTH / 31 for x in estimate.interval])
    with pytest.raises(NotIdentifiedError, match="not money"):
        Source.from_estimate(dme.turnover(totals, measure="orders"), "orders")
    timeless = dme.Totals.from_cells(vendor=["a"], value=[1.0], reviews=[1], currency="USD")
    with pytest.raises(NotIdentifiedError):
        Source.from_estimate(dme.turnover(timeless), "no window")


def test_from_orders():
    s = Source.from_orders(1000, dme.Range(50, 150), "Hansa", currency="USD")
    assert (s.low, s.high, s.kind, s.side, s.per) == (50_000, 150_000, "bounds", "order count", "day")
    assert Source.from_orders(1000, 75, "Hansa", currency="USD").kind == "point"
    with pytest.raises(DataError):
        Source.from_orders(-5, 75, "Hansa", currency="USD")


def test_what_cannot_both_hold():
    sources = [source(name="reviews", low=10.0, high=20.0),
               source(name="chain", side="on-chain", low=40.0, high=40.0, kind="point"),
               source(name="floor", low=15.0, high=INF, kind="lower bound"),
               source(name="ceiling", side="demand side", low=0.0, high=12.0, kind="upper bound")]
    found = one_scale(sources, currency="USD").apart()
    assert {frozenset(pair[:2]): pair[2] for pair in found} == {
        frozenset({"reviews", "chain"}): 2.0, frozenset({"chain", "ceiling"}): pytest.approx(40 / 12),
        frozenset({"floor", "ceiling"}): 1.25}
    assert found[0][:2] == ("reviews", "chain")  # the smaller first
    touching = [source(name="below", low=10.0, high=20.0), source(name="above", low=20.0, high=30.0)]
    assert one_scale(touching, currency="USD").apart() == ()  # 20 is in both


def test_every_row_says_what_it_misses():
    frame = one_scale([source(name=side, side=side) for side in MISSES], currency="USD").to_frame()
    assert frame["misses"].str.len().min() > 10 and frame["counts_too_much"].str.len().min() > 10
    assert frame["misses"].is_unique and list(frame.columns[:5]) == ["source", "side", "low", "high", "kind"]


@pytest.mark.parametrize(("change", "message"), [
    ({"side": "gut feeling"}, "side is unknown"), ({"kind": "guess"}, "kind is unknown"), ({"per": "week"}, "per is unknown"),
    ({"low": -1.0}, "low"), ({"low": float("nan")}, "low"), ({"high": 5.0}, "swapped"), ({"high": float("nan")}, "swapped"),
    ({"high": "x"}, "swapped"), ({"high": INF}, "no upper end"), ({"kind": "lower bound"}, "no upper end"),
    ({"kind": "point"}, "equal ends"), ({"high": 10.0}, "equal ends"),
])
def test_bad_sources(change, message):
    with pytest.raises(DataError, match=message):
        source(**change)


def test_names_are_distinct():
    with pytest.raises(DataError, match="names of their own"):
        one_scale([source(), source()], currency="USD")
    with pytest.raises(DataError, match="names of their own"):
        one_scale([], currency="USD")


def test_picture():
    import matplotlib.pyplot as plt

    sources = [source(name="reviews"), source(name="chain", side="on-chain", low=40.0, high=40.0, kind="point"),
               source(name="floor", low=15.0, high=INF, kind="lower bound"),
               source(name="ceiling", side="demand side", low=0.0, high=12.0, kind="upper bound")]
    own = plt.figure().add_subplot()
    assert one_scale(sources, currency="USD").plot(own) is own
    assert [t.get_text().split("\n")[0] for t in own.get_yticklabels()] == [
        "reviews: bounds", "chain: point", "floor: lower bound", "ceiling: upper bound"]
    assert {t.get_text() for t in own.get_legend().get_texts()} == {"supply side", "on-chain", "demand side"}
    assert [line.get_marker() for line in own.get_lines() if line.get_label() == "on-chain"] == ["o"]
    assert {line.get_marker() for line in own.get_lines()} == {"None", "o", "<", ">"}
    assert own.get_xscale() == "log" and own.get_xlabel() == "USD a month (log scale)"
    plt.close("all")
    with pytest.raises(DataError, match="positive"):
        one_scale([source(low=0.0, high=0.0, kind="point")], currency="USD").plot()
    plt.close("all")
