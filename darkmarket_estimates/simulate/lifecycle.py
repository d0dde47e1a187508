"""When listings are there: births, deletion, and spells in which they are hidden or at a holding price."""

from __future__ import annotations

import numpy as np

from darkmarket_estimates.simulate.timeline import Clock, Spells


def births(rng: np.random.Generator, n: int, days: float, new: float) -> np.ndarray:
    """Return birth times: 0, or, with probability `new`, any time in [0, days) alike."""
    return np.where(rng.random(n) < new, days * rng.random(n), 0.0)


def next_event(rng: np.random.Generator, rate: float, start: np.ndarray, end: np.ndarray, fixed: bool) -> np.ndarray:
    """Return the time of the first event of hazard `rate` in [start, end), infinity where there is none.

    With `fixed` the number of items that have one is fixed at its expectation, by systematic sampling of the same
    inclusion probabilities in random order (Madow 1949): totals hold, who and when stay random.
    """
    if rate == 0 or start.size == 0:
        return np.full(start.shape, np.inf)
    probability = -np.expm1(-rate * np.maximum(end - start, 0))
    if fixed:
        order = rng.permutation(start.size)
        steps = np.floor(np.cumsum(probability[order]) + rng.random())
        happens = np.empty(start.size, dtype=bool)
        happens[order] = np.diff(steps, prepend=0) > 0
    else:
        happens = rng.random(start.size) < probability
    wait = -np.log1p(-rng.random(start.size) * probability) / rate
    return np.where(happens, start + wait, np.inf)


def spells(rng: np.random.Generator, clock: Clock, rate: float, back: float, born: np.ndarray, end: np.ndarray,
           fixed: bool) -> Spells:
    """Return the spells of an on/off process that starts `on` at birth; a spell that outlives its item is endless."""
    item, now = np.arange(born.size), born
    items, starts, ends = [], [], []
    while item.size:
        start = next_event(rng, rate, now, end[item], fixed)
        item, start = item[np.isfinite(start)], start[np.isfinite(start)]
        stop = next_event(rng, back, start, end[item], fixed)
        items.append(item)
        starts.append(start)
        ends.append(stop)
        item, now = item[np.isfinite(stop)], stop[np.isfinite(stop)]
    return Spells.sorted(clock, np.concatenate(items), np.concatenate(starts), np.concatenate(ends))


def mean_selling_days(days: float, window: tuple[float, float], new: float, deletion: float,
                      *switches: tuple[float, float]) -> float:
    r"""Return the expected days inside the window that a listing is there and neither hidden nor at a holding price.

    At age :math:`a` a listing is there with probability :math:`e^{-\delta a}` and in the `on` state of a switch with
    hazards :math:`(h, u)` with probability :math:`(u + h e^{-(h + u) a}) / (h + u)`: a sum of exponentials of the age,
    integrated over births (0, or uniform on [0, days]) and over the window in closed form.
    """
    terms = [(1.0, deletion)]
    for off, back in switches:
        if off > 0:
            total = off + back
            terms = [(c * w, k + d) for c, k in terms for w, d in ((back / total, 0.0), (off / total, total))]
    low, high = window

    def once(k: float, t: float) -> float:  # integral of exp(-k a) over ages 0..t
        return t if k == 0 else -np.expm1(-k * t) / k

    def twice(k: float, t: float) -> float:  # integral of once(k, .) over 0..t
        return t * t / 2 * (1 - k * t / 3) if k * t < 1e-5 else (t - once(k, t)) / k

    there = sum(c * (once(k, high) - once(k, low)) for c, k in terms)
    born_later = sum(c * (twice(k, high) - twice(k, low)) for c, k in terms) / days
    return float((1 - new) * there + new * born_later)
