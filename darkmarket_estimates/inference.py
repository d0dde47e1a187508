"""The law of a total: which vendors, which factors, which interval. Called row by row by the result."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, special

from darkmarket_estimates.assumptions import CountTimesMean, Huggins, ValueChao
from darkmarket_estimates.distribution import confidence, moments
from darkmarket_estimates.distribution.factors import log_variance, sobol
from darkmarket_estimates.distribution.law import Law, LogNormalLaw, Mixture, NormalLaw, PointLaw
from darkmarket_estimates.distribution.realised import realised, realised_uncertain_share
from darkmarket_estimates.distribution.relative import positive_nodes, scaled
from darkmarket_estimates.distribution.resampling import key_of, poisson_weights
from darkmarket_estimates.distribution.sums import independent_sum
from darkmarket_estimates.factors import GENUINE_SHARE, REVIEW_SHARE, Factor
from darkmarket_estimates.totals import VENDOR, Key, Totals

#: Which interval goes with which estimand; the first is the default.
INTERVALS: Mapping[str, tuple[str, ...]] = {
    "realised": ("predictive", "delta", "lognormal"),
    "expected": ("bca-tail", "bca", "tail", "skew-corrected", "compound-poisson", "poisson-bootstrap", "delta",
                 "lognormal"),
}
#: Sources of the sum over vendors, as the budget names them; each can be frozen at its central value.
BETWEEN_VENDORS, UNREVIEWED, VENDORS_SAMPLED = "spread between vendors", "unreviewed sales", "vendors sampled"
#: Points over factors that concern parts of a total, and resamples held in memory at once.
FACTOR_POINTS, BLOCK = 128, 1 << 22

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
        return float(self.y[cells] @ self.multiplier(cells, self.configuration(scenario)))

    def floor(self, cells: np.ndarray) -> float:
        """What the reviews alone show: nothing is divided by a share, a Range is at its low end."""
        return float(self.y[cells] @ self.multiplier(cells, self.floor_configuration()))

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
        own = math.log1p(self.variance(cells, at) / total**2)
        return own + sum(self.concerns(f, cells, at) ** 2 * log_variance(f.spec) for f in self.factors if f.is_uncertain)

    # -- laws -------------------------------------------------------------------------------------------------------

    def law(self, cells: np.ndarray, scenario: str = "central") -> Law:
        """Law of the row's total in a scenario, every uncertain factor mixed in."""
        total = self.value(cells, scenario)
        if total == 0:
            return PointLaw(0.0)
        if self.interval in ("delta", "lognormal"):
            return self._delta(cells, scenario, total)
        at = self.configuration(scenario)
        acting = {i: f for i, f in enumerate(self.factors) if f.is_uncertain and self.concerns(f, cells, at) > 0}
        if any(self.concerns(f, cells, at) < 1 for f in acting.values()):
            return self._over_points(cells, at, acting)
        law, mixed = self._over_share(cells, at, acting)
        return scaled(law, [(f.spec, at[i], f.power) for i, f in acting.items() if i not in mixed])

    def _over_share(
        self, cells: np.ndarray, at: Configuration, acting: Mapping[int, Factor]
    ) -> tuple[Law, tuple[int, ...]]:
        """Law at fixed factors but for an uncertain mean review share: conditional on the share it is no pure scale."""
        for i, factor in acting.items():
            if self.estimand == "realised" and factor.name == REVIEW_SHARE:
                assert factor.rate is not None
                (y, q, _, _), = self.strata(cells, at)
                size = math.inf if BETWEEN_VENDORS in self.frozen else factor.rate.size
                if UNREVIEWED in self.frozen and math.isinf(size):
                    break  # nothing else is uncertain: the share is a pure scale
                law = realised_uncertain_share(y, q, *positive_nodes(factor.spec), size, spread_law=self.spread_law)
                return law, (i,)
        return self._conditional(cells, at), ()

    def _delta(self, cells: np.ndarray, scenario: str, total: float) -> Law:
        if self.interval == "lognormal":
            v = self.log_variance(cells, scenario)
            # exp(ln T +- z s): the median of this law is the estimate
            return LogNormalLaw(total * math.exp(v / 2), math.sqrt(math.expm1(v))) if v > 0 else PointLaw(total)
        at = self.configuration(scenario)
        spread = sum(self.concerns(f, cells, at) ** 2 * f.relative_variance() for f in self.factors) * total**2
        return NormalLaw(total, math.sqrt(self.variance(cells, at) + spread))

    def _over_points(self, cells: np.ndarray, at: Configuration, acting: Mapping[int, Factor]) -> Law:
        """Factors that concern parts of the row: points over all of them, one law at each."""
        u = sobol(len(acting), FACTOR_POINTS)
        laws = []
        for row in u:
            drawn = {i: float(f.spec.ppf(p)) for (i, f), p in zip(acting.items(), row, strict=True)}  # type: ignore[union-attr]
            laws.append(self._conditional(cells, {**at, **drawn}))
        return Mixture(laws, np.full(len(laws), 1 / len(laws)))

    def _conditional(self, cells: np.ndarray, at: Configuration) -> Law:
        """Law at fixed factors."""
        if VENDORS_SAMPLED in self.frozen:
            return PointLaw(float(self.y[cells] @ self.multiplier(cells, at)))
        if self.estimand == "expected":
            x = self.marks(cells, at)
            if self.interval == "poisson-bootstrap":
                return confidence.resampled(x, self._weights(cells))
            return _EXPECTED[self.interval](x)
        if self.totals.header.counted == "sold":
            return PointLaw(float(self.y[cells] @ self.multiplier(cells, at)))
        return independent_sum([self._predictive(*stratum) for stratum in self.strata(cells, at) if stratum[0].any()])

    def _predictive(self, y: np.ndarray, q: np.ndarray, share: float, spread: float) -> Law:
        """Law of the realised total of the vendors that share one mean review share."""
        if UNREVIEWED in self.frozen and spread == 0:
            return PointLaw(float(y.sum()) / share)
        return realised(y, q, share, spread, spread_law=self.spread_law)

    def _weights(self, cells: np.ndarray) -> Iterator[np.ndarray]:
        """Blocks of bootstrap weights, keyed by vendor: the same whatever the row or the part of the table."""
        key = self.totals.keys[VENDOR]
        keys = key_of(key.labels[code] for code in np.unique(key.codes[cells]))
        step = max(1, BLOCK // max(len(keys), 1))
        for start in range(0, self.n_resamples, step):
            yield poisson_weights(keys, np.arange(start, min(start + step, self.n_resamples)), self.entropy)

    # -- intervals --------------------------------------------------------------------------------------------------

    def bounds(self, cells: np.ndarray) -> tuple[float, float] | None:
        """The total at the ends of the Ranges, or None without one that acts on the row."""
        if not any(f.is_range and f.share_of(cells).any() for f in self.factors):
            return None
        return self.value(cells, "low"), self.value(cells, "high")

    def interval_of(self, cells: np.ndarray, level: float) -> tuple[float, float] | None:
        """Interval at a level, or None where there is nothing uncertain (or nothing stated) to base it on."""
        if self.interval == "none" or not self.has_share or not self.y[cells].any():
            return None
        if self.number_of_vendors == "fixed" and len(np.unique(self.totals.keys[VENDOR].codes[cells])) < 2:
            return None  # one vendor says nothing of how vendors differ
        bounds = self.bounds(cells)
        if bounds is None:
            law = self.law(cells)
            if law.variance == 0:
                return None
            low, high = law.quantile(np.array([(1 - level) / 2, (1 + level) / 2]))
            return max(0.0, float(low)), float(high)
        gamma = imbens_manski(bounds, max(self.log_variance(cells, end) for end in ("low", "high")), level)
        if gamma is None:
            return None
        low = self.law(cells, "low").quantile(gamma)
        return max(0.0, float(low)), float(self.law(cells, "high").quantile(1 - gamma))


def imbens_manski(bounds: tuple[float, float], log_variance: float, level: float) -> float | None:
    r"""Tail probability at each end such that the total is covered wherever in the range the assumption lies.

    Solves :math:`\Phi(c + \Delta / s) - \Phi(-c) = level` with :math:`\Delta = \ln(hi / lo)`, which is known, and
    returns :math:`\Phi(-c)`. Source: Imbens and Manski, *Econometrica* 72 (2004), 1845-1857, on the log scale.

    Returns
    -------
    float or None
        None without variance: the bounds are all there is.
    """
    low, high = bounds
    if log_variance == 0 or low <= 0:
        return None
    width = math.log(high / low) / math.sqrt(log_variance)
    z = float(special.ndtri((1 + level) / 2))

    def short(c: float) -> float:
        return float(special.ndtr(c + width) - special.ndtr(-c)) - level

    # c lies between the one-sided and the two-sided normal quantile
    c = optimize.brentq(short, float(special.ndtri(level)) - 1e-9, z + 1e-9, xtol=1e-12)
    return float(special.ndtr(-c))


_EXPECTED = {
    "bca-tail": confidence.default, "bca": confidence.bca, "tail": confidence.tail,
    "skew-corrected": confidence.skew_corrected, "compound-poisson": confidence.percentile,
}
