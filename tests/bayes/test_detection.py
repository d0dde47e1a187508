"""`Detection`: captures compressed, the posterior against quadrature, two laws side by side, and what is refused."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest
from scipy import special, stats

import darkmarket_estimates as dme
from darkmarket_estimates.bayes.bases import contrasts
from darkmarket_estimates.bayes.captured import CLASSES, CaptureCounts, value_classes
from darkmarket_estimates.bayes.detect import detect
from darkmarket_estimates.bayes.detection import (
    LIKELIHOODS,
    Detection,
    _statistics,
    count_probabilities,
    seen_once_or_more,
)
from darkmarket_estimates.bayes.detection_law import mixing, seen_share
from darkmarket_estimates.bayes.priors import HalfNormal, Normal
from darkmarket_estimates.errors import AssumptionError, DataError, NotIdentifiedError, NotSupportedError

SHORT = {"draws": 250, "tune": 250, "chains": 2, "cores": 1, "on_failure": "ignore"}
LAWS = ("logit-normal", "beta")


def market(rng, n=2500, t=4, heterogeneity=1.0, slope=0.5, intercept=-0.7, scrapes=0.0):
    """Listings with log-normal values; histories of all of them, and the values."""
    log = rng.normal(4, 1.5, n)
    theta = intercept + slope * (log - 4) / 1.5 + heterogeneity * rng.normal(size=n)
    omega = np.linspace(-scrapes, scrapes, t)
    return np.exp(log), rng.uniform(size=(n, t)) < special.expit(theta[:, None] + omega)


@pytest.fixture(scope="module")
def counts():
    y, h = market(np.random.default_rng(1))
    seen = h.any(axis=1)
    return CaptureCounts(value=y[seen], captures=h[seen].sum(axis=1), occasions=4)


@pytest.fixture(scope="module")
def both(counts):
    return detect(counts, rng=1, **SHORT)


# -- captures -------------------------------------------------------------------------------------------------------------


def test_histories_give_captures_and_sizes_of_scrapes():
    h = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 1], [1, 0, 0]])
    counts = CaptureCounts(value=[5.0, 2.0, 3.0, 0.0], histories=h, currency="EUR")
    assert counts.captures.tolist() == [2, 1, 3]
    assert counts.scrape_sizes.tolist() == [2, 2, 2]  # of listings that carry money
    assert counts.occasions == 3
    assert counts.seen == 10
    assert "1 listings of value 0" in counts.flags[0]


@pytest.mark.parametrize(
    ("given", "error"),
    [({}, DataError), ({"captures": [1, 2], "histories": [[1, 0], [1, 1]], "occasions": 2}, DataError),
     ({"captures": [1, 2]}, AssumptionError), ({"captures": [1, 2, 2], "occasions": 2}, DataError),
     ({"captures": [0, 2], "occasions": 2}, DataError), ({"captures": [1, 3], "occasions": 2}, DataError),
     ({"captures": [1.5, 2], "occasions": 2}, DataError), ({"captures": [1, 1], "occasions": 3}, NotIdentifiedError),
     ({"captures": [1, 1], "occasions": 1}, NotIdentifiedError),
     ({"value": [0.0, 2.0], "captures": [2, 1], "occasions": 3}, NotIdentifiedError),
     ({"histories": [[1, 0], [0, 0]]}, DataError), ({"histories": [[1, 2], [1, 1]]}, DataError),
     ({"histories": [1, 1]}, DataError),
     ({"histories": [[1, 1], [1, 0]], "occasions": 3}, DataError), ({"captures": ["a", "b"], "occasions": 2}, DataError)],
    ids=["nothing", "both", "no occasions", "lengths", "never seen", "too often", "fraction", "no recapture", "one scrape",
         "recaptured without money", "never seen in histories", "counts as histories", "flat", "width", "words"])
def test_captures_that_cannot_be(given, error):
    with pytest.raises(error):
        CaptureCounts(**{"value": [1.0, 2.0], **given})


@pytest.mark.parametrize("value", [[-1.0, 2.0], [np.nan, 1.0], [np.inf, 1.0], "ab", [[1.0, 2.0]]], ids=str)
def test_values_that_cannot_be(value):
    with pytest.raises(DataError):
        CaptureCounts(value=value, captures=[1, 2], occasions=2)


def test_classes_hold_every_listing_and_its_money():
    rng = np.random.default_rng(2)
    y, k = rng.lognormal(4, 2, 5000), rng.integers(1, 5, 5000)
    classes = value_classes(y, k, 4)
    n = classes.counts.sum(axis=1)
    assert len(n) <= CLASSES
    assert n.sum() == 5000
    np.testing.assert_array_equal(classes.counts.sum(axis=0), np.bincount(k, minlength=5)[1:])
    assert n @ classes.mean == pytest.approx(y.sum())
    assert n @ (classes.sd**2 + classes.mean**2) == pytest.approx((y**2).sum())
    assert n @ classes.x == pytest.approx(0, abs=1e-8)
    assert (classes.low <= classes.mean).all()
    assert (classes.mean <= classes.high).all()


def test_few_values_are_classes_of_their_own():
    y, k = np.repeat([1.0, 10.0, 100.0], [5, 3, 2]), np.array([1, 1, 2, 2, 3, 1, 1, 2, 3, 3])
    classes = value_classes(y, k, 3)
    np.testing.assert_array_equal(classes.counts, [[2, 2, 1], [2, 1, 0], [0, 0, 2]])
    np.testing.assert_array_equal(classes.sd, 0)
    np.testing.assert_allclose(classes.x, (np.log([1, 10, 100]) - np.log(y).mean()) / np.log(y).std())
    one = value_classes(np.full(4, 7.0), np.array([1, 2, 1, 2]), 2)
    assert one.x.tolist() == [0.0]


def test_values_that_come_late_have_classes_too():
    rng = np.random.default_rng(8)
    y, k = np.r_[np.full(10_000, 5.0), rng.lognormal(1, 1, 3000)], rng.integers(1, 4, 13_000)
    classes = value_classes(y, k, 3)
    n = classes.counts.sum(axis=1)
    assert 10 < len(n) <= CLASSES
    assert n @ classes.mean == pytest.approx(y.sum())
    assert (classes.low[0], classes.high[-1]) == (y.min(), y.max())


def test_classes_cost_next_to_nothing_in_the_likelihood(counts):
    """Listing by listing instead of 24 classes: the log-likelihood hardly moves between parameters that differ."""
    y, k, t = counts.value, counts.captures, counts.occasions
    fine, coarse = value_classes(y, k, t, classes=400), value_classes(y, k, t)
    zero = np.zeros(t)

    def gain(c, law):
        return (LIKELIHOODS[law](-0.7, 0.5, 0.3, zero, c.x, c.counts, zero)[0]
                - LIKELIHOODS[law](-0.9, 0.7, 0.3, zero, c.x, c.counts, zero)[0])

    for law in LAWS:
        assert gain(fine, law) == pytest.approx(gain(coarse, law), abs=0.3)


def test_a_million_listings_are_compressed_in_seconds():
    rng = np.random.default_rng(3)
    y, k = rng.lognormal(4, 2, 1_000_000), rng.integers(1, 7, 1_000_000)
    start = time.perf_counter()
    data = Detection().data(CaptureCounts(value=y, captures=k, occasions=6))
    assert time.perf_counter() - start < 5
    assert data.arrays["counts"].sum() == 1_000_000


# -- the model ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [{"law": "normal"}, {"scrape_sd": 0}, {"intercept": 0.0}, {"spread": Normal(0.0, 1.0)},
                                 {"correlation": (1.0,)}, {"correlation": (0, 1)}, {"value_slope": "x"}], ids=str)
def test_options_that_do_not_exist(bad):
    with pytest.raises(DataError):
        Detection(**bad)


def test_totals_no_longer_know_single_listings():
    totals = dme.Totals.from_cells(vendor=["a"], value=[1.0], reviews=[1], currency="USD")
    with pytest.raises(DataError, match="single listings"):
        Detection().data(totals)


def test_flags_say_what_is_not_identified(counts):
    flags = Detection(law="beta").data(counts).flags
    assert any("beta, which no data can tell" in f for f in flags)
    assert any("equal in size" in f for f in flags)
    two = CaptureCounts(value=[1.0, 2.0, 3.0], histories=[[1, 0], [0, 1], [1, 1]])
    assert any(f.startswith("two scrapes") for f in Detection().data(two).flags)


@pytest.mark.parametrize("law", LAWS)
def test_the_model_has_the_priors_that_are_stated(law):
    """Scrape effects sum to nothing, differences between listings have the law's own prior."""
    import pymc as pm

    _, h = market(np.random.default_rng(4), n=80, scrapes=0.5)
    model = Detection(law=law).model(Detection(law=law).data(CaptureCounts(value=np.ones(h.any(axis=1).sum()),
                                                                           histories=h[h.any(axis=1)])))
    contrast = np.array([0.3, -1.2, 0.7])
    omega = model["scrape_effects"].eval({model["scrape_contrasts"]: contrast})
    np.testing.assert_allclose(omega, contrasts(4)[:, 1:] @ contrast, rtol=1e-12)
    assert omega.sum() == pytest.approx(0, abs=1e-12)
    assert omega @ omega == pytest.approx(contrast @ contrast, rel=1e-12)  # of equal spread in every direction
    drawn = pm.draw(model["heterogeneity"], 500, random_seed=1)
    assert stats.kstest(drawn, (stats.halfnorm() if law == "logit-normal" else stats.beta(1, 4)).cdf).pvalue > 0.001


