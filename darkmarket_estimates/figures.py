"""The figures of an estimate: its total, what they are, and their distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from darkmarket_estimates.distribution.law import Law, ScaledMixture
from darkmarket_estimates.errors import NotIdentifiedError
from darkmarket_estimates.inference import Model
from darkmarket_estimates.rows import Row, kind_of
from darkmarket_estimates.undetected import covered


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """The total of an estimate, and its distribution.

    Attributes
    ----------
    model : Model
        The totals and the assumptions: everything can be computed anew from it.
    rows : tuple of Row
        A row a group, the total last.
    confidence_level : float
    unit : {"window", "day", "month", "year"}
        What the figures are per.
    scale : float
        Figures are those of the rows times this.
    """

    model: Model
    rows: tuple[Row, ...]
    confidence_level: float
    unit: str
    scale: float = 1.0

    @property
    def by(self) -> tuple[str, ...]:
        """Group columns."""
        return self.model.totals.groups

    # -- the total --------------------------------------------------------------------------------------------------

    @property
    def _total(self) -> Row:
        return self.rows[-1]

    @property
    def value(self) -> float:
        """The total; NaN where a Range leaves no single value."""
        return self._total.value * self.scale

    @property
    def floor(self) -> float:
        """Reviewed turnover: a floor if every review is a genuine order at no less than the price used."""
        return self._total.floor * self.scale

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The total at the ends of the Ranges: a scenario, no probability."""
        return self._scaled(self._total.bounds)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Interval at `confidence_level`, or None where there is nothing to base it on."""
        return self._scaled(self._total.interval)

    @property
    def limit(self) -> float | None:
        """One-sided lower limit at `confidence_level` of a lower bound; None for other kinds."""
        return None if self._total.limit is None else self._total.limit * self.scale

    @property
    def undetected(self) -> float:
        """Money of listings that no scrape saw, part of `value`; 0 without ``coverage=``."""
        return self._total.undetected * self.scale

    @property
    def flags(self) -> tuple[str, ...]:
        """Everything that a reader of the total must know before using it."""
        return self._total.flags

    @property
    def kind(self) -> str:
        """What the figures are.

        "floor", "bounds", "census" (every sale counted), "prediction interval" (realised) or "confidence interval"
        (expected), with "hybrid" before it where a prior is mixed in; "posterior predictive interval" or "credible interval"
        of a Bayesian model; "point" without an interval; "lower bound" (unseen listings by `ValueChao`).
        """
        return kind_of(self.model, self._total.cells, self._total.bounds, self._total.interval)

    @property
    def currency(self) -> str:
        """Of the figures: after `exchange_rate`, or "orders"."""
        return self.model.currency

    def _scaled(self, pair: tuple[float, float] | None) -> tuple[float, float] | None:
        return None if pair is None else (pair[0] * self.scale, pair[1] * self.scale)

    # -- its distribution -------------------------------------------------------------------------------------------

    @property
    def law(self) -> Law:
        """Distribution of the total, in the unit of the estimate.

        Raises
        ------
        NotIdentifiedError
            A floor and bounds have none.
        """
        if not self.model.has_share or self.model.interval == "none" or self.kind in ("bounds", "lower bound"):
            raise NotIdentifiedError(
                f"an estimate of kind {self.kind!r} has no distribution",
                fix='state a review share with its uncertainty: ReviewRate(mean=..., between_vendor_sd=...)',
            )
        law = covered(self.model, self._total.cells).law(self._total.cells)
        return law if self.scale == 1 else ScaledMixture(law, np.array([self.scale]), np.array([1.0]))

    def cdf(self, x: Any) -> Any:
        """Probability that the total is at most `x` (in the sense of `kind`)."""
        return self.law.cdf(x)

    def quantile(self, p: Any) -> Any:
        """The total that is not exceeded with probability `p`."""
        return self.law.quantile(p)

    @property
    def median(self) -> float:
        """The total that is exceeded with probability one half.

        Where the law is the hull of two ("bca-tail" of few vendors), a number between their medians, and no property of
        either: `summary` prints both.
        """
        return float(self.law.quantile(0.5))
