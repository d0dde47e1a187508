"""The flattest table with given margins: maximum entropy under linear constraints.

Among all tables x > 0 with margins in given intervals, the one nearest to a reference q in relative entropy,
sum x log(x / q) - x + q, has x = q exp(-G' mu) with mu >= 0 (Csiszár 1975, I-divergence geometry). With exact one-way
margins it is what iterative proportional fitting (Deming and Stephan 1940) converges to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize

from darkmarket_estimates._checks import float_array
from darkmarket_estimates.errors import DataError

#: Where margins contradict each other, added to every bound that is not firm, as a share of the margin: the nearest
#: tables lie on the edge of what is possible, and a positive table comes near that edge but does not reach it.
SLACK = 1e-4
#: Every bound is met to this share of its margin.
TOLERANCE = 1e-6
AT_ZERO = 1e-6
NOTHING = 1e-9
MOST_STEPS = 500
#: A violation of a firm margin counts this much more.
FIRM = 100.0


@dataclass(frozen=True, slots=True)
class Margin:
    """One linear statement about a table: ``low <= sum(weight x) / sum(base x) <= high``.

    Attributes
    ----------
    name : str
    weight : array of shape (n_cells,)
        What is summed: 1 for orders, the price for money, 0 outside the part that is spoken of.
    low, high : float
    base : array of shape (n_cells,), optional
        Of a share; without it the sum itself is bounded.
    firm : bool
        Whether the others give way where they contradict it.
    """

    name: str
    weight: np.ndarray
    low: float
    high: float
    base: np.ndarray | None = None
    firm: bool = False

    def reached(self, x: np.ndarray) -> float:
        """Value of the margin in a table."""
        top = float(self.weight @ x)
        return top if self.base is None else top / float(self.base @ x)

    def narrowed(self, share: float) -> Margin:
        """Return the margin with this share of its width (a lower limit alone is raised by 1 - share of 1 %)."""
        if np.isinf(self.high):
            return replace(self, low=self.low * (1 + 0.01 * (1 - share)))
        middle, half = 0.5 * (self.low + self.high), 0.5 * share * (self.high - self.low)
        return replace(self, low=middle - half, high=middle + half)

    def rows(self, reference: np.ndarray) -> list[tuple[np.ndarray, float]]:
        """Write it as inequalities ``g @ x <= h``, in units of the margin (a share: of its base in the reference)."""
        ends = [(-1.0, self.low)] + ([] if np.isinf(self.high) else [(1.0, self.high)])
        size = max(abs(end) for _, end in ends) or 1.0
        if self.base is None:
            return [(sign * self.weight / size, sign * end / size) for sign, end in ends]
        size *= float(self.base @ reference)
        return [(sign * (self.weight - end * self.base) / size, 0.0) for sign, end in ends]


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted table.

    Attributes
    ----------
    table : array of shape (n_cells,)
    contradiction : tuple of str
        Names of margins that no table holds together; empty where all can hold. If one of them is given up the others
        may still contradict each other.
    """

    table: np.ndarray
    contradiction: tuple[str, ...]


def fit(margins: Sequence[Margin], reference: np.ndarray) -> Fit:
    """Find the table nearest to the reference whose margins hold, or come as near as any table can.

    First a linear programme finds the smallest violation that some table needs (each margin's in units of its own
    size; firm margins count a hundredfold) and, by its multipliers, which margins are in contradiction; the bounds are
    moved by it; then the dual of the entropy problem is minimised.

    Parameters
    ----------
    margins : sequence of Margin
    reference : array of shape (n_cells,)
        Positive.

    Returns
    -------
    Fit

    Raises
    ------
    DataError
        No margins, a reference that is not positive, or no convergence.

    Examples
    --------
    >>> rows, columns = np.array([1.0, 1, 0, 0]), np.array([1.0, 0, 1, 0])
    >>> found = fit([Margin("all", np.ones(4), 100, 100), Margin("first row", rows, 60, 60),
    ...              Margin("first column", columns, 30, 30)], np.ones(4))
    >>> found.table.round(3).tolist(), found.contradiction
    ([18.0, 42.0, 12.0, 28.0], ())
    """
    q = float_array(reference, "reference", low=0)
    if not margins or (q == 0).any():
        raise DataError("a table needs margins and a positive reference", got=f"{len(margins)} margins")
    rows = [(row, margin) for margin in margins for row in margin.rows(q)]
    g, h = np.array([row[0] for row, _ in rows]), np.array([row[1] for row, _ in rows])
    cost = np.array([FIRM if margin.firm else 1.0 for _, margin in rows])
    scale = float(q.sum())
    g, q, n = g * scale, q / scale, len(h)
    needed = optimize.linprog(np.r_[np.zeros(len(q)), cost], A_ub=np.hstack([g, -np.eye(n)]), b_ub=h, method="highs")
    if needed.status != 0:
        raise DataError("the margins could not be read as a table", got=needed.message)
    violation = needed.x[len(q):]
    if violation.sum() < NOTHING:
        return Fit(_dual(g, q, h) * scale, ())
    blamed = {margin.name: None for (_, margin), price in zip(rows, needed.ineqlin.marginals) if price < -NOTHING}
    bound = h + violation + SLACK * (cost < FIRM)
    return Fit(_dual(g, q, bound) * scale, tuple(blamed))


def _dual(g: np.ndarray, q: np.ndarray, bound: np.ndarray) -> np.ndarray:
    """Minimise sum x(mu) + bound mu over mu >= 0, x = q exp(-g' mu), by projected Newton steps (Bertsekas 1982)."""

    def table(mu: np.ndarray) -> np.ndarray:
        return q * np.exp(np.clip(-mu @ g, -700.0, 50.0))

    mu = np.zeros(len(bound))
    x = table(mu)
    for _ in range(MOST_STEPS):
        slope = bound - g @ x
        free = (mu > AT_ZERO) | (slope < 0)  # the others are at 0 and stay there
        if not free.any() or np.abs(slope[free]).max() < TOLERANCE:
            return x
        curvature = (g[free] * x) @ g[free].T
        curvature[np.diag_indices_from(curvature)] += 1e-12 * np.trace(curvature)
        step, length, value = -np.linalg.solve(curvature, slope[free]), 1.0, x.sum() + bound @ mu
        while length > 1e-12:
            trial = np.zeros_like(mu)
            trial[free] = np.maximum(mu[free] + length * step, 0.0)
            x = table(trial)
            if x.sum() + bound @ trial <= value + 1e-4 * float(slope @ (trial - mu)):
                break
            length *= 0.5
        mu = trial
    raise DataError("the table of maximum entropy was not found", got=f"{MOST_STEPS} steps",
                    fix="check that the margins speak of parts that can hold them")
