import json

import numpy as np
import pytest
from scipy import signal

from darkmarket_estimates import bayes
from darkmarket_estimates.bayes import Calibration, ReviewCount, _arviz, calibration
from darkmarket_estimates.bayes.protocol import Data
from darkmarket_estimates.errors import DataError
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
    made = Calibration(ranks={"a": ranks(50)}, n_draws=100, entropy=7, divergences=2)
    made.save(tmp_path / "sbc.json", command="python benchmarks/bayes.py sbc")
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
    """Every scalar of the truth has a rank between none and all of the draws; a value that is known has none."""
    rng = np.random.default_rng(3)
    for _ in range(3):
        truth, data = flexible.spec.simulate(rng, flexible.data)
        true = {k: np.asarray(v, dtype=float)[None] for k, v in truth.items()}
        true |= flexible.spec.quantities(data, true)
        drawn = {k: np.concatenate([v - 1, v + 1, v, v]) for k, v in true.items()}
        found = calibration._ranks(true, drawn, rng)
        assert set(found) == {*truth, "eta", "total", "log_likelihood"}
        assert all(1 <= r <= 3 for r in found.values())
    assert calibration._ranks({"known": np.array([2.0])}, {"known": np.full(4, 2.0)}, rng) == {}
    assert calibration._ranks({"stuck": np.array([2.0])}, {"stuck": np.full(4, 1.0)}, rng) == {"stuck": 4}


def test_ties_are_broken_at_random():
    """A truth that is one of the draws lies on either side of each equal one, so that its rank is uniform."""
    rng, drawn = np.random.default_rng(1), {"a": np.array([0.0, 1, 1, 1, 2])}
    counts = np.bincount([calibration._ranks({"a": np.array([1.0])}, drawn, rng)["a"] for _ in range(4000)], minlength=6)
    assert counts[[0, 5]].sum() == 0
    assert np.abs(counts[1:5] - 1000).max() < 4 * np.sqrt(4000 * 0.25 * 0.75)


# -- chains whose draws go with each other --------------------------------------------------------------------------------


def chain(n, phi, rng):
    """Standard normal draws, each correlated `phi` with the last: worth n (1 - phi) / (1 + phi) independent ones."""
    x = rng.standard_normal(n)
    x[1:] *= np.sqrt(1 - phi**2)
    return signal.lfilter([1.0], [1.0, -phi], x)


def test_the_effective_sample_is_that_of_the_worst_scalar():
    rng, n = np.random.default_rng(1), 20_000
    draws = {"free": rng.standard_normal((n, 2)), "slow": np.stack([rng.standard_normal(n), chain(n, 0.8, rng)], axis=1),
             "still": np.ones(n)}
    assert calibration.effective(draws) == pytest.approx(n / 9, rel=0.15)
    assert calibration.effective({k: draws[k] for k in ("free", "still")}) > 0.9 * n
    assert calibration.effective({"still": np.ones(9)}) == 1.0
    assert calibration.effective({"no number": np.r_[np.nan, rng.standard_normal(99)]}) == 1.0


class Toy:
    """A normal mean with a normal prior, whose posterior given y is N(y / 2, 1 / 2)."""

    def simulate(self, rng, data):
        theta = rng.standard_normal()
        return {"theta": theta}, Data(arrays={"y": np.array(theta + rng.standard_normal())})

    def model(self, data):
        return dict(data.arrays)

    def quantities(self, data, draws):
        return {"square": (draws["theta"] - 1) ** 2, "log_likelihood": -0.5 * (draws["theta"] - data.arrays["y"]) ** 2}


