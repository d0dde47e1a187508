"""Review shares from markets with both counters: the density against one by hand, the new market, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

import darkmarket_estimates as dme
from darkmarket_estimates.bayes import sampling
from darkmarket_estimates.bayes.bases import around_mean, contrasts
from darkmarket_estimates.bayes.both_counters import CELLS, BothCounters, _statistics, shapes
from darkmarket_estimates.bayes.calibrated import calibrate_share
from darkmarket_estimates.bayes.fit import fit
from darkmarket_estimates.bayes.priors import HalfNormal, Known, Normal
from darkmarket_estimates.bayes.share_by_size import logits_with_mean
from darkmarket_estimates.errors import DataError, NotIdentifiedError, NotSupportedError

SHORT = {"draws": 300, "tune": 300, "chains": 2, "cores": 1, "on_failure": "ignore"}


def counts_of(rng, n_markets=3, n=80, slope=0.0, spread=0.07, shares=None):
    """Vendors' sales and reviews; shares go with log sales by `slope`."""
    shares = np.full(n_markets, 0.44) if shares is None else np.asarray(shares)
    market = np.repeat([f"m{i}" for i in range(n_markets)], n)
    sales = np.ceil(rng.lognormal(3, 1.2, n * n_markets))
    mean = special.expit(special.logit(np.repeat(shares, n)) + slope * (np.log(sales) - 4.5))
    size = (1 - spread) / spread
    reviews = rng.binomial(sales.astype(int), rng.beta(mean * size, (1 - mean) * size))
    return {"market": market, "sales": sales, "reviews": reviews.astype(float), "mean": mean}


@pytest.fixture(scope="module")
def counts():
    return counts_of(np.random.default_rng(1))


@pytest.fixture(scope="module")
def calibrated(counts):
    return calibrate_share(counts, rng=1, **SHORT)


# -- data -----------------------------------------------------------------------------------------------------------------


def test_vendors_are_compressed_and_weighed_by_turnover():
    given = {"reviews": [1, 1, 4, 0, 20], "sales": [2, 2, 10, 0, 40], "value": [10.0, 30, 100, 0, 860]}
    data = BothCounters().data(given)
    assert data.coords["market"] == ("market",)
    assert data.coords["size_class"] == ("1 to 3", "4 to 9", "10 to 31", "32 to 99")
    np.testing.assert_allclose(data.arrays["weights"], [[0.04, 0, 0.1, 0.86]])
    assert data.arrays["multiplicity"].tolist() == [2, 1, 1]
    assert data.arrays["vendor_sales"].tolist() == [2, 10, 40]
    by_sales = BothCounters().data({k: given[k] for k in ("reviews", "sales")})
    np.testing.assert_allclose(by_sales.arrays["weights"], [[4 / 54, 0, 10 / 54, 40 / 54]])
    assert any("comes from its prior: 1 market(s)" in flag for flag in data.flags)


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [({"reviews": [1, 3], "sales": [2, 2]}, DataError, "more reviews than sales"),
     ({"reviews": [0, 0], "sales": [2, 2]}, NotIdentifiedError, "no vendor has a review"),
     ({"reviews": [1], "sales": [2]}, NotIdentifiedError, "two vendors"),
     ({"reviews": [], "sales": []}, NotIdentifiedError, "no vendor"),
     ({"reviews": [1.5, 1], "sales": [2, 2]}, DataError, "whole numbers"),
     ({"reviews": [1, 1], "sales": [2, np.nan]}, DataError, "sales"), ({"reviews": [1, 1]}, DataError, "counter is missing"),
     ({"reviews": [1, 1], "sales": [2, 2], "market": ["a"]}, DataError, "length"),
     ({"reviews": [1, 1, 1], "sales": [2, 2, 2], "market": ["a", "a", "b"]}, NotIdentifiedError, "market 'b'"),
     ({"reviews": [1, 1], "sales": [2, 2], "value": [-1, 1]}, DataError, "value"), (None, DataError, "counts of vendors"),
     ([1, 2], DataError, "counts of vendors"), (3, DataError, "counts of vendors")],
    ids=["more reviews", "none", "one vendor", "empty", "fraction", "missing", "no sales", "lengths",
         "one vendor in a market", "negative", "nothing", "a list", "a number"])
