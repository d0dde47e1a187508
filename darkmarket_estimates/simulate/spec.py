"""What a simulated market is made of: one frozen specification a mechanism. Every mechanism left out is off."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from darkmarket_estimates import _checks as check
from darkmarket_estimates.errors import AssumptionError

#: More money, orders and events a day than a simulation could mean: beyond, floats overflow or the memory does.
MOST_MONEY, MOST_ORDERS, MOST_A_DAY = 1e12, 1e9, 100.0
#: Least standard deviation of review shares beside none at all.
LEAST_SD = 1e-6


def kept(spec: Any, name: str, **limits: Any) -> None:
    """Check a number of a frozen spec as `_checks.number` does, and keep it as one that NumPy knows."""
    value = getattr(spec, name)
    checked = check.number(value, name, **limits)
    if not isinstance(value, int | float):
        object.__setattr__(spec, name, checked)


def kept_integer(spec: Any, name: str, **limits: Any) -> None:
    """As `kept`, for whole numbers."""
    object.__setattr__(spec, name, check.integer(getattr(spec, name), name, **limits))


def mapping(x: Any, name: str) -> Mapping[str, Any]:
    """Return `x` if it is a mapping, else raise `AssumptionError`."""
    if not isinstance(x, Mapping):
        raise AssumptionError(f"{name} is not a mapping", expected="{name: share}", got=check.kind(x))
    return x


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNormalSizes:
    """Log-normal sizes; `sd` is that of the logarithm (0: all vendors alike; real vendors: 2.25 to 2.7)."""

    sd: float

    def __post_init__(self) -> None:
        kept(self, "sd", low=0, high=5)

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Return `n` independent sizes with mean 1."""
        return np.exp(self.sd * rng.standard_normal(n) - self.sd**2 / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParetoSizes:
    """Pareto sizes, P(size > x) proportional to ``x**-shape``; the mean needs ``shape > 1``."""

    shape: float

    def __post_init__(self) -> None:
        kept(self, "shape", low=1, open_low=True)

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Return `n` independent sizes with mean 1."""
        return (1 + rng.pareto(self.shape, n)) * (self.shape - 1) / self.shape


@dataclass(frozen=True, slots=True, kw_only=True)
class ResampledSizes:
    """Sizes drawn with replacement from given ones (sales of real vendors), divided by their mean."""

    sizes: tuple[float, ...] = field(repr=False)

    def __post_init__(self) -> None:
        sizes = check.float_array(self.sizes, "sizes", low=0)
        if sizes.max(initial=0.0) == 0:
            raise AssumptionError("sizes hold no vendor with sales", expected="at least one size above 0",
                                  got=f"{sizes.size} sizes")
        if sizes.max() > 1e100:
            raise AssumptionError("sizes hold one that no unit explains", expected="at most 1e100", got=f"{sizes.max():g}",
                                  fix="change the unit: they are divided by their mean")
        object.__setattr__(self, "sizes", tuple(sizes.tolist()))

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Return `n` independent sizes with mean 1."""
        sizes = np.array(self.sizes)
        return rng.choice(sizes / sizes.mean(), n)


Sizes = LogNormalSizes | ParetoSizes | ResampledSizes


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A category: its share of the listings, its mean price (in the market's currency) and the sd of the log price."""

    share: float
    mean_price: float
    sd: float = 1.0

    def __post_init__(self) -> None:
        kept(self, "share", low=0, high=1)
        kept(self, "mean_price", low=0, high=MOST_MONEY, open_low=True)
        kept(self, "sd", low=0, high=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Country:
    """A country: its share of the vendors, and how large they and their prices are beside those of the others."""

    share: float
    size: float = 1.0
    price: float = 1.0

    def __post_init__(self) -> None:
        kept(self, "share", low=0, high=1)
        kept(self, "size", low=0, high=MOST_MONEY, open_low=True)
        kept(self, "price", low=0, high=MOST_MONEY, open_low=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewShares:
    r"""Review shares of vendors: :math:`\rho_v \sim Beta(m_v s, (1 - m_v) s)`.

    :math:`m_v = logit^{-1}(logit(mean) + slope \ln size_v)` with sizes of mean 1, and
    :math:`s = mean (1 - mean) / sd^2 - 1` for every vendor, so that `mean` and `sd` are those of a vendor of mean size.
    With a slope the turnover-weighted share differs from `mean`.
    """

    mean: float
    sd: float = 0.0
    slope: float = 0.0

    def __post_init__(self) -> None:
        kept(self, "mean", low=0, high=1, open_low=True)
        kept(self, "sd", low=0)
        kept(self, "slope", low=-2, high=2)
        largest = math.sqrt(self.mean * (1 - self.mean))
        if self.sd >= largest and self.sd > 0:
            raise AssumptionError("sd is too large for a share with this mean", got=f"sd={self.sd!r}",
                                  expected=f"less than {largest:.4g}")
        if 0 < self.sd < LEAST_SD:
            raise AssumptionError("sd is too small to be simulated", got=f"sd={self.sd!r}",
                                  expected=f"0, or {LEAST_SD:g} and more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantities:
    """Units an order: ``1 + Binomial(trials, probability)``, mean 1.4 as in Cuevas et al. 2022, simulation code."""

    trials: int = 20
    probability: float = 0.02

    def __post_init__(self) -> None:
        kept_integer(self, "trials", low=0, high=1_000_000)
        kept(self, "probability", low=0, high=1)

    @property
    def mean(self) -> float:
        """Mean number of units an order."""
        return 1 + self.trials * self.probability


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceChanges:
    """Prices change `rate` times a day and listing, each time by a log-normal factor of mean 1."""

    rate: float
    sd: float = 0.1

    def __post_init__(self) -> None:
        kept(self, "rate", low=0, high=MOST_A_DAY)
        kept(self, "sd", low=0, high=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingPrices:
    """A listing out of stock shows one of the `levels` and sells nothing, until the price is set back.

    `rate` and `back` are hazards a day; a listing is at a holding price about ``rate / (rate + back)`` of its time.
    """

    rate: float
    back: float
    levels: tuple[float, ...] = (9_999.0, 99_999.0, 999_999.0)

    def __post_init__(self) -> None:
        kept(self, "rate", low=0, high=MOST_A_DAY)
        kept(self, "back", low=0, high=MOST_A_DAY)
        levels = check.float_array(self.levels, "levels", low=0.01)
        if levels.max(initial=0.0) > MOST_MONEY:
            raise AssumptionError("levels hold a price beyond all money", expected=f"at most {MOST_MONEY:g}",
                                  got=f"{levels.max():g}")
        if levels.size == 0:
            raise AssumptionError("levels is empty", expected="at least one holding price", got="()")
        object.__setattr__(self, "levels", tuple(levels.tolist()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """Listings are deleted for good, with hazard `rate` a day."""

    rate: float

    def __post_init__(self) -> None:
        kept(self, "rate", low=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hiding:
    """Listings are hidden with hazard `rate` a day and shown again with hazard `back`; a hidden one sells nothing."""

    rate: float
    back: float

    def __post_init__(self) -> None:
        kept(self, "rate", low=0, high=MOST_A_DAY)
        kept(self, "back", low=0, high=MOST_A_DAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeReviews:
    """Reviews without an order: a vendor pads with probability `vendors`, then `ratio` fake reviews a genuine one."""

    vendors: float
    ratio: float

    def __post_init__(self) -> None:
        kept(self, "vendors", low=0, high=1)
        kept(self, "ratio", low=0, high=1e6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relisting:
    """Products move to a new listing id with hazard `rate` a day; the old page and its reviews are gone."""

    rate: float

    def __post_init__(self) -> None:
        kept(self, "rate", low=0, high=MOST_A_DAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Margins:
    """Published margins that the market is conditioned on, in expectation over its orders.

    Parameters
    ----------
    reviews : float
        Genuine reviews in the window.
    value : float, optional
        Sum of price x genuine reviews in the window, in the market's currency.
    reviews_by, value_by : mapping of "category" or "country" to a mapping of its names to shares, optional
        Shares (they are divided by their sum); raked by iterative proportional fitting (Deming & Stephan 1940).
    """

    reviews: float
    value: float | None = None
    reviews_by: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    value_by: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kept(self, "reviews", low=0, high=MOST_ORDERS, open_low=True)
        if self.value is not None:
            kept(self, "value", low=0, high=MOST_ORDERS * MOST_MONEY, open_low=True)
        if self.value is None and self.value_by:
            raise AssumptionError("value_by has no total to share", expected="value=", got="value=None")
        for by in ("reviews_by", "value_by"):
            for column, shares in mapping(getattr(self, by), by).items():
                check.choice(column, "margin", ("category", "country"))
                check.strings(tuple(mapping(shares, f"{by}[{column!r}]")), f"{by}[{column!r}]")
                for name, share in shares.items():
                    check.number(share, f"share of {name!r}", low=0, high=MOST_MONEY, open_low=True)


def named_shares(x: Mapping[str, Any], name: str) -> np.ndarray:
    """Return the shares of a mapping of names to numbers, or to specs with a `share`; they must add up to 1."""
    if not isinstance(x, Mapping) or not x:
        raise AssumptionError(f"{name} is not a mapping of names to shares", expected="at least one name",
                              got=type(x).__name__)
    check.strings(tuple(x), name)
    shares = np.array([check.number(getattr(v, "share", v), f"{name}[{k!r}]", low=0, high=1) for k, v in x.items()])
    if not math.isclose(shares.sum(), 1, abs_tol=1e-6):
        raise AssumptionError(f"the shares of {name} do not add up to 1", expected="1", got=f"{shares.sum():.6g}")
    return shares / shares.sum()
