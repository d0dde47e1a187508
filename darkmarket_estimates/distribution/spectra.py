"""Transforms of single vendors by the atoms of their number of unreviewed sales, and their products total by total."""

from __future__ import annotations

import numpy as np
from scipy import fft

from darkmarket_estimates.distribution.multiplier import Multiplier
from darkmarket_estimates.distribution.segments import pick
from darkmarket_estimates.distribution.unit_laws import unit_laws


def unit_spectra(
    rows: np.ndarray, multiplier: Multiplier, room: tuple[np.ndarray, np.ndarray], step: np.ndarray, n_cells: int, *, sharp: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Transform of each vendor (its y and q are a row) about a centre of its own, and that centre.

    `room` is how far its grid of `n_cells` cells of width `step` reaches below and above its mean.

    By the atoms of its number of reviews. An atom is split over two cells where it stays one (`sharp`), else, and for
    a vendor narrower than a cell, over three: these keep the variance, and no law of atoms shows their negative weights.
    """
    laws = unit_laws(multiplier)
    number, price, offset = laws.stretched(*rows.T, nearest=not sharp)
    known, which = np.unique(number, return_inverse=True)
    atoms = laws.atoms(known)
    sizes = np.array([len(k) for k, *_ in atoms])
    of, _ = pick(np.concatenate([[0], np.cumsum(sizes)]), which)
    mean = number * (1 / multiplier.share - 1)
    # a turn by parts of a cell is exact where the transform has faded, and rings where it has not
    middle = -offset / price if sharp else np.rint(mean)
    reach = mean + np.where(price > 0, room[1], room[0]) / price
    between, within = multiplier.variances
    wide = between * rows[:, 0] ** 2 + within * rows[:, 1] > step * step

    def each(values: np.ndarray) -> np.ndarray:
        """A value a vendor for each of its atoms."""
        return np.repeat(values, sizes[which])

    position = np.concatenate([k for k, *_ in atoms])[of]
    np.minimum(position, each(reach), out=position)
    position -= each(middle)
    position *= each(price / step)
    mass = np.concatenate([m for _, m, _ in atoms])[of]
    grid = _laid(position, mass, each(np.arange(len(rows)) * n_cells), n_cells, split_in_two=each(wide) if sharp else None)
    return fft.rfft(grid.reshape(-1, n_cells), axis=1), offset + price * middle


def _laid(
    position: np.ndarray, mass: np.ndarray, row: np.ndarray, n_cells: int, *, split_in_two: np.ndarray | None
) -> np.ndarray:
    """Atoms on cyclic grids that begin at `row`, each split over three cells, or, where told so, over two of them."""
    nearest = np.rint(position)
    f = position - nearest
    cells, weights = np.empty((3, len(position)), dtype=np.int64), np.empty((3, len(position)))
    cells[1] = nearest
    for i in (0, 2, 1):
        np.bitwise_and(cells[1] + (i - 1), n_cells - 1, out=cells[i])
        cells[i] += row
    first = mass * f
    side = first * f if split_in_two is None else np.where(split_in_two, np.abs(first), first * f)
    np.subtract(mass, side, out=weights[1])
    np.subtract(side, first, out=weights[0])
    np.add(side, first, out=weights[2])
    weights[::2] *= 0.5
    return np.bincount(cells.ravel(), weights.ravel(), int(row[-1]) + n_cells)


def products(factors: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Product of the rows of each segment, none of which is empty: what `np.multiply.reduceat` gives, several times faster."""
    size = np.diff(start)
    if len(size) < 4:
        return np.multiply.reduceat(factors, start[:-1], axis=0)
    order = np.argsort(-size, kind="stable")
    out = factors[start[:-1][order]]
    for rank in range(1, int(size.max())):
        some = int(np.count_nonzero(size > rank))
        out[:some] *= factors[start[:-1][order[:some]] + rank]
    return out[np.argsort(order)]
