"""How sums move with uncertain factors that act on parts of them: at points over all of these factors at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from darkmarket_estimates.distribution.factors import sobol
from darkmarket_estimates.distribution.segments import kinds
from darkmarket_estimates.factors import Factor

#: Points over factors that differ between groups, and what becomes of them where a law is mixed.
POINTS, GATHERED = 4096, 512


def log_multipliers(factors: Sequence[Factor]) -> np.ndarray:
    """Log of what each factor multiplies by, beside its central value, at low-discrepancy points: (n_points, n_factors)."""
    points = sobol(len(factors), POINTS)
    return np.column_stack([f.power * np.log(np.asarray(f.spec.ppf(p)) / f.at("middle"))  # type: ignore[union-attr]
                            for f, p in zip(factors, points.T, strict=True)])


def moved_sums(
    values: np.ndarray, row: np.ndarray, n_rows: int, acts: Sequence[np.ndarray], logs: np.ndarray
) -> np.ndarray:
    """Sums of rows at every point, of shape (n_points, n_rows).

    Cells on which the same factors act move together, so that the points meet a few of these kinds and not the cells.

    Parameters
    ----------
    values : array of shape (n_cells,)
        At the central factors.
    row : int array of shape (n_cells,)
    n_rows : int
    acts : sequence of bool arrays of shape (n_cells,)
        Where each factor acts.
    logs : array of shape (n_points, n_factors)
    """
    kind, first = kinds(acts, len(values))
    n_kinds = len(first)
    concerned = np.array([on[first] for on in acts], dtype=float)  # (factor, kind)
    parts = np.bincount(row * n_kinds + kind, values, n_rows * n_kinds).reshape(n_rows, n_kinds)
    return np.exp(logs @ concerned) @ parts.T


def gathered(values: np.ndarray) -> np.ndarray:
    """Means of equally many neighbours in order, column by column: what single numbers do to a law needs fewer of them.

    Examples
    --------
    >>> gathered(np.arange(4096.0)[::-1, None])[:2, 0]
    array([ 3.5, 11.5])
    """
    if len(values) <= GATHERED:
        return values
    return np.sort(values, axis=0).reshape(GATHERED, -1, *values.shape[1:]).mean(axis=1)