def test_counts_that_cannot_be(given, error, says):
    with pytest.raises(error, match=says):
        BothCounters().data(given)


@pytest.mark.parametrize("bad", [{"centre": 0.4}, {"between_market_sd": -1}, {"step_sd": 0}, {"spread": (1,)},
                                 {"spread": (0, 1)}, {"step_sd": Normal(0.0, 1.0)}], ids=str)
def test_priors_that_cannot_be(bad):
    with pytest.raises(DataError):
        BothCounters(**bad)


def test_a_share_is_no_turnover(counts):
    with pytest.raises(NotSupportedError, match="calibrate_share"):
        fit(counts, BothCounters())


def test_bases():
    for m in (1, 2, 5):
        q = contrasts(m)
        np.testing.assert_allclose(q.T @ q, np.eye(m), atol=1e-14)
        np.testing.assert_allclose(q[:, 0], 1 / np.sqrt(m))
    w = np.random.default_rng(1).dirichlet(np.ones(5), 3)
    np.testing.assert_allclose(np.einsum("mb,mbk->mk", w, around_mean(w)), 0, atol=1e-14)


# -- the model ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False], ids=["known spreads", "spreads with priors"])
def test_the_density_is_the_one_by_hand(counts, known):
    """Log density in the sampler's coordinates, against priors and likelihood by scipy and a numerical Jacobian."""
    spec = BothCounters(between_market_sd=Known(0.3)) if known else BothCounters(step_sd=HalfNormal(0.2))
    data = spec.data(counts)
    w = data.arrays["weights"]
    m, k = w.shape
    with sampling.quiet():
        model = spec.model(data)
        values = model.replace_rvs_by_values([model["class_logit"], model["logit_share"]])
        compiled = model.compile_fn([model.logp(), *values], inputs=model.value_vars,
                                    on_unused_input="ignore", point_fn=True)
    rng = np.random.default_rng(2)

    def by_hand(point):
        _, logits, theta = compiled(point)
        np.testing.assert_allclose(special.expit(theta), (w * special.expit(logits)).sum(axis=1), rtol=1e-12)
        spread = special.expit(point["spread_logodds__"])
        tau, step = (0.3, 0.15) if known else (np.exp(point[f"{name}_log__"]) for name in ("between_market_sd", "step_sd"))
        value = stats.multivariate_normal(np.zeros(m), tau**2 * np.eye(m) + 1.5**2).logpdf(theta)
        value += stats.norm(0, step).logpdf(np.diff(logits, axis=1)).sum()
        if not known:  # with the Jacobian of the logarithm
            value += stats.halfnorm(scale=0.5).logpdf(tau) + np.log(tau) + stats.halfnorm(scale=0.2).logpdf(step) + np.log(step)
        value += (stats.beta(1, 9).logpdf(spread) + np.log(spread * (1 - spread))).sum()
        size = ((1 - spread) / spread)[data.arrays["vendor_market"]]
        p = special.expit(logits)[data.arrays["vendor_market"], data.arrays["vendor_class"]]
        value += data.arrays["multiplicity"] @ stats.betabinom.logpmf(data.arrays["vendor_reviews"], data.arrays["vendor_sales"],
                                                                      p * size, (1 - p) * size)

        def coordinates(flat):
            _, logits, theta = compiled({**point, "level": flat[:m], "within": flat[m:].reshape(m, k - 1)})
            return np.r_[theta, np.diff(logits, axis=1).ravel()]

        at, e = np.r_[point["level"], point["within"].ravel()], 1e-5
        jacobian = np.array([(coordinates(at + e * row) - coordinates(at - e * row)) / (2 * e) for row in np.eye(len(at))])
        return value + np.linalg.slogdet(jacobian)[1]

    gaps = []
    for _ in range(4):
        point = {"spread_logodds__": rng.normal(-2.5, 0.5, m), "level": rng.normal(size=m),
                 "within": 0.2 * rng.normal(size=(m, k - 1))}
        if not known:
            point |= {f"{name}_log__": np.array(rng.normal(-1.5, 0.7)) for name in ("between_market_sd", "step_sd")}
        gaps.append(float(compiled(point)[0]) - by_hand(point))
    np.testing.assert_allclose(gaps, gaps[0], atol=1e-5)  # they differ by constants alone


