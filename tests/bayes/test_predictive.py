"""What a model says of data: statistics by hand, p-values with their ties, and when a statistic is named."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from darkmarket_estimates import DataError, bayes
from darkmarket_estimates.bayes.cells import Vendors
from darkmarket_estimates.bayes.predictive import count_statistics, prior_table
from darkmarket_estimates.bayes.protocol import Data, Replicates


def vendors(reviews, price):
    """Vendors with a row each where they have reviews."""
    r, p = np.asarray(reviews, dtype=float), np.asarray(price, dtype=float)
    some = np.flatnonzero(r)
    return Vendors(reviews=r, exposure=np.ones_like(r), row_vendor=some, row_group=np.zeros(len(some), dtype=np.int64),
                   row_reviews=r[some], row_value=(r * p)[some], n_groups=1)


def check(observed, made, units=None):
    return bayes.PredictiveCheck(Replicates(observed={"a": observed}, replicated={"a": np.asarray(made, dtype=float)},
                                            units=units or {}))


def test_statistics_by_hand():
    r, p = np.r_[np.arange(1.0, 13), 0], np.r_[np.full(11, 10.0), 20.0, 5.0]
    y = r * p
    found = count_statistics(vendors(r, p))
    assert found["reviewed turnover"] == 900
    assert found["top-10 share"] == pytest.approx(np.sort(y)[-10:].sum() / 900, rel=1e-12)
    # E r E m / E r m over the twelve vendors with reviews
    assert found["count-value dependence"] == pytest.approx(6.5 * (130 / 12) / 75, rel=1e-12)


def test_ten_vendors_or_fewer_have_all_of_it():
    assert count_statistics(vendors(np.ones(10), np.ones(10)))["top-10 share"] == 1
    assert count_statistics(vendors(np.ones(11), np.ones(11)))["top-10 share"] == pytest.approx(10 / 11, rel=1e-12)


def test_no_reviews_have_no_shares():
    found = count_statistics(vendors([0, 0], [1, 1]))
    assert found["reviewed turnover"] == 0
    assert np.isnan([found["top-10 share"], found["count-value dependence"]]).all()


def test_a_p_value_counts_what_is_below_and_half_of_what_is_equal():
    assert check(3.0, [1, 2, 3, 3, 4, 5, 6, 7]).p_value("a") == 0.375
    assert check(0.0, [1, 2]).p_value("a") == 0
    assert check(9.0, [1, 2]).p_value("a") == 1


@pytest.mark.parametrize(("rank", "named"), [(0, True), (0.009, True), (0.0125, False), (0.5, False), (0.9875, False),
                                             (0.991, True), (1, True)], ids=str)
def test_a_statistic_in_either_tail_is_named(rank, named):
    """One replicate in a hundred on each side: 0.02 of both tails together."""
    made = np.arange(2000.0)
    flags = check(rank * 2000 - 0.5, made).flags
    p = min(rank, 1 - rank)
    assert flags == ((f"predictive check: the model does not reproduce the a (p = {p:.2g})",) if named else ())


def test_a_statistic_that_the_data_have_not_is_not_named():
    assert check(np.nan, [1.0, 2.0]).flags == ()


def test_the_table_holds_quantiles_of_the_replicates():
    made = np.r_[np.arange(101.0), np.nan]
    row = check(30.0, made, {"a": "USD"}).to_frame().loc["a"]
    assert row[["unit", "observed", "low", "median", "high"]].tolist() == ["USD", 30.0, 5.0, 50.0, 95.0]
    assert row["p"] == pytest.approx(30.5 / 102, rel=1e-12)
    none = check(30.0, [np.nan, np.nan]).to_frame().loc["a"]
    assert np.isnan(none[["low", "median", "high"]].astype(float)).all()


class Growing:
    """A model whose i-th draw of the prior has i reviews of price 2 for each of four vendors."""

    def __init__(self):
        self.drawn = 0

    def data(self, totals):
        return Data(arrays={}, own=SimpleNamespace(vendors=vendors([4, 6], [3, 3])), totals=totals)

    def simulate(self, rng, data):
        self.drawn += 1
        return {}, Data(arrays={}, own=SimpleNamespace(vendors=vendors(np.full(4, self.drawn), np.full(4, 2.0))))


def test_the_table_of_the_prior():
    totals = SimpleNamespace(header=SimpleNamespace(currency="EUR"))
    table = prior_table(Growing(), totals, draws=101, rng=1)
    assert table.loc["reviews a vendor"].tolist() == ["reviews", 6.0, 51.0, 96.0, 5.0]
    assert table.loc["mean value of a review"].tolist() == ["EUR", 2.0, 2.0, 2.0, 3.0]
    assert table.loc["reviewed turnover"].tolist() == ["EUR", 48.0, 408.0, 768.0, 30.0]
    assert table.loc["top-10 share"].tolist() == ["", 1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("draws", [9, 10**7, 1.5, "x"], ids=str)
def test_draws_of_a_prior_are_some(draws):
    with pytest.raises(DataError):
        prior_table(Growing(), SimpleNamespace(header=SimpleNamespace(currency="EUR")), draws=draws, rng=1)
