"""Thousands of groups in one pass: the numbers of one group at a time, and those of the laws before they were shared."""

import numpy as np
import pytest
from scipy import stats

from darkmarket_estimates import ByGroup, Range, ReviewRate, Totals, turnover
from darkmarket_estimates.distribution import confidence
from darkmarket_estimates.distribution.compound_poisson import compound_poisson_totals, reach
from darkmarket_estimates.distribution.factors import nodes, sobol
from darkmarket_estimates.distribution.law import Mixture
from darkmarket_estimates.distribution.realised import (
    realised,
    realised_totals,
    realised_totals_uncertain_share,
    realised_uncertain_share,
)
from darkmarket_estimates.distribution.sums import independent_sum
from darkmarket_estimates.inference import INTERVALS
from darkmarket_estimates.inference.laws import FACTOR_POINTS

ENDS = np.array([0.005, 0.025, 0.5, 0.975, 0.995])
RATE = ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.11)


def many_groups(n_groups: int = 24, seed: int = 5) -> Totals:
    """Groups of 1 to 60 vendors, with vendors in several groups, one price or two a vendor."""
    rng = np.random.default_rng(seed)
    size = np.minimum(1 + rng.geometric(0.12, n_groups), 60)
    group = np.repeat(np.arange(n_groups), size)
    vendor = rng.integers(0, 120, len(group))
    reviews = 1 + rng.poisson(rng.lognormal(1, 1.2, len(group)))
    price = rng.lognormal(4, 1, len(group))
    mixed = np.where(rng.random(len(group)) < 0.5, 1.0, np.minimum(1.3, reviews))
    return Totals.from_cells(vendor=[f"v{v}" for v in vendor], value=price * reviews, reviews=reviews,
                             price_sq_reviews=price**2 * reviews * mixed, currency="USD",
                             groups={"market": [f"m{g % 4}" for g in group], "month": [f"t{g // 4:02d}" for g in group]})


TABLE = many_groups()
MARKETS = {f"m{i}": ReviewRate(mean=0.4 + 0.05 * i, standard_error=0.02, between_vendor_sd=0.11) for i in range(4)}
CASES = {
    "known share": {"review_rate": 0.44},
    "spread": {"review_rate": ReviewRate(mean=0.44, between_vendor_sd=0.11)},
    "conservative": {"review_rate": ReviewRate(mean=0.44, between_vendor_sd=0.11), "spread_law": "conservative"},
    "uncertain share": {"review_rate": RATE},
    "wide share": {"review_rate": stats.beta(4, 5)},
    "two factors": {"review_rate": RATE, "market_coverage": stats.beta(80, 20)},
    "shares by market": {"review_rate": ByGroup("market", MARKETS)},
    "coverage by month": {"review_rate": RATE, "market_coverage": ByGroup(
        "month", {f"t{i:02d}": stats.beta(40 + i, 10) for i in range(6)})},
    "a range": {"review_rate": Range(0.4, 0.5), "genuine_share": stats.beta(90, 10)},
    "a range here, numbers there": {"review_rate": ByGroup("market", {**MARKETS, "m0": Range(0.4, 0.6), "m1": 0.5})},
    "orders": {"review_rate": RATE, "measure": "orders"},
} | {method: {"review_rate": 0.44, "estimand": "expected", "interval": method, "rng": 3} for method in INTERVALS["expected"]} | {
    f"{method}, uncertain": {"review_rate": RATE, "estimand": "expected", "interval": method, "rng": 3}
    for method in ("bca-tail", "skew-corrected", "compound-poisson")} | {
    f"realised {method}": {"review_rate": RATE, "interval": method} for method in ("delta", "lognormal")} | {
    "expected, shares by market": {"review_rate": ByGroup("market", MARKETS), "estimand": "expected", "interval": "bca"}}


@pytest.mark.parametrize("case", CASES)
def test_a_table_of_groups_has_the_numbers_of_one_group_at_a_time(case: str) -> None:
    est = turnover(TABLE, **CASES[case])
    for row in est.rows[:-1:5]:
        one = est.group(**dict(zip(est.by, row.labels, strict=True)))
        assert one.value == pytest.approx(row.value, rel=1e-12, nan_ok=True)
        assert (one.interval is None) == (row.interval is None)
        if row.interval is not None:
            assert row.interval == pytest.approx(one.interval, rel=1e-10)
        if row.bounds is not None:
            assert row.bounds == pytest.approx(one.bounds, rel=1e-12)
        alone = one.rows[-1]
        assert (row.n_vendors, row.n_listings, row.count) == (alone.n_vendors, alone.n_listings, alone.count)
        assert (row.floor, row.n_eff, row.top_share) == pytest.approx((alone.floor, alone.n_eff, alone.top_share), rel=1e-12)


@pytest.mark.parametrize("case", ["uncertain share", "bca-tail", "shares by market"])
def test_the_order_of_the_cells_leaves_no_trace(case: str) -> None:
    est = turnover(TABLE, **CASES[case])
    wide = turnover(TABLE, **CASES[case], confidence_level=0.99)
    for row, wider in zip(est.rows, wide.rows, strict=True):
        assert wider.interval[0] <= row.interval[0] <= row.interval[1] <= wider.interval[1]


