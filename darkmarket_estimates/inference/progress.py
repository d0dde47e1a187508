"""Progress of long work (scans, thousands of groups): a callable of the caller's, or a bar where standard error is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from darkmarket_estimates._checks import shown
from darkmarket_estimates.errors import AssumptionError

#: Told the fraction done (0 to 1); None decides by the terminal; a bool says so.
Progress = Callable[[float], None] | bool | None
#: Is told the fraction done.
Tell = Callable[[float], object]
#: Work shorter than this shows nothing.
PATIENCE = 2.0


def quiet(fraction: float) -> None:
    """Tell nobody."""


def within(tell: Tell, part: int, of: int) -> Tell:
    """Tell of a part of the work as of the whole."""
    return lambda fraction: tell((part + fraction) / of)


@contextmanager
def showing(progress: Progress, words: str) -> Iterator[Tell]:
    """A function that is told the fraction done, as often as one likes; an interrupted bar is taken away."""
    if callable(progress):
        yield lambda fraction: progress(min(max(fraction, 0.0), 1.0))
        progress(1.0)
    elif not (progress is None or isinstance(progress, bool)):
        raise AssumptionError("progress= takes a function", expected="a callable that is told the fraction done, True or False",
                              got=shown(progress))
    elif progress is False or (progress is None and not sys.stderr.isatty()):
        yield quiet
    else:
        with _bar(words) as tell:
            yield tell


@contextmanager
def _bar(words: str) -> Iterator[Tell]:
    from rich.console import Console
    from rich.progress import Progress as Bar

    start = time.monotonic()
    bar = Bar(console=Console(stderr=True), transient=True)
    task = bar.add_task(words, total=1.0)

    def tell(fraction: float) -> None:
        if time.monotonic() - start > PATIENCE:
            bar.start()
            bar.update(task, completed=max(fraction, 0.0))

    try:
        yield tell
    finally:
        if bar.live.is_started:
            bar.stop()
