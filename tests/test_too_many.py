"""Numbers of replicates, draws, points and runs that no memory holds are refused at once, with what they would need."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

import darkmarket_estimates as dme
from darkmarket_estimates import Totals, _checks
from darkmarket_estimates.distribution.compound_poisson import compound_poisson
from darkmarket_estimates.distribution.factors import nodes, sobol
from darkmarket_estimates.distribution.resampling import bootstrap, key_of, poisson_weights, uniforms
from darkmarket_estimates.errors import AssumptionError
from darkmarket_estimates.simulate import MarketSpec

ABSURD = {"10^9": 10**9, "10^10": 10**10, "10^12": 10**12, "10^400": 10**400, "10^5000": 10**5000}
KEYS = key_of(["ann", "bob", "carl"])
EST = dme.turnover(Totals.from_cells(vendor=["ann", "bob", "carl"], value=[10.0, 20.0, 30.0], reviews=[1, 2, 3],
                                     groups={"city": ["a", "b", "a"]}, currency="USD"), review_rate=0.5, rng=1)
SPEC = MarketSpec(n_vendors=10, n_listings=20, orders=50)

CALLS: dict[str, Callable[[int], object]] = {
    "turnover": lambda n: dme.turnover(EST.model.totals, estimand="expected", interval="poisson-bootstrap", n_resamples=n),
    "concentration": lambda n: EST.concentration(n_resamples=n),
    "ranks": lambda n: EST.ranks("city", n_resamples=n),
    "bootstrap": lambda n: bootstrap(lambda w: w.sum(axis=1), KEYS, n_resamples=n, seed=1),
    "uniforms": lambda n: uniforms(KEYS, n, 1),
    "weights": lambda n: poisson_weights(KEYS, n, 1),
    "nodes": lambda n: nodes(stats.beta(80, 20), n),
    "points": lambda n: sobol(2, n),
    "factors": lambda n: sobol(n, 2),
    "grid": lambda n: compound_poisson([1.0, 2.0], n_points=n),
    "simulations": lambda n: dme.benchmark({"floor": {}}, SPEC, n_simulations=n, progress=False),
    "processes": lambda n: dme.benchmark({"floor": {}}, SPEC, n_simulations=2, processes=n, progress=False),
}


@pytest.mark.parametrize("number", ABSURD.values(), ids=ABSURD)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_absurd_numbers_are_refused_at_once(call: Callable[[int], object], number: int) -> None:
    with pytest.raises(AssumptionError) as error:
        call(number)
    assert len(str(error.value)) < 500 or number > 10**400  # `shown` prints what a count of something else was


@pytest.mark.parametrize("number", [0, -(10**400), 2.5, "1000", None, float("inf"), float("nan"), True], ids=str)
def test_what_is_no_number_of_replicates(number: object) -> None:
    for name in ("concentration", "bootstrap", "simulations"):
        with pytest.raises(AssumptionError):
            CALLS[name](number)  # type: ignore[arg-type]


def test_the_limit_is_that_of_memory_and_says_what_would_be_needed() -> None:
    most = _checks.MOST_BYTES // 1000
    assert _checks.replicates(most, "n_resamples", each=1000) == most
    with pytest.raises(AssumptionError, match="would need 2 GB"):
        _checks.replicates(most + 1, "n_resamples", each=1000)
    with pytest.raises(AssumptionError) as error:
        _checks.replicates(10**12, "n_resamples", each=1000)
    assert str(error.value).splitlines() == [
        "n_resamples would need 1,000 TB of memory",
        "  expected: a whole number in [1, 2,147,483]: 1,000 bytes each, 2 GB together",
        "  got: 1,000,000,000,000", "  to do: 10,000 replicates give an end of a 95% interval to 0.2% in probability"]
    with pytest.raises(AssumptionError, match=r"would need about 10\^391 TB(.|\n)*got: about 10\^400"):
        _checks.replicates(10**400, "n_resamples", each=1000)
    with pytest.raises(AssumptionError, match="out of range"):
        _checks.replicates(99, "n_resamples", low=100)
    assert _checks.replicates(100, "n_resamples", low=100, each=2**40) == 100  # what a call needs at least is never refused


@pytest.mark.parametrize(("bytes_", "words"), [(12, "12 bytes"), (3_000_000, "3 MB"), (2**31, "2 GB"), (5 * 10**12, "5 TB")])
def test_bytes_in_words(bytes_: int, words: str) -> None:
    assert _checks._in_bytes(bytes_) == words


def test_ten_thousand_replicates_are_worth_what_the_message_says() -> None:
    assert np.sqrt(0.025 * 0.975 / 10_000) == pytest.approx(0.002, abs=5e-4)


def test_a_statistic_of_many_numbers_counts_all_of_them() -> None:
    """What a resample takes is known after the first block: 10,000 of a megabyte each are refused, and of a number each not."""
    wide = np.zeros(2**17)
    with pytest.raises(AssumptionError, match="n_resamples would need 20 GB"):
        bootstrap(lambda w: np.broadcast_to(wide, (len(w), len(wide))), KEYS, n_resamples=10_000, seed=1, max_bytes=10_000)
    assert bootstrap(lambda w: w[:, 0], KEYS, n_resamples=10_000, seed=1).shape == (10_000,)


@pytest.mark.parametrize("n", [12, 100, 3 * 2**10], ids=str)
def test_a_grid_has_a_power_of_two_cells(n: int) -> None:
    with pytest.raises(AssumptionError, match="n_points"):
        compound_poisson([1.0, 2.0], n_points=n)
    assert compound_poisson([1.0, 2.0], n_points=64).mean == 3.0
