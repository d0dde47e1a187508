"""`darkmarket simulate`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from darkmarket_estimates._checks import choice
from darkmarket_estimates.cli.terminal import messages, working
from darkmarket_estimates.errors import DataError

PRESETS = ("small", "hansa_like", "rand_2016_like")


def simulate(
    preset: Annotated[str, typer.Argument(help="small, hansa_like or rand_2016_like.")],
    out: Annotated[Path, typer.Option(help="Folder for listings.csv and truth.json; made if absent.")],
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 7,
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
