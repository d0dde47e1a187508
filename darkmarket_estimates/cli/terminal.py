"""What the terminal shows: one message a mistake, tables as text, a spinner, pictures in files."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from darkmarket_estimates.errors import AssumptionError, DataError, StatisticalWarning

BAD_INPUT = 2


@contextmanager
def messages() -> Iterator[None]:
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


@contextmanager
def working(words: str) -> Iterator[None]:
    """A spinner on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(words):
        yield


def print_table(columns: list[str], rows: list[list[str]]) -> None:
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


def save_figure(ax: Any, path: Path) -> None:
    """Write the figure of some Axes, without a display."""
    suffix = path.suffix.lower()
    if suffix not in (".png", ".svg", ".pdf"):
        raise AssumptionError("a picture of this kind cannot be written", expected=".png, .svg or .pdf", got=str(path))
    try:
        ax.figure.savefig(path, dpi=150, bbox_inches="tight")
    except OSError as error:
        raise DataError("the picture cannot be written", where=str(path), got=str(error)) from error
