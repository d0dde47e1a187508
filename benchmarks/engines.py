"""The engines against the least that any engine must do.

On DuckDB: a Parquet file to `Totals` with a cap, checks and audit, against the bare GROUP BY of the same keys fetched as
Arrow; the same by listing, and with multiples of the listing's median, against SQL written by hand for the same steps. In
the first table prices of a listing differ by 1.5 times at most, so that multiples touch none; in the second one listing in
fifty has a price twenty times the others, in the third each (of the rows of real tables, 0.1 to 2.5 % are of listings that
five times the median can touch).
In memory: integer codes to sums, against pandas' groupby and NumPy's dot product of the two columns.

Times are the best of the repeats, without what Python loads; processor seconds stand beside them, for machines that are
shared, and so do medians of the ratios within rounds. Peak memory is that of a process of its own.

    python benchmarks/engines.py [--rows 2_000_000] [--memory-limit 1GB] [--repeats 3]
"""

from __future__ import annotations

import argparse
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from darkmarket_estimates import HoldingPrice, Listings
from darkmarket_estimates.engines import kernels

# what a first question loads is loaded before the clock starts, as DuckDB is
import darkmarket_estimates.engines.files  # isort: skip
import darkmarket_estimates.engines.lazy  # noqa: F401  isort: skip

ROLES = {"price": "price", "reviews": "reviews", "vendor": "seller", "market": "market", "currency": "USD"}
CAP = HoldingPrice(cap=10_000)
MULTIPLES = HoldingPrice(cap=10_000, upper_multiple=5, min_observations=3)

BARE = "SELECT market, seller, sum(reviews) AS r, sum(price * reviews) AS y FROM '{path}' GROUP BY ALL"
BARE_BY_LISTING = """
    SELECT market, seller, sum(r) AS r, sum(y) AS y, sum(y * y) AS y2, max(y) AS top, count(*) AS n
    FROM (SELECT market, seller, id, sum(reviews) AS r, sum(price * reviews) AS y
          FROM '{path}' WHERE price <= 10000 GROUP BY ALL)
    GROUP BY ALL"""
BY_HAND = """
    WITH medians AS (SELECT market, id, median(price) AS m, count(*) AS k FROM '{path}' WHERE price <= 10000 GROUP BY ALL),
         kept AS (SELECT t.* FROM '{path}' t JOIN medians USING (market, id)
                  WHERE price <= 10000 AND NOT (k >= 3 AND price > 5 * m))
    SELECT market, seller, sum(r) AS r, sum(y) AS y, sum(q) AS q, sum(y * y) AS y2, max(y) AS top, count(*) AS n
    FROM (SELECT market, seller, id, sum(reviews) AS r, sum(price * reviews) AS y, sum(price * price * reviews) AS q
          FROM kept GROUP BY ALL)
    GROUP BY ALL"""


def make_table(path: Path, rows: int, wild: int = 0) -> None:
    """Four rows a listing, one vendor for seven listings or so, a holding price in 100,000 rows; `wild` listings in 1,000."""
    duckdb.sql(f"""
        COPY (SELECT 'listing-' || (i // 4) AS id, 'vendor' || (((i // 4) * 7919) % {max(1, int(rows * 0.035))}) AS seller,
                     ['A', 'B', 'C', 'D'][1 + (i // 4) % 4] AS market,
                     round(20 + (hash(i // 4) % 20000) / 100 * (0.8 + (hash(i + 5) % 1000) / 2500), 2)
                       * (CASE WHEN hash(i + 3) % 100000 = 0 THEN 5000
                               WHEN i % 4 = 0 AND hash(i + 4) % 1000 < {wild} THEN 20 ELSE 1 END) AS price,
                     CAST(hash(i + 9) % 20 AS INTEGER) AS reviews
              FROM range({rows}) t(i)) TO '{path}' (FORMAT parquet)""")


def by_hand(query: str, path: str, memory_limit: str) -> None:
    with duckdb.connect(config={"memory_limit": memory_limit}) as connection:
        connection.sql(query.format(path=path)).to_arrow_table()


def ours(rule: HoldingPrice, path: str, memory_limit: str, **options: str) -> None:
    Listings(path, **ROLES, **options, engine="lazy", memory_limit=memory_limit).clean(rule).totals()


JOBS: dict[str, Callable[[str, str], None]] = {
    "bare GROUP BY": lambda path, limit: by_hand(BARE, path, limit),
    "totals: cap, checks, audit": lambda path, limit: ours(CAP, path, limit),
    "bare GROUP BY by listing": lambda path, limit: by_hand(BARE_BY_LISTING, path, limit),
    "totals by listing": lambda path, limit: ours(CAP, path, limit, listing="id", duplicates="keep"),
    "multiples in SQL by hand": lambda path, limit: by_hand(BY_HAND, path, limit),
    "totals with multiples": lambda path, limit: ours(MULTIPLES, path, limit, listing="id", duplicates="keep"),
}
#: The jobs on the tables with so many wild listings in 1,000, by the name that is shown.
WILD = {f"{words} touched: {name}": (job, often) for words, often in (("2 %", 20), ("all", 1_000))
        for name, job in (("in SQL by hand", "multiples in SQL by hand"), ("totals", "totals with multiples"))}