@pytest.mark.long
def test_the_mean_is_weighted_by_turnover_where_shares_go_with_size():
    """The mean over vendors is another population's: with a slope it is off, the model's mean is not."""
    given = counts_of(np.random.default_rng(5), n_markets=3, n=300, slope=0.25)
    result = calibrate_share(given, rng=2, **SHORT)
    frame = result.to_frame().iloc[:3]
    truth = [np.sum(s * special.expit(special.logit(0.44) + 0.25 * (np.log(s) - 4.5))) / s.sum()
             for s in np.split(given["sales"], 3)]
    error = frame["standard_error"].to_numpy()
    assert (np.abs(frame["share"] - truth) < 3 * error).all()
    assert (truth - frame["mean_over_vendors"] > 2 * error).all()
    classes = result.classes()
    assert classes.loc["m0", "turnover"].sum() == pytest.approx(1)
    large, small = classes.loc[("m0", "317 to 999"), "share"], classes.loc[("m0", "4 to 9"), "share"]
    assert large > small + 0.1


def test_shares_agree_with_the_pooled_ratio(calibrated):
    frame = calibrated.to_frame().iloc[:3]
    assert (np.abs(frame["share"] - frame["pooled"]) < 2.5 * frame["standard_error"]).all()
    assert frame["between_vendor_sd"].between(0.09, 0.18).all()  # sqrt(0.07 x 0.44 x 0.56) = 0.13


def test_the_target_is_a_new_and_wider_draw(calibrated):
    frame = calibrated.to_frame()
    width = frame["high"] - frame["low"]
    assert width["(a new market)"] > 1.5 * width.iloc[:3].max()
    assert "prior-driven below 5 markets" in str(calibrated)
    middle, low, high = calibrated.between_market_sd
    assert low < middle < high


def test_the_target_law_is_that_of_simulated_new_markets(calibrated):
    spec, draws = calibrated.spec, calibrated.draws
    rng = np.random.default_rng(3)
    theta, tau = np.repeat(draws["logit_share"], 20, axis=0), np.repeat(draws["between_market_sd"], 20)
    # mu | theta, tau by weighing prior draws of mu, for one draw at a time, agrees with the closed form
    grid = np.linspace(-4, 4, 4001)
    for i in (0, 100, 300):
        one_draw = {name: draws[name][i : i + 1] for name in ("logit_share", "between_market_sd")}
        log = stats.norm(0, 1.5).logpdf(grid)
        log += stats.norm(draws["logit_share"][i][:, None], draws["between_market_sd"][i]).logpdf(grid).sum(axis=0)
        weight = np.exp(log - log.max())
        weight /= weight.sum()
        one = spec.target(one_draw)
        mean = weight @ grid
        assert one.centres[0] == pytest.approx(mean, abs=1e-6)
        assert one.sds[0] ** 2 - draws["between_market_sd"][i] ** 2 == pytest.approx(weight @ (grid - mean) ** 2, rel=1e-3)
    precision = 1.5**-2 + 3 / tau**2
    mu = theta.sum(axis=1) / tau**2 / precision + rng.standard_normal(len(tau)) / np.sqrt(precision)
    share = special.expit(mu + tau * rng.standard_normal(len(tau)))
    np.testing.assert_allclose(np.quantile(share, [0.1, 0.5, 0.9]), calibrated.target.ppf([0.1, 0.5, 0.9]), atol=0.01)


