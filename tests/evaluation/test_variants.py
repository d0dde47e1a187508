import math

import pandas as pd
import pytest

import darkmarket_estimates as dme
from darkmarket_estimates.evaluation import compare
from darkmarket_estimates.evaluation.variants import COLUMNS

TABLE = {"price": [50.0, 20.0, 99_999.0, 30.0], "reviews": [4, 10, 1, 7], "seller": ["a", "a", "b", "c"],
         "country": ["NL", "NL", "US", "US"]}
RATE = dme.ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.11)


def listings() -> dme.Listings:
    return dme.Listings(TABLE, price="price", reviews="reviews", vendor="seller", currency="USD")


def test_each_row_is_what_turnover_says():
    rule = dme.HoldingPrice(cap=10_000)
    frame = compare(listings(), {
        "floor": {"review_rate": None},
        "bounds": {"review_rate": dme.Range(0.4, 0.8), "interval": None},
        "flat": {"clean": rule, "review_rate": RATE},
        "nested": {"clean": rule, "by": "country", "turnover": {"review_rate": RATE, "confidence_level": 0.8}},
        "shared": {},
    }, review_rate=0.5)
    assert list(frame.columns) == list(COLUMNS) and frame.index.name == "variant"
    assert (frame["error"] == "").all() and (frame["seconds"] > 0).all()
    cleaned = listings().clean(rule)
    for name, level in (("flat", 0.95), ("nested", 0.8)):
        est = dme.turnover(cleaned, review_rate=RATE, confidence_level=level)
        assert (frame.loc[name, ["value", "floor", "low", "high"]].tolist()
                == pytest.approx([est.value, est.floor, *est.interval], rel=1e-12))
        assert frame.loc[name, "kind"] == est.kind
    assert frame.loc["bounds", ["lower_bound", "upper_bound"]].tolist() == [100_609 / 0.8, 100_609 / 0.4]
    assert math.isnan(frame.loc["bounds", "value"]) and math.isnan(frame.loc["bounds", "low"])
    assert frame.loc["floor", "kind"] == "floor" and frame.loc["floor", "value"] == 100_609
    assert frame.loc["shared", "value"] == 201_218
    assert "one vendor makes 99%" in frame.loc["floor", "flags"]


def test_totals_frames_and_callables():
    totals = listings().totals()
    variants = {"estimate": lambda data: dme.turnover(data, review_rate=0.5), "number": lambda data: 3,
                "interval": lambda data: (3, 2, 5), "open": lambda data: (3.0, 2.0, math.inf)}
    frame = compare(totals, variants)
    assert frame["value"].tolist() == [201_218, 3, 3, 3]
    assert frame.loc["interval", ["low", "high", "kind"]].tolist() == [2, 5, "interval"]
    assert frame.loc["open", "high"] == math.inf and frame.loc["number", "kind"] == "point"
    table = compare(pd.DataFrame(TABLE), {"half": {"review_rate": 0.5}}, price="price", reviews="reviews",
                    vendor="seller", currency="USD")
    assert table.loc["half", "value"] == 201_218


def test_a_variant_that_fails_is_a_row_with_its_error():
    frame = compare(listings().totals(), {
        "cleans totals": {"clean": dme.HoldingPrice(cap=10)},
        "misspelt": {"review_rat": 0.5},
        "impossible": {"review_rate": 1.5},
        "raises": lambda data: 1 / 0,
        "returns text": lambda data: "much",
        "returns a pair": lambda data: (1, 2),
        "returns NaN": lambda data: math.nan,
        "swaps its ends": lambda data: (3, 5, 2),
        "works": {},
    })
    assert (frame["error"] != "").tolist() == [True] * 8 + [False]
    for name, words in (("cleans totals", "cannot be cleaned"), ("misspelt", "review_rat"), ("impossible", "1.5"),
                        ("raises", "ZeroDivisionError"), ("returns text", "much"), ("swaps its ends", "swapped")):
        assert words in frame.loc[name, "error"]
    assert frame.loc[frame.index != "works", ["value", "low", "high"]].isna().all(axis=None)


def test_an_interrupt_is_no_failed_variant():
    def stop(data):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(listings(), {"stop": stop})


@pytest.mark.parametrize("variants", [
    {}, None, [{}], "floor", {1: {}}, {"a": 0.5}, {"a": None}, {"a": {"turnover": 0.5}}, {"a": {"clean": 10_000}},
    {"a": {"turnover": {}, "review_rate": 0.5}},
])
def test_variants_that_cannot_be_read_are_refused(variants):
    with pytest.raises(dme.DataError):
        compare(listings(), variants)
