r"""One vendor's review share given its reviews, and the law of its total value under it."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from scipy import interpolate, special

from darkmarket_estimates import _checks as checks
from darkmarket_estimates.errors import AssumptionError

NARROW = 1e8  # Beta parameters beyond which the spread is nothing beside rounding
N_JACOBI, LIGHT = (24, 12), 6.0  # nodes under a heavy tail, and under one of this index or more
_N_CURVE = 512
_LOST = 1e-9


@functools.lru_cache(maxsize=64)
def _jacobi(n: int, alpha: float, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Jacobi nodes of Beta(alpha, beta) and weights with sum 1, which thousands of totals share."""
    x, w = special.roots_jacobi(n, beta - 1, alpha - 1)
    x, w = (1 + x) / 2, w / w.sum()
    x.setflags(write=False)
    w.setflags(write=False)
    return x, w


def _log(real: np.ndarray, imaginary: np.ndarray) -> np.ndarray:
    """Logarithms of complex numbers, continuous along each row."""
    out = np.empty(real.shape, dtype=np.complex128)
    np.log(np.maximum(real * real + imaginary * imaginary, 1e-300), out=out.real)
    out.real *= 0.5
    angle = np.arctan2(imaginary, real)
    turns = np.rint(np.diff(angle, axis=1) / (2 * math.pi))
    if turns.any():
        angle[:, 1:] -= 2 * math.pi * np.cumsum(turns, axis=1)
    out.imag = angle
    return out


