import matplotlib.pyplot as plt
import pytest
from scipy import stats

from darkmarket_estimates import (
    AssumptionError,
    CountTimesMean,
    HoldingPrice,
    NotIdentifiedError,
    Range,
    ReviewRate,
    turnover,
)
from tests.tables import listing_table, listings

RATE = ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.11)
CASES = {
    "interval": {"review_rate": RATE, "market_coverage": stats.beta(80, 20)},
    "bounds": {"review_rate": ReviewRate(mean=Range(0.4, 0.6), between_vendor_sd=0.1)},
    "scenario alone": {"review_rate": Range(0.4, 1.0)},
    "expected": {"review_rate": RATE, "estimand": "expected"},
}


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("kind", "options"), [("distribution", {}), ("shares", {"of": "category"}), ("budget", {}),
                                               ("influence", {"n": 3})])
def test_every_picture_of_every_kind_of_estimate(case, kind, options):
    est = turnover(listings().clean(HoldingPrice(cap=300)).totals(by="category"), **CASES[case])
    before = dict(plt.rcParams)
    _, ax = plt.subplots()
    assert est.plot(kind, ax=ax, **options) is ax
    ax.figure.canvas.draw()
    assert dict(plt.rcParams) == before and ax.get_title(loc="left")


def test_budget_shows_scenarios_and_rules_in_words():
    est = turnover(listings().clean(HoldingPrice(cap=150)).totals(), review_rate=Range(0.4, 0.6))
    text = " ".join(t.get_text() for t in est.plot("budget").texts)
    assert "scenario: review share" in text and "removed" in text


def test_distribution_of_a_floor_and_unknown_kinds_are_refused():
    est = turnover(listings().totals())
    with pytest.raises(NotIdentifiedError):
        est.plot("distribution")
    with pytest.raises(AssumptionError, match="kind"):
        est.plot("pie")


def legend(ax):
    return [t.get_text() for t in ax.get_legend().get_texts()]


def drawn(ax):
    """Where the canvas puts the legend, and how wide the canvas is, in pixels."""
    ax.figure.canvas.draw()
    return ax.get_legend().get_window_extent(), ax.figure.bbox


def test_of_the_wider_of_two_laws_both_are_drawn_and_neither_has_a_hole():
    est = turnover(listings().totals(), review_rate=RATE, estimand="expected")
    ax = est.plot("distribution")
    assert legend(ax)[:2] == ["BCa", "tail rule"] and "median" not in legend(ax)
    for line in ax.lines[:2]:
        density = line.get_ydata()
        top = int(density.argmax())
        rise, fall = density[: top + 1], density[top:]
        assert (rise[1:] >= rise[:-1] - 0.02 * density.max()).all() and (fall[1:] <= fall[:-1] + 0.02 * density.max()).all()


def test_one_law_is_one_curve_with_its_median():
    names = legend(turnover(listings().totals(), review_rate=RATE).plot("distribution"))
    assert names == ["distribution", "95% interval", "value", "median", "floor (reviewed)"]


def test_expected_bounds_have_two_laws_at_each_end():
    est = turnover(listings().totals(), review_rate=Range(0.4, 0.6), estimand="expected")
    names = legend(est.plot("distribution"))
    assert [n for n in names if "low end" in n] == [f"at the low end of the ranges: {law}" for law in ("BCa", "tail rule")]


@pytest.mark.parametrize("estimand", ["realised", "expected"])
def test_a_legend_stays_inside_the_picture(estimand):
    est = turnover(listings().totals(), review_rate=Range(0.44, 1.0), estimand=estimand)
    box, figure = drawn(est.plot("distribution"))
    assert figure.x0 <= box.x0 and box.x1 <= figure.x1
    _, (left, right) = plt.subplots(1, 2, figsize=(14, 5), layout="constrained")
    est.plot("distribution", ax=left)
    est.plot("influence", ax=right)
    left.figure.canvas.draw()
    assert left.get_legend().get_window_extent().x1 <= right.get_legend().get_window_extent().x0


def test_words_follow_what_is_counted_and_measured():
    sold = listings(reviews=None, sold="reviews").totals()
    ax = turnover(sold, market_coverage=stats.beta(80, 20), measure="orders").plot("distribution")
    assert "counted" in legend(ax) and "floor (reviewed)" not in legend(ax)
    assert ax.get_title(loc="left").startswith("Distribution of realised orders")


def test_a_budget_names_unseen_listings_and_not_a_rule():
    frame = listing_table()
    frame["k"] = 1 + frame["reviews"] % 4
    totals = listings(frame, captures="k", occasions=4, first_scrape="k").totals()
    est = turnover(totals, coverage=CountTimesMean(i_know_it_is_biased=True), review_rate=RATE)
    words = " ".join(t.get_text() for t in est.plot("budget").texts)
    assert "rule:" not in words and "part of the total" in words


def test_a_group_without_sales_is_written_on_a_log_axis():
    frame = listing_table(2000).assign(price=50.0)
    frame.loc[frame.category == "Ecstasy", "reviews"] = 0
    frame.loc[frame.category == "Cannabis", "price"] = 0.1
    ax = turnover(listings(frame).totals(by="category"), review_rate=0.5, interval=None).plot()
    assert ax.get_xscale() == "log" and [t.get_text() for t in ax.texts] == ["0"]
    empty = [t.get_text() for t in ax.get_yticklabels()].index("Ecstasy")
    assert ax.texts[0].get_position()[1] == empty


@pytest.mark.parametrize(("kind", "options"), [("shares", {"of": "category"}), ("influence", {"n": 3})],
                         ids=["shares", "influence"])
@pytest.mark.parametrize(("rate", "drawn"), [(0.5, False), (RATE, True)], ids=["known", "uncertain"])
def test_no_legend_names_an_interval_that_is_not_there(kind, options, rate, drawn):
    est = turnover(listings().totals(by="category"), review_rate=rate, interval="none" if rate == 0.5 else "default")
    assert any("interval" in words for words in legend(est.plot(kind, **options))) == drawn


def test_a_budget_without_variance_says_so():
    def words(interval):
        return [t.get_text() for t in turnover(listings().totals(), review_rate=RATE, interval=interval).plot("budget").texts]

    none = "no variance: the estimate has no interval"
    assert words("none") == [none] and none not in words("default")


def test_vendors_without_sales_have_no_share_to_write():
    ax = turnover(listings(listing_table().assign(reviews=0)).totals()).plot("influence", n=3)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["vendor 3", "vendor 2", "vendor 1"]