def quadrature(data, spec, centre, sd, n=13):
    """Posterior mean and sd of intercept, slope and heterogeneity on a cube around them."""
    grids = [np.linspace(max(c - 5 * s, 0.006 if i == 2 else -np.inf), c + 5 * s, n) for i, (c, s) in enumerate(zip(centre, sd))]
    points = np.array(list(itertools.product(*grids)))
    zero, arrays = np.zeros(4), data.arrays
    log = np.array([LIKELIHOODS[spec.law](*p, zero, arrays["x"], arrays["counts"], zero)[0] for p in points])
    log += stats.norm(0, 1.5).logpdf(points[:, 0]) + stats.norm(0, 1).logpdf(points[:, 1])
    log += (stats.halfnorm() if spec.law == "logit-normal" else stats.beta(1, 4)).logpdf(points[:, 2])
    w = np.exp(log - log.max())
    w /= w.sum()
    mean = w @ points
    return mean, np.sqrt(w @ (points - mean) ** 2)


@pytest.mark.parametrize("law", LAWS)
def test_the_posterior_is_that_of_quadrature(both, law):
    posterior = both.posteriors[law]
    sample = np.stack([posterior.draws[k] for k in ("intercept", "value_slope", "heterogeneity")])
    mean, sd = quadrature(posterior.data, posterior.spec, sample.mean(axis=1), sample.std(axis=1))
    error = 4 * sd / np.sqrt(100)  # at least 100 effective draws
    assert (np.abs(sample.mean(axis=1) - mean) < error).all()
    np.testing.assert_allclose(sample.std(axis=1), sd, rtol=0.3)


