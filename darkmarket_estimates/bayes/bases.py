"""Bases of directions that a model is written in."""

from __future__ import annotations

import math

import numpy as np


def contrasts(m: int) -> np.ndarray:
    """Orthonormal matrix whose first column is constant (Helmert)."""
    out = np.full((m, m), 1 / math.sqrt(m))
    for j in range(1, m):
        out[:, j] = np.where(np.arange(m) < j, 1.0, np.where(np.arange(m) == j, -float(j), 0.0)) / math.sqrt(j * (j + 1))
    return out


def around_mean(weights: np.ndarray) -> np.ndarray:
    """Basis of class deviations whose weighted mean is 0: every class but the heaviest has one of its own.

    Shape (markets, classes, classes - 1).
    """
    m, classes = weights.shape
    out = np.zeros((m, classes, classes - 1))
    for i, heaviest in enumerate(weights.argmax(axis=1)):
        others = np.delete(np.arange(classes), heaviest)
        out[i, others, np.arange(classes - 1)] = 1.0
        out[i, heaviest] = -weights[i, others] / weights[i, heaviest]
    return out
