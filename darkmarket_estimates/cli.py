"""The command line: `darkmarket estimate FILE ...`, `darkmarket reproduce NAME`."""

from __future__ import annotations

import json
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from darkmarket_estimates import _render, api
from darkmarket_estimates._version import __version__
from darkmarket_estimates.assumptions import ExchangeRate, HoldingPrice, Range, ReviewRate
from darkmarket_estimates.errors import AssumptionError, DataError, StatisticalWarning
from darkmarket_estimates.estimate import Estimate

BAD_INPUT = 2
_NUMBER = r"[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?"
_SPEC = re.compile(rf"(?P<mean>{_NUMBER})(?:(?:\+-|±)(?P<error>{_NUMBER})|:(?P<high>{_NUMBER}))?")

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
                  help="Turnover of online anonymous marketplaces from review counts and prices.")


def parse_spec(text: str | None, name: str, *, between_vendor_sd: float | None = None) -> Any:
    """Read ``0.44`` (known), ``0.44+-0.02`` (mean and standard error) or ``0.57:1`` (range).

    Examples
    --------
    >>> parse_spec("0.57:1", "review rate")
    Range(low=0.57, high=1.0)
    """
    if text is None:
        if between_vendor_sd is not None:
            raise AssumptionError("--between-vendor-sd needs --review-rate")
        return None
    match = _SPEC.fullmatch(text.replace(" ", ""))
    if match is None:
        raise AssumptionError(f"the {name} cannot be read", expected="0.44, 0.44+-0.02 or 0.57:1", got=repr(text))
    mean, error, high = (None if v is None else float(v) for v in match.group("mean", "error", "high"))
    assert mean is not None
    centre: float | Range = mean if high is None else Range(mean, high)
    if name == "review rate":
        return ReviewRate(mean=centre, standard_error=error or 0.0, between_vendor_sd=between_vendor_sd)
    if error is not None:
        if name == "exchange rate" or name == "units per order":
            from scipy import stats

            sigma = (error / mean) if mean else 0.0
            return stats.lognorm(sigma, scale=mean)
        return ReviewRate(mean=mean, standard_error=error).mean_spec
    return centre


@app.command()
def estimate(
    file: Annotated[str, typer.Argument(help="CSV or Parquet file (or glob), a row a listing.", metavar="FILE")],
    price: Annotated[str, typer.Option(help="Column of the price of one order.")],
    vendor: Annotated[str, typer.Option(help="Column of the vendor.")],
    currency: Annotated[str, typer.Option(help="Currency of the prices (code, or a column).")],
    reviews: Annotated[str | None, typer.Option(help="Column of reviews in the window, or 1: a row a review.")] = None,
    sold: Annotated[str | None, typer.Option(help="Column of sales that the market prints.")] = None,
    listing: Annotated[str | None, typer.Option(help="Column of the listing id.")] = None,
    market: Annotated[str | None, typer.Option(help="Column of the market.")] = None,
    days: Annotated[str | None, typer.Option(help="Column of the listing's own exposure in days.")] = None,
    duplicates: Annotated[str | None, typer.Option(help="error, first, largest, sum or keep.")] = None,
    window: Annotated[str | None, typer.Option(help="First day and the day after the last: 2016-01-01:2016-02-01.")]
    = None,
    by: Annotated[list[str] | None, typer.Option(help="Group column; repeat for several.")] = None,
    band: Annotated[list[float] | None, typer.Option(help="Edge of a price band; repeat for several.")] = None,
    cap: Annotated[float | None, typer.Option(help="Refuse prices above it as holding prices.")] = None,
    upper_multiple: Annotated[float | None, typer.Option(help="... above this multiple of the listing's median.")] = None,
    lower_multiple: Annotated[float | None, typer.Option(help="... below this multiple of the listing's median.")] = None,
    review_rate: Annotated[str | None, typer.Option(help="Reviews per sale: 0.44, 0.44+-0.02 or 0.57:1.")] = None,
    between_vendor_sd: Annotated[float | None, typer.Option(help="Its standard deviation between vendors.")] = None,
    genuine_share: Annotated[str | None, typer.Option(help="Share of reviews that stand for an order.")] = None,
    units_per_order: Annotated[str | None, typer.Option(help="Units of the listed price an order.")] = None,
    market_coverage: Annotated[str | None, typer.Option(help="Share of turnover that the table covers.")] = None,
    exchange_rate: Annotated[str | None, typer.Option(help="Units of --to per unit of --currency.")] = None,
    to: Annotated[str | None, typer.Option(help="Target currency of --exchange-rate.")] = None,
    estimand: Annotated[str, typer.Option(help="realised or expected.")] = "realised",
    measure: Annotated[str, typer.Option(help="money or orders.")] = "money",
    interval: Annotated[str, typer.Option(help="default, none, or a method of the estimand.")] = "default",
    level: Annotated[float, typer.Option(help="Confidence level.")] = 0.95,
    per: Annotated[str | None, typer.Option(help="day, month or year.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the groups as CSV alone.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Write a forest plot (png, svg, pdf).")] = None,
) -> None:
    """Estimate turnover from a table of listings."""
    with _messages():
        if as_json and as_csv:
            raise AssumptionError("--json and --csv exclude each other")
        if (exchange_rate is None) != (to is None):
            raise AssumptionError("--exchange-rate and --to belong together")
        rule = None
        if (cap, upper_multiple, lower_multiple) != (None, None, None):
            rule = HoldingPrice(cap=cap, upper_multiple=upper_multiple, lower_multiple=lower_multiple)
        with _working(f"reading {file}"):
            est = api.turnover(
                file, price=price, vendor=vendor, currency=currency, reviews=1 if reviews == "1" else reviews, sold=sold,
                listing=listing, market=market, days=days, duplicates=duplicates, window=_window(window), by=by,
                bands=tuple(band or ()), clean=rule,
                review_rate=parse_spec(review_rate, "review rate", between_vendor_sd=between_vendor_sd),
                genuine_share=parse_spec(genuine_share, "genuine share"),
                units_per_order=parse_spec(units_per_order, "units per order"),
                market_coverage=parse_spec(market_coverage, "market coverage"),
                exchange_rate=None if to is None else ExchangeRate(parse_spec(exchange_rate, "exchange rate"), to=to),
                estimand=estimand, measure=measure, interval=interval, confidence_level=level,
            )
            est = est if per is None else est.per(per)
        if plot is not None:
            save_figure(est.plot(), plot)
        _show(est, as_json=as_json, as_csv=as_csv)
        if plot is not None:
            print(f"picture: {plot}", file=sys.stderr)