#: Intervals of every fifth row before the pass was shared, one law at a time on grids of 2^14 cells and more
#: (version 0.1.0 of 21 November 2026, `turnover(TABLE, ...).to_frame()`): low, high, value.
BEFORE = {
    "spread": [[20097.749, 33875.587, 25858.486], [11875.104, 22763.893, 16240.413], [618.806, 1957.121, 1092.144],
               [3061.178, 9047.605, 5297.321], [202912.787, 248487.982, 223854.599]],
    "known share": [[13222.195, 74829.757, 25858.486], [7554.333, 53349.008, 16240.413], None, None,
                    [167263.221, 363581.566, 223854.599]],
    "uncertain share": [[19857.565, 34467.653, 25858.486], [11764.341, 23089.393, 16240.413], None,
                        [3036.175, 9140.136, 5297.321], [196686.458, 257645.060, 223854.599]],
}


@pytest.mark.parametrize("case", BEFORE)
def test_numbers_have_not_moved_by_more_than_a_thousandth(case: str) -> None:
    options = {"estimand": "expected"} if case == "known share" else {}
    frame = turnover(TABLE, **CASES[case], **options).to_frame()
    for at, before in zip((0, 5, 10, 17, 24), BEFORE[case], strict=True):
        if before is not None:  # a group of two or three sellers has atoms, between which a quantile jumps
            low, high, value = before
            assert frame.value[at] == pytest.approx(value, abs=1e-3)
            assert (frame.low[at], frame.high[at]) == pytest.approx((low, high), abs=1e-3 * value)