def test_unseen_listings_have_the_moments_of_the_negative_binomial(both):
    posterior = both.posteriors["logit-normal"]
    draws = {k: np.repeat(v[:1], 4000, axis=0) for k, v in posterior.draws.items()}
    number, money = posterior.spec.unseen(posterior.data, draws, np.random.default_rng(1))
    n, own = posterior.data.arrays["counts"].sum(axis=1), posterior.data.own
    star = seen_share("logit-normal", draws["intercept"][0] + draws["value_slope"][0] * posterior.data.arrays["x"],
                      draws["heterogeneity"][0], np.zeros(4))
    mean, variance = n * (1 - star) / star, n * (1 - star) / star**2
    assert number.mean() == pytest.approx(mean.sum(), abs=4 * np.sqrt(variance.sum() / 4000))
    assert number.var() == pytest.approx(variance.sum(), rel=0.1)
    expected = variance @ own.mean**2 + mean @ own.sd**2
    assert money.mean() == pytest.approx(mean @ own.mean, abs=5 * np.sqrt(expected / 4000))
    assert money.var() == pytest.approx(expected, rel=0.12)


def test_money_of_unseen_listings_varies_as_values_in_a_class_do():
    """One class of values 1 and 199, half each, seen with chance 1/2 throughout: the sum of N0 such values."""
    spec, y = Detection(), np.tile([1.0, 199.0], 200)
    k = np.tile([1, 1, 1, 2], 100)
    data = spec.data(CaptureCounts(value=y, captures=k, occasions=2))
    own = value_classes(y, k, 2, classes=1)
    data = replace(data, own=own, arrays={"x": own.x, "counts": own.counts, "sizes": np.zeros(2)})
    eta = special.logit(1 - np.sqrt(0.5))  # pi* = 1 - (1 - p)^2 = 1/2
    draws = {"intercept": np.full(6000, eta), "value_slope": np.zeros(6000), "heterogeneity": np.full(6000, 1e-6),
             "scrape_effects": np.zeros((6000, 2))}
    number, money = spec.unseen(data, draws, np.random.default_rng(1))
    assert number.mean() == pytest.approx(400, abs=4 * np.sqrt(800 / 6000))
    variance = 800 * 100**2 + 400 * 99**2  # Var N0 x mean^2 + E N0 x variance
    assert money.mean() == pytest.approx(40_000, abs=4 * np.sqrt(variance / 6000))
    assert money.var() == pytest.approx(variance, rel=4 * np.sqrt(2 / 6000))


