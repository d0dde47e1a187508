"""The jobs of `speed.py`: a job makes its table and imports what it needs, then is timed; it prints one line of JSON.

An estimate is timed the first time that it is asked for, as in a script; a function of microseconds is called before.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

sys.path.pop(0)  # this folder has a coverage.py, which numba would take for the package of that name

import numpy as np

Job = Callable[[], float | None]
CAP = 10_000
SHARE = {"mean": 0.44, "standard_error": 0.02, "between_vendor_sd": 0.11}


def n_vendors(rows: int) -> int:
    """Twenty rows a vendor, and at most a million vendors."""
    return max(50, min(rows // 20, 10**6))


# -- files ----------------------------------------------------------------------------------------------------------------


def make_file(rows: int, path: str) -> None:
    """Listings of heavy-tailed vendors on four markets; one price in 100,000 is a holding price."""
    import duckdb

    v = n_vendors(rows)
    duckdb.sql(f"""
        COPY (SELECT 'listing-' || i AS id, 'vendor' || CAST(floor({v} * pow(hash(i) / 1.8446744073709552e19, 2)) AS BIGINT)
                       AS seller, ['A', 'B', 'C', 'D'][1 + i % 4] AS market,
                     round(exp(3.5 + ln(1 + hash(i + 1) % 1000)), 2) / 40
                       * (CASE WHEN hash(i + 3) % 100000 = 0 THEN 1e6 ELSE 1 END) AS price,
                     CAST(hash(i + 9) % 20 AS INTEGER) AS reviews
              FROM range({rows}) t(i)) TO '{path}' (FORMAT parquet)""")


def estimate(table: Any, **options: Any) -> float:
    """A table to an estimate with its interval; the reviewed money is what the jobs are compared by."""
    import darkmarket_estimates as dme

    listings = dme.Listings(table, price="price", reviews="reviews", vendor="seller", currency="USD", **options)
    totals = listings.clean(dme.HoldingPrice(cap=CAP)).totals()
    est = dme.turnover(totals, review_rate=dme.ReviewRate(**SHARE), estimand="expected")
    assert est.interval[0] < est.value < est.interval[1]
    return totals.sum("value")


def bare(path: str, memory_limit: str) -> float:
    import duckdb

    with duckdb.connect(config={"memory_limit": memory_limit}) as connection:
        answer = connection.sql(f"SELECT market, seller, sum(reviews) AS r, sum(price * reviews) AS y FROM '{path}' "
                                f"WHERE price <= {CAP} GROUP BY ALL").to_arrow_table()
    return float(answer.column("y").to_numpy().sum())


def on_dask(path: str) -> float:
    import dask.dataframe as dd

    return estimate(dd.read_parquet(path), market="market")


def on_spark(path: str) -> float:
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").config(
        "spark.driver.host", "127.0.0.1").config("spark.log.level", "OFF").getOrCreate()
    try:
        return estimate(spark.read.parquet(path), market="market")
    finally:
        spark.stop()


# -- tables in memory -----------------------------------------------------------------------------------------------------


def columns(rows: int) -> dict[str, np.ndarray]:
    """Vendors as codes, prices and counts."""
    rng = np.random.default_rng(1)
    return {"seller": np.floor(n_vendors(rows) * rng.random(rows) ** 2).astype(np.int64),
            "price": np.round(rng.lognormal(4, 1, rows), 2), "reviews": rng.poisson(3, rows)}


def text(table: dict[str, np.ndarray]) -> Any:
    """The same as a frame, whose vendors are text."""
    import pandas as pd

    names = np.array([f"vendor{i:07d}" for i in range(table["seller"].max() + 1)], dtype=object)
    return pd.DataFrame({**table, "seller": pd.array(names[table["seller"]], dtype="str")})


def per_vendor(table: Any) -> np.ndarray:
    """What a user would write: money by vendor."""
    import pandas as pd

    frame = pd.DataFrame(table)
    frame = frame[frame["price"] <= CAP]
    return (frame["price"] * frame["reviews"]).groupby(frame["seller"]).sum().to_numpy()


def scipy_bootstrap(table: Any) -> float:
    from scipy import stats

    y = per_vendor(table)
    batch = None if len(y) <= 50_000 else 100  # as one writes it, while the replicates fit into memory at once
    stats.bootstrap((y,), np.sum, n_resamples=2_000, method="percentile", batch=batch, rng=1)
    return float(y.sum())


def arch_bootstrap(table: Any) -> float:
    from arch.bootstrap import IIDBootstrap

    y = per_vendor(table)
    IIDBootstrap(y, seed=1).conf_int(lambda x: np.atleast_1d(x.sum()), reps=2_000, method="percentile")
    return float(y.sum())


def tea_tasting(table: Any) -> float:
    """Its aggregates of the vendors' money, and the normal interval that they give."""
    import pandas as pd
    import tea_tasting.aggr as aggr

    y = per_vendor(table)
    a = aggr.read_aggregates(pd.DataFrame({"y": y}), None, has_count=True, mean_cols=("y",), var_cols=("y",), cov_cols=())
    half = 1.96 * np.sqrt(a.count() * a.var("y"))
    assert half > 0
    return float(a.count() * a.mean("y"))


