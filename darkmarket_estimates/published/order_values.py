"""Order values from four summaries: is there a distribution with that mean, money share, count share and maximum?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, stats

from darkmarket_estimates._checks import choice, number
from darkmarket_estimates.errors import AssumptionError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Family -> (law of one order with mean 1, law of one unit of money) at a shape; a wider law has a larger shape.
#: The money of orders of size x has density x f(x) / mean.
FAMILIES: Mapping[str, Callable[[float], tuple[stats.rv_continuous, Callable[[float], float]]]] = {
    "lognormal": lambda s: (
        stats.lognorm(s, scale=math.exp(-s * s / 2)),
        lambda x: float(stats.norm.sf((math.log(x) - s * s / 2) / s)),
    ),
    "gamma": lambda s: (
        stats.gamma(1 / s**2, scale=s**2),
        lambda x: float(stats.gamma.sf(x, 1 / s**2 + 1, scale=s**2)),
    ),
    "weibull": lambda s: (
        stats.weibull_min(1 / s, scale=1 / math.gamma(1 + s)),
        lambda x: float(stats.gamma.sf((x * math.gamma(1 + s)) ** (1 / s), 1 + s)),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderValueFit:
    """A family of order values with a given mean and a given share of the money above a threshold.

    Attributes
    ----------
    family : str
    mean, threshold : float
        In one currency.
    money_above : float
        Share of the money in orders above the threshold.
    shape : float
        Of the family: sigma of the log-normal, 1 / sqrt(shape) of the gamma, 1 / shape of the Weibull.
    """

    family: str
    mean: float
    threshold: float
    money_above: float
    shape: float

    @property
    def law(self) -> stats.rv_continuous:
        """Distribution of one order's value."""
        scaled = FAMILIES[self.family](self.shape)[0]
        return scaled.dist(*scaled.args, **{**scaled.kwds, "scale": scaled.kwds["scale"] * self.mean})

    @property
    def orders_above(self) -> float:
        """Share of orders above the threshold."""
        return float(self.law.sf(self.threshold))

    def orders_for_maximum(self, maximum: float, probability: float = 0.5) -> float:
        """Number of orders at which the largest stays at or below `maximum` with this probability."""
        number(probability, "probability", low=0, high=1, open_low=True, open_high=True)
        tail = float(self.law.sf(number(maximum, "maximum", low=0, open_low=True)))
        return math.inf if tail == 0 else math.log(probability) / math.log1p(-tail)


def fit_order_values(*, mean: float, threshold: float, money_above: float, family: str = "lognormal") -> OrderValueFit:
    """Find the member of a family with this mean and this share of money above the threshold.

    With unit mean, the money above x is 1 - L(F(x)), L the Lorenz curve; in each family it is monotone in the shape as
    long as the law is narrow, and the narrowest solution is taken.

    Parameters
    ----------
    mean, threshold : float
        In one currency.
    money_above : float
        In (0, 1).
    family : {"lognormal", "gamma", "weibull"}

    Returns
    -------
    OrderValueFit

    Raises
    ------
    AssumptionError
        No member of the family has both; the message says how much money it can reach.

    Examples
    --------
    >>> fit = fit_order_values(mean=75, threshold=200, money_above=0.3)
    >>> round(fit.shape, 4), round(fit.orders_above, 4), round(fit.orders_for_maximum(973))
    (0.9711, 0.0674, 778)
    """
    choice(family, "family", tuple(FAMILIES))
    mean = number(mean, "mean", low=0, open_low=True)
    edge = number(threshold, "threshold", low=0, open_low=True) / mean
    share = number(money_above, "money_above", low=0, high=1, open_low=True, open_high=True)

    def excess(log_shape: float) -> float:
        return FAMILIES[family](math.exp(log_shape))[1](edge) - share

    grid = np.linspace(math.log(0.02), math.log(12.0), 200)
    values = np.array([excess(g) for g in grid])
    rises = np.flatnonzero((values[:-1] < 0) & (values[1:] >= 0))
    if not len(rises):
        raise AssumptionError(f"no {family} distribution has this mean and this money above the threshold",
                              expected=f"a share of at most {values.max() + share:.3g} above {threshold:g}",
                              got=f"{share:g}")
    root = optimize.brentq(excess, grid[rises[0]], grid[rises[0] + 1], xtol=1e-13)
    return OrderValueFit(family=family, mean=mean, threshold=float(threshold), money_above=share, shape=math.exp(root))


def compare_order_values(
    *, mean: float, threshold: float, money_above: float, orders_above_limit: float, maximum: float
) -> pd.DataFrame:
    """Every family against all four summaries.

    Parameters
    ----------
    mean, threshold, money_above : float
        Met exactly by the fit.
    orders_above_limit : float
        The share of orders above the threshold must stay below it.
    maximum : float
        The largest order that was seen.

    Returns
    -------
    DataFrame
        A row a family: family, shape, orders_above, orders_for_maximum_low, orders_for_maximum,
        orders_for_maximum_high (numbers of orders at which `maximum` is the 97.5 %, 50 % and 2.5 % point of the
        largest), has_all_four.
    """
    import pandas as pd

    rows = []
    for family in FAMILIES:
        fit = fit_order_values(mean=mean, threshold=threshold, money_above=money_above, family=family)
        few, typical, many = (fit.orders_for_maximum(maximum, p) for p in (0.975, 0.5, 0.025))
        rows.append({"family": family, "shape": fit.shape, "orders_above": fit.orders_above,
                     "orders_for_maximum_low": few, "orders_for_maximum": typical, "orders_for_maximum_high": many,
                     "has_all_four": bool(fit.orders_above < orders_above_limit and many >= 1)})
    return pd.DataFrame(rows)


def plot_order_values(fits: list[OrderValueFit], ax: Axes | None = None, *, maximum: float | None = None) -> Axes:
    """Draw the share of orders above each value (log axes), the threshold and the largest order that was seen."""
    from darkmarket_estimates.plots import style

    ax = style.axes(ax, 7.0, 4.2)
    top = maximum if maximum is not None else 10 * fits[0].threshold
    x = np.geomspace(fits[0].mean / 10, 2 * top, 300)
    for fit, dash in zip(fits, ("-", "--", ":", "-.")):
        ax.plot(x, 100 * fit.law.sf(x), dash, label=f"{fit.family}: {100 * fit.orders_above:.1f}% above {fit.threshold:g}")
    ax.axvline(fits[0].threshold, color=style.FLOOR, linewidth=0.8)
    if maximum is not None:
        ax.axvline(maximum, color=style.FLOOR, linewidth=0.8, linestyle="--")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_ylim(1e-3, 100)
    ax.set_xlabel("value of an order")
    ax.set_ylabel("% of orders above it")
    ax.legend(frameon=False, fontsize=9)
    ax.grid(**style.GRID)
    style.tidy(ax)
    return ax