def test_by_hand_what_follows_from_stated_chances():
    """Two listings of one class, worth 1 and 199, each seen with chance 1/2 in all: N0 ~ NegBin(2, 1/2), mean 2."""
    spec, counts = Detection(), CaptureCounts(value=[1.0, 199.0], captures=[1, 2], occasions=2)
    own = value_classes(counts.value, counts.captures, 2, classes=1)
    data = replace(spec.data(counts), own=own, arrays={"x": own.x, "counts": own.counts, "sizes": np.zeros(2)})
    draws = {"intercept": np.full(20_000, special.logit(1 - np.sqrt(0.5))), "value_slope": np.zeros(20_000),
             "heterogeneity": np.full(20_000, 1e-6), "scrape_effects": np.zeros((20_000, 2))}
    number, money = spec.unseen(data, draws, np.random.default_rng(1))
    np.testing.assert_allclose(np.bincount(number.astype(int), minlength=9)[:9] / 20_000, stats.nbinom(2, 0.5).pmf(range(9)),
                               atol=4 * np.sqrt(0.25 / 20_000))
    assert ((money >= number) & (money <= 199 * number)).all()  # no listing is worth less or more than its class
    outcome = spec.after(data, draws, np.random.default_rng(1), estimand="realised")
    np.testing.assert_array_equal(outcome.draws[:, 0], 200 + money)
    assert outcome.flags == (f"unseen: {np.median(number):,.0f} listings with USD {np.median(money):,.0f} (medians)",)


def test_the_share_seen_is_of_money():
    """Classes worth 10 and 1,000: the chance of the dear one counts a hundred times as much."""
    y, k = np.repeat([10.0, 1000.0], [6, 4]), np.array([1, 1, 1, 1, 2, 2, 1, 2, 2, 2])
    spec, data = Detection(), Detection().data(CaptureCounts(value=y, captures=k, occasions=2))
    draws = {"intercept": np.array([-0.5]), "value_slope": np.array([0.8]), "heterogeneity": np.array([0.6]),
             "scrape_effects": np.zeros((1, 2))}
    star = seen_share("logit-normal", -0.5 + 0.8 * data.arrays["x"], 0.6, np.zeros(2))
    found = spec.quantities(data, draws)["seen_share"]
    assert found[0] == pytest.approx(4060 / (60 / star[0] + 4000 / star[1]), rel=1e-12)
    assert spec.coverage(data, draws)[0] == pytest.approx(star, rel=1e-12)


