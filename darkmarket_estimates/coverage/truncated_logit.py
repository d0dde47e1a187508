"""The likelihood behind Huggins' estimator: captures out of t scrapes, given at least one, with a logit link.

With eta = x'beta, pi = 1 / (1 + e^-eta) and pi* = 1 - (1 - pi)^t a listing's log-likelihood is
k eta - log((1 + e^eta)^t - 1) + constant: an exponential family in eta, hence concave, with mean t pi / pi* and
variance [t pi (1 - pi) + t^2 pi^2] / pi* - (t pi / pi*)^2. Rows are read in
chunks that stay in the cache, as columns; products of so few columns are left to einsum, because a threaded BLAS waits
for its threads longer than it computes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from darkmarket_estimates.errors import DataError, NotIdentifiedError

CHUNK = 1 << 14
MAX_STEPS = 60
START_ROWS = 100_000  # Newton starts from the optimum of an even subsample of about this size
STEEP = 300.0  # beyond it e^eta only overflows
LOWEST = math.log(1e-7)  # a listing that was seen had a better chance than this
CELLS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """An intercept and standardised covariates, made chunk by chunk; `back` leads to the user's scale."""

    covariates: np.ndarray  # (listings, p - 1), as given
    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, covariates: np.ndarray) -> Design:
        """Centre and scale; refuse a constant column and columns that repeat one another."""
        mean = covariates.mean(axis=0)
        centred_square = np.zeros((covariates.shape[1],) * 2)
        for start in range(0, len(covariates), CHUNK):
            part = (covariates[start : start + CHUNK] - mean).T.copy()
            centred_square += products(part, part)
        scale = np.sqrt(np.diag(centred_square) / len(covariates))
        flat = scale <= 1e-12 * np.maximum(np.abs(mean), 1e-300)
        if flat.any():
            raise DataError("a covariate is constant: the intercept is added already", where=f"column {flat.argmax()}",
                            expected="a column that varies", got="one value", fix="leave it out")
        if len(scale) and np.linalg.eigvalsh(centred_square / np.outer(scale, scale) / len(covariates))[0] < 1e-10:
            raise DataError("the covariates are collinear", expected="linearly independent columns",
                            got="a column that others determine", fix="leave one out")
        return cls(covariates, mean, scale)

    @property
    def width(self) -> int:
        """Number of coefficients, the intercept included."""
        return 1 + len(self.scale)

    @property
    def back(self) -> np.ndarray:
        """Matrix from coefficients of the standardised columns to those of the given columns."""
        matrix = np.eye(self.width)
        matrix[1:, 1:] = np.diag(1 / self.scale)
        matrix[0, 1:] = -self.mean / self.scale
        return matrix

    def __len__(self) -> int:
        return len(self.covariates)

    def chunks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield rows and their standardised design, of shape (coefficients, rows)."""
        for start in range(0, len(self), CHUNK):
            rows = slice(start, min(start + CHUNK, len(self)))
            z = np.ones((self.width, rows.stop - start))
            for j, (mean, scale) in enumerate(zip(self.mean, self.scale, strict=True)):
                z[j + 1] = (self.covariates[rows, j] - mean) / scale
            yield rows, z

    def every(self, step: int) -> Design:
        """Every `step`-th listing, on the same scale."""
        return Design(self.covariates[::step], self.mean, self.scale)


def products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the sums of products of the rows of `a` with those of `b`."""
    return np.einsum("ir,jr->ij", a, b)


