"""A life table of pages: the share of sales that some crawl still found, where listings die and hide between crawls."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import nnls

from darkmarket_estimates._checks import confidence_level as _level
from darkmarket_estimates._checks import float_array, same_length
from darkmarket_estimates.coverage.abundance import SHARE, Abundance, share_interval
from darkmarket_estimates.coverage.arguments import measured, whole_array
from darkmarket_estimates.coverage.histories import quadratic, summary
from darkmarket_estimates.coverage.pages import opened_shares
from darkmarket_estimates.errors import DataError, NotIdentifiedError

#: Largest part of the window after the last crawl.
TAIL = 0.1
ASSUMPTIONS = (
    "every live page has the same chance to be opened in a crawl, whatever it sells",
    "pages die at one constant rate, whatever they sell, and are hidden at any time with the same chance",
    "a page shows all of its reviews (no page cap), and their dates are exact",
    "stable listing ids: a page that moves to a new id has died",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Survival:
    """Hazard d, and the chance p_j that crawl j reads a page that was not deleted."""

    hazard: float
    read: np.ndarray

    @property
    def vector(self) -> np.ndarray:
        """All parameters."""
        return np.array([self.hazard, *self.read])

    def ahead(self, days: np.ndarray) -> np.ndarray:
        """P at the moment of each crawl, by recursion from the last."""
        stay = np.exp(-self.hazard * np.diff(days))
        chance = self.read.copy()
        for j in range(len(days) - 2, -1, -1):
            chance[j] += (1 - self.read[j]) * stay[j] * chance[j + 1]
        return chance


class _Sales:
    """Sales seen, by the first crawl that could see them: P(s) is that of the crawl, less the chance to die until then."""

    def __init__(self, *, days: np.ndarray, money: np.ndarray, at: np.ndarray, beyond: float) -> None:
        self.days, self.money, self.beyond = days, money, beyond
        self.span = np.searchsorted(days, at)
        self.wait = days[self.span] - at

    def at_crawl(self, hazard: float) -> np.ndarray:
        """Money over the chance to live until the crawl, summed by crawl."""
        return np.bincount(self.span, self.money * np.exp(hazard * self.wait), len(self.days))

    def each(self, survival: _Survival) -> np.ndarray:
        """What each sale seen stands for, y / P(s)."""
        return self.money * np.exp(survival.hazard * self.wait) / survival.ahead(self.days)[self.span]

    def total(self, survival: _Survival, at_crawl: np.ndarray | None = None) -> float:
        """Sum of y / P(s), and what was sold after the last crawl."""
        worth = self.at_crawl(survival.hazard) if at_crawl is None else at_crawl
        ahead = survival.ahead(self.days)
        if ((ahead == 0) & (worth > 0)).any():
            raise DataError("a sale lies where no later crawl opened a page", where="sold", expected="crawls that read pages",
                            got=f"after day {self.days[np.argmax((ahead == 0) & (worth > 0)) - 1]:g}")
        worth = np.divide(worth, ahead, out=np.zeros_like(worth), where=ahead > 0)
        return float(worth.sum() + self.beyond * worth[-1])

    def gradient(self, survival: _Survival) -> np.ndarray:
        """Derivatives of the total by hazard and p_j, by central differences."""
        worth = self.at_crawl(survival.hazard)

        def total(x: np.ndarray) -> float:
            return self.total(_Survival(hazard=x[0], read=x[1:]), worth if x[0] == survival.hazard else None)

        x = survival.vector
        steps = np.where(x > 0, 1e-5 * x, 0)
        steps[0] = max(steps[0], 1e-7 / (self.days[-1] - self.days[0]))
        return np.array([0.0 if step == 0 else (total(x + step * unit) - total(x - step * unit)) / (2 * step)
                         for step, unit in zip(steps, np.eye(len(x)), strict=True)])


def life_table(
    histories: Any, times: Any, y: Any, sold: Any, listing: Any, *, opened: Any = None, window: Any = None,
    occasions: int | None = None, confidence_level: float = 0.95,
) -> Abundance:
    r"""Share of a window's turnover that crawls saw while listings died, from how long pages live.

    A sale at s is seen if its page is read in a later crawl. Pages die with hazard d; crawl j at :math:`\tau_j` reads a
    page that was not deleted with probability :math:`p_j = f_j h`: f_j the share of live pages opened, h the chance of not
    being hidden.

    .. math:: P(s) = \sum_{j: \tau_j \ge s} e^{-d (\tau_j - s)} p_j \prod_{s \le \tau_i < \tau_j} (1 - p_i)

    The total is :math:`\sum y / P(s)` over the sales seen (Horvitz and Thompson 1952), the share what was seen over it. d and
    p_j are fitted to recaptures, :math:`\ln(n_{ij} / n_i) = \ln p_j - d (\tau_j - \tau_i)` with n_ij the listings seen in
    crawls i and j, by least squares weighted by :math:`n_{ij} n_i / (n_i - n_{ij} + 1)` (the inverse of a binomial variance),
    d >= 0, p_j <= f_j: a Cormack-Jolly-Seber model with one hazard (Seber 1982, ch. 5), NEW in its use for money.

    Parameters
    ----------
    histories : array of shape (listings, crawls), bool, 0/1 or packed
        Capture histories (see `summary`).
    times : array of shape (crawls,)
        Days of the crawls on any clock, rising.
    y, sold : array of shape (sales,)
        Money and day of each sale or review that was seen.
    listing : int array of shape (sales,)
        Row of `histories` that each belongs to.
    opened : array of shape (crawls,), optional
        f_j: pages that each crawl read over pages that were live, from its log. Without it p_j is fitted for every crawl but
        the first, which gets the geometric mean of the others; flagged.
    window : (start, end), optional
        Days of the window, where it does not end with the last crawl. What was sold after that one goes on as between the
        last two; refused where that is more than a tenth of the window.
    occasions : int, optional
        Number of crawls of packed histories.
    confidence_level : float

    Returns
    -------
    Abundance
        `value` is the share; ``law()`` of it goes into ``turnover(coverage=...)``. The standard error holds the chance of
        captures, by which a listing's sales are seen together, and the error of d and p_j, linearised by listing.
        ``details``: seen, total (money), hazard (a day), mean_life (days), read (p_j).

    Raises
    ------
    NotIdentifiedError
        Too few crawls with recaptures: two are needed with `opened`, three without.
    DataError
        What is wrong, in which argument.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> days, died = np.array([30.0, 60.0, 90.0]), rng.exponential(100, 4000)
    >>> caught = (died[:, None] > days) & (rng.random((4000, 3)) < 0.7)
    >>> sold = 90 * rng.random(4000)
    >>> found = (caught & (days >= sold[:, None])).any(axis=1)
    >>> known = np.flatnonzero(caught.any(axis=1))
    >>> est = life_table(caught[known], days, np.ones(found.sum()), sold[found],
    ...                  np.searchsorted(known, np.flatnonzero(found)), opened=[0.7, 0.7, 0.7])
    >>> round(est.value, 3), round(est.standard_error, 3), round(float(found[sold < died].mean()), 3)
    (0.706, 0.012, 0.715)
    """
    level = _level(confidence_level)
    s = summary(histories, occasions=occasions)
    if s.together is None:
        raise NotIdentifiedError("a life table takes at most 64 crawls", got=str(s.occasions), fix="leave some out")
    days = float_array(times, "times")
    if len(days) != s.occasions or (np.diff(days) <= 0).any():
        raise DataError("the days of the crawls cannot be used", expected=f"{s.occasions} rising numbers",
                        got=", ".join(f"{day:g}" for day in days[:8]))
    shares = None if opened is None else opened_shares(opened, s.occasions)
    money, sold = measured(y, "y", low=0), float_array(sold, "sold")
    row = whole_array(listing, "listing", high=s.distinct - 1)
    same_length(y=money, sold=sold, listing=row)
    seen = float(money.sum())
    if seen == 0:
        raise DataError("nothing was sold on what was seen", where="y", expected="a positive value", got="0")
    counts = s.together.astype(np.float64)
    fitted = _fit(counts, days, shares)
    sales = _Sales(days=days, money=money, at=np.minimum(sold, days[-1]), beyond=_beyond(days, window))  # pages take a while
    value = sales.total(fitted)
    slopes = _slopes(lambda n: _fit(n, days, shares).vector, counts) @ sales.gradient(fitted)
    form = np.zeros_like(counts)
    form[np.triu_indices(s.occasions)] = slopes
    variance = _of_captures(row, sales.span, money, sales.each(fitted), fitted.read)
    variance += float(np.square(quadratic(histories, form, s.occasions)).sum())
    share = seen / value
    error = share * math.sqrt(variance) / value
    return Abundance(
        value=share, standard_error=error, interval=share_interval(share, error, level), interval_kind="beta",
        confidence_level=level, method="life table of pages", assumptions=ASSUMPTIONS, quantity=SHARE,
        flags=_flags(s.occasions, shares, fitted, sales.beyond),
        details={"seen": seen, "total": value, "hazard": fitted.hazard, "read": fitted.read,
                 "mean_life": 1 / fitted.hazard if fitted.hazard > 0 else math.inf},
    )


def _fit(counts: np.ndarray, days: np.ndarray, shares: np.ndarray | None) -> _Survival:
    """Hazard and chances of reading from the joint counts of crawls (n_j on the diagonal)."""
    t = len(days)
    caught = np.diag(counts)
    first, later = np.triu_indices(t, 1)
    used = counts[first, later] > 0
    first, later = first[used], later[used]
    both, base = counts[first, later], caught[first]
    span = days[-1] - days[0]
    outcome, gap = np.log(both / base), (days[later] - days[first]) / span
    if shares is None:
        known = np.flatnonzero((caught > 0) & (np.arange(t) > 0))
        design = np.column_stack([later[:, None] == known, gap])
    else:
        if (shares[later] == 0).any():
            raise DataError("a crawl saw pages and opened none", where="opened", expected="a share > 0", got="0")
        outcome = outcome - np.log(shares[later])
        design = np.column_stack([np.ones(len(gap)), gap]) if t > 2 else gap[:, None]
    if np.linalg.matrix_rank(design) < design.shape[1] or not len(gap):
        raise NotIdentifiedError("the recaptures do not tell how long pages live", got=f"{len(gap)} pair(s) of crawls",
                                 expected="listings seen again: two crawls with opened=, three without",
                                 fix="use more crawls, or a window that ends before the first one")
    root = np.sqrt(both * base / (base - both + 1))
    # all parameters are >= 0: minus the logarithm of each chance, and the hazard over the longest gap
    found, _ = nnls(design * root[:, None], -outcome * root)
    hazard = float(found[-1] / span)
    if shares is not None:
        return _Survival(hazard=hazard, read=shares * (math.exp(-found[0]) if t > 2 else 1.0))
    read = np.zeros(t)
    read[known] = np.exp(-found[:-1])
    read[0] = math.exp(-found[:-1].mean()) if caught[0] > 0 else 0.0
    return _Survival(hazard=hazard, read=read)


def _of_captures(row: np.ndarray, span: np.ndarray, y: np.ndarray, z: np.ndarray, read: np.ndarray) -> float:
    r"""Estimated variance of the sum of z about that of y, given d and p_j.

    Of two sales of a listing the later one, j, is seen only if the earlier one, i, is too; so the product of their errors is
    :math:`y_i y_j M (1 - P_j) / P_i` on average, M the chance that no crawl between them read the page: with
    :math:`z = y / P`, :math:`z_i (z_j - y_j) M` over the pairs seen.
    """
    n, variance = int(row.max()) + 1, 0.0
    earlier = np.zeros(n)
    for j in range(len(read)):
        at = span == j
        worth, own = np.bincount(row[at], z[at], n), np.bincount(row[at], y[at], n)
        variance += float((worth - own) @ (worth + 2 * earlier))
        earlier = (earlier + worth) * (1 - read[j])
    return variance


def _slopes(fit: Callable[[np.ndarray], np.ndarray], counts: np.ndarray) -> np.ndarray:
    """Derivatives of the parameters by the joint counts (upper triangle), a row a count, by central differences."""
    out = []
    for i, j in zip(*np.triu_indices(len(counts)), strict=True):
        step = np.zeros_like(counts)
        step[i, j] = 1e-4 * counts[i, j]
        if counts[i, j] > 0:
            out.append((fit(counts + step) - fit(counts - step)) / (2 * step[i, j]))
        else:
            out.append(np.zeros(len(counts) + 1))
    return np.array(out)


def _beyond(days: np.ndarray, window: Any) -> float:
    """Time of the window after the last crawl, over that between the last two."""
    if window is None:
        return 0.0
    start, end = float_array(list(window), "window")
    after = max(0.0, end - days[-1])
    if after > TAIL * (end - start):
        raise NotIdentifiedError("no crawl saw what was sold at the end of the window", got=f"{after:g} days",
                                 expected=f"at most {TAIL:.0%} of the window", fix="let the window end with the last crawl")
    return float(after / (days[-1] - max(days[-2], start)))


def _flags(t: int, shares: np.ndarray | None, fitted: _Survival, beyond: float) -> tuple[str, ...]:
    flags = []
    if shares is None:
        flags.append("shares of pages opened are fitted; that of the first crawl is taken to be the mean of the others")
    elif t == 2:
        flags.append("two crawls do not tell deaths from hiding: all is taken for deaths")
    if fitted.hazard == 0:
        flags.append("no page is seen to die")
    if beyond > 0:
        flags.append("what was sold after the last crawl is taken to go on as before it")
    return tuple(flags)
