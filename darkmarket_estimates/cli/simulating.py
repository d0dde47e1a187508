"""`darkmarket simulate` and `darkmarket benchmark`."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from pathlib import Path
from typing import Annotated

import typer

from darkmarket_estimates import _render
from darkmarket_estimates._checks import choice
from darkmarket_estimates.cli import options
from darkmarket_estimates.cli.estimating import read_variants
from darkmarket_estimates.cli.terminal import messages, print_table, working
from darkmarket_estimates.errors import DataError

PRESETS = ("small", "hansa_like", "rand_2016_like")
INTERRUPTED = 130


def simulate(
    preset: Annotated[str, typer.Argument(help="small, hansa_like or rand_2016_like.")],
    out: Annotated[Path, typer.Option(help="Folder for listings.csv and truth.json; made if absent.")],
    seed: options.Seed = 7,
) -> None:
    """Write a simulated market: its listings as an analyst would see them, and its truth."""
    with messages():
        choice(preset, "preset", PRESETS)
        from darkmarket_estimates.simulate import Market

        with working(f"simulating {preset}"):
            market = getattr(Market, preset)(rng=seed)
        truth = {f.name: getattr(market.truth, f.name) for f in dataclasses.fields(market.truth)
                 if not f.name.startswith("_")}
        about = {"simulated": True, "preset": preset, "seed": seed, "window": list(market.window),
                 "currency": market.currency, **truth}
        try:
            out.mkdir(parents=True, exist_ok=True)
            market.listings.to_csv(out / "listings.csv", index=False)
            (out / "truth.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise DataError("the market cannot be written", where=str(out), got=str(error)) from error
        print(f"{len(market.listings):,} simulated listings: {out / 'listings.csv'}\ntheir truth: {out / 'truth.json'}")


def benchmark(
    preset: Annotated[str, typer.Argument(help="small, hansa_like or rand_2016_like.")],
    variants: Annotated[Path, typer.Option(help="TOML: a table a variant, options of `estimate` as its keys.")],
    runs: Annotated[int, typer.Option(help="Simulated markets; a verdict needs 1,000.")] = 200,
    seed: options.Seed = 7,
    interval: Annotated[float | None, typer.Option(help="Days between crawls; without it nothing is missed.")] = None,
    share: Annotated[float, typer.Option(help="Share of the pages that a crawl opens.")] = 1.0,
    level: Annotated[float, typer.Option(help="Confidence level.")] = 0.95,
    processes: Annotated[int, typer.Option(help="Markets at a time.")] = 1,
    path: Annotated[Path | None, typer.Option(help="File of finished runs: the same call goes on where it stopped.")] = None,
    as_json: options.Json = False,
    as_csv: options.Csv = False,
) -> None:
    """Judge variants on simulated markets whose truth is known."""
    from darkmarket_estimates import evaluation
    from darkmarket_estimates.simulate import MarketSpec, Scraper, presets

    with messages():
        options.one_format(as_json, as_csv)
        choice(preset, "preset", PRESETS)
        if interval is None and share != 1:
            raise DataError("a share of the pages needs crawls", got=f"--share {share:g}", fix="--interval 7")
        scraper = None
        if interval is not None:
            scraper = Scraper(interval=interval, duration=min(1.0, interval), share=share, dates="exact")
        try:
            report = evaluation.benchmark(
                read_variants(variants), MarketSpec(**getattr(presets, preset)()), scraper, n_simulations=runs, rng=seed,
                processes=processes, confidence_level=level, scenario=preset, path=path)
        except evaluation.Interrupted as stop:
            kept = "start it with --path to keep them" if path is None else f"in {path}: the same call goes on from there"
            print(f"interrupted: {stop.report.runs['run'].nunique():,} of {runs:,} runs are finished, {kept}", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
        table = report.table()
        if as_json:
            print(json.dumps({"seed": seed, "alarms": [text for _, text in report.alarms],
                              "table": json.loads(table.to_json(orient="records"))}, indent=2))
        elif as_csv:
            print(_render.to_csv(table), end="")
        else:
            print_table(list(SHOWN), [[_cell(row[name]) for name in SHOWN] for row in table.to_dict("records")])
            for _, text in report.alarms:
                print(text)


#: What a terminal has room for.
SHOWN = ("variant", "judged_as", "runs", "failures", "relative_bias", "coverage", "coverage_error", "width", "seconds", "verdict")


def _cell(x: object) -> str:
    return "" if x != x or x == math.inf else f"{x:.3f}" if isinstance(x, float) else str(x)
