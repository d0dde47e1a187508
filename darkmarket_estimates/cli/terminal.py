"""What the terminal shows: one message a mistake, tables as text, a spinner, pictures in files."""

from __future__ import annotations

import errno
import re
import shutil
import sys
import textwrap
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
    """Errors of the library become one message and exit code 2, as a full disk does; its warnings become lines on stderr."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", StatisticalWarning)
        try:
            yield
            sys.stdout.flush()
        except DataError as error:
            print(f"error: {as_options(str(error))}", file=sys.stderr)
            raise typer.Exit(BAD_INPUT) from None
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader has had enough: `| head`
                raise
            print(f"error: {error}", file=sys.stderr)
            raise typer.Exit(BAD_INPUT) from None
        finally:
            for message in {str(w.message): None for w in caught if issubclass(w.category, StatisticalWarning)}:
                print(f"warning: {as_options(message)}", file=sys.stderr)


#: Hints of the library that name calls, and what they are on the command line.
CALLS = {'Listings(..., window=("2016-01-01", "2016-02-01"))': "--window 2016-01-01:2016-02-01",
         '("2016-01-01", "2016-02-01"): the first day, and the day after the last':
             "2016-01-01:2016-02-01, the first day and the day after the last",
         "HoldingPrice(cap=...)": "--cap",
         "confidence_level is ": "--level is "}
#: Arguments that are options too.
ARGUMENTS = ("price|vendor|currency|reviews|sold|listing|market|days|duplicates|window|by|review_rate|between_vendor_sd|"
             "genuine_share|units_per_order|market_coverage|estimand|measure|interval|confidence_level|exchange_rate")


def as_options(text: str) -> str:
    """A message of the library with its arguments written as options: ``days=`` is ``--days``.

    Examples
    --------
    >>> as_options('say what they are: duplicates="first", or name the column: review_rate=0.5')
    'say what they are: --duplicates first, or name the column: --review-rate 0.5'
    """
    for call, option in CALLS.items():
        text = text.replace(call, option)

    def written(found: re.Match[str]) -> str:
        name = "level" if found["name"] == "confidence_level" else found["name"].replace("_", "-")
        value = found["text"] or found["number"]
        return f"--{name}" + (f" {value}" if value else "")

    return re.sub(rf'(?<![\w.-])(?P<name>{ARGUMENTS})=(?:"(?P<text>[^"]*)"|(?P<number>[\d.]+\b))?', written, text)


@contextmanager
def working(words: str) -> Iterator[None]:
    """A spinner on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(words):
        yield


def print_prose(text: str) -> None:
    """Paragraphs, wrapped between words where a terminal would cut them; whole where they go elsewhere."""
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        text = "\n".join(textwrap.fill(line, width, break_on_hyphens=False) for line in text.splitlines())
    print(text)


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
