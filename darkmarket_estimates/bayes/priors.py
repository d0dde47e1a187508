"""Priors of single parameters: small frozen laws that can be drawn from, read, and put into a model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from darkmarket_estimates._checks import is_number, number, shown
from darkmarket_estimates.errors import AssumptionError


@dataclass(frozen=True, slots=True)
class Normal:
    """Normal law.

    Examples
    --------
    >>> float(Normal(0.0, 2.0).cdf(0.0))
    0.5
    """

    mean: float
    sd: float

    def __post_init__(self) -> None:
        number(self.mean, "Normal.mean")
        number(self.sd, "Normal.sd", low=0, open_low=True)

    def draw(self, rng: np.random.Generator, size: Any = None) -> Any:
        """Random numbers."""
        return rng.normal(self.mean, self.sd, size)

    def cdf(self, x: Any) -> Any:
        """Probability of at most `x`."""
        return special.ndtr((x - self.mean) / self.sd)

    def variable(self, name: str, **keywords: Any) -> Any:
        """Random variable of the PyMC model in context."""
        import pymc as pm

        return pm.Normal(name, self.mean, self.sd, **keywords)

    def log_density(self, x: Any) -> Any:
        """Log density at a tensor or number, up to a constant."""
        return -0.5 * ((x - self.mean) / self.sd) ** 2


@dataclass(frozen=True, slots=True)
class HalfNormal:
    """Absolute value of a normal variable with mean 0, cut off at `high` where given."""

    sd: float
    high: float = math.inf

    def __post_init__(self) -> None:
        number(self.sd, "HalfNormal.sd", low=0, open_low=True)
        if self.high != math.inf:
            number(self.high, "HalfNormal.high", low=0, open_low=True)

    @property
    def _mass(self) -> float:
        return float(special.erf(self.high / self.sd / math.sqrt(2)))

    def draw(self, rng: np.random.Generator, size: Any = None) -> Any:
        """Random numbers."""
        return self.sd * math.sqrt(2) * special.erfinv(rng.uniform(size=size) * self._mass)

    def cdf(self, x: Any) -> Any:
        """Probability of at most `x`."""
        return np.clip(special.erf(np.maximum(x, 0.0) / self.sd / math.sqrt(2)) / self._mass, 0.0, 1.0)

    def variable(self, name: str, **keywords: Any) -> Any:
        """Random variable of the PyMC model in context."""
        import pymc as pm

        if self.high == math.inf:
            return pm.HalfNormal(name, self.sd, **keywords)
        return pm.TruncatedNormal(name, mu=0.0, sigma=self.sd, lower=0.0, upper=self.high, **keywords)

    def log_density(self, x: Any) -> Any:
        """Log density at a tensor or number inside the bounds, up to a constant."""
        return -0.5 * (x / self.sd) ** 2


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Law of a positive number whose logarithm is normal with standard deviation `sd`; keeps away from 0."""

    median: float
    sd: float

    def __post_init__(self) -> None:
        number(self.median, "LogNormal.median", low=0, open_low=True)
        number(self.sd, "LogNormal.sd", low=0, open_low=True)

    def draw(self, rng: np.random.Generator, size: Any = None) -> Any:
        """Random numbers."""
        return self.median * np.exp(rng.normal(0.0, self.sd, size))

    def cdf(self, x: Any) -> Any:
        """Probability of at most `x`."""
        with np.errstate(divide="ignore"):
            return special.ndtr(np.log(np.maximum(x, 0.0) / self.median) / self.sd)

    def variable(self, name: str, **keywords: Any) -> Any:
        """Random variable of the PyMC model in context."""
        import pymc as pm

        return pm.LogNormal(name, math.log(self.median), self.sd, **keywords)

    def log_density(self, x: Any) -> Any:
        """Log density at a tensor or number, up to a constant."""
        log_x = np.log(x)
        return -0.5 * ((log_x - math.log(self.median)) / self.sd) ** 2 - log_x


@dataclass(frozen=True, slots=True)
class Known:
    """No uncertainty: the parameter is held at `value`."""

    value: float

    def __post_init__(self) -> None:
        number(self.value, "Known.value")

    def draw(self, rng: np.random.Generator, size: Any = None) -> Any:
        """The value, as often as asked for."""
        return self.value if size is None else np.full(size, self.value)

    def cdf(self, x: Any) -> Any:
        """Zero below the value, else one."""
        return np.where(np.asarray(x) >= self.value, 1.0, 0.0)

    def variable(self, name: str, **keywords: Any) -> Any:
        """A constant of the PyMC model in context."""
        import pymc as pm
        import pytensor.tensor as pt

        shape = keywords.get("shape")
        value = self.value if shape is None else np.full(shape, self.value)
        return pm.Deterministic(name, pt.as_tensor_variable(np.asarray(value, dtype=np.float64)))


Prior = Normal | HalfNormal | LogNormal | Known


def as_prior(x: Any, name: str, *, positive: bool) -> Prior:
    """Return a prior; a number is a known value.

    Raises
    ------
    AssumptionError
        `x` is neither, or reaches below 0 for a parameter that is positive.
    """
    prior = Known(number(x, f"the known value of {name}")) if is_number(x) else x
    if not isinstance(prior, Prior):
        raise AssumptionError(f"the prior of {name} cannot be read", got=shown(x),
                              expected="Normal, HalfNormal, LogNormal, or a number for a known value")
    if positive and (isinstance(prior, Normal) or (isinstance(prior, Known) and prior.value <= 0)):
        raise AssumptionError(f"{name} is positive, its prior is not", got=shown(x),
                              expected="HalfNormal(sd), LogNormal(median, sd) or a number above 0")
    return prior
