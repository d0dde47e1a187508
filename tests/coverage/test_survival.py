"""The life table of pages, and the share of pages opened."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from darkmarket_estimates import coverage
from darkmarket_estimates.coverage import life_table, pages_opened
from darkmarket_estimates.coverage.abundance import share_interval
from darkmarket_estimates.errors import AssumptionError, DataError, NotIdentifiedError, NotSupportedError


def histories(**numbers: int) -> np.ndarray:
    """Rows of a capture history, "x101=7": seven listings seen in crawls 1 and 3."""
    return np.array([[c == "1" for c in name[1:]] for name, n in numbers.items() for _ in range(n)])


# -- the formula, by hand ---------------------------------------------------------------------------------------------


def test_two_crawls_by_hand():
    h = histories(x10=60, x11=40, x01=30)  # 40 of 100 again, half of the pages opened: 0.8 live on over 10 days
    d = -math.log(0.8) / 10
    est = life_table(h, [20.0, 30.0], [7.0, 5.0, 3.0], [12.0, 20.0, 25.0], [0, 1, 70], opened=[0.5, 0.5])
    before = 0.5 + 0.5 * 0.8 * 0.5  # seen in crawl 1, or missed and living on and seen in crawl 2
    total = 7 / (before * math.exp(-8 * d)) + 5 / before + 3 / (0.5 * math.exp(-5 * d))
    assert est.details["hazard"] == pytest.approx(d, rel=1e-12)
    assert est.details["total"] == pytest.approx(total, rel=1e-12) and est.value == pytest.approx(15 / total, rel=1e-12)
    assert est.details["mean_life"] == pytest.approx(1 / d) and est.quantity == "share of value"


def test_three_crawls_without_logs_by_hand():
    h = histories(x100=50, x110=30, x101=12, x111=8, x010=44, x011=20, x001=9)
    n1, n2, n12, n13, n23 = 100, 102, 38, 20, 28
    days = np.array([0.0, 10.0, 25.0])
    d = (math.log(n23 / n2) - math.log(n13 / n1)) / 10
    p2, p3 = n12 / n1 * math.exp(10 * d), n23 / n2 * math.exp(15 * d)
    est = life_table(h, days, [1.0], [11.0], [31])
    assert est.details["hazard"] == pytest.approx(d, rel=1e-9)
    assert est.details["read"] == pytest.approx([math.sqrt(p2 * p3), p2, p3], rel=1e-9)
    assert est.value == pytest.approx(p3 * math.exp(-14 * d), rel=1e-9)


def test_three_crawls_with_logs_are_a_weighted_line():
    h = histories(x100=50, x110=30, x101=12, x111=8, x010=44, x011=20, x001=9)
    base, both, gap = np.array([100, 100, 102]), np.array([38, 20, 28]), np.array([10.0, 25.0, 15.0])
    f = np.array([0.6, 0.6, 0.5])
    y = np.log(both / base) - np.log(f[[1, 2, 2]])
    weight = both * base / (base - both + 1)
    slope, level = np.polyfit(gap, y, 1, w=np.sqrt(weight))
    est = life_table(h, [0.0, 10.0, 25.0], [1.0], [11.0], [31], opened=f)
    assert slope < 0 and level < 0
    assert est.details["hazard"] == pytest.approx(-slope, rel=1e-9)
    assert est.details["read"] == pytest.approx(f * math.exp(level), rel=1e-9)


def test_no_deaths_and_no_hiding_is_the_share_of_pages_opened():
    h = histories(x11=50, x10=50, x01=50)
    est = life_table(h, [10.0, 20.0], np.full(150, 4.0), np.full(150, 5.0), np.arange(150), opened=[0.5, 0.5])
    closed = pages_opened(np.full(150, 4.0), [0.5, 0.5])
    assert est.value == pytest.approx(closed.value, rel=1e-12) == 0.75
    assert est.details["hazard"] == 0 and "no page is seen to die" in est.flags
    # the captures' own error alone: no recapture count moves a total whose hazard lies at its end
    assert est.standard_error >= closed.standard_error * (1 - 1e-9)


def test_errors_of_a_listing_go_together():
    """Of two sales, the later is seen only if the earlier is; crawls between them make the errors more independent."""
    h, days, y = histories(x11=50, x10=50, x01=50), [10.0, 20.0], [5.0, 5.0]

    def error(sold, listing):
        return life_table(h, days, y, sold, listing, opened=[0.5, 0.5]).standard_error

    assert error([5.0, 5.0], [0, 0]) > error([5.0, 5.0], [0, 1])
    assert error([5.0, 15.0], [0, 0]) > error([5.0, 15.0], [0, 1])


def test_variance_of_captures_by_hand():
    from darkmarket_estimates.coverage.survival import _of_captures

    # one listing: y = 2 in span 0 (P = 0.75), y = 3 in span 1 (P = 0.5), crawl 1 reads with chance 0.5
    got = _of_captures(np.array([0, 0]), np.array([0, 1]), np.array([2.0, 3.0]), np.array([2 / 0.75, 6.0]), np.array([0.5, 0.5]))
    own = 2 / 0.75 * (2 / 0.75 - 2) + 6 * (6 - 3)
    assert got == pytest.approx(own + 2 * (2 / 0.75) * (6 - 3) * 0.5, rel=1e-12)


@pytest.mark.parametrize("logs", [True, False], ids=["logs", "fitted"])
def test_the_error_of_the_fit_is_that_of_leaving_listings_out(logs):
    from darkmarket_estimates.coverage.survival import _fit, _of_captures, _Sales

    h, y, sold, row, _ = draw(6, n=3000)
    shares = MARKET["opened"] if logs else None
    est = life_table(h, MARKET["days"], y, sold, row, opened=shares)
    counts = h.T.astype(float) @ h
    sales = _Sales(days=MARKET["days"], money=y, at=sold, beyond=0.0)
    survival = _fit(counts, MARKET["days"], shares)
    kinds, number = np.unique(h, axis=0, return_counts=True)
    left_out = [sales.total(_fit(counts - np.outer(kind, kind), MARKET["days"], shares)) for kind in kinds.astype(float)]
    of_fit = number @ np.square(np.array(left_out) - est.details["total"])
    of_captures = _of_captures(row, sales.span, y, sales.each(survival), survival.read)
    assert sales.each(survival).sum() == pytest.approx(est.details["total"], rel=1e-12)
    claimed = (est.standard_error / est.value * est.details["total"]) ** 2
    assert claimed - of_captures == pytest.approx(of_fit, rel=0.01)
    assert of_fit > 0.02 * of_captures


# -- invariance -------------------------------------------------------------------------------------------------------

MARKET = {"days": np.array([30.0, 60.0, 90.0]), "hazard": 0.01, "opened": np.array([0.7, 0.5, 0.6])}


def draw(seed: int, n: int = 1500, hidden: float = 0.0, sales: float = 1.2):
    """Histories and sales seen of a market, and the true share of value that was seen."""
    rng = np.random.default_rng(seed)
    days, died = MARKET["days"], rng.exponential(1 / MARKET["hazard"], n)
    row = np.repeat(np.arange(n), rng.poisson(sales * rng.lognormal(0, 0.8, n)))
    sold, y = 90 * rng.random(len(row)), rng.lognormal(4, 0.5, len(row))
    happened = sold < died[row]
    row, sold, y = row[happened], sold[happened], y[happened]
    caught = (died[:, None] > days) & (rng.random((n, 3)) < MARKET["opened"] * (1 - hidden))
    seen = (caught[row] & (days >= sold[:, None])).any(axis=1)
    known = np.flatnonzero(caught.any(axis=1))
    return caught[known], y[seen], sold[seen], np.searchsorted(known, row[seen]), float(y[seen].sum() / y.sum())


@pytest.mark.parametrize("opened", [MARKET["opened"], None], ids=["logs", "fitted"])
def test_units_clocks_and_orders_do_not_matter(opened):
    h, y, sold, row, _ = draw(3)
    est = life_table(h, MARKET["days"], y, sold, row, opened=opened)
    order = np.random.default_rng(1).permutation(len(y))
    rows = np.random.default_rng(2).permutation(len(h))
    place = np.empty(len(h), dtype=int)
    place[rows] = np.arange(len(h))
    for other in (
        life_table(h, MARKET["days"], 7 * y, sold, row, opened=opened),
        life_table(h, MARKET["days"] + 1000, y, sold + 1000, row, opened=opened),
        life_table(h, 24 * MARKET["days"], y, 24 * sold, row, opened=opened),
        life_table(h, MARKET["days"], y[order], sold[order], row[order], opened=opened),
        life_table(h[rows], MARKET["days"], y, sold, place[row], opened=opened),
        life_table(np.packbits(h, axis=1), MARKET["days"], y, sold, row, opened=opened, occasions=3),
    ):
        assert other.value == pytest.approx(est.value, rel=1e-8)
        assert other.standard_error == pytest.approx(est.standard_error, rel=1e-4)
    assert life_table(h, 24 * MARKET["days"], y, 24 * sold, row, opened=opened).details["hazard"] == pytest.approx(
        est.details["hazard"] / 24, rel=1e-8)


def test_intervals_nest_and_the_law_is_that_of_the_interval():
    h, y, sold, row, _ = draw(4)
    found = [life_table(h, MARKET["days"], y, sold, row, opened=MARKET["opened"], confidence_level=c) for c in (0.5, 0.9, 0.99)]
    for narrow, wide in itertools.pairwise(found):
        assert wide.interval[0] < narrow.interval[0] < narrow.value < narrow.interval[1] < wide.interval[1]
    law = found[1].law()
    assert law.mean() == pytest.approx(found[1].value) and law.std() == pytest.approx(found[1].standard_error)
    assert law.interval(0.9) == pytest.approx(found[1].interval)


def test_a_tail_of_the_window_goes_on_as_before():
    h, y, sold, row, _ = draw(5)
    est = life_table(h, MARKET["days"], y, sold, row, opened=MARKET["opened"])
    longer = life_table(h, MARKET["days"], y, sold, row, opened=MARKET["opened"], window=(0, 93))
    survival = est.details
    late = sold > 60
    chance = survival["read"][2] * np.exp(-survival["hazard"] * (90 - sold[late]))
    assert longer.details["total"] - survival["total"] == pytest.approx(0.1 * (y[late] / chance).sum(), rel=1e-9)
    assert any("after the last crawl" in flag for flag in longer.flags)
    with pytest.raises(NotIdentifiedError, match="end of the window"):
        life_table(h, MARKET["days"], y, sold, row, opened=MARKET["opened"], window=(0, 101))


# -- against the truth -------------------------------------------------------------------------------------------------


@pytest.mark.statistical
@pytest.mark.parametrize(("logs", "hidden"), [(True, 0.0), (False, 0.0), (True, 0.2)], ids=["logs", "fitted", "hidden"])
def test_shares_are_unbiased_and_their_intervals_hold(logs, hidden):
    n = 150
    errors, held, claimed = np.empty(n), np.empty(n, dtype=bool), np.empty(n)
    for i in range(n):
        h, y, sold, row, truth = draw(100 + i, n=1000, hidden=hidden)
        est = life_table(h, MARKET["days"], y, sold, row, opened=MARKET["opened"] if logs else None)
        errors[i], claimed[i] = est.value - truth, est.standard_error
        held[i] = est.interval[0] <= truth <= est.interval[1]
    # the first crawl's share is taken for the mean of the others without logs: 0.7 against 0.55, which shifts it a little
    assert abs(errors.mean()) < 4 * errors.std() / math.sqrt(n) + (0 if logs else 0.02)
    assert 0.85 < math.sqrt((claimed**2).mean()) / errors.std() < 1.4
    assert held.mean() > 0.95 - 3 * math.sqrt(0.95 * 0.05 / n) - (0 if logs else 0.05)


@pytest.mark.statistical
def test_pages_opened_holds_the_truth():
    rng, n = np.random.default_rng(8), 400
    held = 0
    for _ in range(n):
        y = rng.lognormal(4, 1, 800)
        seen = (rng.random((800, 2)) < [0.5, 0.3]).any(axis=1)
        est = pages_opened(y[seen], [0.5, 0.3])
        held += est.interval[0] <= y[seen].sum() / y.sum() <= est.interval[1]
    assert abs(held / n - 0.95) < 3 * math.sqrt(0.95 * 0.05 / n)


# -- pages opened -----------------------------------------------------------------------------------------------------


def test_pages_opened_by_hand():
    y = np.array([100.0, 40.0, 60.0, 300.0])
    est = pages_opened(y, [0.5, 0.6])
    assert est.value == pytest.approx(0.8, rel=1e-14)
    assert est.standard_error == pytest.approx(0.8 * math.sqrt(0.2 * (y**2).sum()) / 500, rel=1e-12)
    assert est.details["total"] == pytest.approx(625)
    # of the total: sum y^2 (1 - P) / P^2
    assert est.standard_error / est.value * 625 == pytest.approx(math.sqrt((y**2).sum() * 0.2) / 0.8, rel=1e-12)


def test_every_page_opened_leaves_nothing_open():
    est = pages_opened([3.0, 4.0], [0.2, 1.0])
    assert (est.value, est.standard_error, est.interval, est.law()) == (1, 0, (1, 1), 1)


def test_only_shares_of_value_have_a_law():
    with pytest.raises(NotSupportedError, match="share of value"):
        coverage.chapman(10, 10, 5).law()
    assert isinstance(pages_opened(np.ones(50), [0.5]).law(), stats.distributions.rv_frozen)


def test_an_error_that_no_share_can_have_is_refused():
    with pytest.raises(NotIdentifiedError, match="too little"):
        share_interval(0.5, 0.5, 0.95)


# -- bad input --------------------------------------------------------------------------------------------------------

H = histories(x110=30, x011=20, x101=9, x111=8)
GOOD = {"histories": H, "times": [1.0, 2.0, 3.0], "y": [1.0, 2.0], "sold": [0.5, 1.5], "listing": [0, 31]}


@pytest.mark.parametrize(("change", "error", "words"), [
    ({"times": [1.0, 2.0]}, DataError, "days of the crawls"),
    ({"times": [1.0, 3.0, 2.0]}, DataError, "rising"),
    ({"times": [1.0, 2.0, math.nan]}, DataError, "times"),
    ({"y": [1.0, -2.0]}, DataError, "y holds"),
    ({"y": [0.0, 0.0]}, DataError, "nothing was sold"),
    ({"y": [1.0]}, DataError, "length"),
    ({"sold": [0.5, math.inf]}, DataError, "sold"),
    ({"listing": [0, 67]}, DataError, "listing"),
    ({"opened": [0.5, 0.5]}, DataError, "pages opened"),
    ({"opened": [0.5, 0.5, 1.1]}, DataError, "pages opened"),
    ({"opened": [0.5, 0.0, 0.5]}, DataError, "opened none"),
    ({"window": (0.0, 5.0)}, NotIdentifiedError, "end of the window"),
    ({"confidence_level": 95}, AssumptionError, "0.95"),
    ({"histories": histories(x110=3, x001=4)}, NotIdentifiedError, "how long pages live"),
    ({"histories": histories(x11=3, x01=4), "times": [1.0, 2.0]}, NotIdentifiedError, "how long pages live"),
    ({"histories": histories(x10=3, x01=4), "times": [1.0, 2.0], "opened": [0.5, 0.5]}, NotIdentifiedError, "how long"),
    ({"histories": np.ones((4, 65), dtype=bool), "times": np.arange(65.0)}, NotIdentifiedError, "64 crawls"),
], ids=lambda x: "-".join(x) if isinstance(x, dict) else None)
def test_what_cannot_be_is_refused(change, error, words):
    with pytest.raises(error, match=words):
        life_table(**{**GOOD, **{"listing": [0, 1]} | change} if "histories" in change else {**GOOD, **change})


@pytest.mark.parametrize("opened", [[], [0.0, 0.0], [-0.1], [1.2], ["x"]], ids=["none", "zero", "negative", "above", "text"])
def test_shares_opened_that_cannot_be_are_refused(opened):
    with pytest.raises(DataError):
        pages_opened([1.0, 2.0], opened)
