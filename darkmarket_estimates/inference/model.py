"""Totals with the assumptions laid over them: values and variances of any of their cells."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from darkmarket_estimates.assumptions import CountTimesMean, Huggins, ValueChao
from darkmarket_estimates.distribution import moments
from darkmarket_estimates.distribution.factors import log_variance
from darkmarket_estimates.distribution.law import Law
from darkmarket_estimates.distribution.resampling import key_of, poisson_weights
from darkmarket_estimates.factors import GENUINE_SHARE, REVIEW_SHARE, Factor
from darkmarket_estimates.inference.intervals import intervals
from darkmarket_estimates.inference.laws import laws
from darkmarket_estimates.inference.names import BETWEEN_VENDORS, UNREVIEWED, VENDORS_SAMPLED
from darkmarket_estimates.inference.progress import Tell, quiet
from darkmarket_estimates.totals import VENDOR, Key, Totals

#: Resamples held in memory at once.
BLOCK = 1 << 22

Configuration = Mapping[int, float]


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """Totals with the assumptions laid over them, and the question.

    Attributes
    ----------
    totals : Totals
    factors : tuple of Factor
    estimand : {"realised", "expected"}
    measure : {"money", "orders"}
    interval : str
        One of `INTERVALS` for the estimand, or "none".
    spread_law : {"default", "conservative"}
        Law of a vendor's multiplier given its reviews.
    number_of_vendors : {"random", "fixed"}
        Of the expected estimand with "delta" or "lognormal".
    target : str or None
        Currency that an exchange rate leads to.
    coverage : ValueChao, Huggins, CountTimesMean or None
        What is assumed of listings that no scrape saw; `undetected` acts on it, row by row.
    frozen : frozenset of str
        Sources held at their central value.
    n_resamples, entropy : int
        Of "poisson-bootstrap".
    """

    totals: Totals
    factors: tuple[Factor, ...]
    estimand: str
    measure: str
    interval: str
    spread_law: str
    number_of_vendors: str
    n_resamples: int
    entropy: int
    target: str | None = None
    coverage: ValueChao | Huggins | CountTimesMean | None = None
    frozen: frozenset[str] = frozenset()

    @property
    def y(self) -> np.ndarray:
        """Reviewed money (or orders) of each cell."""
        return self.totals.columns["value" if self.measure == "money" else "reviews"]

    @property
    def q(self) -> np.ndarray:
        """Sum of price^2 x reviews of each cell (of reviews, for orders)."""
        return self.totals.columns["price_sq_reviews" if self.measure == "money" else "rate_sq_reviews"]

    @property
    def shares(self) -> tuple[Factor, ...]:
        """The review shares."""
        return tuple(f for f in self.factors if f.name == REVIEW_SHARE)

    @property
    def has_share(self) -> bool:
        """Whether unreviewed sales are accounted for: a stated share, or counts that are sales."""
        return bool(self.shares) or self.totals.header.counted == "sold"

    @property
    def posterior(self) -> str | None:
        """What its intervals are called if they are those of joint draws, else None."""
        return None

    @property
    def currency(self) -> str:
        """Unit of the figures: a currency, or "orders"."""
        return "orders" if self.measure == "orders" else self.target or self.totals.header.currency

    # -- values -----------------------------------------------------------------------------------------------------

    def configuration(self, scenario: str) -> dict[int, float]:
        """The value of every factor in a scenario ("central", "low", "high")."""
        return {i: f.at(scenario) for i, f in enumerate(self.factors)}

    def multiplier(self, cells: np.ndarray, at: Configuration, *, shares: bool = True) -> np.ndarray:
        """What each cell's reviewed value is multiplied by."""
        out = np.ones(len(cells))
        for i, factor in enumerate(self.factors):
            if shares or factor.name != REVIEW_SHARE:
                m = at[i] ** factor.power
                out *= m if factor.cells is None else np.where(factor.cells[cells], m, 1.0)
        return out

    def square_multiplier(self, cells: np.ndarray, at: Configuration) -> np.ndarray:
        """What each cell's sum of price^2 x reviews is multiplied by, but for the review share.

        A factor on the price enters by its square; a share of reviews that are genuine by itself, for it leaves out
        reviews and not a part of each.
        """
        out = np.ones(len(cells))
        for i, factor in enumerate(self.factors):
            if factor.name != REVIEW_SHARE:
                m = at[i] if factor.name == GENUINE_SHARE else at[i] ** (2 * factor.power)
                out *= m if factor.cells is None else np.where(factor.cells[cells], m, 1.0)
        return out

    def value(self, cells: np.ndarray, scenario: str) -> float:
        """The total in a scenario."""
        return moments.sum_product(self.y[cells], self.multiplier(cells, self.configuration(scenario)))

    def values(self, rows: Sequence[np.ndarray], scenario: str) -> list[float]:
        """The totals of many rows: those of `value`."""
        if type(self).value is not Model.value:  # a model with values of its own
            return [self.value(cells, scenario) for cells in rows]
        return self.sums(rows, self.configuration(scenario))

    def sums(self, rows: Sequence[np.ndarray], at: Configuration) -> list[float]:
        """Sums of the reviewed values of many rows, every factor applied."""
        m = self.multiplier(np.arange(self.totals.n_cells), at)
        return [moments.sum_product(self.y[cells], m[cells]) for cells in rows]

    def floor(self, cells: np.ndarray) -> float:
        """What the reviews alone show: nothing is divided by a share, a Range is at its low end."""
        return moments.sum_product(self.y[cells], self.multiplier(cells, self.floor_configuration()))

    def floor_configuration(self) -> dict[int, float]:
        """Values of the factors under which the total is the floor."""
        return {i: f.at("low") if f.power > 0 else 1.0 for i, f in enumerate(self.factors)}

    def concerns(self, factor: Factor, cells: np.ndarray, at: Configuration) -> float:
        """Share of the row's total that a factor acts on, 0 to 1."""
        value = self.y[cells] * self.multiplier(cells, at)
        total = float(value.sum())
        inside = factor.share_of(cells)
        return 0.0 if total == 0 else 1.0 if inside.all() else float(value[inside].sum()) / total

    def at_centre(self) -> Model:
        """The model with every uncertain factor at its mean."""
        return replace(self, factors=tuple(replace(f, spec=f.at("central")) if f.is_uncertain else f
                                           for f in self.factors))

    def marks(self, cells: np.ndarray, at: Configuration) -> np.ndarray:
        """Each vendor's mark in the expected total: its reviewed value over the mean share (it carries the spread)."""
        return self.by_vendor(cells, self.y[cells] * self.multiplier(cells, at))

    def by_vendor(self, cells: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Sum per vendor that has a cell in the row."""
        codes = self.totals.keys[VENDOR].codes[cells]
        n = len(self.totals.keys[VENDOR].labels)
        if len(codes) * 4 < n:
            codes = np.unique(codes, return_inverse=True)[1]
            return np.bincount(codes, weights=values)
        present = np.zeros(n, dtype=bool)
        present[codes] = True
        return np.bincount(codes, weights=values, minlength=n)[present]

    def restrict(self, cells: np.ndarray) -> Model:
        """The same assumptions on some of the cells; groups that vanish take their factors along."""
        totals = self.totals
        keys = {name: Key(key.codes[cells], key.labels) for name, key in totals.keys.items()}
        columns = {name: values[cells] for name, values in totals.columns.items()}
        factors = (f if f.cells is None else replace(f, cells=f.cells[cells]) for f in self.factors)
        return replace(self, totals=Totals(totals.header, keys, columns, totals.audit),
                       factors=tuple(f for f in factors if f.cells is None or f.cells.any()))

    # -- moments ----------------------------------------------------------------------------------------------------

    def variance(self, cells: np.ndarray, at: Configuration) -> float:
        """Variance of the sum over vendors at fixed factors: the delta method's part."""
        if VENDORS_SAMPLED in self.frozen:
            return 0.0
        if self.estimand == "expected":
            x = self.marks(cells, at)
            factor = moments.fixed_number_factor(x, len(x)) if self.number_of_vendors == "fixed" else 1.0
            return moments.expected_variance(x) * factor**2
        return sum(moments.realised_variance(y, q, share, spread) for y, q, share, spread in self.strata(cells, at))

    def strata(self, cells: np.ndarray, at: Configuration) -> list[tuple[np.ndarray, np.ndarray, float, float]]:
        """Per review share that acts on the row: vendors' y and q (other factors applied), the share, its spread."""
        out = []
        m, square = self.multiplier(cells, at, shares=False), self.square_multiplier(cells, at)
        for i, factor in enumerate(self.factors):
            inside = factor.share_of(cells)
            if factor.name == REVIEW_SHARE and self.y[cells[inside]].any():
                assert factor.rate is not None
                part = cells[inside]
                y = self.by_vendor(part, self.y[part] * m[inside])
                q = self.by_vendor(part, self.q[part] * square[inside])
                # index y^2 / q of 10^9: the unreviewed sales given the share are all but known
                q = q if UNREVIEWED not in self.frozen else 1e-9 * y**2
                spread = 0.0 if BETWEEN_VENDORS in self.frozen else factor.rate.spread_at(at[i])
                out.append((y, q, at[i], spread))
        return out

    def log_variance(self, cells: np.ndarray, scenario: str) -> float:
        """Variance of the logarithm of the total in a scenario, to first order in parts that factors act on."""
        at = self.configuration(scenario)
        total = self.value(cells, scenario)
        if total == 0:
            return 0.0
        own = math.log1p(self.variance(cells, at) / total / total)
        return own + sum(self.concerns(f, cells, at) ** 2 * log_variance(f.spec) for f in self.factors if f.is_uncertain)

    # -- laws and intervals -----------------------------------------------------------------------------------------

    def law(self, cells: np.ndarray, scenario: str = "central") -> Law:
        """Law of the row's total in a scenario, every uncertain factor mixed in."""
        return laws(self, [cells], scenario)[0]

    def weights(self, cells: np.ndarray) -> Iterator[np.ndarray]:
        """Blocks of bootstrap weights, keyed by vendor: the same whatever the row or the part of the table."""
        key = self.totals.keys[VENDOR]
        keys = key_of(key.labels[code] for code in np.unique(key.codes[cells]))
        step = max(1, BLOCK // max(len(keys), 1))
        for start in range(0, self.n_resamples, step):
            yield poisson_weights(keys, np.arange(start, min(start + step, self.n_resamples)), self.entropy)

    def bounds(self, cells: np.ndarray) -> tuple[float, float] | None:
        """The total at the ends of the Ranges, or None without one that acts on the row."""
        if not any(f.is_range and f.share_of(cells).any() for f in self.factors):
            return None
        return self.value(cells, "low"), self.value(cells, "high")

    def interval_of(self, cells: np.ndarray, level: float) -> tuple[float, float] | None:
        """Interval at a level, or None where there is nothing uncertain (or nothing stated) to base it on."""
        return intervals(self, [cells], level)[0]

    def intervals_of(
        self, rows: Sequence[np.ndarray], level: float, tell: Tell = quiet
    ) -> list[tuple[float, float] | None]:
        """Intervals of many rows in one pass: those of `interval_of`; `tell` is told the fraction done."""
        if type(self).interval_of is not Model.interval_of:  # a model with laws of its own
            return [self.interval_of(cells, level) for cells in rows]
        return intervals(self, rows, level, tell=tell)
