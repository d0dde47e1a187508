"""The one result type: a turnover, what it is worth, and everything that it rests on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from darkmarket_estimates import _render, as_tables, budget, concentration, prose
from darkmarket_estimates._checks import choice, integer, replicates, shown
from darkmarket_estimates._checks import label as written
from darkmarket_estimates.compared import Compared
from darkmarket_estimates.errors import DataError, NotIdentifiedError
from darkmarket_estimates.inference import Model, Progress, showing
from darkmarket_estimates.rows import compute_rows

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Module of each kind of picture.
PLOTS = {"forest": "forest", "distribution": "law", "shares": "groups", "budget": "sources", "influence": "sources"}
#: Flags that belong to one row, not to the estimate.
ROW_FLAGS = ("no reviews", "no sold", "indicative", "one vendor makes", "holding price suspected: one listing")
#: Mean Gregorian month and year, in days.
DAYS = {"day": 1.0, "month": 365.2425 / 12, "year": 365.2425}


@dataclass(frozen=True, slots=True, eq=False)
class Estimate(Compared):
    """A turnover estimate.

    As an object each is its own: compare what two of them hold, with `to_dict` or `to_frame`.

    Attributes
    ----------
    model : Model
        The totals and the assumptions: everything can be computed anew from it.
    rows : tuple of Row
        A row a group, the total last.
    confidence_level : float
    unit : {"window", "day", "month", "year"}
        What the figures are per.
    scale : float
        Figures are those of the rows times this.
    """

    # -- other views ------------------------------------------------------------------------------------------------

    def per(self, unit: str) -> Estimate:
        """The same estimate a day, a month (30.44 days) or a year (365.24 days).

        Parameters
        ----------
        unit : {"day", "month", "year"}

        Raises
        ------
        NotIdentifiedError
            The totals have neither a window nor days.
        """
        choice(unit, "unit", tuple(DAYS))
        covered = self.model.totals.header.days
        if covered is None:
            raise NotIdentifiedError(f"how much a {unit} needs the length of the period",
                                     fix='Listings(..., window=("2016-01-01", "2016-02-01")), or days=')
        return replace(self, unit=unit, scale=DAYS[unit] / covered)

    def group(self, **labels: Any) -> Estimate:
        """The estimate of one group alone, under the same assumptions.

        Parameters
        ----------
        **labels
            One or more group columns and a label each.

        Raises
        ------
        DataError
            No such group; the labels that occur are named.

        Examples
        --------
        >>> import darkmarket_estimates as dme
        >>> totals = dme.Totals.from_cells(vendor=["a", "b", "b"], value=[900.0, 600.0, 300.0], reviews=[9, 10, 3],
        ...                                groups={"country": ["NL", "NL", "US"]}, currency="USD")
        >>> dme.turnover(totals, review_rate=0.5).group(country="NL").value
        3000.0
        """
        keep = np.ones(self.model.totals.n_cells, dtype=bool)
        for column, label in labels.items():
            key = self.model.totals.require_key(column)
            found = np.isin(key.codes, [c for c, text in enumerate(key.labels) if text == written(label)])
            if not (keep & found).any():
                known = [repr(key.labels[c]) for c in np.unique(key.codes[keep])]
                raise DataError(f"{column!r} has no group {written(label)!r}", got=shown(label),
                                expected="one of " + _render.listed(known, 12), fix="spell it as the table does")
            keep &= found
        flags = tuple(f for f in self.flags if not f.startswith(ROW_FLAGS))
        return replace(build(self.model.restrict(np.flatnonzero(keep)), self.confidence_level, flags),
                       unit=self.unit, scale=self.scale)

    def budget(self, *, by_group: bool = False, progress: Progress = None) -> pd.DataFrame:
        r"""Where the uncertainty of the total comes from.

        With :math:`T = S \prod_j M_j` and independent parts of S: :math:`v_j = Var \ln M_j`,
        :math:`v_S = \ln(1 + \sum V_i / S^2)`; a source's share is its part of :math:`v_S + \sum_j v_j`.

        Parameters
        ----------
        by_group : bool
            A budget of each group too, with the group columns first; the total, last, has "(all)" as its labels and alone
            the rules.
        progress : callable or bool, optional
            As in `turnover`, for budgets by group.

        Returns
        -------
        DataFrame
            Rows of kind "variance" (share and the interval with the source at its central value: these do not add up),
            "scenario" (the total at the ends of a Range), "undetected" (money of listings that no scrape saw) and
            "rule" (money that a cleaning rule removed). Columns:
            kind, source, share, variance, low, high, money, note.

        Examples
        --------
        >>> import darkmarket_estimates as dme
        >>> totals = dme.Totals.from_cells(vendor=["a", "b", "c"], value=[900.0, 600.0, 300.0], reviews=[9, 10, 3],
        ...                                currency="USD")
        >>> rate = dme.ReviewRate(mean=0.5, standard_error=0.02, between_vendor_sd=0.1)
        >>> dme.turnover(totals, review_rate=rate).budget()[["source", "share"]].round(2).values.tolist()
        [['unreviewed sales', 0.59], ['spread between vendors', 0.37], ['review share', 0.04]]
        """
        if by_group:
            with showing(progress, "budgets of the groups") as tell:
                return budget.budget_by_group(self.model, [row.labels for row in self.rows], [row.cells for row in self.rows],
                                              level=self.confidence_level, scale=self.scale, tell=tell)
        if hasattr(self.model, "budget"):
            return self.model.budget(self._total.cells, level=self.confidence_level, scale=self.scale)
        return budget.budget(self.model, self._total.cells, level=self.confidence_level, scale=self.scale)

    def influence(self, n: int = 10, *, names: bool = False) -> pd.DataFrame:
        """The largest vendors, and the estimate without each of them.

        Parameters
        ----------
        n : int
        names : bool
            Show the labels of the table (pseudonyms of people) instead of ranks.

        Returns
        -------
        DataFrame
            Columns vendor, value, share, value_without, low_without, high_without.

        Examples
        --------
        >>> import darkmarket_estimates as dme
        >>> totals = dme.Totals.from_cells(vendor=["a", "b"], value=[900.0, 600.0], reviews=[9, 10], currency="USD")
        >>> dme.turnover(totals, review_rate=0.5).influence()[["vendor", "share", "value_without"]].values.tolist()
        [['vendor 1', 0.6, 1200.0], ['vendor 2', 0.4, 1800.0]]
        """
        return budget.influence(self.model, n=integer(n, "n", low=1), level=self.confidence_level, scale=self.scale,
                                names=names)

    def concentration(self, n_resamples: int = 2000) -> pd.DataFrame:
        """HHI, Gini and the share of the largest vendors, of the turnover that was seen.

        The intervals take vendors as a random sample (Poisson bootstrap with weights keyed by vendor, percentile). Of
        predicted sales no such measure exists: only their sum is predicted.

        Parameters
        ----------
        n_resamples : int
            Draws start from the ``rng=`` of `turnover`: state one for the same digits again.

        Returns
        -------
        DataFrame
            Columns measure, value, low, high.
        """
        return concentration.concentration(self.model, level=self.confidence_level,
                                           n_resamples=replicates(n_resamples, "n_resamples", low=100, each=16),
                                           seed=self.model.entropy)

    def ranks(self, of: str | None = None, n_resamples: int = 2000) -> pd.DataFrame:
        """Ranks of the groups of a column, the largest first, with intervals.

        Parameters
        ----------
        of : str, optional
            As in `share`.
        n_resamples : int
            As in `concentration`.

        Returns
        -------
        DataFrame
            Columns `of`, value (in the unit of the totals), rank, low, high, probability (of that rank).
        """
        return concentration.ranks(self.model, self._column(of), level=self.confidence_level,
                                   n_resamples=replicates(n_resamples, "n_resamples", low=100, each=16), seed=self.model.entropy)

    def to_frame(self) -> pd.DataFrame:
        """Tidy: a row a group, and the total with "(all)" as its labels.

        Columns: the groups, value, floor, lower_bound, upper_bound, low, high (of the interval), kind, flags (joined by
        "; "), n_listings, n_vendors, count (of reviews or sales), n_eff, top_vendor_share; with ``coverage=`` of a
        detection model undetected and limit.
        """
        return as_tables.frame(self)

    def to_csv(self, path: str | Path | None = None) -> str | None:
        """`to_frame` as CSV, for spreadsheets: a label that one would run as a formula gets a ' before it.

        Parameters
        ----------
        path : str or Path, optional
            The file to write (UTF-8); without one the text is returned.
        """
        text = _render.to_csv(self.to_frame())
        if path is None:
            return text
        Path(path).write_text(text, encoding="utf-8", newline="")
        return None

    def to_markdown(self) -> str:
        """The figures as a Markdown table for a report: a row a group and the total, amounts in words.

        Examples
        --------
        >>> import darkmarket_estimates as dme
        >>> totals = dme.Totals.from_cells(vendor=["a", "b", "b"], value=[900.0, 600.0, 300.0], reviews=[9, 10, 3],
        ...                                groups={"country": ["NL", "NL", "US"]}, currency="USD")
        >>> print(dme.turnover(totals, review_rate=dme.Range(0.5, 1.0), interval=None).to_markdown())
        | country | floor | bounds |
        |:--|--:|--:|
        | NL | 1,500 | 1,500 to 3,000 |
        | US | 300 | 300 to 600 |
        | (all) | 1,800 | 1,800 to 3,600 |
        """
        columns, rows = as_tables.readable(self, self.rows)
        return _render.table_markdown(columns, rows, len(self.by))

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values that JSON holds; NaN becomes None.

        Two runs differ in `entropy` alone, unless the estimate was made with the same ``rng=``.
        """
        return as_tables.dictionary(self)

    def summary(self) -> str:
        """Prose to paste: the figure, every assumption, what was done to the data, and what to beware of."""
        return prose.summary(self)

    def plot(self, kind: str = "forest", ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the estimate.

        Parameters
        ----------
        kind : {"forest", "distribution", "shares", "budget", "influence"}
            A line a group and the total; the law of the total; shares of the groups of ``of=``; the uncertainty by
            source; the largest vendors.
        ax : matplotlib Axes, optional
            A column of 3.5 inches holds the first three kinds; the others want 7.
        **options
            "forest": `max_groups` (30). "shares": `of` and `between_group_cv` (as in `share`), `max_groups` (20). "influence":
            `n` (10).

        Returns
        -------
        matplotlib Axes
        """
        import importlib

        from darkmarket_estimates.plots import picture

        choice(kind, "kind", ("forest", "distribution", "shares", "budget", "influence"))
        module = importlib.import_module(f"darkmarket_estimates.plots.{PLOTS[kind]}")
        return picture(getattr(module, f"draw_{kind}"), self, ax, options)

    def __str__(self) -> str:
        return prose.headline(self)

    def __repr__(self) -> str:
        return f"<Estimate: {prose.headline(self)}>"

    def _repr_html_(self) -> str:
        return as_tables.html(self)


def build(model: Model, confidence_level: float, flags: tuple[str, ...], progress: Progress = False) -> Estimate:
    """Compute every row."""
    with showing(progress, "estimating the groups") as tell:
        rows = compute_rows(model, confidence_level, flags, tell)
    unit = "day" if model.totals.header.per_day else "window"
    return Estimate(model, rows, confidence_level, unit)