@pytest.mark.parametrize("law", LAWS)
def test_simulated_scrapes_have_the_sizes_of_their_histories(law):
    _, h = market(np.random.default_rng(9), n=4000, scrapes=0.5)
    spec = Detection(law=law, scrape_sd=0.6)
    template = spec.data(CaptureCounts(value=np.tile([5.0, 50.0], len(h))[: h.any(axis=1).sum()], histories=h[h.any(axis=1)]))
    truth, data = spec.simulate(np.random.default_rng(2), template)
    omega, n = truth["scrape_effects"], template.arrays["counts"].sum()
    np.testing.assert_allclose(omega, contrasts(4)[:, 1:] @ truth["scrape_contrasts"], rtol=1e-12)
    assert data.arrays["sizes"].sum() == data.arrays["counts"].sum(axis=0) @ [1, 2, 3, 4]
    assert data.arrays["counts"].sum() == n
    # each scrape is as large as the mixture says: sum over classes of n_b P(seen in it) / P(seen)
    nodes = mixing(law, truth["intercept"] + truth["value_slope"] * data.arrays["x"], truth["heterogeneity"])
    theta = np.broadcast_to(nodes.theta, nodes.weight.shape)
    chance = special.expit(theta[..., None] + omega)
    seen = (nodes.weight * (1 - (1 - chance).prod(axis=-1))).sum(axis=1)
    p = (nodes.weight[..., None] * chance).sum(axis=1) / seen[:, None]
    expected = template.arrays["counts"].sum(axis=1) @ p
    assert (np.abs(data.arrays["sizes"] - expected) < 4 * np.sqrt(n * 0.25)).all()


def test_statistics_of_captures_by_hand():
    counts, x = np.array([[3.0, 1, 0], [0, 2, 4]]), np.array([-1.0, 2.0])
    found = _statistics(counts, x)
    assert (found["seen once"], found["seen twice"]) == (3, 3)
    assert found["seen in every scrape"] == 4
    assert found["captures a listing"] == pytest.approx(21 / 10, rel=1e-12)  # 1.25 of four, 16 / 6 of six
    assert found["captures with log value"] == pytest.approx(0.4 * -1 * (1.25 - 2.1) + 0.6 * 2 * (16 / 6 - 2.1), rel=1e-12)
    two = _statistics(np.array([[3.0, 1], [0, 2]]), x)
    assert set(two) == {"seen once", "captures a listing", "captures with log value"}


def test_both_laws_fit_equally_and_extrapolate_differently(both):
    frame = both.to_frame()
    assert list(frame.index) == list(LAWS)
    assert frame["behind_best"].min() == 0
    gap = frame["behind_best"].max()
    assert gap < 2 * frame["standard_error"].max() + 0.5  # the data do not tell
    assert frame.loc["beta", "unseen_listings"] > 1.1 * frame.loc["logit-normal", "unseen_listings"]
    low, high = both.spread
    assert (low, high) == (frame["total"].min(), frame["total"].max())
    assert both.interval[0] == pytest.approx(frame["low"].min())
    assert both.interval[1] == pytest.approx(frame["high"].max())
    assert "by the law of unseen differences (logit-normal, beta)" in str(both)


def test_the_estimate_holds_seen_and_unseen(both):
    est = both.posteriors["beta"].estimate
    assert est.floor == pytest.approx(both.seen)
    assert est.interval[0] > both.seen
    assert est.kind == "posterior predictive interval"
    assert any("no review share is in it" in flag for flag in est.flags)
    assert est.value == pytest.approx(both.total("beta").mean())


def test_its_coverage_goes_into_turnover(both, counts):
    law = both.coverage()
    shares = both.seen / np.concatenate([both.total(name) for name in LAWS])
    np.testing.assert_allclose(law.ppf([0.1, 0.5, 0.9]), np.quantile(shares, [0.1, 0.5, 0.9]), rtol=0.01)
    assert both.coverage("beta").source == "detection model (beta)"
    est = dme.turnover(counts.table(), review_rate=dme.ReviewRate(mean=0.44, between_vendor_sd=0.13), coverage=law)
    assert est.value == pytest.approx(both.seen / 0.44 / law.mean(), rel=1e-9)
    assert est.interval[0] < est.value < est.interval[1]


