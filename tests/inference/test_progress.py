"""Long estimates say how far they are, and end when they are told to."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from scipy import stats

from darkmarket_estimates import Range, ReviewRate, Totals, turnover
from darkmarket_estimates.inference import progress as module
from darkmarket_estimates.inference import showing, within

RATE = ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.11)


def table(seed: int = 3, window: tuple[str, str] = ("2016-01-01", "2016-02-01")) -> Totals:
    rng = np.random.default_rng(seed)
    n = 120
    reviews, price = 1 + rng.poisson(4, n), rng.lognormal(4, 1, n)
    return Totals.from_cells(vendor=[f"v{v}" for v in rng.integers(0, 50, n)], value=price * reviews, reviews=reviews,
                             currency="USD", window=window, groups={"country": [f"c{i}" for i in rng.integers(0, 12, n)]})


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darkmarket_estimates.inference.intervals.ROWS", 4)
    monkeypatch.setattr("darkmarket_estimates.comparison.growth.PAIRS", 4)
    monkeypatch.setattr("darkmarket_estimates.comparison.share.LABELS", 3)


LONG = {
    "turnover": lambda progress: turnover(table(), review_rate=RATE, progress=progress),
    "a range": lambda progress: turnover(table(), review_rate=Range(0.4, 0.5), market_coverage=stats.beta(80, 20),
                                         progress=progress),
    "budget": lambda progress: turnover(table(), review_rate=RATE).budget(by_group=True, progress=progress),
    "shares": lambda progress: turnover(table(), review_rate=RATE).shares("country", progress=progress),
    "ratios": lambda progress: turnover(table(4, ("2016-02-01", "2016-03-01")), review_rate=RATE).ratios(
        turnover(table(), review_rate=RATE), progress=progress),
}


@pytest.mark.parametrize("what", LONG)
def test_the_fraction_done_grows_to_one(what: str) -> None:
    told: list[float] = []
    LONG[what](told.append)
    assert told == sorted(told) and told[-1] == 1.0 and all(0 <= x <= 1 for x in told)
    assert len(set(told)) > 3


def test_being_told_changes_no_number() -> None:
    plain, told = (turnover(table(), review_rate=RATE, progress=p).to_frame() for p in (False, lambda fraction: None))
    assert plain.equals(told)


@pytest.mark.parametrize("what", LONG)
def test_an_interruption_comes_through_and_leaves_nothing_behind(what: str) -> None:
    before = turnover(table(), review_rate=RATE).to_frame()

    def stop(fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        LONG[what](stop)
    assert turnover(table(), review_rate=RATE).to_frame().equals(before)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_is_for_terminals_and_for_the_patient(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    LONG["turnover"](None)
    assert capfd.readouterr().err == ""  # no terminal
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    LONG["turnover"](None)
    assert terminal.getvalue() == ""  # shorter than our patience
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    LONG["turnover"](False)
    assert terminal.getvalue() == ""
    LONG["turnover"](None)
    assert "estimating the groups" in terminal.getvalue()


def test_an_interrupted_bar_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(module, "PATIENCE", -1.0)
    with pytest.raises(KeyboardInterrupt), showing(True, "working") as tell:
        tell(0.3)
        raise KeyboardInterrupt
    assert terminal.getvalue().endswith("\x1b[?25h") or "\x1b[2K" in terminal.getvalue()  # cursor shown, line erased


def test_a_part_of_the_work_is_told_as_of_the_whole() -> None:
    told: list[float] = []
    within(told.append, 1, 4)(0.5)
    assert told == [0.375]