def test_before_data_a_market_lies_as_far_out_as_centre_and_tau_say():
    law = BothCounters(between_market_sd=2.0).prior_target(n=7)
    assert law.centres.tolist() == [0.0] * 7
    np.testing.assert_allclose(law.sds, np.hypot(1.5, 2.0), rtol=1e-12)
    drawn = BothCounters(centre=Normal(-1.0, 0.5)).prior_target(n=500, rng=1)
    assert drawn.centres.tolist() == [-1.0] * 500
    assert stats.kstest(np.sqrt(drawn.sds**2 - 0.25), stats.halfnorm(scale=0.5).cdf).pvalue > 0.001


def test_more_markets_make_the_target_surer():
    draws = {"between_market_sd": np.full(10, 0.3)}
    widths = [np.diff(BothCounters().target({**draws, "logit_share": np.zeros((10, m))}).interval(0.9))[0] for m in (1, 3, 30)]
    assert widths[0] > widths[1] > widths[2] > 0.2
    one = BothCounters(centre=Normal(0.0, 0.01)).target({**draws, "logit_share": np.full((10, 1), 1.0)})
    assert one.ppf(0.5) == pytest.approx(0.5, abs=0.01)  # a prior that knows the centre is believed


def test_the_rate_goes_into_turnover(calibrated):
    totals = dme.Totals.from_cells(vendor=list("abc"), value=[900.0, 600, 300], reviews=[90, 60, 30], currency="USD")
    rate = calibrated.review_rate()
    new = dme.turnover(totals, review_rate=rate)
    assert rate.mean is calibrated.target
    assert rate.between_vendor_sd == pytest.approx(0.13, abs=0.04)
    assert new.value == pytest.approx(1800 / calibrated.target.mean())
    own = dme.turnover(totals, review_rate=calibrated.review_rate("m1"))
    assert np.diff(own.interval) < np.diff(new.interval)
    with pytest.raises(DataError):
        calibrated.review_rate("m9")


def test_predictive_checks_accept_data_of_the_model(calibrated):
    frame = calibrated.predictive_check(rng=1).to_frame()
    assert {"pooled share", "spread between vendors", "mean share over vendors"} <= set(frame.index)
    assert frame["p"].between(0.005, 0.995).all()


@pytest.mark.long
def test_the_same_rng_gives_the_same_draws(calibrated, counts):
    again = calibrate_share(counts, rng=1, **SHORT)
    np.testing.assert_array_equal(again.draws["logit_share"], calibrated.draws["logit_share"])


def test_short_chains_are_flagged(calibrated):
    assert any(flag.startswith("not converged") for flag in calibrated.flags)  # two chains


def test_cell_likelihoods_are_beta_binomial(calibrated):
    draws = {k: v[:2] for k, v in calibrated.draws.items()}
    cells = calibrated.data.arrays
    values = calibrated.spec.log_likelihood(calibrated.data, draws)["vendors"]
    p = special.expit(draws["class_logit"][1])[cells["vendor_market"], cells["vendor_class"]]
    size = (1 / draws["spread"][1] - 1)[cells["vendor_market"]]
    r, s = cells["vendor_reviews"], cells["vendor_sales"]
    expected = cells["multiplicity"] * stats.betabinom.logpmf(r, s, p * size, (1 - p) * size)
    np.testing.assert_allclose(values[1], expected, rtol=1e-9)


