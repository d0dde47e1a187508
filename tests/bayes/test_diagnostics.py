import numpy as np
import pytest

from darkmarket_estimates.bayes import ConvergenceError, ConvergenceWarning, _arviz, diagnostics
from darkmarket_estimates.bayes.diagnostics import Check, Checks, check_container, e_bfmi


def container(chains=4, draws=1000, *, shift=0.0, sticky=0.0, diverging=0, energy=None, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(chains, draws))
    for t in range(1, draws):
        x[:, t] = sticky * x[:, t - 1] + np.sqrt(1 - sticky**2) * x[:, t]
    x[0] += shift
    bad = np.zeros((chains, draws), dtype=bool)
    bad[0, :diverging] = True
    energy = rng.normal(size=(chains, draws)) if energy is None else energy
    dims = {"x": _arviz.SAMPLE, "known": _arviz.SAMPLE, "diverging": _arviz.SAMPLE, "energy": _arviz.SAMPLE}
    coords = {"chain": range(chains), "draw": range(draws)}
    return _arviz.container_of({
        "posterior": _arviz.dataset_of({"x": x, "known": np.ones_like(x)}, dims, coords),
        "sample_stats": _arviz.dataset_of({"diverging": bad, "energy": energy}, dims, coords)})


def broken(checks):
    return {c.rule for c in checks.checks if not c.passed}


def test_independent_draws_pass():
    checks = check_container(container(), "nuts")
    assert checks.passed
    assert checks.flags == ()
    assert checks.act("raise") is checks
    assert set(checks.to_frame()["rule"]) == {"r-hat", "ess-bulk", "ess-tail", "chains", "divergences", "e-bfmi"}


@pytest.mark.parametrize("fault,rules", [
    ({"shift": 1.0}, {"r-hat", "ess-bulk"}), ({"sticky": 0.97}, {"ess-bulk", "r-hat"}), ({"diverging": 3}, {"divergences"}),
    ({"chains": 2}, {"chains"}), ({"energy": np.cumsum(np.random.default_rng(0).normal(size=(4, 1000)), axis=1)}, {"e-bfmi"}),
    ({"draws": 40}, {"ess-bulk", "ess-tail"}),
], ids=["one chain elsewhere", "sticky", "divergent", "two chains", "slow energy", "few draws"])
def test_each_fault_breaks_its_rule(fault, rules):
    checks = check_container(container(**fault), "nuts")
    assert rules <= broken(checks)
    assert all(f.startswith("not converged: rule") for f in checks.flags)


@pytest.mark.parametrize(("rule", "kind", "at", "beyond"), [
    ("r-hat", "r_hat", 1.01, 1.0101), ("ess-bulk", "ess_bulk", 400.0, 399.9), ("ess-tail", "ess_tail", 400.0, 399.9),
], ids=["r-hat", "ess-bulk", "ess-tail"])
def test_the_worst_scalar_decides_and_its_limit_is_allowed(monkeypatch, rule, kind, at, beyond):
    good = {"r_hat": 1.0, "ess_bulk": 4000.0, "ess_tail": 3000.0}

    def found(value):
        figures = {k: {"y": np.array([v]), "x": np.array([v, value if k == kind else v, v])} for k, v in good.items()}
        monkeypatch.setattr(_arviz, "diagnostics", lambda *given: figures)
        return next(c for c in check_container(container(draws=50), "nuts").checks if c.rule == rule)

    assert (found(at).passed, found(at).value, found(at).limit) == (True, at, at)
    assert (found(beyond).passed, found(beyond).value, found(beyond).where) == (False, beyond, "x[1]")
    assert (found(np.nan).passed, found(np.nan).where) == (False, "x[1]")


def test_one_divergence_is_one_too_many():
    check = next(c for c in check_container(container(diverging=1), "nuts").checks if c.rule == "divergences")
    assert (check.value, check.passed) == (1, False)


@pytest.mark.parametrize(("least", "passed"), [(0.3, True), (0.299, False)], ids=str)
def test_the_chain_with_the_least_energy_is_named(monkeypatch, least, passed):
    monkeypatch.setattr(diagnostics, "e_bfmi", lambda energy: np.array([1.0, 0.9, least, 2.0]))
    check = next(c for c in check_container(container(), "nuts").checks if c.rule == "e-bfmi")
    assert (check.value, check.where, check.passed) == (least, "chain 3", passed)


def test_a_chain_that_never_moves_is_caught():
    tree = container()
    values = _arviz.dataset(tree, "posterior")["x"].to_numpy().copy()
    values[2] = 9.0
    stuck = _arviz.dataset_of({"x": values}, {"x": _arviz.SAMPLE}, {"chain": range(4), "draw": range(1000)})
    assert "r-hat" in broken(check_container(_arviz.container_of({"posterior": stuck}), "nuts"))


def test_a_sampler_that_never_moves_is_caught():
    still = _arviz.dataset_of({"x": np.ones((4, 50))}, {"x": _arviz.SAMPLE}, {"chain": range(4), "draw": range(50)})
    checks = check_container(_arviz.container_of({"posterior": still}), "nuts")
    assert broken(checks) == {"r-hat"}
    assert checks.flags == ("not converged: rule 'r-hat': inf where 1.01 is the limit (no draw differs from another)",)


def test_what_a_broken_rule_does():
    checks = Checks((Check(rule="r-hat", value=1.2, limit=1.01, where="size_sd", passed=False),))
    with pytest.warns(ConvergenceWarning, match="rule 'r-hat': 1.2 where 1.01 is the limit"):
        checks.act("warn")
    with pytest.raises(ConvergenceError, match="size_sd") as caught:
        checks.act("raise")
    assert caught.value.checks is checks
    assert checks.act("ignore") is checks


@pytest.mark.parametrize("method", ["laplace", "advi"])
def test_approximations_are_named(method):
    checks = check_container(container(), method)
    assert checks.flags == (f"approximate posterior: {method}, not checked against NUTS",)


def test_energy_fraction_of_white_noise_is_two():
    energy = np.random.default_rng(0).normal(size=(2, 20_000))
    np.testing.assert_allclose(e_bfmi(energy), 2.0, rtol=0.05)
    assert e_bfmi(np.ones((1, 5))).tolist() == [np.inf]