def sums(table: dict[str, np.ndarray]) -> Job:
    """The seven sums of every vendor, from codes."""
    from darkmarket_estimates.engines import kernels

    price, count = table["price"], table["reviews"].astype(float)
    n = int(table["seller"].max()) + 1
    return lambda: float(kernels.sums(table["seller"], n, price, count, None, None, None)["value"].sum())


def dot(table: dict[str, np.ndarray]) -> Job:
    price, count = table["price"], table["reviews"].astype(float)
    return lambda: float(np.dot(price, count))


def groupby(table: dict[str, np.ndarray]) -> Job:
    """The same sums in pandas, from columns that are already multiplied."""
    import pandas as pd

    price, count = table["price"], table["reviews"].astype(float)
    frame = pd.DataFrame({"vendor": table["seller"], "r": count, "y": price * count, "q": price**2 * count,
                          "y2": (price * count) ** 2, "top": price * count})
    how = {"r": "sum", "y": "sum", "q": "sum", "y2": "sum", "top": "max", "vendor": "size"}
    return lambda: float(frame.groupby("vendor", sort=False).agg(how)["y"].sum())


# -- functions ------------------------------------------------------------------------------------------------------------


def coverage(name: str, counts: np.ndarray) -> Job:
    """Counts of every listing to an estimate of their number, ours or scikit-bio's."""
    if name.startswith("ours"):
        import darkmarket_estimates as dme

        function = dme.coverage.chao1 if name.endswith("chao1") else dme.coverage.ace
        return lambda: function(counts).value
    import skbio.diversity.alpha as alpha

    theirs = alpha.chao1 if name.endswith("chao1") else alpha.ace
    return lambda: float(theirs(counts))


def simulator(name: str) -> Job:
    """A market of 445,511 events; the loop runs a tenth of them, which is no total to compare."""
    import importlib.util
    from pathlib import Path

    spec = importlib.util.spec_from_file_location("simulator", Path(__file__).with_name("simulator.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if name.startswith("ours"):
        return lambda: module.Market.hansa_like(rng=1) and None
    return lambda: module.event_loop(module.N_EVENTS, 1) and None


# -- running --------------------------------------------------------------------------------------------------------------


def prepared(job: str, rows: int, path: str, memory_limit: str) -> tuple[Job, int]:
    """A job with its table made, and how often it runs before it is timed."""
    if job in ("ours: Parquet to an estimate", "bare GROUP BY", "ours on dask", "ours on Spark"):
        import duckdb

        duckdb.sql("SELECT 1").to_arrow_table()  # imports
        if job != "bare GROUP BY":
            estimate(columns(1_000))
        return {
            "ours: Parquet to an estimate": lambda: estimate(path, market="market", engine="lazy", memory_limit=memory_limit),
            "bare GROUP BY": lambda: bare(path, memory_limit),
            "ours on dask": lambda: on_dask(path), "ours on Spark": lambda: on_spark(path)}[job], 0
    if "chao1" in job or "ACE" in job:
        return coverage(job, 1 + np.random.default_rng(1).poisson(np.random.default_rng(2).lognormal(0, 1, rows))), 1
    if job in ("ours: simulator", "event loop"):
        return simulator(job), 0
    table = columns(rows)
    if job == "ours: codes to sums":
        return sums(table), 1
    if job == "NumPy dot":
        return dot(table), 1
    if job == "pandas groupby":
        return groupby(table), 1
    as_asked = text if "text" in job else dict
    function = {"scipy": scipy_bootstrap, "arch": arch_bootstrap, "tea": tea_tasting, "ours": estimate}
    which = function[next(name for name in function if name in job)]
    which(as_asked(columns(1_000)))  # imports
    given = as_asked(table)
    return lambda: which(given), 0


def main() -> None:
    job, rows, path, memory_limit = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
    if job == "make the file":
        make_file(rows, path)
        print(json.dumps({"seconds": 0.0, "cpu": 0.0, "peak_gb": 0.0, "value": None}))
        return
    work, warm = prepared(job, rows, path, memory_limit)
    for _ in range(warm):
        work()
    times = []
    for _ in range(3 if rows <= 10**6 and warm else 1):
        wall, cpu = time.perf_counter(), time.process_time()
        value = work()
        times.append((time.process_time() - cpu, time.perf_counter() - wall))
    cpu, wall = min(times)
    peak: float | None = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    if job == "ours on Spark":  # other processes do its work
        cpu, peak = wall, None
    print(json.dumps({"seconds": wall, "cpu": cpu, "peak_gb": peak, "value": value}))


if __name__ == "__main__":
    main()