def test_the_same_rng_gives_the_same_draws(both, counts):
    again = detect(counts, rng=1, laws=["beta"], **SHORT)
    np.testing.assert_array_equal(again.total("beta"), both.total("beta"))


def test_predictive_checks_accept_data_of_the_model(both):
    for law in LAWS:
        frame = both.posteriors[law].predictive_check(rng=1).to_frame()
        assert {"seen once", "seen twice", "captures with log value"} <= set(frame.index)
        assert frame["p"].between(0.005, 0.995).all()


def test_predictive_checks_reject_a_model_without_differences(counts):
    """Listings that differ, under parameters that say they are alike: too few are seen once and in every scrape."""
    spec, data = Detection(), Detection().data(counts)
    k = counts.captures.mean() / 4
    draws = {"intercept": np.full(50, special.logit(k)), "value_slope": np.zeros(50), "heterogeneity": np.full(50, 1e-3),
             "scrape_effects": np.zeros((50, 4))}
    made = spec.replicate(data, draws, np.random.default_rng(1))
    assert made.observed["seen once"] > made.replicated["seen once"].max()
    assert made.observed["captures with log value"] > made.replicated["captures with log value"].max()


def test_only_listings_that_exist_have_money(both):
    posterior = both.posteriors["beta"]
    with pytest.raises(NotSupportedError, match="exist"):
        posterior.spec.after(posterior.data, posterior.draws, np.random.default_rng(1), estimand="expected")


def test_a_posterior_of_single_listings_is_not_written(both, tmp_path):
    with pytest.raises(NotSupportedError, match="single listings"):
        both.posteriors["beta"].save(tmp_path / "beta.zip")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("laws", [(), "beta", ["poisson"]], ids=str)
def test_laws_that_do_not_exist(counts, laws):
    with pytest.raises(DataError):
        detect(counts, laws=laws, **SHORT)


def test_cell_likelihoods_add_up_to_that_of_the_model(both):
    posterior = both.posteriors["beta"]
    draws = {k: v[:4] for k, v in posterior.draws.items()}
    cells = posterior.spec.log_likelihood(posterior.data, draws)["listings"].sum(axis=1)
    whole = posterior.spec.quantities(posterior.data, draws)["log_likelihood"]
    ways = posterior.data.arrays["counts"].sum(axis=0) @ np.log([4, 6, 4, 1])
    np.testing.assert_allclose(cells, whole + ways, rtol=1e-9)


def test_histories_given_a_capture_have_their_law():
    chance = np.array([0.1, 0.5, 0.2])
    made = seen_once_or_more(np.broadcast_to(chance, (60_000, 3)), np.random.default_rng(1))
    assert made.any(axis=1).all()
    expected = chance / (1 - np.prod(1 - chance))
    assert (np.abs(made.mean(axis=0) - expected) < 4 * np.sqrt(expected * (1 - expected) / 60_000)).all()
    both = chance[0] * chance[1] / (1 - np.prod(1 - chance))
    assert (made[:, 0] & made[:, 1]).mean() == pytest.approx(both, abs=4 * np.sqrt(both / 60_000))


@pytest.mark.parametrize("law", LAWS)
def test_simulated_counts_follow_the_likelihood(counts, law):
    spec = Detection(law=law, intercept=Normal(-1.0, 1e-6), value_slope=Normal(0.5, 1e-6), spread=HalfNormal(1e-6),
                     correlation=(1e6, 4e6))
    template = spec.data(counts)
    rng, total = np.random.default_rng(5), 0.0
    for _ in range(20):
        truth, data = spec.simulate(rng, template)
        total = total + data.arrays["counts"]
    parameters = (*(truth[name] for name in ("intercept", "value_slope", "heterogeneity")), np.zeros(4))
    p = count_probabilities(law, template.arrays["x"], parameters)
    n = total.sum(axis=1, keepdims=True)
    assert (np.abs(total - n * p) < 4.5 * np.sqrt(n * p * (1 - p)) + 1).all()
    assert (n[:, 0] == 20 * template.arrays["counts"].sum(axis=1)).all()


