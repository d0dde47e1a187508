from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from darkmarket_estimates.distribution.compound_poisson import compound_poisson
from darkmarket_estimates.distribution.resampling import bootstrap, key_of, poisson_weights, uniforms
from darkmarket_estimates.errors import DataError

KEYS = key_of(f"vendor {i}" for i in range(2000))
COUNTING = np.arange(2000, dtype=np.uint64)


def test_the_same_in_any_order_and_partition() -> None:
    whole = poisson_weights(KEYS, 50, seed=3)
    order = np.random.default_rng(1).permutation(len(KEYS))
    assert np.array_equal(poisson_weights(KEYS[order], 50, seed=3), whole[:, order])
    assert np.array_equal(poisson_weights(KEYS[100:300], np.arange(20, 30), seed=3), whole[20:30, 100:300])
    assert whole.dtype == np.uint8


def test_golden_weights() -> None:
    # of this library, version 0.1.0: saved results must be the same with every later version
    assert key_of(["anna", ("Hansa", "anna"), 7]).tolist() == GOLDEN_KEYS
    assert poisson_weights(key_of(["anna", "ben", "carl", "dora"]), 3, seed=2016).tolist() == GOLDEN_WEIGHTS


GOLDEN_KEYS = [9318592540740379820, 11883762635637508023, 3757325142382771239]
GOLDEN_WEIGHTS = [[2, 1, 0, 0], [0, 0, 0, 1], [1, 0, 3, 0]]


@pytest.mark.parametrize("keys", [KEYS, COUNTING, COUNTING << np.uint64(40)], ids=["hashed", "counting", "high bits"])
@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
def test_uniform_and_independent(keys: np.ndarray, seed: int) -> None:
    u = uniforms(keys, 500, seed)
    assert u.min() >= 0 and u.max() < 1
    n = u.size
    assert stats.kstest(u.ravel(), "uniform").pvalue > 1e-5
    # correlation of neighbours along each axis, and means of rows and of columns
    assert abs(12 * ((u[1:] - 0.5) * (u[:-1] - 0.5)).mean()) < 5 / np.sqrt(n)
    assert abs(12 * ((u[:, 1:] - 0.5) * (u[:, :-1] - 0.5)).mean()) < 5 / np.sqrt(n)
    for axis in (0, 1):
        means = u.mean(axis=axis)
        z2 = 12 * u.shape[axis] * ((means - 0.5) ** 2)
        assert stats.chi2(len(means)).sf(z2.sum()) > 1e-5
    # pairs of low and high bits: an 8 x 8 table of neighbours
    table = np.histogram2d(u[:, :-1].ravel(), u[:, 1:].ravel(), bins=8)[0]
    assert stats.chisquare(table.ravel()).pvalue > 1e-5
    bits = ((u * 2.0**20).astype(np.int64) & 1).mean()
    assert abs(bits - 0.5) < 5 * 0.5 / np.sqrt(n)


def test_poisson_1() -> None:
    w = poisson_weights(KEYS, 1000, seed=1).astype(float)
    n = w.size
    assert abs(w.mean() - 1) < 5 / np.sqrt(n)
    assert abs(w.var() - 1) < 5 * np.sqrt(3 / n)  # Var (X - 1)^2 = 3
    counts = np.bincount(w.ravel().astype(int), minlength=9)[:9]
    counts[8] = n - counts[:8].sum()
    expected = stats.poisson(1).pmf(np.arange(9))
    expected[8] = stats.poisson(1).sf(7)
    assert stats.chisquare(counts, n * expected).pvalue > 1e-5


def test_seeds_differ() -> None:
    first, second = (uniforms(KEYS, 100, seed) for seed in (1, 2))
    assert abs(12 * ((first - 0.5) * (second - 0.5)).mean()) < 5 / np.sqrt(first.size)


def test_bootstrap_is_the_compound_poisson_law() -> None:
    x, n = np.random.default_rng(4).lognormal(0, 1, 300), 20_000
    totals = bootstrap(lambda w: w @ x, KEYS[:300], n_resamples=n, seed=5)
    law, p = compound_poisson(x), np.array([0.025, 0.25, 0.5, 0.75, 0.975])
    ranks = np.array([(totals <= q).mean() for q in law.quantile(p)])
    assert np.all(np.abs(ranks - p) < 4.5 * np.sqrt(p * (1 - p) / n))


def test_bootstrap_does_not_depend_on_memory() -> None:
    x = np.arange(300.0)
    statistic = lambda w: np.stack([w @ x, w.max(axis=1)], axis=1)  # noqa: E731
    large = bootstrap(statistic, KEYS[:300], n_resamples=101, seed=5)
    assert large.shape == (101, 2)
    assert np.array_equal(bootstrap(statistic, KEYS[:300], n_resamples=101, seed=5, max_bytes=1), large)


def test_keys_do_not_collide_or_confuse_parts() -> None:
    assert len(np.unique(KEYS)) == len(KEYS)
    pairs = key_of([("a", "bc"), ("ab", "c"), "abc", ("abc",), ("abc", "")])
    assert len(np.unique(pairs)) == 4 and pairs[2] == pairs[3]
    assert key_of([7])[0] == key_of([np.int64(7)])[0] == key_of(["7"])[0]
    assert len(key_of([])) == 0


@pytest.mark.parametrize("label", [None, 1.5, float("nan"), True, ("a", None)])
def test_names_that_are_no_names(label: object) -> None:
    with pytest.raises(DataError, match="cannot be a key"):
        key_of([label])


def test_bad_input() -> None:
    with pytest.raises(DataError, match="whole numbers"):
        poisson_weights(np.array([0.5]), 3, seed=1)
    with pytest.raises(DataError, match="seed"):
        poisson_weights(KEYS, 3, seed=-1)
    with pytest.raises(DataError, match="replicates"):
        poisson_weights(KEYS, 2.5, seed=1)
    with pytest.raises(DataError, match="one value a row"):
        bootstrap(lambda w: w.sum(), KEYS, n_resamples=3, seed=1)
    with pytest.raises(DataError, match="n_resamples"):
        bootstrap(lambda w: w.sum(axis=1), KEYS, n_resamples=0, seed=1)
