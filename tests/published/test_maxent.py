"""Maximum entropy against iterative proportional fitting, and contradictions with numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkmarket_estimates.errors import DataError
from darkmarket_estimates.published.maxent import Margin, fit


def proportional_fitting(table, rows, columns, steps=2000):
    """Deming and Stephan 1940, written out."""
    x = table.copy()
    for _ in range(steps):
        x *= (rows / x.sum(axis=1))[:, None]
        x *= columns / x.sum(axis=0)
    return x


def two_way(shape, rows, columns):
    r, c = np.indices(shape)
    return [*(Margin(f"row {i}", (r.ravel() == i) * 1.0, t, t) for i, t in enumerate(rows)),
            *(Margin(f"column {j}", (c.ravel() == j) * 1.0, t, t) for j, t in enumerate(columns))]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_exact_margins_are_proportional_fitting(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(2, 5, 2))
    reference = rng.uniform(0.2, 5, shape)
    target = rng.uniform(0.2, 5, shape)
    rows, columns = target.sum(axis=1), target.sum(axis=0)
    found = fit(two_way(shape, rows, columns), reference.ravel())
    assert found.contradiction == ()
    np.testing.assert_allclose(found.table.reshape(shape), proportional_fitting(reference, rows, columns), rtol=1e-5)


def test_scale_does_not_matter():
    reference, target = np.array([1.0, 2, 3, 4]), np.array([[3.0, 1], [2, 6]])
    small = fit(two_way((2, 2), target.sum(1), target.sum(0)), reference)
    large = fit(two_way((2, 2), 1e6 * target.sum(1), 1e6 * target.sum(0)), 7 * reference)
    np.testing.assert_allclose(large.table, 1e6 * small.table, rtol=1e-6)


def test_what_holds_already_stays():
    reference = np.array([1.0, 2, 3, 4])
    found = fit([Margin("all", np.ones(4), 9, 11), Margin("first", np.array([1.0, 0, 0, 0]), 0.5, 1.5)], reference)
    np.testing.assert_allclose(found.table, reference, rtol=1e-8)


def test_an_interval_is_left_at_its_nearest_end():
    found = fit([Margin("all", np.ones(3), 30, 30), Margin("first", np.array([1.0, 0, 0]), 12, 20)], np.ones(3))
    np.testing.assert_allclose(found.table, [12, 9, 9], rtol=1e-6)
    found = fit([Margin("all", np.ones(3), 30, 30), Margin("first", np.array([1.0, 0, 0]), 2, 5)], np.ones(3))
    np.testing.assert_allclose(found.table, [5, 12.5, 12.5], rtol=1e-6)


def test_shares_of_a_part_and_one_sided_margins():
    half = Margin("first of the first two", np.array([100.0, 0, 0, 0]), 70, 80, np.array([1.0, 1, 0, 0]))
    most = Margin("last", np.array([0, 0, 0, 1.0]), 60, np.inf)
    x = fit([Margin("all", np.ones(4), 100, 100), half, most], np.ones(4)).table
    assert half.reached(x) == pytest.approx(70, abs=1e-4) and most.reached(x) == pytest.approx(60, rel=1e-6)
    assert x.sum() == pytest.approx(100)
    least = Margin("first of the first two", np.array([100.0, 0, 0, 0]), 90, np.inf, np.array([1.0, 1, 0, 0]))
    none = Margin("third", np.array([0, 0, 1.0, 0]), 0, 0.001)
    x = fit([Margin("all", np.ones(4), 100, 100), least, none], np.ones(4)).table
    assert least.reached(x) == pytest.approx(90, abs=1e-4) and x[2] <= 0.001 * (1 + 1e-6)


def test_the_entropy_is_the_largest():
    """No admissible direction improves the objective."""
    rng = np.random.default_rng(3)
    reference = rng.uniform(0.5, 2, 9)
    margins = two_way((3, 3), [10, 20, 30], [15, 25, 20])
    x = fit(margins, reference).table
    a = np.array([m.weight for m in margins])
    null = np.linalg.svd(a)[2][np.linalg.matrix_rank(a):]
    assert len(null) == 4
    np.testing.assert_allclose(null @ np.log(x / reference), 0, atol=1e-6)


def test_contradictions_are_named():
    first, second, third = np.eye(3)
    margins = [Margin("all", np.ones(3), 100, 100, firm=True), Margin("first", first, 60, 61),
               Margin("second", second, 55, 56), Margin("third", third, 0, 50)]
    found = fit(margins, np.ones(3))
    assert set(found.contradiction) == {"all", "first", "second"}  # the third is not to blame
    assert found.table.sum() == pytest.approx(100, rel=1e-4)  # the firm one holds
    reached = [m.reached(found.table) for m in margins]
    assert 55 - 1e-6 <= sum(reached[1:3]) <= 100 + 1e-6
    assert reached[1] < 60 or reached[2] < 55


def test_a_firm_margin_holds_against_twenty_others():
    margins = [Margin("all", np.ones(3), 100, 100, firm=True), *(Margin(f"half {i}", np.ones(3), 50, 50) for i in range(20))]
    assert fit(margins, np.ones(3)).table.sum() == pytest.approx(100, rel=1e-4)


def test_narrowed():
    m = Margin("a", np.ones(1), 10, 14)
    assert (m.narrowed(0.5).low, m.narrowed(0.5).high) == (11, 13)
    low = Margin("a", np.ones(1), 100, np.inf).narrowed(0.5)
    assert low.low == pytest.approx(100.5) and low.high == np.inf


def test_bad_input():
    with pytest.raises(DataError, match="positive reference"):
        fit([Margin("all", np.ones(2), 1, 1)], np.array([1.0, 0.0]))
    with pytest.raises(DataError, match="margins"):
        fit([], np.ones(2))