def _waves(y: np.ndarray, q: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Half the number of reviews of each vendor, and h and s of exp(i price t) = 1 - 2 h + i s.

    (1 - odds (e^{i price t} - 1))^-number has the square of the modulus (1 + 4 odds (1 + odds) h)^-number and the angle
    number x arctan(odds s / (1 + 2 odds h)).
    """
    tangent = np.tan((q / (2 * y))[:, None] * t)
    square = tangent * tangent
    return (y * y / (2 * q))[:, None], square / (1 + square), 2 * tangent / (1 + square)


@dataclass(frozen=True, slots=True)
class Multiplier:
    """Share rho* ~ Beta(alpha, beta) of a vendor given its reviews; both infinite for a known share.

    Attributes
    ----------
    share : float
        1 / E[1 / rho*].
    alpha, beta : float
    variances : tuple of float
        Factors of y^2 and of q in the variance of a vendor's total: Var(1/rho*) and E[(1 - rho*) / rho*^2].
    """

    share: float
    alpha: float
    beta: float
    variances: tuple[float, float]

    @classmethod
    def of(cls, share: float, spread: float, spread_law: str = "default") -> Multiplier:
        """From the mean and the standard deviation between vendors."""
        share = checks.number(share, "share", low=0, high=1, open_low=True)
        spread = checks.number(spread, "spread", low=0)
        if spread == 0 or share == 1:
            checks.choice(spread_law, "spread_law", ("default", "conservative"))
            return cls.of_size(share, math.inf, spread_law)
        if spread**2 >= share * (1 - share):
            raise AssumptionError(
                "the spread between vendors is larger than any law on (0, 1) with this mean has",
                expected=f"below {math.sqrt(share * (1 - share)):.3g} at a mean share of {share:g}", got=f"{spread:g}",
                fix="pass the standard deviation between vendors, not the range or the variance",
            )
        return cls.of_size(share, share * (1 - share) / spread**2 - 1, spread_law)

    @classmethod
    def of_size(cls, share: float, size: float, spread_law: str = "default") -> Multiplier:
        """From the mean and s = a + b of the Beta law of shares."""
        checks.choice(spread_law, "spread_law", ("default", "conservative"))
        a, b = share * size, (1 - share) * size if share < 1 else 0.0
        if not math.isfinite(size) or min(a, b) > NARROW or share == 1:
            return cls(share, math.inf, math.inf, (0.0, (1 - share) / share**2))
        if spread_law == "conservative":
            if a <= 1:
                raise AssumptionError(
                    "the conservative law has no finite variance here",
                    expected="a = share * s > 1, with s = share (1 - share) / spread^2 - 1", got=f"a = {a:.3g}",
                    fix='use spread_law="default", which needs a > 0 only',
                )
            between = b * (a + b) / (a**2 * (a - 1))
            return cls(share, a + 1, b, (between, between + 1 / share**2 - 1 / share))
        between = b * (a + b) / a**3
        return cls(share, a + 2, b * (a + 1) / a, (between, between * (a + 1)))

    @property
    def known(self) -> bool:
        """Whether every sale is reviewed: nothing is uncertain."""
        return self.share == 1

    def nodes(self, n: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Gauss-Jacobi nodes of rho* and weights with sum 1."""
        if math.isinf(self.alpha):
            return np.array([self.share]), np.ones(1)
        if n is None:
            n = N_JACOBI[self.alpha >= LIGHT]
        return _jacobi(n, self.alpha, self.beta)

    def log_transform(
        self, y: np.ndarray, q: np.ndarray, t: np.ndarray, n_nodes: int | None = None,
        other: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> np.ndarray:
        """Logarithm of E exp(i t (X - y / share)), shape (vendors, frequencies), continuous along `t` from 0.

        `t` is the same for all vendors, or has a row for each. `other` are y and q of more sales of each vendor, which
        are independent of the first given its one review share.
        """
        (half_number, h, s), *more = [_waves(y, q, t), *([] if other is None else [_waves(*other, t)])]
        centre = y if other is None else y + other[0]
        half_centre = (centre * (1 - 1 / self.share) / 2)[:, None] * t
        real, imaginary, modulus, angle, part = (np.zeros(s.shape) for _ in range(5))
        for share, weight in zip(*self.nodes(n_nodes), strict=True):
            odds = (1 - share) / share
            np.multiply(h, 4 * odds * (1 + odds), out=modulus)
            np.log1p(modulus, out=modulus)
            modulus *= -half_number
            np.multiply(h, 2 * odds, out=part)
            part += 1
            np.divide(s, part, out=angle)
            angle *= odds
            np.arctan(angle, out=angle)
            angle *= half_number
            for number, height, sine in more:
                modulus -= number * np.log1p(4 * odds * (1 + odds) * height)
                angle += number * np.arctan(odds * sine / (1 + 2 * odds * height))
            np.exp(modulus, out=modulus)
            angle += half_centre
            # cosine and sine by the tangent of half the angle, as in `polar`
            np.tan(angle, out=angle)
            np.multiply(angle, angle, out=part)
            modulus *= weight
            modulus /= 1 + part
            angle *= modulus
            imaginary += angle
            np.subtract(1, part, out=part)
            part *= modulus
            real += part
        imaginary *= 2
        return _log(real, imaginary)

    def far_end(self, y: np.ndarray, q: np.ndarray, lost: np.ndarray) -> np.ndarray:
        """Distance from the vendor's mean beyond which less than about `lost` of its law lies (signed as y)."""
        price, number = q / y, y * y / q
        z = -special.ndtri(lost)
        gamma = number + z * np.sqrt(number) + z * z / 2  # an upper end of Gamma(number, 1)
        if math.isinf(self.alpha):
            odds = gamma * (1 - self.share) / self.share
        else:
            rho = special.betaincinv(self.alpha, self.beta, lost)
            # P(rho* < e) ~ e^alpha / (alpha B): by Markov P(Gamma odds > x) <= E[Gamma^alpha] x^-alpha / (alpha B).
            power = special.gammaln(number + self.alpha) - special.gammaln(number) - math.log(self.alpha)
            heavy = np.exp((power - special.betaln(self.alpha, self.beta) - np.log(lost)) / self.alpha)
            odds = np.minimum(gamma * (1 - rho) / rho, heavy)
        sales = odds + z * np.sqrt(odds) + z * z / 2  # and of the Poisson number with that mean
        return price * sales - y * (1 / self.share - 1)

    def masses(
        self, y: float, q: float, step: float, low: float, high: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """One vendor's value as atoms: positions at most about `step` apart, and their probabilities.

        `low` and `high` bound the grid as distances from the mean of the total.
        """
        price, number = q / y, y * y / q
        centre = number * (1 / self.share - 1)
        deviation = math.sqrt(self.variances[0] * number**2 + self.variances[1] * number)
        stride = max(1, int(min(step / abs(price), deviation / 20)))
        first = max(0, int((centre - 9 * deviation) / stride))
        end = float(self.far_end(np.array([y]), np.array([q]), np.array([_LOST]))[0])
        reach = min(end, high) if price > 0 else max(end, low)
        last = max(first, int((centre + reach / price) / stride))
        starts = np.arange(first, last + 2, dtype=np.float64) * stride
        if first == 0 and stride > 1:  # near 0 the probabilities may rise like a power: blocks as wide as k / 32
            wide = 32 * stride
            fine = np.unique(np.floor(np.geomspace(1, wide, 32 * math.ceil(math.log(wide)) + 1)))
            starts = np.concatenate([[0.0], fine, np.arange(33, max(last, 33) + 2, dtype=np.float64) * stride])
        width = np.diff(starts)
        k = starts[:-1] + (width - 1) / 2
        if len(k) > 2 * _N_CURVE:
            # The log probability is smooth in log k: a spline through few points replaces three log-gammas a point.
            knots = np.geomspace(k[0] + 1, k[-1] + 1, _N_CURVE)
            log = interpolate.CubicSpline(np.log(knots), self.log_mass(knots - 1, number))(np.log(k + 1))
        else:
            log = self.log_mass(k, number)
        mass = np.exp(log) * width
        return y + price * k, mass / mass.sum()

    def log_mass(self, k: np.ndarray, number: float | np.ndarray) -> np.ndarray:
        """Log probability of k unreviewed sales: negative binomial, with a Beta share beta negative binomial."""
        count = special.gammaln(number + k) - special.gammaln(number) - special.gammaln(k + 1)
        if math.isinf(self.alpha):
            return count + number * math.log(self.share) + k * math.log1p(-self.share)
        return count + special.betaln(self.alpha + number, self.beta + k) - special.betaln(self.alpha, self.beta)
