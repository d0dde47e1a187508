"""Small synthetic tables for the tests."""

from __future__ import annotations

import numpy as np
import pandas as pd

from darkmarket_estimates import Listings, Totals

ROLES = {"price": "price", "reviews": "reviews", "vendor": "seller", "listing": "id", "currency": "USD"}


def listing_table(n: int = 500, n_vendors: int = 40, seed: int = 1) -> pd.DataFrame:
    """Listings with heavy-tailed counts, a market, two group columns with gaps, and days."""
    rng = np.random.default_rng(seed)
    category = rng.choice(["Cannabis", "Stimulants", "Ecstasy", "Zür<b>&"], n)
    country = rng.choice(["NL", "US", "DE"], n).astype(object)
    country[rng.random(n) < 0.1] = None
    return pd.DataFrame({
        "id": [f"l{i:04d}" for i in range(n)],
        "price": np.round(rng.lognormal(4, 0.7, n), 2),
        "reviews": rng.poisson(rng.lognormal(1, 0.8, n)),
        "seller": [f"s{v}" for v in rng.integers(0, n_vendors, n)],
        "market": rng.choice(["A", "B"], n),
        "category": category,
        "country": country,
        "days": rng.integers(1, 60, n),
        "day": pd.Timestamp("2016-01-01") + pd.to_timedelta(rng.integers(0, 31, n), unit="D"),
    })


def listings(frame=None, **options) -> Listings:
    frame = listing_table() if frame is None else frame
    return Listings(frame, **{**ROLES, **options})


def vendor_totals(y, reviews=None, **options) -> Totals:
    """Totals of one cell a vendor."""
    y = np.asarray(y, dtype=float)
    counts = np.maximum(1, np.round(y / 50)) * (y > 0) if reviews is None else reviews
    return Totals.from_cells(vendor=[f"v{i}" for i in range(len(y))], value=y, reviews=counts,
                             **{"currency": "USD", **options})
