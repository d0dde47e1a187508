"""Vendors: a heavy-tailed size, a market, a country, and a review share of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from darkmarket_estimates.simulate.spec import Country, FakeReviews, ReviewShares, Sizes, named_shares


@dataclass(frozen=True, slots=True)
class Vendors:
    """A row a vendor: codes of market and country, size (mean 1), review share, fake reviews a genuine one."""

    market: np.ndarray
    country: np.ndarray
    size: np.ndarray
    review_share: np.ndarray
    padding: np.ndarray


def draw_vendors(rng: Mapping[str, np.random.Generator], n: int, *, sizes: Sizes, markets: Mapping[str, float],
                 countries: Mapping[str, Country], review_shares: ReviewShares | None,
                 fakes: FakeReviews | None) -> Vendors:
    """Draw `n` vendors; each trait has a stream of its own, so that one can be changed and the others stay."""
    shares = named_shares(countries, "countries")
    factor = np.array([c.size for c in countries.values()])
    country = rng["country"].choice(shares.size, n, p=shares)
    size = sizes.draw(rng["size"], n) * (factor / (shares @ factor))[country]
    return Vendors(
        market=rng["market"].choice(len(markets), n, p=named_shares(markets, "markets")),
        country=country,
        size=size,
        review_share=draw_review_shares(rng["review_share"], size, review_shares),
        padding=np.zeros(n) if fakes is None else np.where(rng["fakes"].random(n) < fakes.vendors, fakes.ratio, 0.0),
    )


def draw_review_shares(rng: np.random.Generator, size: np.ndarray, law: ReviewShares | None) -> np.ndarray:
    """Return a review share a vendor; 1 where every order is reviewed."""
    if law is None or law.mean == 1:
        return np.ones(size.size)
    log_size = np.log(size, where=size > 0, out=np.zeros(size.size))
    mean = 1 / (1 + (1 - law.mean) / law.mean * np.exp(-law.slope * log_size))
    if law.sd == 0:
        return mean
    total = law.mean * (1 - law.mean) / law.sd**2 - 1
    mean = np.clip(mean, 1e-9, 1 - 1e-9)  # a slope can push a mean to 0 or 1, where the Beta law has no shape
    return rng.beta(mean * total, (1 - mean) * total)
