"""What a model says of data: before it has read them, and afterwards beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from darkmarket_estimates._checks import generator, integer
from darkmarket_estimates._render import significant
from darkmarket_estimates.bayes.cells import Vendors
from darkmarket_estimates.bayes.protocol import Replicates
from darkmarket_estimates.plots import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Draws of the prior that a table of it is made of, at most.
MOST_DRAWS = 1_000_000
#: A statistic of the data this far in the tails of its replicates, both together, is named.
EXTREME = 0.02


def count_statistics(vendors: Vendors) -> dict[str, float]:
    """Reviewed turnover, share of the ten largest vendors, and dependence of values on counts.

    The dependence is E[r] E[m] / E[r m] over vendors with reviews, r their reviews and m the mean value of one: a model
    without it overstates a total by that factor.
    """
    money = np.bincount(vendors.row_vendor, weights=vendors.row_value, minlength=len(vendors.reviews))
    some = vendors.reviews > 0
    r, y = vendors.reviews[some], money[some]
    total = float(y.sum())
    if total == 0:
        return {"reviewed turnover": 0.0, "top-10 share": np.nan, "count-value dependence": np.nan}
    top = np.partition(y, -10)[-10:] if len(y) > 10 else y
    return {"reviewed turnover": total, "top-10 share": float(top.sum()) / total,
            "count-value dependence": float(r.mean() * (y / r).mean() / y.mean())}


@dataclass(frozen=True, slots=True, eq=False)
class PredictiveCheck:
    """Observed statistics beside those of data that the model makes.

    Attributes
    ----------
    replicates : Replicates
    """

    replicates: Replicates

    def p_value(self, name: str) -> float:
        """Share of the replicates that are at most as large as the observed value, ties by half."""
        made = self.replicates.replicated[name]
        seen = self.replicates.observed[name]
        return float((made < seen).mean() + 0.5 * (made == seen).mean())

    @property
    def flags(self) -> tuple[str, ...]:
        """Statistics that the model does not reproduce."""
        found = []
        for name in self.replicates.observed:
            p = self.p_value(name)
            if np.isfinite(self.replicates.observed[name]) and min(p, 1 - p) < EXTREME / 2:
                found.append(f"predictive check: the model does not reproduce the {name} (p = {min(p, 1 - p):.2g})")
        return tuple(found)

    def to_frame(self) -> pd.DataFrame:
        """A row a statistic: observed, low, median and high (5, 50, 95 %) of the replicates, p."""
        import pandas as pd

        rows = []
        for name, seen in self.replicates.observed.items():
            made = self.replicates.replicated[name]
            low, median, high = np.nanquantile(made, [0.05, 0.5, 0.95]) if np.isfinite(made).any() else (np.nan,) * 3
            rows.append({"statistic": name, "unit": self.replicates.units.get(name, ""), "observed": seen, "low": low,
                         "median": median, "high": high, "p": self.p_value(name)})
        return pd.DataFrame(rows).set_index("statistic")

    def plot(self, name: str | None = None, ax: Axes | None = None) -> Axes | list[Axes]:
        """Histogram of the replicates with the observed value: of one statistic, or of all side by side.

        Returns
        -------
        Axes, or a list of them for all statistics
        """
        if name is None:
            import matplotlib.pyplot as plt

            names = list(self.replicates.observed)
            axes = plt.subplots(1, len(names), figsize=(4.2 * len(names), 3.6), layout="constrained", squeeze=False)[1][0]
            return [self._draw(n, a) for n, a in zip(names, axes, strict=True)]
        return self._draw(name, style.axes(ax, 5.0, 3.6))

    def _draw(self, name: str, ax: Axes) -> Axes:
        made, seen = self.replicates.replicated[name], self.replicates.observed[name]
        made = made[np.isfinite(made)]
        low, high = np.quantile(made, [0.005, 0.995])
        ax.hist(made[(made >= low) & (made <= high)], bins=40, color=style.INTERVAL, alpha=0.6, label="replicated")
        ax.axvline(seen, color=style.INK, linewidth=1.8, label="observed")
        if name in self.replicates.units:
            style.money_axis(ax.xaxis)
        ax.set_xlabel(f"{name} {self.replicates.units.get(name, '')}".strip())
        ax.set_yticks([])
        ax.set_title(f"p = {significant(self.p_value(name), 2)}", loc="left", fontsize=10)
        style.tidy(ax)
        ax.legend(frameon=False, fontsize=9)
        return ax


def prior_table(spec: Any, totals: Any, *, draws: int, rng: Any) -> pd.DataFrame:
    """Quantiles over draws of the prior of what a reader can judge, with the observed value beside them.

    Returns
    -------
    DataFrame
        Index quantity; columns unit, low, median, high (5, 50, 95 %), observed. Quantities: reviews of the mean vendor,
        mean value of a review, reviewed turnover of as many vendors as the table has, share of the ten largest.
    """
    import pandas as pd

    rng = generator(rng)
    data = spec.data(totals)
    made = []
    for _ in range(integer(draws, "draws", low=10, high=MOST_DRAWS)):
        made.append(_described(spec.simulate(rng, data)[1].own.vendors))
    seen = _described(data.own.vendors)
    units = {"reviews a vendor": "reviews", "mean value of a review": totals.header.currency,
             "reviewed turnover": totals.header.currency}
    rows = []
    for name, observed in seen.items():
        low, median, high = np.nanquantile([m[name] for m in made], [0.05, 0.5, 0.95])
        rows.append({"quantity": name, "unit": units.get(name, ""), "low": low, "median": median, "high": high,
                     "observed": observed})
    return pd.DataFrame(rows).set_index("quantity")


def _described(vendors: Vendors) -> dict[str, float]:
    reviews = float(vendors.reviews.sum())
    statistics = count_statistics(vendors)
    return {"reviews a vendor": reviews / max(len(vendors.reviews), 1),
            "mean value of a review": statistics["reviewed turnover"] / reviews if reviews else np.nan,
            "reviewed turnover": statistics["reviewed turnover"], "top-10 share": statistics["top-10 share"]}
