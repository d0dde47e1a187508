r"""Likelihood of capture counts given value, zero-truncated, under two laws of what makes listings differ.

In scrape j a listing is seen with chance :math:`expit(\theta + \omega_j)`; :math:`\theta` varies between listings of
equal value by a law F with location :math:`\eta = \beta_0 + \beta_1 x`. Of a listing seen k times the likelihood is

.. math:: \frac{1}{\pi^*} e^{\sum_{j seen} \omega_j} \int e^{k \theta} \prod_j (1 + e^{\theta + \omega_j})^{-1} dF(\theta), \quad
    \pi^* = 1 - \int \prod_j (1 + e^{\theta + \omega_j})^{-1} dF(\theta)

so that (k, value) cells and the sizes of the scrapes are sufficient, whatever the number of listings. Source: the Rasch
form of M_th, Agresti, *Biometrics* 50 (1994), 494-500; that laws of equal fit extrapolate differently: Link, *Biometrics* 59
(2003), 1123-1130.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

#: "logit-normal": theta normal with standard deviation h. "beta": the chance itself is Beta with correlation h.
LAWS = ("logit-normal", "beta")
#: Points of the trapezoidal rules, which converge exponentially: of the normal law, and (sinh-stretched) of the Beta law.
NORMAL_POINTS, BETA_POINTS = 65, 301

_Z = np.linspace(-8.0, 8.0, NORMAL_POINTS)
_WEIGHT = np.exp(-0.5 * _Z**2) / np.exp(-0.5 * _Z**2).sum()
# Above, the Beta law falls like exp(-b theta) with b near 0; below, what is missed is never seen.
_U = np.linspace(-4.0, 11.0, BETA_POINTS)
_GRID = 2 * np.sinh(_U)
_LOG_STEP = np.log(2 * np.cosh(_U) * (_U[1] - _U[0]))
_SOFTPLUS = np.logaddexp(0.0, _GRID)
TINY = 1e-300
#: Correlations at which the grid resolves the Beta law to 9 digits, up to a mean chance of 0.9; beyond them the likelihood is
#: taken as flat.
CORRELATIONS = (0.005, 0.99)


@dataclass(frozen=True, slots=True, eq=False)
class Mixing:
    """Nodes of the law in each value class: theta of shape (classes or 1, nodes), weights of shape (classes, nodes)."""

    theta: np.ndarray
    weight: np.ndarray


def mixing(law: str, eta: np.ndarray, h: float) -> Mixing:
    """Quadrature of the law of theta at each location; `eta` of shape (classes,)."""
    if law == "logit-normal":
        return Mixing(eta[:, None] + h * _Z, np.broadcast_to(_WEIGHT, (len(eta), NORMAL_POINTS)))
    a, b = beta_shapes(eta, h)
    log_weight = _LOG_STEP + a[:, None] * _GRID - (a + b)[:, None] * _SOFTPLUS - special.betaln(a, b)[:, None]
    return Mixing(_GRID[None, :], np.exp(log_weight))


def beta_shapes(eta: np.ndarray, h: float) -> tuple[np.ndarray, np.ndarray]:
    """Shapes of the Beta law of the chance with mean expit(eta) and correlation h between captures of one listing."""
    h = float(np.clip(h, *CORRELATIONS))
    size = (1 - h) / h
    return special.expit(eta) * size, special.expit(-eta) * size


def _pull_back(law: str, eta: np.ndarray, h: float, by_theta: np.ndarray, by_log_weight: np.ndarray) -> tuple[np.ndarray, float]:
    """Gradient by eta and h from the gradients by the nodes and by the logarithms of their weights."""
    if law == "logit-normal":
        return by_theta.sum(axis=1), float((by_theta * _Z).sum())
    a, b = beta_shapes(eta, h)
    common = special.digamma(a + b)
    by_a = (by_log_weight * (_GRID - _SOFTPLUS)).sum(axis=1) + by_log_weight.sum(axis=1) * (common - special.digamma(a))
    by_b = -(by_log_weight * _SOFTPLUS).sum(axis=1) + by_log_weight.sum(axis=1) * (common - special.digamma(b))
    m, size = special.expit(eta), a + b
    inside = CORRELATIONS[0] < h < CORRELATIONS[1]
    by_h = -(m * by_a + (1 - m) * by_b).sum() / h**2 if inside else 0.0
    return size * m * (1 - m) * (by_a - by_b), float(by_h)


@dataclass(frozen=True, slots=True, eq=False)
class _Masses:
    """What both the likelihood and its gradient need; c classes (1 where the nodes are shared), i nodes, k captures."""

    nodes: Mixing
    chance: np.ndarray  # (c, i, t): to be seen in each scrape
    unseen: np.ndarray  # (c, i): in none
    kernel: np.ndarray  # (c, i, k): e^(k theta) x unseen
    mass: np.ndarray  # (classes, k)
    star: np.ndarray  # (classes,)


def _masses(law: str, eta: np.ndarray, h: float, omega: np.ndarray) -> _Masses:
    nodes, k = mixing(law, eta, h), np.arange(1, len(omega) + 1)
    logit = nodes.theta[..., None] + omega
    softplus = np.logaddexp(0.0, logit)
    missed = softplus.sum(axis=-1)
    kernel = np.exp(k * nodes.theta[..., None] - missed[..., None])
    mass = nodes.weight @ kernel[0] if len(kernel) == 1 else np.einsum("bi,bik->bk", nodes.weight, kernel)
    star = (nodes.weight * -np.expm1(-missed)).sum(axis=1)
    return _Masses(nodes, np.exp(logit - softplus), np.exp(-missed), kernel, np.maximum(mass, TINY), np.maximum(star, TINY))


def seen_share(law: str, eta: np.ndarray, h: float, omega: np.ndarray) -> np.ndarray:
    r"""Chance :math:`\pi^*` to be seen at least once, of each value class."""
    return _masses(law, eta, h, omega).star


def log_counts(law: str, eta: np.ndarray, h: float, omega: np.ndarray) -> np.ndarray:
    """Log-likelihood of one listing seen k = 1..t times, effects of the scrapes that saw it left out: (classes, t)."""
    found = _masses(law, eta, h, omega)
    return np.log(found.mass) - np.log(found.star)[:, None]


def _log_likelihood(
    law: str, intercept: float, slope: float, h: float, omega: np.ndarray, x: np.ndarray, counts: np.ndarray, sizes: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    eta = intercept + slope * x
    h = float(h)
    found = _masses(law, eta, h, omega)
    kernel, weight, n = found.kernel, found.nodes.weight, counts.sum(axis=1)
    value = float((counts * np.log(found.mass)).sum() - n @ np.log(found.star) + sizes @ omega)
    each = counts / found.mass  # derivative by the mass of each k
    k = np.arange(1, len(omega) + 1)
    over_k = (lambda c: c @ kernel[0].T) if len(kernel) == 1 else (lambda c: np.einsum("bk,bik->bi", c, kernel))
    seen = weight * over_k(each)
    rate = (n / found.star)[:, None]
    lost = seen + weight * rate * found.unseen  # what a rise of a chance takes away
    by_theta = weight * over_k(each * k) - lost * found.chance.sum(axis=-1)
    by_log_weight = seen - weight * rate * (1 - found.unseen)
    by_eta, by_h = _pull_back(law, eta, h, by_theta, by_log_weight)
    chance = found.chance
    falls = lost.sum(axis=0) @ chance[0] if len(chance) == 1 else np.einsum("bi,bij->j", lost, chance)
    return value, np.asarray(by_eta.sum()), np.asarray(by_eta @ x), np.asarray(by_h), sizes - falls


def normal_log_likelihood(
    intercept: float, slope: float, h: float, omega: np.ndarray, x: np.ndarray, counts: np.ndarray, sizes: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Log-likelihood of all cells under the logit-normal law, and its gradient by intercept, slope, h and omega.

    Parameters
    ----------
    omega : array of shape (t,)
        Scrape effects on the logit.
    x : array of shape (classes,)
        Standardised log value of each class.
    counts : array of shape (classes, t)
        Listings seen k = 1..t times.
    sizes : array of shape (t,)
        Listings seen in each scrape; zeros where only the counts are known (and omega is 0).
    """
    return _log_likelihood("logit-normal", intercept, slope, h, omega, x, counts, sizes)


def beta_log_likelihood(
    intercept: float, slope: float, h: float, omega: np.ndarray, x: np.ndarray, counts: np.ndarray, sizes: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """As `normal_log_likelihood`, under the Beta law; h is the correlation between captures of one listing."""
    return _log_likelihood("beta", intercept, slope, h, omega, x, counts, sizes)
