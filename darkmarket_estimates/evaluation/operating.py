"""How variants do over many simulated markets: seeds, processes, and finished runs on disk."""

from __future__ import annotations

import math
import multiprocessing
import pickle
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from darkmarket_estimates import _checks as check
from darkmarket_estimates._version import __version__
from darkmarket_estimates.errors import AssumptionError, DataError
from darkmarket_estimates.evaluation import log
from darkmarket_estimates.evaluation.job import COLUMNS, Job, listings_of
from darkmarket_estimates.evaluation.report import Report
from darkmarket_estimates.evaluation.variants import Variant, read_variants
from darkmarket_estimates.simulate import Market, MarketSpec, Scraper

MOST_PROCESSES = 256
TRUTHS = ("estimand", "realised", "expected")


class Interrupted(KeyboardInterrupt):
    """A benchmark was stopped; `report` has the runs that were finished."""

    def __init__(self, report: Report, wanted: int, path: Path | None) -> None:
        self.report = report
        kept = "in `.report`" if path is None else f"in `.report` and in {path}: the same call goes on from there"
        super().__init__(f"{report.runs['run'].nunique():,} of {wanted:,} runs are finished, {kept}")


def benchmark(
    variants: Mapping[str, Variant],
    market: MarketSpec | Callable[[np.random.Generator], Any],
    scraper: Scraper | None = None,
    *,
    n_simulations: int = 200,
    rng: int | np.random.Generator | np.random.SeedSequence | None = 7,
    truth: str | Callable[[Market], float] = "estimand",
    confidence_level: float = 0.95,
    prepare: Callable[..., Any] = listings_of,
    scenario: str = "",
    processes: int = 1,
    progress: bool = True,
    path: str | Path | None = None,
) -> Report:
    """Judge variants where the truth is known.

    Run i draws its market, its scrapes and the random numbers of its variants from the i-th seed that
    ``SeedSequence(rng)`` spawns: each run can be repeated alone, and neither their order nor the number of processes
    matters. The first run is done twice; where the second is not the same, something ignores its seed, and the report
    gives no verdict.

    Parameters
    ----------
    variants : mapping of name to variant
        As in `compare`.
    market : MarketSpec, or callable of a Generator
        The callable returns a `Market`, or a pair of data and truth; that is a number, or a mapping with "realised"
        and "expected".
    scraper : Scraper, optional
        Without one the analyst misses nothing.
    n_simulations : int
        1,000 or more for a verdict.
    rng : int, Generator, SeedSequence or None
        The report records the entropy.
    truth : {"estimand", "realised", "expected"} or callable of the Market
        What the answers are compared with. "estimand": what each estimate says it is about; realised for numbers.
    confidence_level : float
        Of variants that do not name their own, and of intervals that callables return.
    prepare : callable of (Market, Scrapes or None)
        Returns what the variants get; default: `Listings` of what was seen (`evaluation.listings_of`).
    scenario : str
        A name for the report, where several are joined.
    processes : int
        More than one: callables must be importable (defined in a module), and a script needs
        ``if __name__ == "__main__":``.
    progress : bool
        Show a line on standard error, if that is a terminal.
    path : path, optional
        File of finished runs (JSON lines). If it is there, only the missing runs are done.

    Returns
    -------
    Report

    Raises
    ------
    DataError
        The file at `path` is of another benchmark; variants cannot be sent to another process.
    Interrupted
        A KeyboardInterrupt that carries the report of what was finished.

    Examples
    --------
    >>> import darkmarket_estimates as dme
    >>> from darkmarket_estimates.simulate import MarketSpec, ReviewShares
    >>> spec = MarketSpec(n_vendors=50, n_listings=100, orders=1_000, review_shares=ReviewShares(mean=0.5, sd=0.1))
    >>> report = benchmark({"floor": {}, "share known": {"review_rate": 0.5}}, spec, n_simulations=5, progress=False)
    >>> report.table()[["variant", "judged_as", "coverage", "verdict"]].values.tolist()[0]
    ['floor', 'lower bound', 1.0, 'too few runs to tell']
    """
    root = _root(rng)
    job = Job(
        variants=read_variants(variants), market=_market(market), scraper=_scraper(scraper), prepare=_prepare(prepare),
        truth=_truth(truth),
        confidence_level=check.confidence_level(confidence_level), scenario=check.label(scenario), entropy=root.entropy,
        spawn_key=tuple(root.spawn_key),
    )
    n = check.replicates(n_simulations, "n_simulations", each=4096 * max(1, len(job.variants)))  # a row a variant
    processes = check.integer(processes, "processes", low=1, high=MOST_PROCESSES)
    header = _header(job)
    path = None if path is None else log.as_path(path)
    done = {} if path is None else log.resume(path, header)
    missing = [i for i in range(n) if i not in done]
    start, finished = time.monotonic(), 0
    try:
        for rows in _runs(job, missing, processes):
            done[rows[0]["run"]] = rows
            finished += 1
            if path is not None:
                log.append(path, rows)
            if progress and sys.stderr.isatty():
                left = (time.monotonic() - start) / finished * (len(missing) - finished)
                print(f"\r{scenario or 'benchmark'}: {finished:,} of {len(missing):,} runs, {left:,.0f} s left ",
                      end="\n" if finished == len(missing) else "", file=sys.stderr, flush=True)
        again = job.run(0)
    except KeyboardInterrupt as stop:
        raise Interrupted(_report(done, range(n), header, ()), n, path) from stop
    return _report(done, range(n), header, _repeated(done[0], again))


