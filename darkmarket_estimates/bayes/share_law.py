"""Laws of a share made from draws: a mixture of logit-normal laws, smooth where a sample would have steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import special

from darkmarket_estimates._checks import float_array, generator, number, real_array, same_length
from darkmarket_estimates.errors import DataError

#: Components kept, points of the table of quantiles, and normal scores that the table reaches beyond every component.
COMPONENTS, POINTS, REACH = 512, 4001, 9.0


@dataclass(frozen=True, slots=True, eq=False)
class ShareLaw:
    r"""Mixture of equally probable logit-normal laws: :math:`F(x) = \frac{1}{n} \sum_i \Phi((logit\,x - m_i) / s_i)`.

    What a hierarchical model says of a new market, given each draw of its centre and spread: the mixture over the draws
    is the posterior predictive law (Rao-Blackwell), without the noise of one more random number a draw. It has what a
    frozen `scipy.stats` distribution has, so it can be the mean of a `ReviewRate` or a ``coverage=``.

    Parameters
    ----------
    centres, sds : array_like of shape (n,)
        Mean and standard deviation of the logit in each component.
    source : str, optional
        Where the draws come from.

    Examples
    --------
    >>> law = ShareLaw([0.0, 0.0], [1.0, 1.0])
    >>> law.cdf(0.5), round(float(law.ppf(0.975)), 4)
    (0.5, 0.8765)
    """

    centres: np.ndarray
    sds: np.ndarray
    source: str | None = None
    _logit: np.ndarray = field(init=False, repr=False)
    _score: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        centres, sds = float_array(self.centres, "centres"), float_array(self.sds, "sds", low=0)
        if same_length(centres=centres, sds=sds) == 0 or not (sds > 0).all():
            raise DataError("a mixture of logit-normal laws needs components with a spread", expected="sds > 0",
                            got=f"{len(centres)} component(s), smallest spread {sds.min(initial=math.inf):g}")
        if len(centres) > COMPONENTS:  # evenly along the quantiles of the centres: the same whatever the order
            order = np.lexsort((sds, centres))
            pick = order[((np.arange(COMPONENTS) + 0.5) * len(order) / COMPONENTS).astype(np.int64)]
            centres, sds = centres[pick], sds[pick]
        logit = np.linspace(float((centres - REACH * sds).min()), float((centres + REACH * sds).max()), POINTS)
        # quantiles are read off in normal scores, in which the tails are nearly straight lines
        score = _normal_score((logit[:, None] - centres) / sds)
        keep = np.concatenate([[True], np.diff(score) > 0])
        for name, values in (("centres", centres), ("sds", sds), ("_logit", logit[keep]), ("_score", score[keep])):
            values.setflags(write=False)
            object.__setattr__(self, name, values)

    @classmethod
    def smoothed(cls, shares: Any, *, source: str | None = None) -> ShareLaw:
        r"""Law of a sample of shares, each spread by a normal kernel on the logit scale.

        The kernel has Silverman's width :math:`h = 1.06\,s\,n^{-1/5}`, and the sample is drawn together by
        :math:`\sqrt{1 - h^2 / s^2}` so that the variance of the logit stays :math:`s^2`.

        Source: Silverman, *Density Estimation* (1986), sections 3.4.2 and 6.4.
        """
        sample = float_array(shares, "shares", low=0)
        if len(sample) < 2 or not ((sample > 0) & (sample < 1)).all() or np.ptp(sample) == 0:
            raise DataError("these draws have no smooth law on the unit interval", expected="draws that differ, in (0, 1)",
                            got=f"{len(sample)} draw(s) in [{sample.min(initial=1):g}, {sample.max(initial=0):g}]")
        logit = np.sort(special.logit(sample))
        # what is kept of many draws has their mean and variance
        if len(logit) > COMPONENTS:
            blocks = np.array([block.mean() for block in np.array_split(logit, COMPONENTS)])
            logit = logit.mean() + (blocks - blocks.mean()) * logit.std() / blocks.std()
        mean, sd = float(logit.mean()), float(logit.std())
        h = min(1.06 * len(sample) ** -0.2, 0.5) * sd
        return cls(mean + (logit - mean) * math.sqrt(1 - (h / sd) ** 2), np.full(len(logit), h), source)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ShareLaw) and np.array_equal(self.centres, other.centres) and np.array_equal(self.sds, other.sds)

    def __hash__(self) -> int:
        return hash((self.centres.tobytes(), self.sds.tobytes()))

    def cdf(self, x: Any) -> Any:
        """Probability that the share is at most `x`."""
        z = special.logit(np.clip(real_array(x, "x"), 0.0, 1.0))
        value = special.ndtr((z[..., None] - self.centres) / self.sds).mean(axis=-1)
        return float(value) if value.ndim == 0 else value

    def pdf(self, x: Any) -> Any:
        """Density of the share."""
        x = real_array(x, "x")
        inside = (x > 0) & (x < 1)
        safe = np.where(inside, x, 0.5)
        z = (special.logit(safe)[..., None] - self.centres) / self.sds
        value = (np.exp(-0.5 * z**2) / (math.sqrt(2 * math.pi) * self.sds)).mean(axis=-1) / (safe * (1 - safe))
        value = np.where(inside, value, 0.0)
        return float(value) if value.ndim == 0 else value

    def ppf(self, p: Any) -> Any:
        """Quantile at probability `p`."""
        return self._at(special.ndtri(real_array(p, "p")))

    def isf(self, p: Any) -> Any:
        """Quantile at upper tail probability `p`."""
        return self._at(-special.ndtri(real_array(p, "p")))

    def _at(self, score: np.ndarray) -> Any:
        value = special.expit(np.interp(score, self._score, self._logit))
        value = np.where(score == -np.inf, 0.0, np.where(score == np.inf, 1.0, np.where(np.isnan(score), np.nan, value)))
        return float(value) if value.ndim == 0 else value

    def rvs(self, size: Any = None, random_state: np.random.Generator | int | None = None) -> Any:
        """Draws: a component, then its logit-normal law."""
        rng = generator(random_state)
        pick = rng.integers(len(self.centres), size=size)
        return special.expit(self.centres[pick] + self.sds[pick] * rng.standard_normal(size))

    def _moment(self, power: int) -> float:
        x, w = np.polynomial.hermite_e.hermegauss(64)
        values = special.expit(self.centres[:, None] + self.sds[:, None] * x) ** power
        return float((values @ w).mean() / w.sum())

    def mean(self) -> float:
        """Mean of the share (Gauss-Hermite quadrature with 64 nodes a component)."""
        return self._moment(1)

    def var(self) -> float:
        """Variance of the share."""
        return self._moment(2) - self._moment(1) ** 2

    def std(self) -> float:
        """Standard deviation of the share."""
        return math.sqrt(self.var())

    def support(self) -> tuple[float, float]:
        """The open unit interval."""
        return 0.0, 1.0

    def interval(self, level: float) -> tuple[float, float]:
        """Central interval that holds the share with probability `level`."""
        level = number(level, "level", low=0, high=1)
        return float(self.ppf((1 - level) / 2)), float(self.ppf((1 + level) / 2))

    def __repr__(self) -> str:
        low, high = self.interval(0.9)
        return f"ShareLaw(median {self.ppf(0.5):.3g}, 90% in {low:.3g} to {high:.3g})"


def _normal_score(z: np.ndarray) -> np.ndarray:
    """Normal score of the mean of Phi(z) over the last axis, from whichever tail is the smaller."""
    lower, upper = special.ndtr(z).mean(axis=-1), special.ndtr(-z).mean(axis=-1)
    return np.where(lower < upper, special.ndtri(lower), -special.ndtri(upper))
