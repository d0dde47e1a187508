"""Draws of the assumptions that reviews say nothing about: review share, genuine share, coverage, exchange rate."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from darkmarket_estimates._checks import is_number
from darkmarket_estimates.errors import AssumptionError
from darkmarket_estimates.factors import GENUINE_SHARE, REVIEW_SHARE, Factor


@dataclass(frozen=True, slots=True, eq=False)
class Assumed:
    """Joint draws of assumptions, by group.

    Attributes
    ----------
    share : array of shape (n_draws, n_groups)
        Mean review share; 1 where counts are sales.
    multiplier : array of shape (n_draws, n_groups)
        Product of everything else.
    genuine : array of shape (n_draws, n_groups)
        The part of `multiplier` that leaves out reviews instead of scaling prices.
    common : dict of name to array of shape (n_draws,)
        Draws of what is uncertain and common to all groups.
    statement : int array of shape (n_groups,)
        Which review share each group has: a vendor has one share a statement.
    size : array of shape (n_groups,)
        a + b of the Beta law of shares between vendors; infinite without spread.
    """

    share: np.ndarray
    multiplier: np.ndarray
    genuine: np.ndarray
    common: dict[str, np.ndarray]
    statement: np.ndarray
    size: np.ndarray


def values_of(factor: Factor, n: int) -> np.ndarray:
    """Quantiles of an assumption at evenly spread probabilities, in an order that its statement alone decides.

    The same assumption has the same draws in every fit, so that it cancels in a ratio; the order is unrelated to that of
    the draws of any model.

    Raises
    ------
    AssumptionError
        A Range: it claims no probabilities.
    """
    if factor.is_range:
        raise AssumptionError(f"the {factor.title} is a Range, which has no prior", got=repr(factor.spec),
                              expected="a number, a ReviewRate or a distribution",
                              fix="scipy.stats.uniform(low, high - low) if every value is as likely; turnover() for bounds")
    if is_number(factor.spec):
        return np.full(n, float(factor.spec))  # type: ignore[arg-type]
    order = np.random.default_rng(zlib.crc32(factor.title.encode())).permutation(n)
    return np.asarray(factor.spec.ppf((order + 0.5) / n), dtype=np.float64)  # type: ignore[union-attr]


def draw_assumptions(
    factors: Sequence[Factor], cell_group: np.ndarray, n_groups: int, n: int
) -> Assumed:
    """Draw every assumption `n` times.

    Parameters
    ----------
    factors : sequence of Factor
    cell_group : int array of shape (n_cells,)
        Group of each cell of the table that the factors were laid over.
    """
    share, multiplier, genuine = (np.ones((n, n_groups)) for _ in range(3))
    statement, size = np.zeros(n_groups, dtype=np.int64), np.full(n_groups, np.inf)
    common: dict[str, np.ndarray] = {}
    for i, factor in enumerate(factors):
        groups = np.unique(cell_group if factor.cells is None else cell_group[factor.cells])
        values = values_of(factor, n)
        if factor.is_uncertain and len(groups) == n_groups:
            common[factor.title] = values
        if factor.name == REVIEW_SHARE:
            assert factor.rate is not None
            share[:, groups], statement[groups], size[groups] = values[:, None], i, factor.rate.size
        else:
            multiplier[:, groups] *= values[:, None] ** factor.power
            if factor.name == GENUINE_SHARE:
                genuine[:, groups] *= values[:, None]
    return Assumed(share, multiplier, genuine, common, statement, size)
