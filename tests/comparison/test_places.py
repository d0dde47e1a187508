"""Place and width of a realised ratio in closed form: those of its signed total."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from darkmarket_estimates.assumptions import ReviewRate
from darkmarket_estimates.comparison.moved import gathered
from darkmarket_estimates.comparison.places import Kinds, Sums, variances
from darkmarket_estimates.distribution.multiplier import Multiplier
from darkmarket_estimates.distribution.ratios import Stratum
from darkmarket_estimates.factors import GENUINE_SHARE, REVIEW_SHARE, Factor

RNG = np.random.default_rng(5)
N, K = 40, 3
KIND = np.arange(N) % K
A, B = RNG.lognormal(3, 1, (2, N)) * (RNG.random((2, N)) < 0.7)
B[:3] += 1
QA, QB = A * RNG.lognormal(2, 0.3, N), B * RNG.lognormal(2, 0.3, N)
RATES = [ReviewRate(mean=m, standard_error=0.04, between_vendor_sd=s) for m, s in ((0.3, 0.1), (0.5, None), (0.7, 0.2))]


def kinds(spread_law: str = "default") -> Kinds:
    factors = tuple(Factor(REVIEW_SHARE, r.mean_spec, -1, k == KIND, ("g", f"{k}"), r) for k, r in enumerate(RATES))
    return Kinds.of([(f, f.at("central"), k == KIND) for k, f in enumerate(factors)], N, spread_law)[0]


def pairs() -> Sums:
    own = Kinds.of([(Factor(REVIEW_SHARE, 0.5, -1), 0.5, k == KIND) for k in range(K)], N, "default")[1]
    keys = [own * N + np.arange(N)] * 2
    return Sums.of_pairs(keys, (A, B), (QA, QB), (1, K), N)


@pytest.mark.parametrize("spread_law", ["default", "conservative"])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.99, 1.0])
@pytest.mark.parametrize("size", [3.0, 60.0, math.inf])
def test_variances_are_those_of_the_multiplier(share: float, size: float, spread_law: str) -> None:
    if spread_law == "conservative" and share * size <= 1.1:
        pytest.skip("there is no such law")
    found = [float(x[0]) for x in variances(np.array([share]), np.array([size]), spread_law)]
    assert found == pytest.approx(Multiplier.of_size(share, size, spread_law).variances, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("values", [(0.3, 0.5, 0.7), (0.2, 0.6, 0.65), (0.41, 0.41, 0.9)], ids=["centre", "down", "up"])
def test_place_and_width_of_growth_are_those_of_the_signed_total(values: tuple[float, ...]) -> None:
    found = kinds()
    c, w = found.places(pairs(), np.array([values]))
    a, b, variance = 0.0, 0.0, 0.0
    ratio = sum(A[k == KIND].sum() / x for k, x in enumerate(values)) / sum(B[k == KIND].sum() / x for k, x in enumerate(values))
    for k, x in enumerate(values):
        on = k == KIND
        part = Stratum(A[on], B[on], QA[on], QB[on], np.array([0, on.sum()]), x, RATES[k].spread_at(x))
        variance += float(part.variance(np.array([ratio]), nested=False)[0])
        a, b = a + A[on].sum() / x, b + B[on].sum() / x
    assert c[0, 0] == pytest.approx(math.log(a / b), rel=1e-12)
    assert w[0, 0] == pytest.approx(math.sqrt(variance) / a, rel=1e-10)


def test_place_and_width_of_a_share_are_those_of_the_signed_total() -> None:
    values = (0.25, 0.45, 0.8)
    inside = RNG.random(N) < 0.4
    group = np.flatnonzero(inside)
    whole = np.repeat(np.arange(N // 2), 2)  # every vendor has two cells, one inside or none
    vendor = whole
    own = Kinds.of([(Factor(REVIEW_SHARE, 0.5, -1), 0.5, k == KIND) for k in range(K)], N, "default")[1]
    sums = Sums.of_parts([group], own, vendor, A, QA, K, N // 2)
    c, w = kinds().places(sums, np.array([values]))
    top = sum(A[inside & (k == KIND)].sum() / x for k, x in enumerate(values))
    total = sum(A[k == KIND].sum() / x for k, x in enumerate(values))
    variance = 0.0
    for k, x in enumerate(values):
        on = k == KIND
        a, b, qa, qb = (np.bincount(vendor[on], part[on], N // 2) for part in (A * inside, A, QA * inside, QA))
        part = Stratum(a, b, qa, qb, np.array([0, N // 2]), x, RATES[k].spread_at(x))
        variance += float(part.variance(np.array([top / total]), nested=True)[0])
    share = top / total
    assert c[0, 0] == pytest.approx(math.log(share / (1 - share)), rel=1e-10)
    assert w[0, 0] == pytest.approx(math.sqrt(variance) / total / (share * (1 - share)), rel=1e-9)


def test_factors_enter_with_their_powers() -> None:
    """A price twice as high doubles values and squares its squares; reviews that are left out take both alike."""
    prices = Factor("units per order", stats.uniform(0.5, 2), 1, np.ones(N, dtype=bool))
    covered = Factor("market coverage", stats.uniform(0.5, 2), -1, np.ones(N, dtype=bool))
    genuine = Factor(GENUINE_SHARE, stats.uniform(0.2, 0.6), 1, np.ones(N, dtype=bool))
    everywhere = np.ones(N, dtype=bool)
    stated = [(f, float(f.spec.mean()), everywhere) for f in (prices, covered, genuine)]
    share = (Factor(REVIEW_SHARE, 0.5, -1, rate=ReviewRate(mean=0.5, between_vendor_sd=0.1)), 0.5, everywhere)
    found = Kinds.of([share, *stated], N, "default")[0]
    centre = found.centre
    m, between, within = (float(part[0, 0]) for part in found.at(centre[None]))
    assert (m, between, within) == pytest.approx((2.0, *Multiplier.of(0.5, 0.1).variances), rel=1e-12)
    for i, (times, squared) in enumerate(((2.0, 4.0), (0.5, 0.25), (2.0, 2.0))):
        at = centre.copy()
        at[i] *= 2
        moved = [float(part[0, 0]) for part in found.at(at[None])]
        assert moved == pytest.approx([m * times, between * times**2, within * squared], rel=1e-12)


def test_parts_of_the_width_add_up_to_one() -> None:
    sums = pairs()
    parts = kinds().parts(sums)
    assert parts.sum() == pytest.approx(1.0, rel=1e-12) and (parts > 0).all()
    assert sums.present.all()


def test_gathered_shifts_keep_their_mean_and_their_law() -> None:
    values = stats.norm.ppf((np.arange(4096) + 0.5) / 4096)[:, None] * [1.0, 3.0]
    found = gathered(np.random.default_rng(1).permuted(values, axis=0))
    assert found.shape == (512, 2) and (np.diff(found, axis=0) > 0).all()
    assert found.mean(axis=0) == pytest.approx([0.0, 0.0], abs=1e-12)
    assert found.std(axis=0) == pytest.approx([1.0, 3.0], rel=2e-3)
    assert np.array_equal(gathered(values[:512]), values[:512])
