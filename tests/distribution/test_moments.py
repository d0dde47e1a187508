"""Sums that every estimate begins with."""

from __future__ import annotations

import math

import numpy as np
import pytest

from darkmarket_estimates.distribution import moments


@pytest.mark.parametrize("n", [0, 1, 7, 129, 300_000])
def test_sums_of_products_are_exact_to_the_rounding_of_pairs(n):
    """A chain of additions may be off by n roundings; blocks of 128 in eight chains, added in pairs, by some twenty."""
    rng = np.random.default_rng(n)
    x, y = rng.lognormal(0, 2, n), rng.lognormal(0, 2, n)
    exact = math.fsum(x * y)
    assert abs(moments.sum_product(x, y) - exact) <= 2**-53 * (20 + math.log2(n + 1)) * exact


def test_sums_of_products_do_not_depend_on_the_threads_of_a_dot_product():
    """Bit for bit the sum of the products: what the number of processors or a library's kernel cannot change."""
    rng = np.random.default_rng(4)
    x, y = rng.lognormal(0, 2, (2, 100_001))
    assert moments.sum_product(x, y) == (x * y).sum()
