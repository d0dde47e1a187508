"""What a benchmark found: the runs, their table, pictures; saved as text and read again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from darkmarket_estimates._checks import choice
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.evaluation import characteristics, log
from darkmarket_estimates.evaluation.job import COLUMNS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Report:
    """How variants did where the truth is known.

    Attributes
    ----------
    runs : DataFrame
        A row a scenario, run and variant: scenario, run, variant, truth, value, floor, lower_bound, upper_bound, low,
        high, confidence_level, interval_score, weighted_interval_score, crps, seconds, kind, estimand, flags, error.
    headers : tuple of mappings
        One a scenario: version, entropy, market, scraper, truth, variants.
    alarms : tuple of (scenario, text)
        Why there is no verdict.
    """

    runs: pd.DataFrame
    headers: tuple[Mapping[str, Any], ...]
    alarms: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for scenario, rows in self.runs.groupby("scenario", sort=False):
            alarm = (str(scenario), "most runs came out exactly alike: the market ignores its seed")
            if characteristics.same_markets(rows) and alarm not in self.alarms:
                object.__setattr__(self, "alarms", (*self.alarms, alarm))

    def table(self) -> pd.DataFrame:
        """Operating characteristics.

        Returns
        -------
        DataFrame
            A row a scenario and variant.

            - judged_as: what a variant claims and is judged by: "interval", "bounds", "lower bound" (a floor, or an
              interval open above), "upper bound", "value".
            - runs, failures: a run fails with an error, or without the claim that the variant makes elsewhere.
            - truth: mean. bias, rmse, median_absolute_error: of the value, in the currency. relative_bias: bias over
              mean truth, relative_bias_error: its Monte Carlo error.
            - coverage: how often the claim is true; coverage_error: its Monte Carlo error. truth_below, truth_above:
              misses under the low and over the high end. width: median, over the mean truth.
            - interval_score, weighted_interval_score, crps: means, in the currency; smaller is better.
            - seconds: median a run.
            - verdict: "fails" where coverage is short of the level by more than 3 Monte Carlo errors in 1,000 or more
              runs, "conservative" where it is as far above (intervals), else "holds"; a value alone is "biased" or "no
              bias seen". In fewer runs "short so far", or "too few runs to tell".
        """
        return characteristics.table(self.runs, {scenario for scenario, _ in self.alarms})

    @classmethod
    def join(cls, *reports: Report) -> Report:
        """Return one report on several scenarios.

        Raises
        ------
        DataError
            None given, or two have the same scenario name.
        """
        for report in reports:
            if not isinstance(report, Report):
                raise DataError("only reports can be joined", expected="Report", got=type(report).__name__)
        names = [header["scenario"] for report in reports for header in report.headers]
        if not names or len(set(names)) < len(names):
            raise DataError("reports cannot be joined", expected="distinct scenario names, at least one",
                            got=", ".join(map(repr, names)) or "no report", fix='benchmark(..., scenario="base")')
        return cls(runs=pd.concat([r.runs for r in reports], ignore_index=True),
                   headers=tuple(h for r in reports for h in r.headers),
                   alarms=tuple(a for r in reports for a in r.alarms))

    def save(self, path: str | Path) -> None:
        """Write the runs as lines of JSON; `benchmark(..., path=...)` goes on from a file of one scenario."""
        runs = [list(rows.to_dict("records")) for _, rows in self.runs.groupby(["scenario", "run"], sort=False)]
        first = {"headers": [dict(h) for h in self.headers], "alarms": [list(a) for a in self.alarms]}
        log.write(log.as_path(path), first, runs)

    @classmethod
    def load(cls, path: str | Path) -> Report:
        """Read what `save` or `benchmark(..., path=...)` wrote.

        Raises
        ------
        DataError
            This is no such file.
        """
        first, runs, _ = log.read(log.as_path(path))
        rows = [row for finished in sorted(runs, key=lambda finished: finished[0]["run"]) for row in finished]
        names = [header["scenario"] for header in first["headers"]]
        rows.sort(key=lambda row: names.index(row["scenario"]))
        return cls(runs=pd.DataFrame(rows, columns=list(COLUMNS)), headers=tuple(first["headers"]),
                   alarms=tuple((str(s), str(a)) for s, a in first.get("alarms", ())))

    def plot(self, kind: str = "zip", ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the report.

        Parameters
        ----------
        kind : {"zip", "bias", "coverage"}
            "zip": every interval of one variant, the worst misses on top; "bias" and "coverage": of every variant, by
            scenario.
        ax : matplotlib Axes, optional
        **options
            "zip": `variant`, and `scenario` where there are several.

        Returns
        -------
        matplotlib Axes
        """
        from darkmarket_estimates.plots import operating, picture

        choice(kind, "kind", ("zip", "bias", "coverage"))
        return picture(getattr(operating, f"draw_{kind}"), self, ax, options)

    def __str__(self) -> str:
        shown = self.table()[["scenario", "variant", "judged_as", "runs", "failures", "relative_bias", "coverage",
                              "coverage_error", "width", "verdict"]]
        if (shown["scenario"] == "").all():
            shown = shown.drop(columns="scenario")
        alarms = [f"ALARM {scenario}: {alarm}".replace(" :", ":") for scenario, alarm in self.alarms]
        return "\n".join([*alarms, shown.to_string(index=False, float_format="%.3f", na_rep="")])

    def __repr__(self) -> str:
        return (f"<Report: {self.runs['variant'].nunique()} variants, {len(self.headers)} scenario(s), "
                f"{len(self.runs.groupby(['scenario', 'run'])):,} runs{', ALARMS' if self.alarms else ''}>")
