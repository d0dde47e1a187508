"""Two laws side by side, by hand: stated draws in place of fits."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import special

from darkmarket_estimates.bayes.captured import CaptureCounts
from darkmarket_estimates.bayes.detect import FIT_DRAWS, DetectionLaws, detect
from darkmarket_estimates.errors import AssumptionError

COUNTS = CaptureCounts(value=[60.0, 40.0, 100.0], captures=[1, 2, 2], occasions=2)  # 200 in money
CELLS = np.array([[3.0, 1.0], [2.0, 4.0]])


class Stated:
    """A fit whose log-likelihood of each cell is given by draw: shape (draws, 2, 2)."""

    def __init__(self, values):
        self.values = values

    def listing_log_likelihood(self, data, draws):
        return self.values[draws["at"]]

    def unseen(self, data, draws, rng):
        return rng.normal(1000.0, 1.0, len(draws["at"])), np.zeros(len(draws["at"]))


def posterior(total, values, entropy=3, flags=()):
    n = len(total)
    return SimpleNamespace(outcome=SimpleNamespace(draws=np.asarray(total)[:, None]), spec=Stated(values), entropy=entropy,
                           draws={"at": np.arange(n)}, data=SimpleNamespace(arrays={"counts": CELLS}),
                           estimate=SimpleNamespace(flags=flags))


@pytest.fixture(scope="module")
def laws():
    rng = np.random.default_rng(1)
    totals = 200 + np.linspace(10, 110, 1001), 200 + np.linspace(30, 430, 1001)
    totals[1][-20:] += 5000  # beyond the intervals: means lie above medians
    values = [np.log(np.array([[0.6, 0.4], [0.5, 0.5]])) + 0.1 * k * rng.normal(size=(1001, 2, 2)) for k in (1, 2)]
    return DetectionLaws(posteriors={"logit-normal": posterior(totals[0], values[0], flags=("both", "one")),
                                     "beta": posterior(totals[1], values[1], entropy=4, flags=("both", "other"))},
                         counts=COUNTS, confidence_level=0.8)


def test_spread_and_hull(laws):
    assert laws.seen == 200
    assert laws.spread == pytest.approx((260.0, 430.0), rel=1e-12)
    assert laws.interval == pytest.approx((220.0, 590.0), rel=1e-12)  # 10 % and 90 % of either law
    assert laws.flags == ("both", "one", "other")
    assert "80% credible" in str(laws)


def test_the_share_seen_is_the_money_seen_over_all_money(laws):
    alone = laws.coverage("beta")
    np.testing.assert_allclose(alone.ppf([0.25, 0.5, 0.75]), 200 / np.array([530, 430, 330]), rtol=0.02)
    together = 200 / np.concatenate([laws.total("logit-normal"), laws.total("beta")])
    np.testing.assert_allclose(laws.coverage().ppf([0.25, 0.5, 0.75]), np.quantile(together, [0.25, 0.5, 0.75]), rtol=0.03)
    assert laws.coverage().source == "detection model (logit-normal and beta)"


def test_the_fit_is_the_widely_applicable_criterion_of_each_listing(laws):
    """ln mean p - Var ln p over draws, each cell as often as it has listings (Watanabe; Vehtari, Gelman and Gabry 2017)."""
    at = np.linspace(0, 1000, FIT_DRAWS).astype(int)
    frame = laws.to_frame()
    each = {}
    for law, fitted in laws.posteriors.items():
        v = fitted.spec.values[at].reshape(FIT_DRAWS, 4)
        each[law] = special.logsumexp(v, axis=0) - np.log(FIT_DRAWS) - v.var(axis=0, ddof=1)
        np.testing.assert_allclose(laws.fits[law], each[law], rtol=1e-12)
        assert frame.loc[law, "elpd"] == pytest.approx(CELLS.ravel() @ each[law], rel=1e-12)
    best = max(each, key=lambda law: CELLS.ravel() @ each[law])
    other = next(law for law in each if law != best)
    gap, n = np.repeat(each[best] - each[other], CELLS.ravel().astype(int)), 10
    assert frame.loc[best, ["behind_best", "standard_error"]].tolist() == [0.0, 0.0]
    assert frame.loc[other, "behind_best"] == pytest.approx(gap.sum(), rel=1e-9)
    assert frame.loc[other, "standard_error"] == pytest.approx(np.sqrt(n * gap.var()), rel=1e-9)


def test_medians_by_law(laws):
    frame = laws.to_frame()
    assert frame["total"].tolist() == pytest.approx([260, 430], rel=1e-12)
    assert frame["unseen_money"].tolist() == pytest.approx([60, 230], rel=1e-12)
    assert frame["seen_share"].tolist() == pytest.approx([200 / 260, 200 / 430], rel=1e-12)
    assert frame[["low", "high"]].to_numpy().tolist() == [pytest.approx([220, 300]), pytest.approx([270, 590])]
    stream = np.random.default_rng(np.random.SeedSequence(3).spawn(2)[1])  # that of the draws of the total
    assert frame.loc["logit-normal", "unseen_listings"] == np.median(stream.normal(1000.0, 1.0, 1001))


@pytest.mark.parametrize(("given", "says"), [({"spec": 3}, "model of captures"), ({"laws": 10**5000}, "laws="),
                                             ({"laws": {"beta"}}, "laws="), ({"laws": "beta"}, "laws="), ({"laws": ()}, "laws=")],
                         ids=["no model", "a number", "a set", "text", "none"])
def test_what_is_refused(given, says):
    with pytest.raises(AssumptionError, match=says):
        detect(COUNTS, **given)
