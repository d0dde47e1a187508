import matplotlib.pyplot as plt
import numpy as np
import pytest

from darkmarket_estimates import AssumptionError, Range, ReviewRate, ValueChao, turnover
from darkmarket_estimates.plots import style
from tests.tables import listing_table, listings

RATE = ReviewRate(mean=0.44, between_vendor_sd=0.11)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.mark.parametrize("rate", [None, RATE, Range(0.5, 1.0), ReviewRate(mean=Range(0.4, 0.6), between_vendor_sd=0.1)])
def test_forest_draws_a_line_a_row_and_leaves_style_alone(rate):
    est = turnover(listings().totals(by="category"), review_rate=rate)
    before = dict(plt.rcParams)
    ax = est.plot()
    labels = [t.get_text() for t in ax.get_yticklabels()]
    assert labels[0] == "total" and len(labels) == len(est.rows) and dict(plt.rcParams) == before
    legend = {t.get_text() for t in ax.get_legend().get_texts()}
    assert ("bounds (scenario)" in legend) == (est.bounds is not None)
    assert ("95% interval" in legend) == (est.interval is not None)
    ax.figure.canvas.draw()


def test_forest_uses_the_given_axes_and_counts_what_it_hides():
    est = turnover(listings(market="market").totals(by=["market", "category", "country"]), review_rate=RATE)
    _, ax = plt.subplots()
    assert est.plot(ax=ax, max_groups=5) is ax
    assert f"{len(est.rows) - 6} smaller groups not shown" in ax.get_title(loc="left").replace("\n", " ")
    with pytest.raises(AssumptionError):
        est.plot(max_groups=0)


def test_labels_are_not_mathematics():
    assert style.text("$x$") == r"\$x\$" and len(style.text("x" * 100)) == 32
    assert style.tick(2.5e6) == "2.5 million" and style.tick(0) == "0" and style.tick(1e9) == "1 billion"


def test_a_lower_bound_is_drawn_with_its_limit():
    frame = listing_table(2000)
    frame["k"] = 1 + np.arange(len(frame)) % 4
    frame["first"] = 1 + np.arange(len(frame)) // 4 % 4
    est = turnover(listings(frame, captures="k", occasions=4, first_scrape="first").totals(), coverage=ValueChao())
    ax = est.plot()
    names = [t.get_text() for t in ax.get_legend().get_texts()]
    assert est.kind == "lower bound" and names == ["lower bound", "one-sided 95% limit", "floor (reviewed)"]
    assert [line.get_xdata()[0] for line in ax.lines] == [est.value, est.limit, est.floor]