@app.command()
def reproduce(
    name: Annotated[str | None, typer.Argument(help="A study, e.g. kruithof2016.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every study.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Write a picture (png, svg, pdf).")] = None,
) -> None:
    """Recompute published estimates from their published inputs."""
    from darkmarket_estimates import published

    with _messages():
        if everything == (name is not None):
            raise AssumptionError("name one study, or say --all", got="both" if everything else "neither",
                                  expected="one of " + ", ".join(published.list()))
        results = [published.get(n).reproduce() for n in (published.list() if everything else [str(name)])]
        if plot is not None:
            if everything:
                raise AssumptionError("--plot draws one study", fix="name it instead of --all")
            save_figure(results[0].plot(), plot)
        if as_json:
            print(json.dumps([r.to_dict() for r in results] if everything else results[0].to_dict(), indent=2,
                             allow_nan=False))
        else:
            for result in results:
                _show_reproduction(result)
            _count_statuses(results)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


def main() -> None:
    """Entry point of `darkmarket`."""
    app()


def save_figure(ax: Any, path: Path) -> None:
    """Write the figure of some Axes, without a display."""
    suffix = path.suffix.lower()
    if suffix not in (".png", ".svg", ".pdf"):
        raise AssumptionError("a picture of this kind cannot be written", expected=".png, .svg or .pdf", got=str(path))
    try:
        ax.figure.savefig(path, dpi=150, bbox_inches="tight")
    except OSError as error:
        raise DataError("the picture cannot be written", where=str(path), got=str(error)) from error


def _window(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    start, _, end = text.partition(":")
    return start, end


def _show(est: Estimate, *, as_json: bool, as_csv: bool) -> None:
    if as_json:
        print(json.dumps(est.to_dict(), indent=2, allow_nan=False))
    elif as_csv:
        print(_render.to_csv(est.to_frame()), end="")
    else:
        print(est.summary())
        if len(est.rows) > 1:
            _table(
                [*est.by, "value", "floor", "bounds", "interval"],
                [[*map(_render.shown, r.labels), _render.amount(r.value * est.scale), _render.amount(r.floor * est.scale),
                  *("" if p is None else _render.span(p[0] * est.scale, p[1] * est.scale) for p in (r.bounds, r.interval))]
                 for r in est.rows],
            )


def _show_reproduction(result: Any) -> None:
    frame = result.to_frame()
    print(f"\n{result.title}")
    _table(["figure", "ours", "theirs", "unit", "status", "note"],
           [[str(record[c]) for c in ("figure", "ours", "theirs", "unit", "status", "note")]
            for record in frame.astype(object).where(frame.notna(), "").to_dict("records")])


def _count_statuses(results: list[Any]) -> None:
    counts: dict[str, int] = {}
    for result in results:
        for status in result.to_frame()["status"]:
            counts[status] = counts.get(status, 0) + 1
    print("\n" + ", ".join(f"{n} {status}" for status, n in sorted(counts.items())))


def _table(columns: list[str], rows: list[list[str]]) -> None:
    """A table on the terminal; cells are text, never markup."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console() if sys.stdout.isatty() else Console(width=160)
    console.print(table)


@contextmanager
def _working(words: str) -> Iterator[None]:
    """A spinner on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(words):
        yield


@contextmanager
def _messages() -> Iterator[None]:
    """Errors of the library become one message and exit code 2; its warnings become lines on stderr."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", StatisticalWarning)
        try:
            yield
        except DataError as error:
            print(f"error: {error}", file=sys.stderr)
            raise typer.Exit(BAD_INPUT) from None
        finally:
            for message in {str(w.message): None for w in caught if issubclass(w.category, StatisticalWarning)}:
                print(f"warning: {message}", file=sys.stderr)
