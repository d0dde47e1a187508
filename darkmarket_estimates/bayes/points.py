r"""Compression of rows to points: for laws of value that no sums suffice for.

Classes of (group, reviews, size) are cut into bins of ln m. Up to `FEW` rows of a bin are points themselves. Others become
three points: t being ln m less its mean in standard deviations, :math:`\gamma` and :math:`\kappa` its third and fourth moment,

.. math:: t_0 = 0, \quad t_\pm = \frac{\gamma \pm \sqrt{4 \kappa - 3 \gamma^2}}{2}, \quad
   w_\pm = \frac{1}{|t_\pm (t_+ - t_-)|}, \quad w_0 = 1 - \frac{1}{\kappa - \gamma^2}

have the moments of t up to the fourth: the quadrature with a node at the mean. Size and 1 / r lie there on their regression on
t and :math:`t^2 - \gamma t - 1`, which is orthogonal to it; what is left of them is put on both sides of the middle point. So
their moments with one another and with t and t^2 are those of the rows as well.
"""

from __future__ import annotations

import math

import numpy as np

from darkmarket_estimates.bayes.cells import Vendors, value_classes

#: Width of the classes in log count, and up to where counts are exact.
WIDTH, EXACT = 0.2, 10
#: Points that bins are narrowed for, from one standard deviation of ln m on, and how often at most.
POINTS, HALVINGS = 2_000, 7
#: Rows of a bin that are points themselves; least kappa - gamma^2 - 1, which leaves a fifth of the weight to the middle.
FEW, LEAST = 4, 0.25
#: Least standard deviation of ln m and of size: less is rounding.
ROUNDING = 1e-9, 1e-6


def value_points(vendors: Vendors, centre: float, bend: float = math.inf) -> dict[str, np.ndarray]:
    """Points of ln m with their group, size, 1 / r and multiplicities.

    ``value_top`` is the part of the size above the bend: linear in a class, also where a point lies beyond it.
    """
    x, log_m, key = value_classes(vendors, centre, bend, WIDTH, EXACT)
    rows = np.array([vendors.row_group, x > bend, log_m, x, 1 / vendors.row_reviews])
    where, n = _bins(key, log_m)

    def mean(v: np.ndarray) -> np.ndarray:
        return np.bincount(where, weights=v, minlength=len(n)) / n

    means = np.array([mean(v) for v in rows])
    t, *beside = (v - m[where] for v, m in zip(rows[2:], means[2:], strict=True))
    sd = np.sqrt(mean(t * t))
    wide = sd > ROUNDING[0]
    t *= np.divide(1.0, sd, out=np.zeros_like(sd), where=wide)[where]
    square = t * t
    skew = mean(square * t)
    bow = square - skew[where] * t - 1
    norm = np.maximum(mean(square * square) - skew**2 - 1, LEAST)  # mean square of the bow
    line = np.array([sd, *(mean(t * v) for v in beside)])
    curve = np.array([np.zeros_like(sd), *(mean(bow * v) / norm for v in beside)])
    left = mean(beside[0] ** 2) - line[1] ** 2 - curve[1] ** 2 * norm
    deep = left > ROUNDING[1] ** 2
    size = np.sqrt(np.where(deep, left, 1.0))
    both = mean(beside[0] * beside[1]) - line[1] * line[2] - curve[1] * curve[2] * norm
    across = np.array([np.zeros_like(sd), size, both / size])

    alike = ~(wide | deep)
    itself = ((n <= FEW) & ~alike)[where]
    many = (n > FEW) | alike
    middle, root = np.where(wide, norm / (norm + 1), 1.0), np.sqrt(4 * (norm + 1) + skew**2)
    parts = [np.concatenate([rows[:, itself], np.ones((1, itself.sum()))])]
    for u, s, weight, some in (
        ((skew + root) / 2, 0.0, 2 / (root * (root + skew)), many & wide),
        ((skew - root) / 2, 0.0, 2 / (root * (root - skew)), many & wide),
        (0.0, 0.0, middle, many & ~deep),
        (0.0, 1 / np.sqrt(middle), middle / 2, many & deep),
        (0.0, -1 / np.sqrt(middle), middle / 2, many & deep),
    ):
        moved = means.copy()
        moved[2:] += u * line + (u**2 - skew * u - 1) * curve + s * across
        parts.append(np.concatenate([moved, [n * weight]])[:, some])
    group, above, y, x, inverse, weight = np.concatenate(parts, axis=1)
    return {"value_group": group.astype(np.int64), "value_log": y, "value_size": x, "value_inverse": inverse,
            "value_top": np.where(above > 0, x - bend, 0.0), "value_n": weight}


def _bins(key: np.ndarray, log_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bin of each row, of its class and its ln m, and rows of each bin."""
    width, low = float(log_m.std()) if len(log_m) else 0.0, log_m.min(initial=math.inf)
    for _ in range(HALVINGS):
        bins = np.floor((log_m - low) / max(width, 1e-9)).astype(np.int64)
        where, n = _ranks(key * (int(bins.max(initial=0)) + 1) + bins)
        if width < 1e-9 or np.minimum(n, FEW).sum() > POINTS:
            break
        width /= 2
    return where, n


def _ranks(key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rank of each key among the distinct ones, and how often each of those occurs."""
    size = int(key.max(initial=0)) + 1
    if size <= 8 * len(key) + 65_536:  # counting is cheaper than sorting
        n = np.bincount(key, minlength=size)
        return (np.cumsum(n > 0) - 1)[key], n[n > 0]
    _, where, n = np.unique(key, return_inverse=True, return_counts=True)
    return where, n
