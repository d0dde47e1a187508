from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from darkmarket_estimates.simulate.lifecycle import births, mean_selling_days, next_event, spells
from darkmarket_estimates.simulate.timeline import Clock, Spells

CLOCK = Clock(10.0)


def some_spells(seed: int, n_items: int = 6) -> Spells:
    """Non-overlapping spells within each item, one in four endless."""
    rng = np.random.default_rng(seed)
    rows = []
    for item in range(n_items):
        cuts = np.sort(rng.uniform(0, 10, 2 * rng.integers(0, 4)))
        rows += [(item, a, b) for a, b in zip(cuts[::2], cuts[1::2])]
        if rows and rows[-1][0] == item and rng.random() < 0.25:
            rows[-1] = (item, rows[-1][1], np.inf)
    item, start, end = (np.array(x) for x in zip(*rows))
    shuffled = rng.permutation(item.size)
    return Spells.sorted(CLOCK, item[shuffled], start[shuffled], end[shuffled])


def brute(spells: Spells, item: int, time: float) -> bool:
    return any(i == item and a <= time < b for i, a, b in zip(spells.item, spells.start, spells.end))


@pytest.mark.parametrize("seed", range(5))
def test_find_agrees_with_a_look_at_every_spell(seed: int) -> None:
    s = some_spells(seed)
    rng = np.random.default_rng(100 + seed)
    item, time = rng.integers(0, 6, 300), rng.uniform(0, 10, 300)
    item, time = np.concatenate([item, s.item]), np.concatenate([time, s.start])  # a spell holds its start
    found = s.find(item, time)
    assert [bool(f >= 0) for f in found] == [brute(s, i, t) for i, t in zip(item, time)]
    hit = found >= 0
    assert (s.item[found[hit]] == item[hit]).all() and (s.start[found[hit]] <= time[hit]).all()


def test_a_spell_does_not_hold_its_end() -> None:
    s = Spells.sorted(CLOCK, np.array([0]), np.array([2.0]), np.array([3.0]))
    assert s.find(np.array([0, 0, 0, 1]), np.array([2.0, 3.0, 1.999, 2.5])).tolist() == [0, -1, -1, -1]


@pytest.mark.parametrize("seed", range(5))
def test_union_and_length_agree_with_a_fine_grid(seed: int) -> None:
    a, b = some_spells(seed), some_spells(seed + 50)
    u = a.union(b)
    step = 1e-3
    grid = np.arange(0, 10, step) + step / 2
    for item in range(6):
        at = np.full(grid.size, item)
        either = (a.find(at, grid) >= 0) | (b.find(at, grid) >= 0)
        assert ((u.find(at, grid) >= 0) == either).all()
        inside = either[(grid >= 1.5) & (grid < 8.5)].sum() * step
        assert u.length(6, 1.5, 8.5)[item] == pytest.approx(inside, abs=2 * step * (a.item.size + b.item.size))
    for item in range(6):  # apart and in order
        rows = u.item == item
        assert (u.start[rows][1:] > u.end[rows][:-1]).all()


def test_length_takes_an_end_for_each_item() -> None:
    s = Spells.sorted(CLOCK, np.array([0, 2, 2]), np.array([1.0, 2.0, 6.0]), np.array([np.inf, 3.0, 7.0]))
    assert s.length(3, 0.0, np.array([4.0, 9.0, 6.5])).tolist() == [3.0, 0.0, 1.5]
    assert s.length(3, 8.0, 5.0).tolist() == [0.0, 0.0, 0.0]


def test_union_with_nothing_is_the_same() -> None:
    s, nothing = some_spells(1), Spells.none(CLOCK)
    for u in (s.union(nothing), nothing.union(s)):
        np.testing.assert_array_equal(u.start, s.start)
        np.testing.assert_array_equal(u.end, s.end)
    assert nothing.union(nothing).item.size == 0
    assert nothing.length(3, 0, 10).tolist() == [0, 0, 0]
    assert nothing.find(np.array([0, 1]), np.array([1.0, 2.0])).tolist() == [-1, -1]


def test_births_are_at_zero_or_uniform() -> None:
    born = births(np.random.default_rng(1), 40_000, 8.0, 0.25)
    new = born > 0
    assert new.mean() == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / 40_000))
    assert born[new].mean() == pytest.approx(4.0, abs=4 * 8 / np.sqrt(12 * new.sum()))
    assert born.max() < 8


