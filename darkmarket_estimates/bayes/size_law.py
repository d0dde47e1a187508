r"""The law of vendors' reviewed rates, as a mixture on a grid of log rates whose likelihood is one matrix product.

A vendor's rate is :math:`\eta_v = \lambda_v \rho_v`, reviews per unit of exposure: reviews identify nothing else. Given the
grid point k it is Gamma with shape :math:`\kappa` and mean :math:`\mu_k`, so that its reviews are negative binomial, and

.. math:: p(r | E) = \sum_k w_k NB(r; \kappa, \mu_k E), \quad w_k \propto f(\ln \mu_k)

with f the normal-Laplace density: a normal body with exponential tails on both sides (a double Pareto-lognormal law of
rates; Reed and Jorgensen, *Commun. Stat. Theory Methods* 33 (2004), 1733-1753). It holds log-normal sizes (no extra tails),
Pareto sizes (upper tail alone) and nearly Gamma sizes (lower tail alone) as its limits. The kernel NB is computed once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy import special

from darkmarket_estimates.bayes.protocol import Draws

#: Distance of grid points in log rate, and shape of the Gamma kernel: its width 1 / sqrt(shape) is that distance.
STEP, SHAPE = 0.2, 25.0
#: What the formulas need, for arrays; for tensors it is ``pytensor.tensor``.
ARRAYS = SimpleNamespace(exp=np.exp, log=np.log, log1p=np.log1p, where=np.where, minimum=np.minimum,
                         maximum=np.maximum, erfc=special.erfc, erfcx=special.erfcx)
#: Where the asymptotic series of erfcx is exact to 1e-12, and its own derivative loses all digits further on.
FAR = 20.0
#: The grid begins where a vendor has this many reviews on average, and ends this far (in logs) above the largest rate seen.
FEWEST, BEYOND = 0.02, 4.0


def log_negative_binomial(r: Any, shape: Any, mean: Any) -> Any:
    r"""Log probability of r: :math:`\ln\Gamma(r+a) - \ln\Gamma(a) - \ln r! + a \ln\frac{a}{a+m} + r \ln\frac{m}{a+m}`."""
    return (special.gammaln(r + shape) - special.gammaln(shape) - special.gammaln(r + 1.0)
            - shape * np.log1p(mean / shape) - r * np.log1p(shape / mean))


def normal_laplace(x: Any, centre: Any, sd: Any, upper: Any, lower: Any, *, xp: Any = ARRAYS) -> Any:
    r"""Log density, up to a constant, of centre + sd Z + upper E_1 - lower E_2, with Z normal and E exponential.

    .. math:: \ln\left[e^{a^2/2 - a z} \Phi(z - a) + e^{b^2/2 + b z} \Phi(-z - b)\right], \quad
       a = sd / upper, \; b = sd / lower, \; z = (x - centre) / sd
    """
    z = (x - centre) / sd
    p, q = _tail(-z, sd / upper, xp), _tail(z, sd / lower, xp)
    # log(e^p + e^q) with a slope also where both are 0 in floats, which a tensor's own logaddexp has not
    return xp.where(p > q, p, q) + xp.log1p(xp.exp(-abs(p - q)))


def _tail(z: Any, b: Any, xp: Any) -> Any:
    r"""Log of :math:`e^{b^2/2 + b z} \Phi(-u), u = z + b`.

    Above u = 0 the square is taken out of :math:`\Phi`, :math:`\ln\Phi(-u) = -u^2/2 + \ln(erfcx(u/\sqrt 2) / 2)`, so that nothing
    cancels however short the tail: with millions of vendors a millionth of b^2 is seen.
    """
    u = z + b
    above, below = xp.maximum(u, 0.0) / math.sqrt(2), xp.minimum(u, 0.0) / math.sqrt(2)
    long = xp.where(u < 0, b, 0.0)  # no overflow where it is not used
    near = log_erfcx(above, xp) - z**2 / 2 - math.log(2)
    return xp.where(u < 0, long * (long / 2 + z) + xp.log1p(-xp.erfc(-below) / 2), near)


def log_erfcx(x: Any, xp: Any = ARRAYS) -> Any:
    r"""Log of :math:`e^{x^2} erfc(x)` for x of 0 or more, with a derivative that keeps its digits however large x is.

    .. math:: erfcx(x) \sim \frac{1}{x \sqrt\pi} \left(1 - \frac{1}{2 x^2} + \frac{3}{4 x^4} - \frac{15}{8 x^6}
       + \frac{105}{16 x^8} - \frac{945}{32 x^{10}}\right)

    Source: *NIST Handbook of Mathematical Functions* (2010), 7.12.1.
    """
    far = xp.maximum(x, FAR)
    y = 0.5 / far / far  # no overflow of the square
    series = xp.log1p(-y * (1 - 3 * y * (1 - 5 * y * (1 - 7 * y * (1 - 9 * y))))) - xp.log(far * math.sqrt(math.pi))
    return xp.where(x > FAR, series, xp.log(xp.erfcx(xp.minimum(x, FAR))))


@dataclass(frozen=True, slots=True, eq=False)
class FlexibleSizes:
    """Mixture over a grid of log rates.

    Attributes
    ----------
    log_rates : array of shape (n_points,)
    """

    log_rates: np.ndarray

    PARAMETERS = ("size_centre", "size_sd", "upper_tail", "lower_tail")

    @classmethod
    def covering(cls, largest: float, exposure: float) -> FlexibleSizes:
        """Grid for rates up to `largest`, seen over exposures of up to `exposure`."""
        low, high = math.log(FEWEST / exposure), math.log(largest) + BEYOND
        n = math.ceil((high - low) / STEP) + 1
        return cls(high - STEP * np.arange(n)[::-1])

    def arrays(self, reviews: np.ndarray, exposure: np.ndarray, exposures: np.ndarray) -> dict[str, np.ndarray]:
        """Kernel of each cell (rows scaled to a largest entry of 1), and of no review at each distinct exposure."""
        kernel = self._kernel(reviews, exposure)
        top = kernel.max(axis=1)
        return {"log_rate": self.log_rates, "kernel": np.exp(kernel - top[:, None]), "kernel_top": top,
                "kernel_none": np.exp(self._kernel(np.zeros(len(exposures)), exposures))}

    def _kernel(self, reviews: np.ndarray, exposure: np.ndarray) -> np.ndarray:
        return log_negative_binomial(reviews[:, None], SHAPE, np.exp(self.log_rates) * exposure[:, None])

    # -- in the model -----------------------------------------------------------------------------------------------

    @classmethod
    def variables(cls, priors: Any, a: Any) -> dict[str, Any]:
        """The parameters with their priors, in the model in context; see `law_coordinates`."""
        from darkmarket_estimates.bayes.law_coordinates import body_and_tails

        return body_and_tails({name: getattr(priors, name) for name in cls.PARAMETERS}, a)

    @staticmethod
    def log_probabilities(parameters: dict[str, Any], a: dict[str, Any]) -> tuple[Any, Any]:
        """Tensors: log probability of each cell, and probability of no review at each distinct exposure."""
        import pytensor.tensor as pt

        log_f = normal_laplace(a["log_rate"], *(parameters[name] for name in FlexibleSizes.PARAMETERS), xp=pt)
        w = pt.exp(log_f - pt.max(log_f))
        w = w / w.sum()
        return pt.log(a["kernel"] @ w) + a["kernel_top"], a["kernel_none"] @ w

    # -- a draw each ------------------------------------------------------------------------------------------------

    def weights(self, draws: Draws) -> np.ndarray:
        """Weights of the grid points, shape (n_draws, n_points)."""
        log_f = normal_laplace(self.log_rates, *(np.asarray(draws[name])[:, None] for name in self.PARAMETERS))
        w = np.exp(log_f - log_f.max(axis=1, keepdims=True))
        return w / w.sum(axis=1, keepdims=True)

    def probabilities(self, draws: Draws, reviews: np.ndarray, exposure: np.ndarray) -> np.ndarray:
        """Probability of each count at its exposure, shape (n_draws, n)."""
        return self.weights(draws) @ np.exp(self._kernel(reviews, exposure)).T

    def largest_count(self, exposure: float) -> float:
        """A count that no vendor exceeds but with negligible probability."""
        return float(np.exp(self.log_rates[-1])) * exposure * 6.0 + 50.0

    def sample(self, rng: np.random.Generator, draw: Draws, exposure: np.ndarray, n: int) -> np.ndarray:
        """Reviews of `n` vendors for one draw of the parameters (arrays of length 1)."""
        k = rng.choice(len(self.log_rates), size=n, p=self.weights(draw)[0])
        rate = np.exp(self.log_rates[k]) * rng.gamma(SHAPE, 1 / SHAPE, n)
        return rng.poisson(rate * exposure)

    def sample_some(self, rng: np.random.Generator, draw: Draws, exposure: np.ndarray) -> np.ndarray:
        """Reviews of vendors that have one or more, at these exposures."""
        some = self.weights(draw)[0] * -np.expm1(self._kernel(np.zeros(len(exposure)), exposure))
        cumulative = np.cumsum(some, axis=1)
        k = (cumulative < rng.uniform(size=(len(exposure), 1)) * cumulative[:, -1:]).sum(axis=1)
        return one_or_more(rng, SHAPE, np.exp(self.log_rates[k]) * exposure)


@dataclass(frozen=True, slots=True, eq=False)
class GammaSizes:
    """One Gamma law of rates: reviews are negative binomial. A named option: where sizes are log-normal it fails."""

    largest: float

    PARAMETERS = ("size_mean", "size_shape")

    @classmethod
    def covering(cls, largest: float, exposure: float) -> GammaSizes:
        """Law for rates up to `largest`."""
        return cls(largest)

    def arrays(self, reviews: np.ndarray, exposure: np.ndarray, exposures: np.ndarray) -> dict[str, np.ndarray]:
        """Counts, exposures and the part of the log probability that no parameter changes."""
        return {"reviews": reviews, "exposure": exposure, "log_factorial": special.gammaln(reviews + 1.0),
                "exposures": exposures}

    @classmethod
    def variables(cls, priors: Any, a: Any) -> dict[str, Any]:
        """The parameters with their priors, in the model in context."""
        return {name: getattr(priors, name).variable(name) for name in cls.PARAMETERS}

    @staticmethod
    def log_probabilities(parameters: dict[str, Any], a: dict[str, Any]) -> tuple[Any, Any]:
        """Tensors: log probability of each cell, and probability of no review at each distinct exposure."""
        import pytensor.tensor as pt

        r, shape = a["reviews"], parameters["size_shape"]
        mean = parameters["size_mean"] * a["exposure"]
        log_p = (pt.gammaln(r + shape) - pt.gammaln(shape) - a["log_factorial"] - shape * pt.log1p(mean / shape)
                 - r * pt.log1p(shape / mean))
        return log_p, pt.exp(-shape * pt.log1p(parameters["size_mean"] * a["exposures"] / shape))

    def probabilities(self, draws: Draws, reviews: np.ndarray, exposure: np.ndarray) -> np.ndarray:
        """Probability of each count at its exposure, shape (n_draws, n)."""
        mean, shape = (np.asarray(draws[name])[:, None] for name in self.PARAMETERS)
        return np.exp(log_negative_binomial(reviews, shape, mean * exposure))

    def largest_count(self, exposure: float) -> float:
        """A count that no vendor exceeds but with negligible probability."""
        return self.largest * exposure * 50.0 + 50.0

    def sample(self, rng: np.random.Generator, draw: Draws, exposure: np.ndarray, n: int) -> np.ndarray:
        """Reviews of `n` vendors for one draw of the parameters (arrays of length 1)."""
        shape = float(draw["size_shape"][0])
        return rng.poisson(rng.gamma(shape, float(draw["size_mean"][0]) / shape, n) * exposure)

    def sample_some(self, rng: np.random.Generator, draw: Draws, exposure: np.ndarray) -> np.ndarray:
        """Reviews of vendors that have one or more, at these exposures."""
        return one_or_more(rng, float(draw["size_shape"][0]), float(draw["size_mean"][0]) * exposure)


SizeLaw = FlexibleSizes | GammaSizes
#: By the name of the option.
SIZE_LAWS: dict[str, type[FlexibleSizes] | type[GammaSizes]] = {"flexible": FlexibleSizes, "gamma": GammaSizes}


def one_or_more(rng: np.random.Generator, shape: float, mean: np.ndarray) -> np.ndarray:
    """Negative binomial numbers given that they are 1 or more: a walk up the probabilities."""
    ratio = mean / (mean + shape)
    mass = np.exp(shape * np.log1p(-ratio)) * shape * ratio  # of one
    left = rng.uniform(size=len(mean)) * -np.expm1(shape * np.log1p(-ratio))
    r = np.ones(len(mean))
    while (open_ := (left > mass) & (mass > 1e-300)).any():
        left = np.where(open_, left - mass, left)
        mass = np.where(open_, mass * ratio * (r + shape) / (r + 1), mass)
        r = np.where(open_, r + 1, r)
    return r


def count_nodes(largest: float) -> tuple[np.ndarray, np.ndarray]:
    """Counts and weights that replace the sum over 1, 2, 3, ...: each up to 200, then a trapezoid rule in log r.

    Beyond 200 the probabilities of a mixture of negative binomial laws are smooth on the scale of 1 in 50.
    """
    exact = np.arange(1.0, 201.0)
    if largest <= exact[-1]:
        return exact, np.ones_like(exact)
    log_r = np.linspace(math.log(exact[-1]), math.log(largest), max(2, math.ceil(50 * math.log(largest / exact[-1]))))
    far = np.exp(log_r)
    weight = far * np.gradient(log_r)
    weight[[0, -1]] /= 2
    # Euler-Maclaurin: the sum over 1..200 ends with the whole of 200, the integral from 200 has half of it already
    weight[0] -= 0.5
    return np.concatenate([exact, far]), np.concatenate([np.ones_like(exact), weight])
