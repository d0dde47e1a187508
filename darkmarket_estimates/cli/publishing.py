"""`darkmarket reproduce`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from darkmarket_estimates.cli.terminal import messages, print_prose, print_table, save_figure
from darkmarket_estimates.errors import AssumptionError


def reproduce(
    name: Annotated[str | None, typer.Argument(help="A study, e.g. kruithof2016.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every study.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Write a picture (png, svg, pdf).")] = None,
) -> None:
    """Recompute published estimates from their published inputs."""
    from darkmarket_estimates import published

    with messages():
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


def _show_reproduction(result: Any) -> None:
    frame = result.to_frame()
    print(f"\n{result.title}")
    print_table(["figure", "ours", "theirs", "unit", "status", "note"],
           [[str(record[c]) for c in ("figure", "ours", "theirs", "unit", "status", "note")]
            for record in frame.astype(object).where(frame.notna(), "").to_dict("records")])


def _count_statuses(results: list[Any]) -> None:
    counts: dict[str, int] = {}
    for result in results:
        for status in result.to_frame()["status"]:
            counts[status] = counts.get(status, 0) + 1
    print("\n" + ", ".join(f"{n} {status}" for status, n in sorted(counts.items())))
    if "conflict" in counts:
        print_prose("conflict: two sources contradict each other, or the printed figures rule out a reading; the note says which")
