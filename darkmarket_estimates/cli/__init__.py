"""The command line: `darkmarket estimate | compare | reproduce | simulate | benchmark`."""

from __future__ import annotations

from typing import Annotated

import typer

from darkmarket_estimates._version import __version__
from darkmarket_estimates.cli.arguments import parse_spec
from darkmarket_estimates.cli.estimating import compare, estimate
from darkmarket_estimates.cli.publishing import reproduce
from darkmarket_estimates.cli.simulating import benchmark, simulate

__all__ = ["app", "main", "parse_spec"]

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
                  help="Turnover of online anonymous marketplaces from review counts and prices.")
for command in (estimate, compare, reproduce, simulate, benchmark):
    app.command()(command)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


def main() -> None:
    """Entry point of `darkmarket`."""
    app()