def test_the_prior_speaks_of_money(counts):
    for law in LAWS:
        table = Detection(law=law).prior_predictive(counts, draws=300, rng=1)
        share = table.loc["share seen, average value"]
        assert 0.05 < share["low"] < 0.5
        assert 0.9 < share["high"] <= 1
        money = table.loc["money seen and unseen"]
        assert (money["unit"], money["observed"]) == ("USD", pytest.approx(counts.seen))
        assert money["observed"] < money["low"] < money["high"]


def test_listings_from_scrapes_are_read_as_they_stand():
    rng = np.random.default_rng(6)
    _, h = market(rng, n=60, t=4)
    rows = [(f"l{i}", f"2016-01-0{j + 1}", 10.0 + i, float(3 * j + i % 5), f"v{i % 7}")
            for i in range(60) for j in range(4) if h[i, j]]
    table = dict(zip(("listing", "scrape", "price", "n", "vendor"), map(list, zip(*rows, strict=True)), strict=True))
    listings = dme.Listings.from_scrapes(table, listing="listing", scrape="scrape", price="price", vendor="vendor", reviews="n",
                                         currency="USD")
    ours = CaptureCounts.from_listings(listings)
    assert ours.seen == pytest.approx(listings.totals().sum("value"))
    seen = h.sum(axis=1)
    assert ours.n_listings <= (seen > 1).sum()  # a listing seen once has no dated count
    assert ours.scrape_sizes.sum() == ours.captures.sum()
    with pytest.raises(NotIdentifiedError):
        CaptureCounts.from_listings(dme.Listings(table, price="price", reviews="n", vendor="vendor", currency="USD"))


# -- statistics -----------------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.statistical
@pytest.mark.parametrize("law", LAWS)
def test_intervals_cover_when_the_law_is_right(law):
    """90 % intervals of the money of all listings, on 80 markets made under the law itself; one compiled model."""
    import pymc as pm

    from darkmarket_estimates.bayes import _arviz, sampling

    rng = np.random.default_rng(11)
    spec, model, step, inside, n = Detection(law=law), None, None, 0, 80
    # the same values in each market, all of them seen, so that one compiled model serves
    y = np.repeat(np.exp(np.linspace(1, 7, 12)), [40, 60, 100, 160, 220, 240, 220, 180, 120, 80, 50, 30])
    x = (np.log(y) - np.log(y).mean()) / np.log(y).std()
    for _ in range(n):
        if law == "beta":
            mean, size = special.expit(-0.5 + 0.4 * x), 1 / 0.2 - 1
            chance = rng.beta(mean * size, (1 - mean) * size)
        else:
            chance = special.expit(-0.5 + 0.4 * x + rng.normal(size=1500))
        k = rng.binomial(5, chance)
        assert np.array_equal(np.unique(y[k > 0]), np.unique(y))
        data = spec.data(CaptureCounts(value=y[k > 0], captures=k[k > 0], occasions=5))
        if model is None:
            model = spec.model(data)
            step = sampling.compiled_step(model)
        else:
            pm.set_data(dict(data.arrays), model=model)
        container = sampling.sample(model, draws=300, tune=300, chains=1, rng=rng, cores=1, progress=False, step=step)
        money = spec.unseen(data, _arviz.flat_draws(container), rng)[1]
        low, high = np.quantile(money, [0.05, 0.95])
        inside += low <= y[k == 0].sum() <= high
    assert abs(inside / n - 0.9) < 3 * np.sqrt(0.9 * 0.1 / n)


@pytest.mark.long
@pytest.mark.statistical
@pytest.mark.parametrize("law", LAWS)
def test_simulation_based_calibration(law):
    from darkmarket_estimates.bayes.calibration import calibrate

    rng = np.random.default_rng(7)
    y = np.repeat(np.exp(np.linspace(1, 6, 8)), 40)
    k = rng.integers(1, 5, len(y))
    spec = Detection(law=law, intercept=Normal(-0.5, 0.7), value_slope=Normal(0.0, 0.5), spread=HalfNormal(0.7))
    template = spec.data(CaptureCounts(value=y, captures=k, occasions=4))
    result = calibrate(spec, template, n_simulations=30, draws=400, tune=300, rng=11)
    assert result.passed, result.to_frame()
