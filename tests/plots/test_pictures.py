import matplotlib.pyplot as plt
import pytest
from scipy import stats

from darkmarket_estimates import AssumptionError, HoldingPrice, NotIdentifiedError, Range, ReviewRate, turnover
from tests.tables import listings

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
