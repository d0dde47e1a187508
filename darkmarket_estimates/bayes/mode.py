"""The normal law at the mode of a log density: where it is highest, and the curvature there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import optimize

from darkmarket_estimates.errors import NotIdentifiedError

#: A log density and its gradient at a point.
LogDensity = Callable[[np.ndarray], tuple[float, np.ndarray]]
#: Steps of the differences, in standard deviations; most Newton steps after the search; distance to the mode, in standard
#: deviations, that ends them; longest axis on the way, and least curvature of a mode (a standard deviation of 1,000).
DIFFERENCE, NEWTON, CLOSE, LONGEST, FLAT = 1e-3, 60, 0.01, 5.0, 1e-6
FAR = 1e300


def normal_law(density: LogDensity, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Mode m and a matrix A such that :math:`m + A z`, z standard normal, is the normal law at the mode.

    :math:`A A' = H^{-1}`, with H the negative matrix of second derivatives at m (Laplace's approximation). H is taken by
    differences of the gradient along its own principal axes, so that a parameter known to 1e-4 and one known to 1 are
    both seen at their scale.

    Parameters
    ----------
    density : callable
        Log density and gradient; values that are not finite are taken as impossible points.
    start : array of shape (n,)

    Returns
    -------
    mode : array of shape (n,)
    scale : array of shape (n, n)

    Raises
    ------
    NotIdentifiedError
        No mode with a positive definite curvature was found.

    Examples
    --------
    >>> mode, scale = normal_law(lambda x: (-2 * ((x - 3) ** 2).sum(), -4 * (x - 3)), np.zeros(2))
    >>> mode.round(6).tolist(), (scale @ scale.T).round(6).tolist()
    ([3.0, 3.0], [[0.25, 0.0], [0.0, 0.25]])
    """
    def negative(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = density(np.asarray(x, dtype=np.float64))
        ok = np.isfinite(value) and np.isfinite(gradient).all()
        return (-float(value), -np.asarray(gradient)) if ok else (FAR, np.zeros_like(x))

    x = optimize.minimize(negative, np.asarray(start, dtype=np.float64), jac=True, method="L-BFGS-B",
                          options={"maxiter": 5000}).x
    axes = 0.1 * np.eye(len(x))
    for _ in range(NEWTON):
        gradient, curvature, axes = _curvature(negative, x, axes)
        step = axes @ (axes.T @ gradient)
        if curvature.min() > FLAT and gradient @ step < CLOSE**2:
            return x, axes
        x = _downhill(negative, x, step)
    raise NotIdentifiedError("the posterior has no mode that a normal law could stand on", fix='method="nuts"',
                             expected="a positive definite curvature", got=f"an eigenvalue of {curvature.min():.3g}")


def _curvature(negative: LogDensity, x: np.ndarray, axes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradient, signs and sizes of the curvature, and new axes: principal ones, a standard deviation long each.

    Where the curvature is negative or none, an axis is as long as if it were positive, and `LONGEST` at most: the Newton
    step along it then leads downhill, and not far (Nocedal and Wright, *Numerical Optimization* (2006), section 3.4).
    """
    step = DIFFERENCE * axes
    rows = np.array([negative(x + h)[1] - negative(x - h)[1] for h in step.T]) / (2 * DIFFERENCE)
    back = np.linalg.inv(axes)
    second = back.T @ rows
    values, vectors = np.linalg.eigh((second + second.T) / 2)
    if not np.isfinite(values).all():
        raise NotIdentifiedError("the posterior has no finite curvature", fix='method="nuts"')
    least = np.where(values > FLAT, FLAT, LONGEST**-2)
    return negative(x)[1], values, vectors / np.sqrt(np.maximum(np.abs(values), least))


def _downhill(negative: LogDensity, x: np.ndarray, step: np.ndarray) -> np.ndarray:
    """The point a step away, or nearer where that is no lower: far from the mode the curvature promises too much."""
    value, size = negative(x)[0], 1.0
    while size > 1e-4 and negative(x - size * step)[0] > value:
        size /= 2
    return x - size * step
