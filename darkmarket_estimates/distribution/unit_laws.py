"""Unreviewed sales of a vendor with a given number of reviews, as atoms that many vendors and totals share."""

from __future__ import annotations

import functools
import math

import numpy as np

from darkmarket_estimates.distribution.multiplier import Multiplier

#: Whole numbers of reviews up to this one have atoms of their own; others those of the nearest e^(j STEP).
EXACT, STEP, LARGEST = 2000.0, 0.005, 1e6
#: Probability beyond the atoms, and how many laws are kept.
LOST, MOST = 1e-9, 5000
BLOCKS = 14  # blocks a standard deviation, and a multiple of the distance from 0 or from the bulk


class UnitLaws:
    """Atoms of the number of unreviewed sales, by number of reviews, kept as long as the multiplier is in use."""

    def __init__(self, multiplier: Multiplier) -> None:
        self.multiplier = multiplier
        self._kept: dict[float, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def atoms(self, numbers: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Counts, their probabilities, and those of the last one, of the last two and so on, for each number of reviews."""
        found = [self._kept.get(number) for number in numbers.tolist()]
        new = np.flatnonzero([each is None for each in found])
        if len(new):
            for at, law in zip(new.tolist(), _atoms(self.multiplier, numbers[new]), strict=True):
                found[at] = law
                if len(self._kept) < MOST:
                    self._kept[float(numbers[at])] = law
        return [law for law in found if law is not None]

    def reach(self, number: np.ndarray, lost: np.ndarray) -> np.ndarray:
        """Count that is exceeded with probability `lost` at most."""
        out = np.empty(len(number))
        known, which = np.unique(number, return_inverse=True)
        order = np.argsort(which, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(which[order])) + 1) if len(order) else []
        for (k, _, beyond), rows in zip(self.atoms(known), parts, strict=True):
            # one block more: an atom stands for the counts around it
            at = len(k) - np.searchsorted(beyond, lost[rows], side="right")
            out[rows] = k[np.minimum(at, len(k) - 1)]
        return out

    def single(self, y: np.ndarray, q: np.ndarray) -> np.ndarray:
        """Which vendors have an atom for each count, up to the far tail."""
        number = y * y / q
        between, within = self.multiplier.variances
        return np.sqrt(between * number**2 + within * number) < 2 * BLOCKS - 1

    def stretched(
        self, y: np.ndarray, q: np.ndarray, *, nearest: bool = True
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Number of reviews (the nearest that is kept), price and offset that give each vendor its mean and variance.

        Returns
        -------
        number, price, offset : array of shape (n_vendors,)
            The vendor's total is offset + price x unreviewed sales of `number`.
        """
        exact = y * y / q
        whole = np.rint(exact)
        kept = np.exp(STEP * np.rint(np.log(np.minimum(exact, LARGEST)) / STEP)) if nearest else exact
        number = np.where((np.abs(exact - whole) <= 1e-9 * exact) & (exact <= EXACT) & (whole > 0), whole, kept)
        between, within = self.multiplier.variances
        own = np.sqrt((between * exact**2 + within * exact) / (between * number**2 + within * number))
        price = q / y * np.where(number == whole, 1.0, own)
        return number, price, y / self.multiplier.share - price * number * (1 / self.multiplier.share - 1)


def _atoms(multiplier: Multiplier, number: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Atoms of many numbers of reviews in one pass."""
    centre = number * (1 / multiplier.share - 1)
    deviation = np.sqrt(multiplier.variances[0] * number**2 + multiplier.variances[1] * number)
    end = centre + multiplier.far_end(number, number, np.full(len(number), LOST))
    starts = [block_starts(*each) for each in zip(centre.tolist(), deviation.tolist(), end.tolist(), strict=True)]
    widths = [np.diff(each) for each in starts]
    width = np.concatenate(widths)
    k = np.concatenate([each[:-1] for each in starts]) + (width - 1) / 2
    sizes = [len(each) for each in widths]
    mass = np.exp(multiplier.log_mass(k, np.repeat(number, sizes))) * width
    ends = np.cumsum(sizes)[:-1]
    out = []
    for counts, own in zip(np.split(k, ends), np.split(mass, ends), strict=True):
        own = own / own.sum()
        out.append((counts, own, np.cumsum(own[::-1])))
    return out


@functools.lru_cache(maxsize=64)
def unit_laws(multiplier: Multiplier) -> UnitLaws:
    """Return the atoms under a multiplier; those of the last ones used are kept."""
    return UnitLaws(multiplier)


def block_starts(centre: float, deviation: float, end: float) -> np.ndarray:
    """First counts of blocks that are narrow beside the law.

    Even blocks in the bulk; near 0, where the probabilities may rise like a power, and in the far tail their width is
    proportional to the distance.
    """
    stride = max(1, int(deviation / BLOCKS))
    far = centre + 9 * deviation
    last = min(far, max(end, 0.0))
    if stride == 1:
        bulk = np.arange(0, math.ceil(last) + 2, dtype=np.float64)
    else:
        first = max(0, int((centre - 9 * deviation) / stride))
        bulk = np.arange(first, int(last / stride) + 2, dtype=np.float64) * stride
        wide = BLOCKS * stride
        if first * stride < wide:
            fine = _fine(stride)
            bulk = np.concatenate([[0.0], fine, bulk[bulk > fine[-1]]])
    if end <= bulk[-1]:
        return bulk
    growth = 1 + 1 / BLOCKS
    steps = math.ceil(math.log(max(end / bulk[-1], growth)) / math.log(growth))
    beyond = np.floor(bulk[-1] * growth ** np.arange(1, steps + 1))
    return np.concatenate([bulk, beyond[np.diff(beyond, prepend=bulk[-1]) > 0]])


@functools.lru_cache(maxsize=256)
def _fine(stride: int) -> np.ndarray:
    """First counts of the blocks from 1 to the bulk."""
    wide = BLOCKS * stride
    return np.unique(np.floor(np.geomspace(1, wide, BLOCKS * math.ceil(math.log(wide)) + 1)))