def _root(rng: int | np.random.Generator | np.random.SeedSequence | None) -> np.random.SeedSequence:
    if isinstance(rng, np.random.SeedSequence):
        return rng
    generator = check.generator(rng)
    if isinstance(rng, np.random.Generator):
        return np.random.SeedSequence(int(generator.integers(2**63)))
    return np.random.SeedSequence(None if rng is None else int(rng))


def _market(market: Any) -> Any:
    if isinstance(market, MarketSpec) or (callable(market) and not isinstance(market, type)):
        return market
    fix = "pass market.spec" if isinstance(market, Market) else None
    raise AssumptionError("the market cannot be simulated anew", expected="a MarketSpec, or a callable of a Generator",
                          got=type(market).__name__, fix=fix)


def _scraper(scraper: Any) -> Scraper | None:
    if isinstance(scraper, Scraper | None):
        return scraper
    raise AssumptionError("the scraper cannot be used", expected="simulate.Scraper(...), or None: nothing is missed",
                          got=type(scraper).__name__)


def _prepare(prepare: Any) -> Callable[..., Any]:
    if callable(prepare):
        return prepare
    raise AssumptionError("prepare= cannot be called", expected="a callable of the market and its scrapes",
                          got=type(prepare).__name__)


def _truth(truth: Any) -> Any:
    return truth if callable(truth) else check.choice(truth, "truth", TRUTHS)


def _header(job: Job) -> dict[str, Any]:
    entropy = job.entropy if isinstance(job.entropy, int) else [int(x) for x in job.entropy]
    return {
        "version": __version__, "scenario": job.scenario, "entropy": entropy, "spawn_key": list(job.spawn_key),
        "confidence_level": job.confidence_level, "truth": log.described(job.truth),
        "market": log.described(job.market), "scraper": log.described(job.scraper),
        "prepare": log.described(job.prepare), "variants": log.described(job.variants),
    }


def _report(done: Mapping[int, list[dict[str, Any]]], wanted: range, header: Mapping[str, Any],
            alarms: tuple[str, ...]) -> Report:
    rows = [row for i in wanted if i in done for row in done[i]]
    return Report(runs=pd.DataFrame(rows, columns=list(COLUMNS)), headers=(header,),
                  alarms=tuple((header["scenario"], alarm) for alarm in alarms))


def _repeated(first: list[dict[str, Any]], again: list[dict[str, Any]]) -> tuple[str, ...]:
    """Say which variants did not give the same answer for the same seed, up to rounding."""
    def same(a: Any, b: Any) -> bool:
        if isinstance(a, float) and isinstance(b, float):
            return math.isclose(a, b, rel_tol=1e-9) or (math.isnan(a) and math.isnan(b))
        return a == b

    differ = [a["variant"] for a, b in zip(first, again, strict=True)
              if not all(same(a[k], b[k]) for k in a if k != "seconds")]
    if not differ:
        return ()
    return (f"the first run came out otherwise the second time ({', '.join(differ)}): something ignores its seed, or a "
            "file of runs is of other code",)


def _runs(job: Job, numbers: list[int], processes: int) -> Iterator[list[dict[str, Any]]]:
    """Yield the runs as they are finished."""
    if processes == 1 or len(numbers) < 2:
        yield from map(job.run, numbers)
        return
    try:
        pickle.dumps(job)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise DataError("the variants cannot be sent to another process", got=str(error),
                        fix="define callables in a module of their own, or use processes=1") from error
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_start, initargs=(job,))
    try:
        for future in as_completed([pool.submit(_run, i) for i in numbers]):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


_job: Job


def _start(job: Job) -> None:
    """Prepare a process: it keeps the job, and leaves interrupts to its parent."""
    global _job
    _job = job
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run(number_of_run: int) -> list[dict[str, Any]]:
    return _job.run(number_of_run)
