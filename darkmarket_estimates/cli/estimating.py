"""`darkmarket estimate` and `darkmarket compare`."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from darkmarket_estimates import _render, api, as_tables
from darkmarket_estimates.assumptions import ExchangeRate, HoldingPrice
from darkmarket_estimates.cli import options
from darkmarket_estimates.cli.arguments import parse_spec, window_of
from darkmarket_estimates.cli.terminal import messages, print_prose, print_table, save_figure, working
from darkmarket_estimates.errors import AssumptionError, DataError
from darkmarket_estimates.estimate import Estimate
from darkmarket_estimates.listings import Listings


def estimate(
    file: options.File,
    price: options.Price,
    vendor: options.Vendor,
    currency: options.Currency,
    reviews: options.Reviews = None,
    sold: options.Sold = None,
    listing: options.Listing = None,
    market: options.Market = None,
    days: options.Days = None,
    duplicates: options.Duplicates = None,
    window: options.Window = None,
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
    as_json: options.Json = False,
    as_csv: options.Csv = False,
    plot: Annotated[Path | None, typer.Option(help="Write a forest plot (png, svg, pdf).")] = None,
) -> None:
    """Estimate turnover from a table of listings."""
    with messages():
        options.one_format(as_json, as_csv)
        if (exchange_rate is None) != (to is None):
            raise AssumptionError("--exchange-rate and --to belong together")
        rule = None
        if (cap, upper_multiple, lower_multiple) != (None, None, None):
            rule = HoldingPrice(cap=cap, upper_multiple=upper_multiple, lower_multiple=lower_multiple)
        with working(f"reading {file}"):
            est = api.turnover(
                file, price=price, vendor=vendor, currency=currency, reviews=1 if reviews == "1" else reviews, sold=sold,
                listing=listing, market=market, days=days, duplicates=duplicates, window=window_of(window), by=by,
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


def compare(
    file: options.File,
    variants: Annotated[Path, typer.Option(help="TOML: a table a variant, options of `estimate` as its keys.")],
    price: options.Price,
    vendor: options.Vendor,
    currency: options.Currency,
    reviews: options.Reviews = None,
    sold: options.Sold = None,
    listing: options.Listing = None,
    market: options.Market = None,
    days: options.Days = None,
    duplicates: options.Duplicates = None,
    window: options.Window = None,
    as_json: options.Json = False,
    as_csv: options.Csv = False,
) -> None:
    """Estimate the same turnover in several ways, side by side."""
    from darkmarket_estimates import evaluation

    with messages():
        options.one_format(as_json, as_csv)
        table = Listings(file, price=price, vendor=vendor, currency=currency, reviews=1 if reviews == "1" else reviews,
                         sold=sold, listing=listing, market=market, days=days, duplicates=duplicates,
                         window=window_of(window))
        with working("comparing"):
            frame = evaluation.compare(table, read_variants(variants)).reset_index()
        if as_json:
            print(frame.to_json(orient="records", indent=2))
        elif as_csv:
            print(_render.to_csv(frame), end="")
        else:
            columns = ["variant", "value", "floor", "bounds", "interval", "kind", "error"]
            print_table(columns, [[_render.shown(r.variant), _render.amount(r.value), _render.amount(r.floor),
                                   _pair(r.lower_bound, r.upper_bound), _pair(r.low, r.high), str(r.kind or ""),
                                   str(r.error or "").partition("\n")[0]] for r in frame.itertuples()])


#: Keys of a variant that are assumptions, as the options of `estimate` write them, and those that are taken as they are.
SPECS = ("genuine_share", "units_per_order", "market_coverage")
CHOICES = ("estimand", "measure", "interval", "confidence_level", "spread_law", "number_of_vendors", "n_resamples", "rng")
RULES = ("cap", "upper_multiple", "lower_multiple", "min_observations", "action")


def read_variants(path: Path) -> dict[str, dict[str, Any]]:
    """Variants of `compare` from TOML.

    Raises
    ------
    DataError
        The file cannot be read; a key is unknown.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError("the variants cannot be read", where=str(path), got=str(error), expected="TOML",
                        fix='["cap 10k"]\n  cap = 10000\n  review_rate = "0.44+-0.02"') from error
    return {name: _variant(name, table) for name, table in tables.items()}


def _variant(name: str, table: Any) -> dict[str, Any]:
    options = _options(name, table)
    chosen: dict[str, Any] = {key: options[key] for key in CHOICES if key in options}
    rule = {key: options[key] for key in RULES if key in options}
    try:
        chosen |= {key: parse_spec(str(options[key]), key.replace("_", " ")) for key in SPECS if key in options}
        rate = parse_spec(str(options["review_rate"]) if "review_rate" in options else None, "review rate",
                          between_vendor_sd=options.get("between_vendor_sd"))
        return {"clean": HoldingPrice(**rule) if rule else None,
                "turnover": chosen if rate is None else {**chosen, "review_rate": rate}}
    except AssumptionError as error:
        raise AssumptionError(error.what, where=f"the variant {name!r}", expected=error.expected, got=error.got,
                              fix=error.fix) from None


def _options(name: str, table: Any) -> dict[str, Any]:
    """The options of a variant by the names of the arguments; they may be written as options are: review-rate, level."""
    known = ("review_rate", "between_vendor_sd", *SPECS, *CHOICES, *RULES)
    if not isinstance(table, dict):
        raise DataError(f"the variant {name!r} cannot be read", got=repr(table), expected=_keys_of(known))
    found = {"confidence_level" if key == "level" else key.replace("-", "_"): value for key, value in table.items()}
    if unknown := [key for key in found if key not in known]:
        raise DataError(f"the variant {name!r} cannot be read", got=repr(unknown), expected=_keys_of(known))
    if len(found) < len(table):
        raise DataError(f"the variant {name!r} says one thing twice", got=", ".join(table), expected="each key once",
                        fix="level is confidence_level, and - is _")
    return found


def _keys_of(known: tuple[str, ...]) -> str:
    return "a table with keys of " + ", ".join(known)


def _pair(low: float, high: float) -> str:
    return "" if low != low else _render.span(low, high)


def _show(est: Estimate, *, as_json: bool, as_csv: bool) -> None:
    if as_json:
        print(json.dumps(est.to_dict(), indent=2, allow_nan=False))
    elif as_csv:
        print(est.to_csv(), end="")
    else:
        print_prose(est.summary())
        if len(est.rows) > 1:
            print()
            print_table(*as_tables.readable(est, est.rows))