@pytest.mark.parametrize("fixed", [False, True])
def test_next_event_is_exponential_cut_at_the_end(fixed: bool) -> None:
    n, rate = 60_000, 0.3
    start = np.full(n, 1.0)
    end = np.where(np.arange(n) % 2, 3.0, 6.0)
    time = next_event(np.random.default_rng(5), rate, start, end, fixed)
    assert ((time >= start) & ((time < end) | np.isinf(time))).all()
    for t in (1.5, 2.5, 4.0):  # P(event by t) for those that can still have it
        p = 1 - np.exp(-rate * (t - 1))
        some = end > t
        assert (time[some] <= t).mean() == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / some.sum()))
    expected = (1 - np.exp(-rate * (end - start))).sum()
    number = np.isfinite(time).sum()
    assert abs(number - expected) <= (1 if fixed else 4 * np.sqrt(expected))


def test_without_fixed_counts_the_number_varies_as_bernoulli() -> None:
    rng = np.random.default_rng(6)
    start, end = np.zeros(400), np.ones(400)
    p = 1 - np.exp(-0.5)
    numbers = [np.isfinite(next_event(rng, 0.5, start, end, False)).sum() for _ in range(2_000)]
    assert np.var(numbers) == pytest.approx(400 * p * (1 - p), rel=4 * np.sqrt(2 / 2_000))
    fixed = [np.isfinite(next_event(rng, 0.5, start, end, True)).sum() for _ in range(50)]
    assert set(fixed) <= {int(400 * p), int(400 * p) + 1}


@pytest.mark.parametrize(
    ("window", "new", "deletion", "switches"),
    [
        ((0.0, 20.0), 0.0, 0.0, ()),
        ((5.0, 12.0), 1.0, 0.0, ()),
        ((0.0, 20.0), 0.3, 0.05, ()),
        ((3.0, 17.0), 0.6, 0.02, ((0.1, 0.3),)),
        ((3.0, 17.0), 0.6, 0.02, ((0.1, 0.3), (0.05, 0.0))),
        ((3.0, 17.0), 1.0, 1e-9, ((1e-9, 0.0),)),
    ],
)
def test_mean_selling_days_is_the_double_integral(window, new, deletion, switches) -> None:
    days = 20.0

    def there(age: float) -> float:
        p = np.exp(-deletion * age)
        for off, back in switches:
            p = p * (back + off * np.exp(-(off + back) * age)) / (off + back)
        return p

    low, high = window
    at_zero = quad(there, low, high, epsabs=1e-12)[0]
    # A birth at any time in [0, days): age a is reached inside the window during high - max(low, a) of the days.
    uniform = quad(lambda a: there(a) * (high - max(low, a)), 0, high, points=[low], epsabs=1e-12)[0] / days
    expected = (1 - new) * at_zero + new * uniform
    assert mean_selling_days(days, window, new, deletion, *switches) == pytest.approx(expected, rel=1e-9)


def test_mean_selling_days_golden() -> None:
    # Deletion alone, all there at 0: (1 - exp(-k d)) / k; new ones: (d - that) / (k d), k = 0.1, d = 10.
    once = (1 - np.exp(-1)) / 0.1
    assert mean_selling_days(10, (0, 10), 0, 0.1) == pytest.approx(once, rel=1e-12)
    assert mean_selling_days(10, (0, 10), 1, 0.1) == pytest.approx((10 - once) / 1.0, rel=1e-12)
    assert mean_selling_days(10, (0, 10), 1, 0.0) == pytest.approx(5, rel=1e-12)
    near = [mean_selling_days(10, (0, 10), 1, k) for k in (0.99e-6, 1.01e-6)]  # the two branches of the double integral
    assert near[0] == pytest.approx(near[1], rel=1e-7)
    assert near[0] == pytest.approx(5 * (1 - 0.99e-5 / 3), rel=1e-9)


def test_spells_alternate_and_spend_the_expected_time_off() -> None:
    n, rate, back = 20_000, 0.2, 0.5
    s = spells(np.random.default_rng(8), CLOCK, rate, back, np.zeros(n), np.full(n, 10.0), False)
    same = np.diff(s.item) == 0
    assert (s.start[1:][same] > s.end[:-1][same]).all()
    assert (s.end > s.start).all()
    off = s.length(n, 0, 10)
    on = mean_selling_days(10, (0, 10), 0, 0, (rate, back))
    assert off.mean() == pytest.approx(10 - on, abs=4 * off.std() / np.sqrt(n))


def test_a_spell_without_return_is_endless() -> None:
    s = spells(np.random.default_rng(9), CLOCK, 1.0, 0.0, np.zeros(50), np.full(50, 10.0), False)
    assert np.isinf(s.end).all() and np.unique(s.item).size == s.item.size
