"""Comparisons of an estimate: shares of its groups, and its ratio to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from darkmarket_estimates import as_tables
from darkmarket_estimates.comparison import Ratio, check_comparable, ratio_of_totals, ratios_by_group, share_of_group
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.figures import Figures
from darkmarket_estimates.inference import Progress, showing

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False)
class Compared(Figures):
    """The figures of an estimate, and what they can be compared with."""

    def share(self, value: Any, of: str | None = None, *, between_group_cv: float | None = None) -> Ratio:
        """Share of one group in the total, with its interval.

        Factors that are common to all groups cancel, so the share has no uncertainty from them; the flag "one review
        share for all groups" says so where nothing is stated about differences. Those stated by group (`ByGroup`) act on
        their groups. Under ``coverage=Huggins(...)`` unseen listings are part of it, with one fit for all groups; a lower
        bound has no share.

        Parameters
        ----------
        value : label
            The group.
        of : str, optional
            Its column; where the totals are grouped by one, that one.
        between_group_cv : float, optional
            Coefficient of variation, between groups, of the factors that are stated as common (such as the review
            share): the group and the rest each get a factor of their own with it.

        Returns
        -------
        Ratio

        Raises
        ------
        DataError
            No such group.
        NotSupportedError
            Unseen listings by `ValueChao` or `CountTimesMean`, or a detection model beside a Range.

        Examples
        --------
        >>> import darkmarket_estimates as dme
        >>> totals = dme.Totals.from_cells(vendor=["a", "b", "b"], value=[900.0, 600.0, 300.0], reviews=[9, 10, 3],
        ...                                groups={"country": ["NL", "NL", "US"]}, currency="USD")
        >>> round(dme.turnover(totals, review_rate=0.5).share("US", of="country").value, 4)
        0.1667
        """
        of = self._column(of)
        check_comparable(self.model, "a share")
        if hasattr(self.model, "share_of"):  # joint draws answer for themselves
            return self.model.share_of(value, of, confidence_level=self.confidence_level, between_group_cv=between_group_cv)
        return share_of_group(self.model, value, of, confidence_level=self.confidence_level,
                              between_group_cv=between_group_cv)

    def shares(
        self, of: str | None = None, *, between_group_cv: float | None = None, progress: Progress = None
    ) -> pd.DataFrame:
        """Shares of every group of a column, the largest first: columns `of`, value, low, high, kind, flags.

        Parameters
        ----------
        of : str, optional
            As in `share`.
        between_group_cv : float, optional
            As in `share`.
        progress : callable or bool, optional
            As in `turnover`.
        """
        of = self._column(of)
        with showing(progress, f"shares by {of}") as tell:
            return as_tables.shares(self, of, between_group_cv=between_group_cv, tell=tell)

    def _column(self, of: str | None) -> str:
        """The column that is meant."""
        if of is None and len(self.by) != 1:
            raise DataError("which column of groups is meant is not said", got="of=None",
                            expected="one of " + ", ".join(map(repr, self.by)) if self.by else "totals with groups",
                            fix=f"of={self.by[0]!r}" if self.by else "listings.totals(by=...)")
        return self.by[0] if of is None else of

    def ratio(self, other: Compared, *, between_group_cv: float | None = None) -> Ratio:
        """This total over another: growth between two windows, or one market beside another.

        Vendors present in both are one vendor, with one weight and one review share; assumptions that both estimates
        state alike cancel, those by group as far as the groups grew alike. Detection models
        (``coverage=Huggins(...)``) of two tables are taken as unrelated, and flagged.

        Parameters
        ----------
        other : Estimate
            The denominator; same estimand, measure, unit and currency.
        between_group_cv : float, optional
            As in `share`: what the two totals' factors may differ by although stated alike.

        Returns
        -------
        Ratio

        Examples
        --------
        >>> import darkmarket_estimates as dme
        >>> may, june = (dme.turnover(dme.Totals.from_cells(
        ...     vendor=["a", "b"], value=value, reviews=[9, 9], currency="USD", window=window), review_rate=0.5)
        ...     for value, window in (([50.0, 90.0], ("2016-05-01", "2016-06-01")), ([60.0, 90.0], ("2016-06-01", "2016-07-01"))))
        >>> round(june.ratio(may).value, 3)
        1.071
        """
        if not isinstance(other, Compared):
            raise DataError("a ratio is one estimate over another", expected="an Estimate", got=type(other).__name__)
        check_comparable(self.model, "a ratio")
        check_comparable(other.model, "a ratio")
        if hasattr(self.model, "ratio_to"):
            return self.model.ratio_to(other.model, scales=(self.scale, other.scale), units=(self.unit, other.unit),
                                       confidence_level=self.confidence_level, between_group_cv=between_group_cv)
        return ratio_of_totals(
            self.model, other.model, scales=(self.scale, other.scale), confidence_level=self.confidence_level,
            units=(self.unit, other.unit), between_group_cv=between_group_cv,
        )

    def ratios(
        self, other: Compared, *, by: str | Sequence[str] | None = None, between_group_cv: float | None = None,
        progress: Progress = None,
    ) -> pd.DataFrame:
        """This estimate over another, group by group: growth of every category between two windows.

        Each row is that of `ratio` for the group alone.

        Parameters
        ----------
        other : Estimate
            The denominators; as in `ratio`.
        by : str or sequence of str, optional
            Columns that both are grouped by; default: all that they have in common.
        between_group_cv : float, optional
            As in `ratio`.
        progress : callable or bool, optional
            As in `turnover`.

        Returns
        -------
        DataFrame
            The columns of `by`, value, low, high (interval or bounds), kind, flags; the totals last, with "(all)" as
            labels. A group that only one of the two has is flagged.

        Examples
        --------
        >>> import darkmarket_estimates as dme
        >>> may, june = (dme.turnover(dme.Totals.from_cells(
        ...     vendor=["a", "b"], value=value, reviews=[9, 9], groups={"country": ["NL", "US"]}, currency="USD",
        ...     window=window), review_rate=0.5)
        ...     for value, window in (([50.0, 90.0], ("2016-05-01", "2016-06-01")), ([60.0, 90.0], ("2016-06-01", "2016-07-01"))))
        >>> june.ratios(may)[["country", "value"]].round(3).values.tolist()
        [['NL', 1.2], ['US', 1.0], ['(all)', 1.071]]
        """
        check_comparable(self.model, "a ratio")
        check_comparable(other.model, "a ratio")
        common = tuple(name for name in self.by if name in other.by)
        with showing(progress, "ratios of the groups") as tell:
            return ratios_by_group(
                self.model, other.model, common if by is None else (by,) if isinstance(by, str) else tuple(by),
                scales=(self.scale, other.scale), confidence_level=self.confidence_level, units=(self.unit, other.unit),
                between_group_cv=between_group_cv, tell=tell,
            )