@pytest.fixture
def sampler(monkeypatch):
    """Exact draws of the toy's posterior, in chains of a stated autocorrelation; the lengths that were asked for."""
    asked = []

    def made(phi):
        def sample(model, *, draws, rng, **options):
            asked.append(draws)
            theta = model["y"] / 2 + np.sqrt(0.5) * chain(draws, phi, rng)
            return _arviz.container_of({"posterior": _arviz.dataset_of({"theta": theta[None]}, {"theta": _arviz.SAMPLE}, {}),
                                        "sample_stats": _arviz.dataset_of({"diverging": np.zeros((1, draws), dtype=bool)},
                                                                          {"diverging": _arviz.SAMPLE}, {})})
        monkeypatch.setattr(calibration.sampling, "sample", sample)
        monkeypatch.setattr(calibration.sampling, "compiled_step", lambda model, target: None)
        monkeypatch.setattr(calibration, "put", lambda model, data: model.update(data.arrays))
        return asked
    return made


def test_ranks_of_slow_chains_are_uniform_too(sampler):
    """With a correlation of 0.95 a hundred draws are worth three, and their ranks crowd the ends; so the chain is made longer."""
    asked = sampler(0.95)
    found = bayes.calibrate(Toy(), None, n_simulations=200, draws=100, tune=0, ranked=20, rng=1, progress=False)
    assert found.passed, found.to_frame()
    assert min(found.p_values().values()) > 0.01
    assert (found.n_draws, found.n_simulations) == (20, 200)
    assert found.short < 20  # of 1,600 draws at most, worth 41 or so
    assert len(asked) > 400  # every chain was run again
    assert 500 < np.median([n for n in asked if n > 100]) < 1500  # 20 independent draws of such a chain are 780


def test_ranks_among_dependent_draws_would_be_rejected(sampler, monkeypatch):
    """The same without the rule: the test of uniform ranks sees it."""
    sampler(0.95)
    monkeypatch.setattr(calibration, "LONGEST", 1)
    found = bayes.calibrate(Toy(), None, n_simulations=250, draws=100, tune=0, ranked=20, rng=1, progress=False)
    assert not found.passed
    assert found.short > 240
    assert found.record()["short"] == found.short


def test_quick_chains_are_run_once_and_ranked_evenly(sampler):
    asked = sampler(0.0)
    found = bayes.calibrate(Toy(), None, n_simulations=40, draws=400, tune=0, ranked=50, rng=2, progress=False)
    assert asked == [400] * 40
    assert max(r.max() for r in found.ranks.values()) <= 50
    again = bayes.calibrate(Toy(), None, n_simulations=40, draws=400, tune=0, ranked=50, rng=2, progress=False)
    for name, ranks in found.ranks.items():
        np.testing.assert_array_equal(again.ranks[name], ranks)


def test_the_ranked_draws_are_spread_over_the_chain(sampler, monkeypatch):
    seen = []
    sampler(0.0)
    monkeypatch.setattr(calibration, "_ranks", lambda true, drawn, rng: seen.append(drawn["theta"]) or {"theta": 0})
    monkeypatch.setattr(calibration, "effective", lambda draws: seen.append(draws["theta"]) or 1e9)
    bayes.calibrate(Toy(), None, n_simulations=1, draws=12, tune=0, ranked=4, rng=2, progress=False)
    np.testing.assert_array_equal(seen[1], seen[0][[1, 4, 7, 10]])


@pytest.mark.parametrize("bad", [{"n_simulations": 0}, {"ranked": 0}, {"ranked": 501}, {"draws": 3, "ranked": 2},
                                 {"ranked": None}, {"draws": "x"}, {"rng": "x"}], ids=str)
def test_what_calibration_refuses(bad):
    with pytest.raises(DataError):
        bayes.calibrate(Toy(), None, **bad)


@pytest.mark.long
@pytest.mark.parametrize("name,groups,options", [
    ("flexible", 0, {}), ("gamma", 0, {"size_law": "gamma"}), ("heavy", 0, {"value_tails": "heavy"}), ("groups", 3, {}),
], ids=lambda x: x if isinstance(x, str) else "")
def test_simulation_based_calibration(name, groups, options):
    """Forty simulations; uniform ranks of every parameter, the mean count, the total and the log likelihood."""
    spec = ReviewCount(review_rate=RATE, **options)
    found = bayes.calibrate(spec, spec.data(vendors(120, groups=groups)), n_simulations=40, draws=300, tune=300, rng=5)
    assert found.passed, found.to_frame()
