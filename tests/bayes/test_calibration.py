import json

import numpy as np
import pytest

from darkmarket_estimates import bayes
from darkmarket_estimates.bayes import Calibration, ReviewCount
from tests.bayes.markets import RATE, vendors


def ranks(n=500, *, high=100, skew=0.0, seed=1):
    u = np.random.default_rng(seed).uniform(size=n) ** (1 + skew)
    return (u * (high + 1)).astype(int)


def test_uniform_ranks_pass_and_others_do_not():
    good = Calibration(ranks={"a": ranks(), "b": ranks(seed=2)}, n_draws=100, entropy=1)
    assert good.passed
    assert good.n_simulations == 500
    bad = Calibration(ranks={"a": ranks(), "b": ranks(skew=0.5)}, n_draws=100, entropy=1)
    assert not bad.passed
    assert bad.p_values()["a"] == good.p_values()["a"] > 0.01
    assert bad.to_frame().loc["b", "mean_rank"] < 0.45


@pytest.mark.parametrize("n_draws", [7, 19, 50, 100])
def test_uniform_ranks_are_central_as_often_as_they_should(n_draws):
    """Each rank once: half of them below the middle and 90 % in the central 90 %, whatever the number of draws."""
    table = Calibration(ranks={"a": np.arange(n_draws + 1)}, n_draws=n_draws, entropy=1).to_frame()
    assert table.loc["a", "mean_rank"] == pytest.approx(0.5, abs=1e-12)
    assert table.loc["a", "central_90"] == pytest.approx(0.9, abs=1e-12)
    edge = Calibration(ranks={"a": np.array([0, n_draws])}, n_draws=n_draws, entropy=1).to_frame()
    assert edge.loc["a", "central_90"] == pytest.approx(max(0.0, 1 - 0.05 * (n_draws + 1)), abs=1e-12)


def test_ranks_that_crowd_the_middle_are_caught():
    middle = 50 + (ranks() - 50) // 2
    assert not Calibration(ranks={"a": middle}, n_draws=100, entropy=1).passed


def test_the_record_says_how_it_was_made(tmp_path):
    calibration = Calibration(ranks={"a": ranks(50)}, n_draws=100, entropy=7, divergences=2)
    calibration.save(tmp_path / "sbc.json", command="python benchmarks/bayes.py sbc")
    record = json.loads((tmp_path / "sbc.json").read_text())
    assert record["entropy"] == 7
    assert record["n_simulations"] == 50
    assert record["command"].startswith("python")
    assert len(record["ranks"]["a"]) == 50
    assert len(list(tmp_path.iterdir())) == 1


def test_a_picture_of_ranks():
    ax = Calibration(ranks={"a": ranks(50)}, n_draws=100, entropy=7).plot("a")
    ax.figure.canvas.draw()
    *bars, band = ax.patches
    assert sum(bar.get_height() for bar in bars) == 50  # every simulation is in one bar
    assert 0 <= band.get_y() < 50 / len(bars) < band.get_y() + band.get_height()


def test_each_quantity_is_ranked(flexible):
    """The mechanics on three simulations, with the model that other tests have compiled."""
    from darkmarket_estimates.bayes import calibration

    rng = np.random.default_rng(3)
    for _ in range(3):
        truth, data = flexible.spec.simulate(rng, flexible.data)
        draws = {k: np.concatenate([[v - 1, v + 1], np.full(2, v)]) for k, v in truth.items()}
        found = calibration._ranks(flexible.spec, data, truth, {k: np.abs(v) + 1e-3 for k, v in draws.items()}, rng)
        assert set(found) == {*truth, "eta", "total", "log_likelihood"}
        assert all(0 <= r <= 4 for r in found.values())


@pytest.mark.long
@pytest.mark.parametrize("name,groups,options", [
    ("flexible", 0, {}), ("gamma", 0, {"size_law": "gamma"}), ("heavy", 0, {"value_tails": "heavy"}), ("groups", 3, {}),
], ids=lambda x: x if isinstance(x, str) else "")
def test_simulation_based_calibration(name, groups, options):
    """Forty simulations; uniform ranks of every parameter, the mean count, the total and the log likelihood."""
    spec = ReviewCount(review_rate=RATE, **options)
    found = bayes.calibrate(spec, spec.data(vendors(120, groups=groups)), n_simulations=40, draws=300, tune=300, thin=5, rng=5)
    assert found.passed, found.to_frame()
