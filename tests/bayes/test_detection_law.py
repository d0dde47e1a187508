"""The likelihood of capture counts under both laws: against integrals, against Huggins' likelihood, gradients checked."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import integrate, special, stats

from darkmarket_estimates.bayes import detection_law as law
from darkmarket_estimates.bayes.detection import symmetric
from darkmarket_estimates.coverage.truncated_logit import probabilities

OMEGA = np.array([-0.9, -0.3, 0.0, 0.2, 1.0])
ETA = np.array([-2.5, -1.0, 0.7])
CASES = [("logit-normal", 0.05), ("logit-normal", 0.7), ("logit-normal", 1.8), ("beta", 0.02), ("beta", 0.2), ("beta", 0.6)]


def density(name, eta, h):
    if name == "logit-normal":
        return lambda x: stats.norm.pdf(x, eta, h), np.linspace(eta - 12 * h, eta + 12 * h, 25)
    a, b = law.beta_shapes(np.array([eta]), h)
    return (lambda x: float(np.exp(a * x - (a + b) * np.logaddexp(0, x) - special.betaln(a, b))[0])), np.linspace(-90, 200, 40)


def integral(f, edges):
    return integrate.quad(f, edges[0], edges[-1], points=edges[1:-1], limit=800, epsabs=0, epsrel=1e-11)[0]


@pytest.mark.parametrize(("name", "h"), CASES, ids=[f"{n} {h}" for n, h in CASES])
def test_masses_are_integrals(name, h):
    counts, star = law.log_counts(name, ETA, h, OMEGA), law.seen_share(name, ETA, h, OMEGA)
    for i, eta in enumerate(ETA):
        f, edges = density(name, eta, h)
        seen = integral(lambda x, f=f: f(x) * -np.expm1(-np.logaddexp(0, x + OMEGA).sum()), edges)
        assert star[i] == pytest.approx(seen, rel=1e-9)
        for k in (1, 3, 5):
            mass = integral(lambda x, k=k, f=f: f(x) * np.exp(k * x - np.logaddexp(0, x + OMEGA).sum()), edges)
            assert np.exp(counts[i, k - 1]) == pytest.approx(mass / seen, rel=1e-8)


@pytest.mark.parametrize(("name", "h"), CASES, ids=[f"{n} {h}" for n, h in CASES])
def test_probabilities_of_the_counts_of_a_seen_listing_sum_to_one(name, h):
    total = (symmetric(OMEGA) * np.exp(law.log_counts(name, ETA, h, OMEGA))).sum(axis=1)
    np.testing.assert_allclose(total, 1, rtol=1e-9)


def test_ways_to_be_seen_are_sums_over_sets_of_scrapes():
    for k in range(1, 6):
        sets = sum(np.exp(OMEGA[list(s)].sum()) for s in itertools.combinations(range(5), k))
        assert symmetric(OMEGA)[k - 1] == pytest.approx(sets, rel=1e-12)
    np.testing.assert_allclose(symmetric(np.zeros(4)), [4, 6, 4, 1])


def test_beta_without_scrape_effects_is_the_truncated_beta_binomial():
    t, eta, h = 6, np.array([-1.2]), 0.3
    a, b = (shape[0] for shape in law.beta_shapes(eta, h))
    k = np.arange(1, t + 1)
    ours = special.comb(t, k) * np.exp(law.log_counts("beta", eta, h, np.zeros(t))[0])
    pmf = stats.betabinom.pmf(np.arange(t + 1), t, a, b)
    np.testing.assert_allclose(ours, pmf[1:] / (1 - pmf[0]), rtol=1e-9)
    assert law.seen_share("beta", eta, h, np.zeros(t))[0] == pytest.approx(1 - pmf[0], rel=1e-10)
    assert a / (a + b) == pytest.approx(special.expit(-1.2))
    assert 1 / (a + b + 1) == pytest.approx(h)


@pytest.mark.parametrize("h", [0.005, 0.05, 0.3, 0.65, 0.9, 0.99])
@pytest.mark.parametrize("eta", [-8.0, -3.0, 0.0, 1.5, 2.2])
def test_the_grid_holds_the_whole_beta_law(eta, h):
    """Also where nearly all listings are seen always or never: with b near 0 much of the mass has logits of hundreds."""
    t, k = 4, np.arange(1, 5)
    a, b = (shape[0] for shape in law.beta_shapes(np.array([eta]), h))
    seen = -np.expm1(special.betaln(a, b + t) - special.betaln(a, b))
    assert law.seen_share("beta", np.array([eta]), h, np.zeros(t))[0] == pytest.approx(seen, rel=2e-9)
    each = special.betaln(a + k, b + t - k) - special.betaln(a, b) - np.log(seen)
    np.testing.assert_allclose(law.log_counts("beta", np.array([eta]), h, np.zeros(t))[0], each, rtol=0, atol=2e-9)


def huggins(t):
    k, (_, star, normaliser) = np.arange(1, t + 1), probabilities(ETA, t)
    return k * ETA[:, None] - normaliser[:, None], star


def test_a_normal_law_without_spread_is_huggins_likelihood():
    counts, star = huggins(4)
    np.testing.assert_allclose(law.log_counts("logit-normal", ETA, 1e-6, np.zeros(4)), counts, atol=1e-9)
    np.testing.assert_allclose(law.seen_share("logit-normal", ETA, 1e-6, np.zeros(4)), star, rtol=1e-9)


def test_a_beta_law_with_little_spread_tends_to_huggins_likelihood():
    counts, star = huggins(4)
    for ours, limit in ((law.log_counts, counts), (law.seen_share, star)):
        near, far = (ours("beta", ETA, h, np.zeros(4)) - limit for h in (0.005, 0.01))
        np.testing.assert_allclose(2 * near, far, rtol=0.2, atol=2e-3)  # the distance falls with the correlation


def test_the_beta_law_is_flat_beyond_its_limits():
    counts, sizes = np.full((1, 5), 3.0), np.full(5, 9.0)
    for inside, outside in ((0.005, 1e-9), (0.99, 1.0)):
        a, b = (law.beta_log_likelihood(-1.0, 0.0, h, OMEGA, np.array([0.0]), counts, sizes) for h in (inside, outside))
        assert a[0] == b[0]
        assert float(b[3]) == 0


def test_the_beta_law_extrapolates_further_than_the_normal_one():
    t = 4
    eta, pattern = np.array([-1.5]), None
    normal = symmetric(np.zeros(t)) * np.exp(law.log_counts("logit-normal", eta, 1.5, np.zeros(t)))
    best = (np.inf, (0.0, 0.0))
    for shift, h in itertools.product(np.linspace(-0.6, 0.4, 41), np.linspace(0.1, 0.6, 41)):
        made = symmetric(np.zeros(t)) * np.exp(law.log_counts("beta", eta + shift, h, np.zeros(t)))
        gap = float((normal * np.log(normal / made)).sum())
        if gap < best[0]:
            best, pattern = (gap, (shift, h)), made
    assert best[0] < 1e-3  # a thousand listings could not tell the two apart
    assert np.abs(pattern - normal).max() < 0.02
    seen = law.seen_share("logit-normal", eta, 1.5, np.zeros(t))[0]
    other = law.seen_share("beta", eta + best[1][0], best[1][1], np.zeros(t))[0]
    assert (1 / other - 1) > 1.1 * (1 / seen - 1)  # yet the unseen differ


@pytest.mark.parametrize(("name", "h"), CASES[1:3] + CASES[4:], ids=[f"{n} {h}" for n, h in CASES[1:3] + CASES[4:]])
def test_the_gradient_is_that_of_differences(name, h):
    rng = np.random.default_rng(3)
    x = rng.normal(size=4)
    counts, sizes = rng.integers(0, 30, (4, 5)).astype(float), rng.integers(10, 60, 5).astype(float)
    f = law.normal_log_likelihood if name == "logit-normal" else law.beta_log_likelihood
    arguments = [np.array(-1.0), np.array(0.4), np.array(h), OMEGA]
    gradient = f(*arguments, x, counts, sizes)[1:]
    for i, argument in enumerate(arguments):
        for j in range(argument.size):
            def value(shift, i=i, j=j):
                moved = [np.array(a, dtype=float) for a in arguments]
                moved[i].reshape(-1)[j] += shift
                return f(*moved, x, counts, sizes)[0]

            e = 1e-4
            numeric = (8 * (value(e) - value(-e)) - (value(2 * e) - value(-2 * e))) / (12 * e)
            assert np.ravel(gradient[i])[j] == pytest.approx(numeric, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", law.LAWS)
def test_cells_and_scrape_sizes_are_sufficient(name):
    """The likelihood of whole histories, listing by listing, is that of the cells."""
    rng = np.random.default_rng(5)
    x, h = np.array([-1.0, 0.5]), 0.5
    histories = rng.uniform(size=(60, 5)) < 0.4
    histories[~histories.any(axis=1), 0] = True
    classes = rng.integers(2, size=60)
    value = 0.0
    nodes = law.mixing(name, -0.5 + 0.8 * x, h)
    theta = np.broadcast_to(nodes.theta, nodes.weight.shape)
    for seen, b in zip(histories, classes, strict=True):
        chance = special.expit(theta[b][:, None] + OMEGA)
        each = np.where(seen, chance, 1 - chance).prod(axis=1)
        value += np.log(nodes.weight[b] @ each) - np.log(nodes.weight[b] @ (1 - (1 - chance).prod(axis=1)))
    counts = np.bincount(classes * 5 + histories.sum(axis=1) - 1, minlength=10).reshape(2, 5).astype(float)
    f = law.normal_log_likelihood if name == "logit-normal" else law.beta_log_likelihood
    ours = f(-0.5, 0.8, h, OMEGA, x, counts, histories.sum(axis=0).astype(float))[0]
    assert ours == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("name", law.LAWS)
@pytest.mark.parametrize("intercept", [-60.0, 60.0])
def test_absurd_parameters_stay_finite(name, intercept):
    f = law.normal_log_likelihood if name == "logit-normal" else law.beta_log_likelihood
    found = f(intercept, 1.0, 0.5, OMEGA, np.array([0.0]), np.full((1, 5), 3.0), np.full(5, 9.0))
    assert all(np.isfinite(part).all() for part in found)
