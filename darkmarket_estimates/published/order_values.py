"""A distribution of order values with a given mean, money share, count share and maximum, if there is one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize

from darkmarket_estimates._checks import choice, number
from darkmarket_estimates.errors import AssumptionError
from darkmarket_estimates.published.size_laws import FAMILIES, SizeLaw

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def fit_order_values(*, mean: float, threshold: float, money_above: float, family: str = "lognormal") -> SizeLaw:
    """Find the law of a family with this mean and this share of the money above the threshold.

    The share rises with the shape from 0 (or 1, for a threshold below the mean) and may fall again for very wide laws,
    in which the mean rests on a few huge orders: the narrowest solution is taken.

    Parameters
    ----------
    mean, threshold : float
        In one currency.
    money_above : float
        In (0, 1).
    family : {"lognormal", "gamma", "weibull"}

    Returns
    -------
    SizeLaw

    Raises
    ------
    AssumptionError
        No member of the family has both; the message says how much money it can have there.

    Examples
    --------
    >>> law = fit_order_values(mean=75, threshold=200, money_above=0.3)
    >>> round(law.shape, 4), round(float(law.sf(200)), 4)
    (0.9711, 0.0674)
    """
    choice(family, "family", tuple(FAMILIES))
    mean = number(mean, "mean", low=0, open_low=True)
    edge = number(threshold, "threshold", low=0, open_low=True) / mean
    share = number(money_above, "money_above", low=0, high=1, open_low=True, open_high=True)

    def excess(log_shape: float) -> float:
        return float(FAMILIES[family].money(edge, math.exp(log_shape))) - share

    grid = np.linspace(math.log(0.02), math.log(8.0), 200)
    values = np.array([excess(g) for g in grid])
    crossings = np.flatnonzero(np.diff(np.sign(values)) != 0)
    if not len(crossings):
        raise AssumptionError(f"no {family} distribution has this mean and this money above the threshold",
                              expected=f"{values.min() + share:.3g} to {values.max() + share:.3g} above {threshold:g}",
                              got=f"{share:g}")
    root = optimize.brentq(excess, grid[crossings[0]], grid[crossings[0] + 1], xtol=1e-14)
    return SizeLaw(family=family, mean=mean, shape=math.exp(root))


def orders_for_maximum(law: SizeLaw, maximum: float, probability: float = 0.5) -> float:
    """Return the number of orders of which the largest is at most `maximum` with this probability.

    Examples
    --------
    >>> round(orders_for_maximum(fit_order_values(mean=75, threshold=200, money_above=0.3), 973))
    778
    """
    number(probability, "probability", low=0, high=1, open_low=True, open_high=True)
    tail = float(law.sf(number(maximum, "maximum", low=0, open_low=True)))
    return math.inf if tail == 0 else math.log(probability) / math.log1p(-tail)


def compare_order_values(
    *, mean: float, threshold: float, money_above: float, orders_above_limit: float, maximum: float
) -> pd.DataFrame:
    """Hold every family against all four summaries.

    Parameters
    ----------
    mean, threshold, money_above : float
        Met exactly by the fit.
    orders_above_limit : float
        The share of orders above the threshold must be less.
    maximum : float
        The largest order that was seen.

    Returns
    -------
    DataFrame
        A row a family: family, shape, orders_above, few, typical, many, has_all_four. The last numbers of orders are
        those of which the largest stays below `maximum` with probability 0.975, 0.5 and 0.025.
    """
    import pandas as pd

    number(orders_above_limit, "orders_above_limit", low=0, high=1)
    rows = []
    for family in FAMILIES:
        law = fit_order_values(mean=mean, threshold=threshold, money_above=money_above, family=family)
        few, typical, many = (orders_for_maximum(law, maximum, p) for p in (0.975, 0.5, 0.025))
        above = float(law.sf(threshold))
        rows.append({"family": family, "shape": law.shape, "orders_above": above, "few": few, "typical": typical,
                     "many": many, "has_all_four": bool(above < orders_above_limit and many > 1)})
    return pd.DataFrame(rows)


def plot_order_values(laws: list[SizeLaw], *, threshold: float, maximum: float, ax: Axes | None = None) -> Axes:
    """Draw the share of orders above each value, the threshold, and the largest order that was seen (log axes)."""
    from darkmarket_estimates.plots import style

    threshold = number(threshold, "threshold", low=0, high=1e100, open_low=True)
    maximum = number(maximum, "maximum", low=threshold / 20, high=1e100)
    if not isinstance(laws, Sequence) or not laws or not all(isinstance(law, SizeLaw) for law in laws):
        raise AssumptionError("there is no law to draw", expected="a list of SizeLaw", got=type(laws).__name__)
    ax = style.axes(ax, 7.0, 4.4)
    x = np.geomspace(threshold / 20, 2 * maximum, 300)
    for law, dash in zip(laws, ("-", "--", ":", "-.")):
        ax.plot(x, 100 * law.sf(x), dash, color=style.VALUE,
                label=f"{law.family}: {100 * float(law.sf(threshold)):.1f}% of orders above {threshold:g}")
    for value, name in ((threshold, "threshold"), (maximum, "largest order seen")):
        ax.axvline(value, color=style.FLOOR, linewidth=1.0, linestyle="-" if value == threshold else "--", label=name)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_ylim(1e-3, 100)
    ax.set_xlabel("value of an order")
    ax.set_ylabel("% of orders above it")
    ax.grid(**style.GRID)
    style.tidy(ax)
    style.legend_below(ax, 2)
    return ax
