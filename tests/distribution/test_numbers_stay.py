"""What is computed faster keeps its digits: quantiles as version 0.1.0 gave them before its laws were made in blocks.

Made on 22 November 2026 with NumPy 2.4, one total at a time. The tail rule's table is now a spline through fewer of its
points, which moves a quantile by 1e-6 of the interval. Smooth shares and growths of the realised total are read from normal
scores, ten times nearer to their laws than before (`test_signed_totals.py`), from which they had been off by up to 2e-3 of the
interval. Shares and growths of the realised total were made anew when vendors with sales on both sides got a law for each
side (`test_paired.py`). All others keep 11 digits (9 far out).
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from darkmarket_estimates.distribution import confidence
from darkmarket_estimates.distribution.factors import nodes
from darkmarket_estimates.distribution.law import Law
from darkmarket_estimates.distribution.ratios import ratio_expected, ratio_realised
from darkmarket_estimates.distribution.realised import realised, realised_uncertain_share

KEPT = json.loads((pathlib.Path(__file__).parent / "numbers_that_stay.json").read_text())
LEVELS = np.array([0.005, 0.025, 0.5, 0.975, 0.995])
SIZE = 0.44 * 0.56 / 0.11**2 - 1


def vendors(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Values and sums of squares of vendors with a price each."""
    rng = np.random.default_rng(n)
    reviews, price = 1 + rng.poisson(3 * rng.lognormal(0, 1.5, n)), rng.lognormal(4, 1, n)
    return price * reviews, price**2 * reviews


def halves(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A part of each vendor's sales, from none of them to all, and the whole."""
    y, q = vendors(n)
    part = np.resize([0.0, 0.0, 1.0, 0.3, 0.0], n)
    return part * y, y, part * q, q


LAWS: dict[str, Callable[[int], Law]] = {
    "realised": lambda n: realised(*vendors(n), 0.44, 0.11),
    "realised, one share": lambda n: realised(*vendors(n), 0.44, 0.0),
    "realised, uncertain share": lambda n: realised_uncertain_share(*vendors(n), *nodes(stats.beta(270, 344)), SIZE),
    "compound Poisson": lambda n: confidence.percentile(vendors(n)[0]),
    "BCa": lambda n: confidence.bca(vendors(n)[0]),
    "tail": lambda n: confidence.tail(vendors(n)[0]),
    "share, realised": lambda n: ratio_realised(*halves(n), 0.44, 0.11, nested=True),
    "growth, realised": lambda n: ratio_realised(*halves(n), 0.44, 0.11, nested=False),
    "share, expected BCa": lambda n: ratio_expected(*halves(n)[:2], method="bca"),
    "share, expected tail": lambda n: ratio_expected(*halves(n)[:2], method="tail"),
}
CASES = [(name, n) for name in LAWS for n in (1, 3, 12, 70, 400) if n > 3 or not name.startswith(("share", "growth"))]


@pytest.mark.parametrize(("name", "n"), CASES, ids=[f"{name}: {n}" for name, n in CASES])
def test_quantiles_keep_their_digits(name: str, n: int) -> None:
    kept = np.array(KEPT[f"{name}: {n}"])
    found = LAWS[name](n).quantile(LEVELS)
    if "tail" in name:
        assert np.abs(found - kept).max() <= 3e-5 * (kept[-1] - kept[0])
        assert np.abs(found - kept)[1:4].max() <= 3e-6 * (kept[3] - kept[1])
    elif name in ("share, realised", "growth, realised") and n > 64:
        assert np.abs(found - kept)[1:4].max() <= 1e-3 * (kept[3] - kept[1])
        assert np.abs(found - kept).max() <= 2e-3 * (kept[3] - kept[1])
    else:
        assert found[1:4] == pytest.approx(kept[1:4], rel=1e-11)
        assert found == pytest.approx(kept, rel=1e-9)  # BCa takes a level of 0.995 to 1 - 1e-9, where rounding shows
