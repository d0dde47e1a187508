"""Capture histories for the tests."""

from __future__ import annotations

import numpy as np
import pytest


def draw_histories(rng, n=400, t=6, base=-1.0, slope=0.0, scrape=0.0, spread=0.0):
    """Histories, covariate and truth: logit p = base + slope x + spread u + a trend over scrapes."""
    x = rng.normal(size=n)
    eta = base + slope * x + spread * rng.normal(size=n)
    h = rng.random((n, t)) < 1 / (1 + np.exp(-(eta[:, None] + scrape * np.linspace(-1, 1, t))))
    seen = h.any(axis=1)
    return h[seen], x[seen], seen, x


@pytest.fixture(scope="session")
def draw():
    return draw_histories


@pytest.fixture(scope="session")
def sample():
    h, x, _, _ = draw_histories(np.random.default_rng(7), slope=0.4, scrape=0.5)
    return h, x