def parts(seed: int, sizes: tuple[int, ...] = (1, 2, 3, 8, 20, 70, 300)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    price, reviews = rng.lognormal(4, 1, n), np.ceil(rng.lognormal(1.5, 1.5, n))
    return price * reviews, price**2 * reviews * np.minimum(reviews, rng.choice([1.0, 1.4], n)), np.cumsum([0, *sizes])


@pytest.mark.parametrize("spread", [0.0, 0.13])
@pytest.mark.parametrize("signed", [False, True], ids=["totals", "forms"])
def test_laws_in_one_pass_are_the_laws_one_by_one(spread: float, signed: bool) -> None:
    y, q, start = parts(1)
    if signed:
        y = y * np.where(np.arange(len(y)) % 3 == 1, -1, 1)
    laws = realised_totals(y, q, start, 0.44, spread, signed=signed)
    for i, law in enumerate(laws):
        one = slice(start[i], start[i + 1])
        assert law.quantile(ENDS) == pytest.approx(realised(y[one], q[one], 0.44, spread, signed=signed).quantile(ENDS),
                                                   rel=1e-10)


def test_empty_totals_among_others() -> None:
    y, q = np.array([0.0, 5.0, 3.0]), np.array([0.0, 5.0, 9.0])
    laws = realised_totals(y, q, np.array([0, 1, 1, 3]), 0.44, 0.1)
    assert [law.mean for law in laws] == pytest.approx([0, 0, 8 / 0.44])
    assert [law.mean for law in compound_poisson_totals(y, np.array([0, 1, 1, 3]))] == pytest.approx([0, 0, 8])
    shares = realised_totals_uncertain_share(y, q, np.array([0, 1, 1, 3]), *nodes(stats.beta(40, 50)), 20.0)
    assert [law.quantile(0.5) == 0 for law in shares] == [True, True, False]


def test_uncertain_shares_in_one_pass_and_against_every_node() -> None:
    y, q, start = parts(2)
    dist, size = stats.beta(120, 150), 0.44 * 0.56 / 0.13**2 - 1
    laws = realised_totals_uncertain_share(y, q, start, *nodes(dist), size)
    m, w = nodes(dist, 40)
    for i, law in enumerate(laws):
        one = slice(start[i], start[i + 1])
        ends = law.quantile(ENDS)
        assert ends == pytest.approx(realised_uncertain_share(y[one], q[one], *nodes(dist), size).quantile(ENDS), rel=1e-10)
        middle = (ends[1:] + ends[:-1]) / 2
        exact = sum(weight * realised(y[one], q[one], node, np.sqrt(node * (1 - node) / (size + 1))).cdf(middle)
                    for node, weight in zip(m, w, strict=True))
        if start[i + 1] - start[i] > 2:  # fewer have atoms, which lie on either side of a place within a cell of the grid
            assert law.cdf(middle) == pytest.approx(exact, abs=5e-4)


def test_atoms_stay_where_they_are_when_the_share_is_uncertain() -> None:
    # one vendor, two reviews at 10: whatever the share, nothing lies between 20 and 30
    law = realised_uncertain_share([20.0], [200.0], *nodes(stats.beta(40, 50)), 20.0)
    at = law.cdf(np.array([20.5, 25.0, 29.5]))
    assert np.ptp(at) < 1e-9 and 0.1 < at[0] < 0.3


def test_methods_of_the_expected_total_in_one_pass() -> None:
    y, _, start = parts(3)
    for method, single in (("bca-tail", confidence.default), ("bca", confidence.bca), ("tail", confidence.tail),
                           ("compound-poisson", confidence.percentile), ("skew-corrected", confidence.skew_corrected)):
        for i, law in enumerate(confidence.of_totals(method, y, start)):
            assert law.quantile(ENDS) == pytest.approx(single(y[start[i] : start[i + 1]]).quantile(ENDS), rel=1e-10)


def test_reach_solves_bennetts_inequality_for_many() -> None:
    variance, largest = np.array([1.0, 50.0, 1e6, 3.0]), np.array([1.0, 1.0, 1.0, 0.0])
    t = reach(variance, largest)
    u = largest[:3] * t[:3] / variance[:3]
    bennett = variance[:3] / largest[:3] ** 2 * ((1 + u) * np.log1p(u) - u)
    gaussian = t**2 / (2 * variance)
    # the larger of the two distances; marks of one sign leave the Gaussian one alone
    assert np.minimum(bennett, gaussian[:3]) == pytest.approx(np.log(1e10), rel=1e-9)
    assert gaussian[3] == pytest.approx(np.log(1e10), rel=1e-12)
    assert [reach(v, x) for v, x in zip(variance, largest, strict=True)] == pytest.approx(t, rel=1e-12)


def test_a_total_of_groups_with_their_own_shares_is_a_sum_of_independent_parts() -> None:
    est = turnover(TABLE, **CASES["shares by market"])
    by_market = [est.group(market=f"m{i}").law for i in range(4)]
    assert est.interval == pytest.approx(independent_sum(by_market).quantile([0.025, 0.975]), rel=1e-9)
    # against points over the four shares, the laws of the parts convolved at each
    keys = TABLE.keys["market"]
    cells = [np.flatnonzero(keys.codes == i) for i in range(4)]
    points = sobol(4, 64)
    laws = []
    for u in points:
        sums = []
        for i, (name, rate) in enumerate(MARKETS.items()):
            assert keys.labels[i] == name
            share = float(rate.mean_spec.ppf(u[i]))
            y, q = (np.bincount(TABLE.keys["vendor"].codes[cells[i]], TABLE.columns[c][cells[i]])
                    for c in ("value", "price_sq_reviews"))
            sums.append(realised(y, q, share, rate.spread_at(share)))
        laws.append(independent_sum(sums))
    brute = Mixture(laws, np.full(len(laws), 1 / len(laws)))
    assert brute.cdf(np.array(est.interval)) == pytest.approx([0.025, 0.975], abs=4e-3)


def test_a_factor_that_links_the_parts_is_not_taken_apart() -> None:
    est = turnover(TABLE, **CASES["coverage by month"])
    assert isinstance(est.law, Mixture) and len(est.law.laws) == FACTOR_POINTS


def test_nothing_has_no_interval() -> None:
    empty = Totals.from_cells(vendor=["a"], value=[0.0], reviews=[0], currency="USD", groups={"c": ["x"]})
    est = turnover(empty, review_rate=RATE)
    assert [row.interval for row in est.rows] == [None, None]


def test_a_warning_points_at_the_line_that_asked() -> None:
    import warnings

    import darkmarket_estimates as dme

    table = {"price": [5.0] * 30 + [90_000.0], "reviews": [1] * 31, "seller": [f"s{i}" for i in range(31)]}
    columns = {"price": "price", "reviews": "reviews", "vendor": "seller", "currency": "USD"}
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        dme.turnover(table, **columns)
        turnover(dme.Listings(table, **columns).totals())
    assert [w.filename for w in found if issubclass(w.category, dme.HoldingPriceWarning)] == [__file__] * 2


def test_bounds_of_ranges_say_which_distributions_they_leave_out() -> None:
    est = turnover(TABLE, review_rate=0.5, market_coverage=ByGroup(
        "market", {"m0": Range(0.5, 1.0), "m1": stats.beta(8, 2), "m2": 0.8, "m3": 0.9}))
    share = est.share("m0", of="market")
    assert share.kind == "bounds" and any("market coverage (market m1)" in flag for flag in share.flags)
    alone = turnover(TABLE, review_rate=0.5, market_coverage=ByGroup(
        "market", {"m0": Range(0.5, 1.0), "m1": 0.8, "m2": 0.8, "m3": 0.9}))
    assert not any("left out" in flag or "Ranges alone" in flag for flag in alone.share("m0", of="market").flags)


@pytest.mark.parametrize("reviews", [30, 60])
def test_atoms_are_not_smoothed_where_the_transform_fades_between_them(reviews: int) -> None:
    law = realised([10.0 * reviews], [100.0 * reviews], 0.44, 0.0)
    exact = 10 * (reviews + stats.nbinom(reviews, 0.44).ppf(ENDS))
    assert law.quantile(ENDS) == pytest.approx(exact, abs=law.error_bound)
    assert law.error_bound < 0.2 * 10  # of a price