@pytest.mark.long
def test_without_vendors_the_prior_comes_back(counts):
    """Multiplicity 0: shares, spread and the new market have their prior."""
    spec = BothCounters(between_market_sd=HalfNormal(0.5))
    data = spec.data(counts)
    data.arrays["multiplicity"][:] = 0
    with sampling.quiet():
        container = sampling.sample(spec.model(data), draws=700, tune=500, chains=2, rng=np.random.default_rng(4), cores=1)
    posterior = container["posterior"] if hasattr(container, "__getitem__") else container.posterior
    draws = {name: np.asarray(posterior[name]).reshape(-1, *np.shape(posterior[name])[2:]) for name in
             ("logit_share", "spread", "between_market_sd", "class_logit")}
    n = 150  # effective draws, at the least
    sd = np.sqrt(1.5**2 + 0.5**2)
    assert abs(draws["logit_share"].mean()) < 4 * sd / np.sqrt(n)
    assert draws["logit_share"].std() == pytest.approx(sd, rel=0.3)
    assert draws["spread"].mean() == pytest.approx(0.1, abs=4 * 0.09 / np.sqrt(3 * n))
    assert draws["between_market_sd"].mean() == pytest.approx(0.5 * np.sqrt(2 / np.pi), abs=4 * 0.3 / np.sqrt(n))
    assert np.diff(draws["class_logit"], axis=2).std() == pytest.approx(0.15, rel=0.1)
    prior = spec.prior_target(rng=1)
    assert spec.target(draws).interval(0.9)[0] == pytest.approx(prior.interval(0.9)[0], abs=0.06)


STATED = {"class_logit": np.array([[[-0.5, 0.0, 0.4, 0.8]], [[1.0, 0.5, 0.0, -0.5]]]), "spread": np.array([[0.25], [0.1]]),
          "between_market_sd": np.array([0.3, 0.4])}


def test_by_hand_what_follows_from_stated_parameters():
    """Two draws of one market with four classes; vendors alike are one cell and count as many."""
    data = BothCounters().data({"reviews": [1, 1, 4, 3, 20], "sales": [2, 2, 10, 9, 40]})
    p, size = shapes(STATED)
    np.testing.assert_allclose(p, special.expit(STATED["class_logit"]), rtol=1e-15)
    np.testing.assert_allclose(size, [[3.0], [9.0]], rtol=1e-12)
    cells = BothCounters().log_likelihood(data, STATED)["vendors"]
    for found, share, k in zip(cells, p[:, 0], (3.0, 9.0), strict=True):
        r, s, m = np.array([1, 3, 4, 20]), np.array([2, 9, 10, 40]), share[[0, 1, 2, 3]]
        np.testing.assert_allclose(found, stats.betabinom.logpmf(r, s, m * k, (1 - m) * k) * [2, 1, 1, 1], rtol=1e-9)
    quantities = BothCounters().quantities(data, STATED)
    ways = np.log(special.comb([2, 9, 10, 40], [1, 3, 4, 20])) @ [2, 1, 1, 1]
    np.testing.assert_allclose(quantities["log_likelihood"], cells.sum(axis=1) - ways, rtol=1e-9)
    np.testing.assert_allclose(quantities["mean_share"], (p[:, 0] @ np.array([4, 9, 10, 40])) / 63, rtol=1e-12)