def predictor(gamma: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return eta = gamma'z."""
    return np.einsum("i,ir->r", gamma, z)


def probabilities(eta: np.ndarray, t: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pi, pi* and log((1 + e^eta)^t - 1)."""
    odds = np.exp(np.clip(eta, -STEEP, STEEP))
    miss = t * np.log1p(odds)
    star = -np.expm1(-miss)
    return odds / (1 + odds), star, miss + np.log(star)


def moments(pi: np.ndarray, star: np.ndarray, t: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of k given k >= 1."""
    mean = t * pi / star
    return mean, np.maximum(mean * (1 - pi + t * pi - mean), 0.0)


def sweep(gamma: np.ndarray, design: Design, k: np.ndarray, t: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Return log-likelihood (without its constant), score and information."""
    value, score, information = 0.0, np.zeros(design.width), np.zeros((design.width,) * 2)
    for rows, z in design.chunks():
        eta = predictor(gamma, z)
        pi, star, normaliser = probabilities(eta, t)
        mean, variance = moments(pi, star, t)
        value += float((k[rows] * eta - normaliser).sum())
        score += np.einsum("ir,r->i", z, k[rows] - mean)
        information += products(z * variance, z)
    return value, score, information


def maximise(design: Design, k: np.ndarray, t: int) -> tuple[np.ndarray, int]:
    """Newton's method with step halving; returns the coefficients on the standardised scale and the steps taken.

    Raises
    ------
    NotIdentifiedError
        No finite maximum: all captures equal, or a covariate separates listings seen once (or always) from the rest.
    """
    if k.max() == 1:
        raise NotIdentifiedError("no listing was seen twice: detection is not identified", expected="one recapture",
                                 got="0", fix="use more scrapes")
    if k.min() == t:
        raise NotIdentifiedError("every listing was seen in every scrape: the likelihood has no maximum",
                                 expected="different capture counts", got=f"k = {t} throughout",
                                 fix="nothing is estimated to be missing: use the number seen")
    gamma = np.zeros(design.width)
    share = float(k.mean()) / t
    gamma[0] = math.log(share / (1 - share))
    step = len(design) // START_ROWS
    if step >= 4 and k[::step].max() > 1 and k[::step].min() < t:
        rough, _, found = _newton(gamma, design.every(step), k[::step], t)
        gamma = rough if found else gamma
    gamma, steps, converged = _newton(gamma, design, k, t)
    # A separating direction leaves almost no information along it (standard errors above 100 standard deviations), or
    # sends the chances of a few listings to 0 although they were seen.
    flat = np.linalg.eigvalsh(sweep(gamma, design, k, t)[2])[0] < 1e-4
    lowest = min(float(predictor(gamma, z).min()) for _, z in design.chunks())
    if not converged or flat or lowest < LOWEST:
        raise NotIdentifiedError(
            "the coefficients of detection have no finite maximum-likelihood value", expected="convergence",
            got=f"no maximum after {steps} steps (a covariate separates listings seen once, or always, from the rest)",
            fix="leave out or coarsen covariates",
        )
    return gamma, steps


def _newton(gamma: np.ndarray, design: Design, k: np.ndarray, t: int) -> tuple[np.ndarray, int, bool]:
    value, score, information = sweep(gamma, design, k, t)
    for step in range(1, MAX_STEPS + 1):
        if np.linalg.eigvalsh(information)[0] <= 1e-10:
            return gamma, step, False
        move = np.linalg.solve(information, score)
        decrement = float(score @ move)  # squared length of the step in standard errors
        if decrement < 1e-8:
            return gamma + move, step, True  # the error left is of the order of the step's square
        for _ in range(30):
            trial = sweep(gamma + move, design, k, t)
            if trial[0] >= value - 1e-12 * abs(value):
                break
            move = move / 2
        else:
            return gamma, step, False
        gamma, (value, score, information) = gamma + move, trial
    return gamma, MAX_STEPS, False


def goodness_of_fit(
    gamma: np.ndarray, covariance: np.ndarray, design: Design, k: np.ndarray, t: int
) -> tuple[float, int, np.ndarray, np.ndarray, np.ndarray]:
    """Compare how many listings were seen k times with what the model expects given the covariates.

    The statistic is d' V^- d, d = observed - expected in cells of k, with V the covariance of d after fitting:
    sum_i (diag p_i - p_i p_i') - C I^-1 C', C the covariance of cells and score. Without covariates and without pooled
    cells it is Pearson's chi-square. Returns statistic, degrees of freedom, the cells' last k, observed and expected.
    """
    last = _cells(gamma, design, t)
    n_cells = len(last)
    cell = np.searchsorted(last, np.arange(1, t + 1))
    expected, square, cross = np.zeros(n_cells), np.zeros((n_cells, n_cells)), np.zeros((n_cells, design.width))
    for _, z in design.chunks():
        pmf = _pmf(predictor(gamma, z), t)
        share, first_moment = np.zeros((n_cells, z.shape[1])), np.zeros((n_cells, z.shape[1]))
        for j, probability in enumerate(pmf):
            share[cell[j]] += probability
            first_moment[cell[j]] += (j + 1) * probability
        mean = first_moment.sum(axis=0)
        expected += share.sum(axis=1)
        square += products(share, share)
        cross += products(first_moment - share * mean, z)
    observed = np.bincount(cell[k - 1], minlength=n_cells).astype(np.float64)
    v = np.diag(expected) - square - cross @ covariance @ cross.T
    root = np.sqrt(expected)
    size, vectors = np.linalg.eigh(v / np.outer(root, root))
    keep = size > 0.02  # what the fit itself nearly determines tests nothing
    along = vectors[:, keep].T @ ((observed - expected) / root)
    return float((along**2 / size[keep]).sum()), int(keep.sum()), last, observed, expected


def _pmf(eta: np.ndarray, t: int) -> Iterator[np.ndarray]:
    """Yield P(k | k >= 1) for k = 1..t: by recursion, or through logarithms where its start would underflow."""
    _, _, normaliser = probabilities(eta, t)
    if normaliser.max() < 600:
        odds = np.exp(np.maximum(eta, -STEEP))
        current = t * odds * np.exp(-normaliser)
        for j in range(1, t + 1):
            yield current
            current = current * odds * ((t - j) / (j + 1))
    else:
        for j in range(1, t + 1):
            ways = math.lgamma(t + 1) - math.lgamma(j + 1) - math.lgamma(t - j + 1)
            yield np.exp(ways + j * np.clip(eta, -STEEP, STEEP) - normaliser)


def _cells(gamma: np.ndarray, design: Design, t: int) -> np.ndarray:
    """Last k of each cell: expected 5 or more in each (from an even subsample), and no more than `CELLS` of them."""
    step = max(1, len(design) // START_ROWS)
    expected = np.zeros(t)
    part = design.every(step)
    for _, z in part.chunks():
        expected += [p.sum() for p in _pmf(predictor(gamma, z), t)]
    expected *= len(design) / len(part)
    enough = max(5.0, expected.sum() / CELLS if t > CELLS else 5.0)
    last, held = [], 0.0
    for j in range(t):
        held += expected[j]
        if held >= enough:
            last.append(j + 1)
            held = 0.0
    if not last:
        return np.array([t])
    if held >= 5.0 and last[-1] != t:
        last.append(t)
    last[-1] = t
    return np.array(last)
