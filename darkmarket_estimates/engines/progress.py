"""Progress of long scans: a callable of the caller's, or a bar where standard error is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Told the fraction done (0 to 1); None decides by the terminal; a bool says so.
Progress = Callable[[float], None] | bool | None
#: A scan shorter than this shows nothing.
PATIENCE = 2.0

Show = Callable[[Callable[[], float]], None]


@contextmanager
def showing(progress: Progress) -> Iterator[Show]:
    """A function that is given a way to ask for the percentage done, as often as one likes."""
    if callable(progress):
        yield lambda percentage: progress(min(max(percentage(), 0.0), 100.0) / 100)
        progress(1.0)
    elif progress is False or (progress is None and not sys.stderr.isatty()):
        yield lambda percentage: None
    else:
        with _bar() as show:
            yield show


@contextmanager
def _bar() -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import Progress as Bar

    start = time.monotonic()
    bar = Bar(console=Console(stderr=True), transient=True)
    task = bar.add_task("reading the listings", total=100.0)

    def show(percentage: Callable[[], float]) -> None:
        if time.monotonic() - start > PATIENCE:
            bar.start()
            bar.update(task, completed=max(percentage(), 0.0))

    try:
        yield show
    finally:
        if bar.live.is_started:
            bar.stop()