@pytest.mark.parametrize(("spread", "end"), [((1e-9, 1.0), 0.0), ((1.0, 1e-9), 1.0)], ids=["none", "all or nothing"])
def test_a_spread_at_its_ends_makes_binomial_counts_or_all_or_nothing(spread, end):
    """A prior may draw a spread that no float tells from 0 or 1."""
    sales = np.full(200, 1000)
    spec = BothCounters(spread=spread, centre=Normal(0.0, 0.1), between_market_sd=0.1)
    template = spec.data({"reviews": sales // 2, "sales": sales})
    truth, data = spec.simulate(np.random.default_rng(3), template)
    assert truth["spread"][0] == pytest.approx(end, abs=1e-12)
    share, p = data.arrays["vendor_reviews"] / 1000, float(special.expit(truth["class_logit"])[0, 0])
    if end:
        assert np.isin(share, (0.0, 1.0)).all()
        assert share.mean() == pytest.approx(p, abs=4 * np.sqrt(0.25 / 200))
    else:
        assert share.std() == pytest.approx(np.sqrt(p * (1 - p) / 1000), rel=4 / np.sqrt(400))
    made = spec.replicate(data, {name: np.asarray(value)[None] for name, value in truth.items()}, np.random.default_rng(4))
    assert np.isfinite(list(made.replicated.values())).all()


def test_statistics_of_vendors_by_hand():
    """Spread by moments: sum (r - rho s)^2 over its binomial part, a pair of sales of one vendor each."""
    r, s = np.array([0.0, 10, 4, 20]), np.array([2.0, 10, 4, 40])
    found = _statistics(r, s)
    rho = 34 / 56
    excess = ((r - rho * s) ** 2 - rho * (1 - rho) * s).sum() / (2 + 90 + 12 + 1560)
    assert found["spread between vendors"] == pytest.approx(np.sqrt(excess), rel=1e-12)
    assert found["pooled share"] == pytest.approx(rho, rel=1e-12)
    assert found["mean share over vendors"] == pytest.approx((0 + 1 + 1 + 0.5) / 4, rel=1e-12)
    many = np.arange(1.0, 31)
    assert _statistics(many - 1, many)["pooled share, largest tenth"] == pytest.approx((27 + 28 + 29) / (28 + 29 + 30))
    assert _statistics(r[3:], s[3:])["pooled share, largest tenth"] == 0.5
    assert _statistics(np.array([0.0, 1]), np.ones(2))["spread between vendors"] == 0  # no vendor with two sales


def test_replicates_are_counts_made_with_the_draws():
    """Many vendors of one class: the replicated pooled share and spread are those of the parameters."""
    n, draws = 4000, {name: values[:1] for name, values in STATED.items()}
    data = BothCounters().data({"reviews": np.full(n, 20), "sales": np.full(n, 40)})
    one = {**draws, "class_logit": np.array([[[0.4]]])}
    made = BothCounters().replicate(data, {k: np.repeat(v, 20, axis=0) for k, v in one.items()}, np.random.default_rng(1))
    share = special.expit(0.4)
    sd = np.sqrt(0.25 * share * (1 - share))
    assert made.replicated["pooled share"].mean() == pytest.approx(share, abs=4 * sd / np.sqrt(20 * n) * 1.1)
    assert made.replicated["spread between vendors"].mean() == pytest.approx(sd, rel=0.02)
    assert made.observed["pooled share"] == 0.5


def test_simulated_counts_follow_the_prior(counts):
    spec = BothCounters(spread=(2.0, 20.0))
    template = spec.data(counts)
    rng = np.random.default_rng(6)
    rank, theta = [], []
    for _ in range(300):
        truth, data = spec.simulate(rng, template)
        cells, w = data.arrays, data.arrays["weights"]
        assert len(cells["vendor_sales"]) == template.arrays["multiplicity"].sum()
        p = special.expit(truth["class_logit"])
        np.testing.assert_allclose(special.logit((w * p).sum(axis=1)), truth["logit_share"], atol=1e-8)
        mean = p[cells["vendor_market"], cells["vendor_class"]]
        rank.append(float((cells["vendor_reviews"] - mean * cells["vendor_sales"]).sum() / cells["vendor_sales"].sum()))
        theta.append(truth["logit_share"])
    assert abs(np.mean(rank)) < 4 * np.std(rank) / np.sqrt(300)
    assert np.std(theta) == pytest.approx(np.sqrt(1.5**2 + 0.25), rel=0.15)
    np.testing.assert_allclose(logits_with_mean(np.zeros(1), np.zeros((1, 2)), np.full((1, 3), 1 / 3)), 0, atol=1e-12)


def test_the_prior_speaks_of_shares(counts):
    table = BothCounters().prior_predictive(counts, draws=300, rng=1)
    share = table.loc["review share of a market"]
    assert share["low"] < 0.15
    assert share["high"] > 0.85
    assert share["observed"] == pytest.approx(0.44, abs=0.06)
    assert table.loc["odds of a review, largest over smallest vendors", "high"] < 3


def test_names_of_cells_are_those_of_the_data(counts):
    assert set(CELLS) < set(BothCounters().data(counts).arrays)


def test_simulated_data_bring_their_own_pooled_shares(counts):
    """The map to the sampler's coordinates follows the data: with those of others it mixes badly, and not for any tau."""
    data = BothCounters().data(counts)
    pooled = np.array([fit.share for fit in data.own.fits])
    np.testing.assert_allclose(special.expit(data.arrays["pooled_logit"]), pooled, atol=0.005)
    truth, made = BothCounters().simulate(np.random.default_rng(4), data)
    error = float(made.arrays["pooled_error"])
    assert np.abs(made.arrays["pooled_logit"] - truth["logit_share"]).max() < 5 * error
    assert np.abs(made.arrays["pooled_logit"] - data.arrays["pooled_logit"]).max() > 5 * error


@pytest.mark.parametrize("missing", [None, np.nan, True], ids=str)
def test_vendors_without_a_market_are_no_market_of_their_own(missing):
    given = {"reviews": [4, 9, 3, 8], "sales": [10, 20, 9, 19], "market": ["a", "a", missing, missing]}
    with pytest.raises(DataError, match=r"no name for 2 vendor\(s\)\n  where: row 2"):
        BothCounters().data(given)
    assert BothCounters().data({**given, "market": [1, 1, 2, 2]}).coords["market"] == ("1", "2")


# -- statistics and real data ---------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.statistical
def test_intervals_cover_with_shares_that_go_with_size():
    """90 % intervals of three markets' turnover-weighted shares and of a fourth, new one, on 60 simulated worlds."""
    rng = np.random.default_rng(8)
    own, new, n = 0, 0, 60
    for i in range(n):
        theta = rng.normal(-0.2, 0.3, 4)
        given = counts_of(rng, n=150, slope=rng.normal(0.05, 0.05), shares=special.expit(theta[:3]))
        frame = calibrate_share(given, rng=i, **SHORT).to_frame(0.9)
        truth = [m @ s / s.sum() for m, s in zip(np.split(given["mean"], 3), np.split(given["sales"], 3), strict=True)]
        own += int(((frame["low"].iloc[:3] <= truth) & (truth <= frame["high"].iloc[:3])).sum())
        new += int(frame.loc["(a new market)", "low"] <= special.expit(theta[3]) <= frame.loc["(a new market)", "high"])
    assert own / (3 * n) > 0.9 - 3 * np.sqrt(0.09 / (3 * n))
    assert new / n > 0.9 - 3 * np.sqrt(0.09 / n)


@pytest.mark.long
@pytest.mark.statistical
def test_simulation_based_calibration():
    from darkmarket_estimates.bayes.calibration import calibrate

    template = BothCounters().data(counts_of(np.random.default_rng(9), n_markets=3, n=40))
    result = calibrate(BothCounters(), template, n_simulations=20, draws=400, tune=300, rng=11)
    assert result.passed, result.to_frame()


@pytest.mark.long
def test_torrez_is_a_calibration_market(real_data):
    import pandas as pd

    vendors = pd.read_parquet(real_data / "torrez2021" / "vendors.parquet")
    given = {"market": np.full(len(vendors), "Torrez 2021"), "sales": vendors["transactions"],
             "reviews": vendors["feedback_total"]}
    result = calibrate_share(given, rng=1, on_failure="raise")
    row = result.to_frame().iloc[0]
    assert row["share"] == pytest.approx(0.441, abs=0.01)  # the posterior mean near the pooled ratio
    assert row["high"] - row["low"] == pytest.approx(2 * 1.645 * row["standard_error"], rel=0.25)
    assert row["between_vendor_sd"] == pytest.approx(0.134, abs=0.015)
    low, high = result.target.interval(0.9)
    assert low < 0.3
    assert high > 0.57  # the share that RAND's bounds imply
    assert result.predictive_check().to_frame()["p"].min() > 0.05
