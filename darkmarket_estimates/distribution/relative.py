"""A common factor as a law beside its central value: what a total is multiplied by when the factor is not central."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from darkmarket_estimates.distribution.factors import nodes


@dataclass(frozen=True, slots=True, eq=False)
class Relative:
    """Law of ``(X / centre) ** power`` for a positive X: 1 where X is at its centre.

    Parameters
    ----------
    dist : frozen continuous distribution
        Of X.
    centre : float
        The value that the point estimate uses.
    power : {1, -1}
        -1 where the total is divided by X; its mean then exceeds 1.

    Examples
    --------
    >>> import scipy.stats
    >>> law = Relative(scipy.stats.beta(80, 20), 0.8, -1)
    >>> round(law.mean(), 6), round(0.8 * 99 / 79, 6)
    (1.002532, 1.002532)
    """

    dist: Any
    centre: float
    power: int

    def _map(self, x: Any) -> Any:
        with np.errstate(divide="ignore"):
            return (np.asarray(x, dtype=float) / self.centre) ** float(self.power)

    def ppf(self, p: Any) -> Any:
        """Quantile at probability `p`."""
        return self._map(self.dist.ppf(p) if self.power > 0 else self.dist.isf(p))

    def isf(self, p: Any) -> Any:
        """Quantile at upper tail probability `p`."""
        return self._map(self.dist.isf(p) if self.power > 0 else self.dist.ppf(p))

    def pdf(self, x: Any) -> Any:
        """Density."""
        x = np.asarray(x, dtype=float)
        inner = self.centre * x ** float(self.power)
        return self.dist.pdf(inner) * self.centre * (1.0 if self.power > 0 else x**-2.0)

    def _moment(self, power: int, about: float = 0.0) -> float:
        x, w = nodes(self.dist, 1024)
        return float(w @ (self._map(x) - about) ** power)

    def mean(self) -> float:
        """Mean, by quadrature."""
        return self._moment(1)

    def std(self) -> float:
        """Standard deviation, by quadrature."""
        return self._moment(2, self.mean()) ** 0.5

    def support(self) -> tuple[float, float]:
        """Smallest and largest value."""
        ends = sorted(float(self._map(end)) for end in self.dist.support())
        return ends[0], ends[1]