RATIOS = (("totals: cap, checks, audit", "bare GROUP BY", 1.5), ("totals by listing", "bare GROUP BY by listing", None),
          ("totals with multiples", "bare GROUP BY", 4.0), ("totals with multiples", "multiples in SQL by hand", 1.2),
          ("2 % touched: totals", "bare GROUP BY", None), ("2 % touched: totals", "2 % touched: in SQL by hand", 1.2),
          ("all touched: totals", "bare GROUP BY", None), ("all touched: totals", "all touched: in SQL by hand", 1.2))


def one(job: str, path: str, limit: str) -> tuple[float, float, float]:
    """Wall seconds, processor seconds, and peak memory in GB of a job in a process of its own."""
    out = subprocess.run([sys.executable, __file__, "--job", job, "--path", path, "--memory-limit", limit], check=True,
                         capture_output=True, text=True).stdout
    wall, cpu, peak = map(float, out.split())
    return wall, cpu, peak


def run_job(job: str, path: str, limit: str) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    JOBS[job](path, limit)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(wall, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)


def files(rows: int, limit: str, repeats: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tables = {often: Path(folder) / f"{often}.parquet" for often in (0, 20, 1_000)}
        for often, path in tables.items():
            make_table(path, rows, wild=often)
        runs: dict[str, list[tuple[float, float, float]]] = {}
        for _ in range(repeats):  # one after the other: a busy minute is not that of one job
            for name, (job, often) in ({job: (job, 0) for job in JOBS} | WILD).items():
                runs.setdefault(name, []).append(one(job, str(tables[often]), limit))
    best = {name: np.array(found).min(axis=0) for name, found in runs.items()}
    print(f"Parquet, {rows:,} rows, {max(1, int(rows * 0.035)):,} vendors, memory_limit={limit}")
    for job, (wall, cpu, peak) in best.items():
        print(f"  {job:32s} {wall:7.2f} s   {cpu:7.2f} s of processor   {peak:5.2f} GB")
    for job, base, aim in RATIOS:
        ratios = best[job] / best[base]
        rounds = np.median(np.array(runs[job]) / np.array(runs[base]), axis=0)
        goal = "" if aim is None else f"   (aim: {aim:g})"
        print(f"  {job} / {base}: {ratios[0]:.2f} in time, {ratios[1]:.2f} in processor seconds; "
              f"median of the rounds {rounds[0]:.2f}, {rounds[1]:.2f}{goal}")


def seconds(function: Callable[[], object], repeats: int) -> float:
    """Of the clock: the compiled pass and the dot product use every core that they are given."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def memory(rows: int, n_vendors: int, repeats: int) -> None:
    rng = np.random.default_rng(1)
    cell = rng.integers(0, n_vendors, rows)
    price, count = rng.lognormal(4, 1, rows), rng.poisson(3, rows)
    frame = pd.DataFrame({"vendor": cell, "r": count, "y": price * count, "q": price**2 * count, "y2": (price * count)**2,
                          "top": price * count})
    how = {"r": "sum", "y": "sum", "q": "sum", "y2": "sum", "top": "max", "vendor": "size"}
    theirs = seconds(lambda: frame.groupby("vendor", sort=False).agg(how), repeats)
    floats = count.astype(float)
    dot, as_they_come = seconds(lambda: np.dot(price, floats), repeats), seconds(lambda: np.dot(price, count), repeats)
    one = seconds(lambda: np.bincount(cell, weights=price, minlength=n_vendors), repeats)
    print(f"memory, {rows:,} rows, {n_vendors:,} vendors: pandas groupby of ready columns {theirs:.3f} s, bincount of one "
          f"column {one:.3f} s, dot {dot:.4f} s (of floats; of whole counts {as_they_come:.4f} s)")

    def sums() -> object:
        return kernels.sums(cell, n_vendors, price, count, None, None, None)

    for name, least in (("NumPy", math.inf), ("compiled", 0)):
        kernels.LARGE = least
        ours = seconds(sums, repeats)
        print(f"  seven sums, {name}: {ours:.3f} s   pandas / ours: {theirs / ours:.1f} (aim: 5)   dot / ours: {dot / ours:.2f} "
              f"(aim: 0.5; of whole counts {as_they_come / ours:.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--memory-limit", default="1GB")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    parser.add_argument("--path", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job:
        run_job(given.job, given.path, given.memory_limit)
        return
    files(given.rows, given.memory_limit, given.repeats)
    wall, cpu = time.perf_counter(), time.process_time()
    kernels.compiled(True, False, False, False)
    print(f"a compiled pass is loaded in {time.perf_counter() - wall:.3f} s, {time.process_time() - cpu:.3f} s of processor")
    for n_vendors in sorted({1_000, 35_000, max(1, int(given.rows * 0.035))}):  # in the caches of a core, of all, beyond
        memory(given.rows, n_vendors, given.repeats)


if __name__ == "__main__":
    main()
