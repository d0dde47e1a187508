"""One command: how fast the library is beside everything else a user could pick, from 10^4 to 10^8 rows.

Every competitor runs in processes of its own, turn by turn: seconds, processor seconds, rows a second and peak memory, the
median of the repeats (what a first call costs depends on the memory that the system has at hand; the lowest is kept beside
it). Ratios are of processor seconds, which a shared machine disturbs least. A job that gives another total than ours ends
the run with an error; slowness never does. What is not installed is named as absent.

- files: Parquet to an estimate with its interval on DuckDB, beside the bare GROUP BY of the same keys (what any engine
  must do) and Spark and dask where they are installed;
- memory: a table as codes and as text to an estimate with its interval, beside pandas' groupby with scipy.stats.bootstrap
  (percentile, 2,000 replicates: what a user would write), with arch and with tea-tasting's aggregates; and the sums alone
  beside NumPy's dot product of the two columns (the limit of memory);
- functions: coverage beside scikit-bio; the simulator beside an event loop; the benchmarks of groups and of the Bayesian
  models, where they are there.

    python benchmarks/speed.py [--max-rows 100_000_000] [--repeats 5] [--output benchmarks/speed.json]

The last full run is `benchmarks/speed.json`, its picture `benchmarks/speed.png`; `--render FILE` puts the table between
the marks <!-- speed --> and <!-- /speed --> of a Markdown file.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
START, END = "<!-- speed -->", "<!-- /speed -->"
#: Jobs by the table that they read, the first of each being ours.
JOBS = {
    "files": ("ours: Parquet to an estimate", "bare GROUP BY", "ours on dask", "ours on Spark"),
    "codes": ("ours: codes to an estimate", "pandas groupby + scipy bootstrap", "pandas groupby + arch",
              "pandas groupby + tea-tasting"),
    "text": ("ours: text to an estimate", "pandas groupby of text + scipy bootstrap"),
    "sums": ("ours: codes to sums", "NumPy dot", "pandas groupby"),
    "coverage": ("ours: chao1", "scikit-bio: chao1", "ours: ACE", "scikit-bio: ACE"),
    "simulator": ("ours: simulator", "event loop"),
}
#: The largest number of rows that a job is asked for.
LARGEST = {"files": 10**8, "codes": 10**7, "text": 10**7, "sums": 10**7, "coverage": 10**7, "simulator": 10**4,
           "pandas groupby + arch": 10**6, "pandas groupby + scipy bootstrap": 10**6, "ours on dask": 10**7,
           "ours on Spark": 10**6, "pandas groupby of text + scipy bootstrap": 10**6}
#: Spark takes half a minute to start: it is asked from here on, and its seconds are those of the clock.
SMALLEST = {"ours on Spark": 10**6}
NEEDS = {"pandas groupby + arch": "arch", "pandas groupby + tea-tasting": "tea_tasting", "scikit-bio: chao1": "skbio",
         "scikit-bio: ACE": "skbio", "ours on dask": "dask", "ours on Spark": "pyspark"}
#: Benchmarks of their own that are called too, with their arguments.
OTHERS = {"groups": (), "bayes": ("plain",)}


def sizes(max_rows: int) -> list[int]:
    """10^4, 10^5, ... up to the largest."""
    return [10**k for k in range(4, 9) if 10**k <= max_rows]


def absent(job: str) -> bool:
    """Whether the library that a job needs is not installed."""
    return job in NEEDS and importlib.util.find_spec(NEEDS[job]) is None


def run(job: str, rows: int, path: str, memory_limit: str) -> dict[str, Any]:
    """One job in a process of its own: seconds, processor seconds, peak memory, and the total that it gives."""
    command = [sys.executable, str(HERE / "speed_jobs.py"), job, str(rows), path, memory_limit]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYSPARK_PYTHON": sys.executable,
                   "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise RuntimeError(f"{job}, {rows:,} rows:\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def middle(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The median run, by processor seconds, and the lowest."""
    ordered = sorted(found, key=lambda one: one["cpu"])
    return {**ordered[(len(found) - 1) // 2], "lowest_cpu": ordered[0]["cpu"]}


def n_runs(rows: int, repeats: int) -> int:
    """How often a job runs: large ones seldom."""
    return 1 if rows >= 10**8 else min(3, repeats) if rows >= 10**7 else repeats


def agree(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Raise where two jobs on one table give two totals."""
    if theirs["value"] is not None and not math.isclose(ours["value"], theirs["value"], rel_tol=1e-9):
        raise SystemExit(f"WRONG NUMBER: {theirs['job']} gives {theirs['value']!r} at {ours['rows']:,} rows, "
                         f"{ours['job']} gives {ours['value']!r}")


def measure(rows: int, repeats: int, memory_limit: str, tables: list[str]) -> list[dict[str, Any]]:
    """Every job on these tables at one size, with what it gave."""
    found = []
    with tempfile.TemporaryDirectory(prefix="speed_") as folder:
        path = str(Path(folder) / "listings.parquet")
        for table in tables:
            jobs = [job for job in JOBS[table] if SMALLEST.get(job, 0) <= rows <= min(LARGEST[table], LARGEST.get(job, rows))]
            found += [{"job": job, "rows": rows, "absent": NEEDS[job]} for job in jobs if absent(job)]
            jobs = [job for job in jobs if not absent(job)]
            if table == "files" and jobs:
                run("make the file", rows, path, memory_limit)
            answers: dict[str, list[dict[str, Any]]] = {job: [] for job in jobs}
            for _ in range(n_runs(rows, repeats)):
                for job in jobs:
                    answers[job].append(run(job, rows, path, memory_limit))
            first: dict[str, dict[str, Any]] = {}
            for job in jobs:
                answer = {"table": table, "job": job, "rows": rows, **middle(answers[job])}
                found.append(answer)
                agree(first.setdefault(job.rpartition(": ")[2] if table == "coverage" else table, answer), answer)
                print(f"{rows:>11,}  {job:42s} {answer['seconds']:9.3f} s  {answer['cpu']:9.3f} s of processor  "
                      f"{rows / answer['cpu']:>13,.0f} rows/s  {answer['peak_gb'] or math.nan:6.2f} GB", flush=True)
    return found


def exponent(runs: list[dict[str, Any]], job: str) -> float | None:
    """Slope of log processor seconds against log rows, from 10^5 rows on."""
    some = [(math.log(r["rows"]), math.log(r["cpu"])) for r in runs if r["job"] == job and r["rows"] >= 10**5
            and "cpu" in r]
    if len(some) < 2:
        return None
    x, y = (sum(v) / len(some) for v in zip(*some))
    return sum((a - x) * (b - y) for a, b in some) / sum((a - x) ** 2 for a, _ in some)


def machine() -> dict[str, Any]:
    """What ran it."""
    names = ("darkmarket-estimates", "numpy", "scipy", "pandas", "duckdb", "llvmlite", "arch", "tea-tasting", "scikit-bio",
             "dask", "pyspark")
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "absent"
    return {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version(),
            "system": platform.system(), "versions": versions}


def short(rows: int) -> str:
    """10,000 as 10 k."""
    return f"{rows // 10**6} M" if rows >= 10**6 else f"{rows // 10**3} k"


def times_of(ratio: float) -> str:
    """0.028 x, 4.5 x, 53 x."""
    return f"{ratio:.0f} x" if ratio >= 10 else f"{ratio:.2g} x"


def markdown(result: dict[str, Any]) -> str:
    """The table of the docs: processor seconds by size, peak memory at the largest, and the times of ours."""
    runs = result["runs"]
    all_sizes = sorted({r["rows"] for r in runs})
    lines = ["| job | " + " | ".join(f"{short(n)} rows" for n in all_sizes) + " | exponent | peak |",
             "|---" * (len(all_sizes) + 3) + "|"]
    for table, jobs in JOBS.items():
        for job in jobs:
            mine = {r["rows"]: r for r in runs if r["job"] == job and "cpu" in r}
            if not mine:
                lines.append(f"| {job} |" + " |" * len(all_sizes) + " | not installed |")
                continue
            ours = {r["rows"]: r["cpu"] for r in runs if r["job"] == jobs[0] and "cpu" in r}
            cells = []
            for n in all_sizes:
                times = f" ({times_of(mine[n]['cpu'] / ours[n])})" if n in mine and job != jobs[0] and table != "coverage" else ""
                cells.append(f"{mine[n]['cpu']:.3g} s{times}" if n in mine else "")
            slope = exponent(runs, job)
            peak = mine[max(mine)]["peak_gb"]
            lines.append(f"| {job} | " + " | ".join(cells) + f" | {'' if slope is None else f'{slope:.2f}'} | "
                         f"{'' if peak is None else f'{peak:.2g} GB'} |")
    m = result["machine"]
    library = m["versions"]["darkmarket-estimates"]
    runs_of_10 = n_runs(10**7, result["repeats"])
    lines += ["", f"Processor seconds, median of {result['repeats']} runs ({runs_of_10} of 10 M rows, one of 100 M), each in a "
              "process of its own, imports left out; in brackets, as a multiple of ours on the same table; the peak is that of "
              "the largest size; Spark's are seconds of the clock. Twenty rows a vendor, at most a million vendors. "
              f"{m['cores']} cores, Python {m['python']}, version {library}; "
              f"DuckDB under `memory_limit=\"{result['memory_limit']}\"`."]
    return "\n".join(lines)


def render(path: Path, result: dict[str, Any]) -> None:
    """Put the table between the marks of a file."""
    text = path.read_text()
    before, _, rest = text.partition(START)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"{path} has no {START} ... {END}")
    path.write_text(f"{before}{START}\n{markdown(result)}\n{END}{after}")


def picture(result: dict[str, Any], path: Path) -> None:
    """Processor seconds against rows, both by decades."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, table in zip(figure.subplots(1, 3, sharey=True), ("files", "codes", "sums")):
        for job in JOBS[table]:
            points = [(r["rows"], r["cpu"]) for r in result["runs"] if r["job"] == job and "cpu" in r]
            if points:
                axes.loglog(*zip(*points), marker="o", markersize=3, lw=2 if job.startswith("ours:") else 1, label=job)
        axes.set(xlabel="rows", title=table)
        axes.legend(fontsize=6, frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("processor seconds")
    figure.savefig(path, dpi=150)


def others(small: bool) -> dict[str, str]:
    """What the benchmarks of groups and of the Bayesian models print, where they are there."""
    found = {}
    for name, arguments in OTHERS.items():
        script = HERE / f"{name}.py"
        if small or not script.exists():
            found[name] = "not run" if script.exists() else "absent"
            continue
        try:
            done = subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True, timeout=1200)
        except subprocess.TimeoutExpired:
            found[name] = "not done after 20 minutes"
            continue
        found[name] = done.stdout.strip() if done.returncode == 0 else f"failed: {done.stderr.strip()[-300:]}"
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--max-rows", type=int, default=10**8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--memory-limit", default="2GB")
    parser.add_argument("--tables", nargs="+", choices=JOBS, default=list(JOBS), help="run only the jobs on these tables")
    parser.add_argument("--output", type=Path, help="write the result as JSON, and its picture beside it")
    parser.add_argument("--render", type=Path, help="only put the table of the last full run into this file")
    given = parser.parse_args()
    if given.render:
        render(given.render, json.loads((HERE / "speed.json").read_text()))
        return
    result = {"machine": machine(), "repeats": given.repeats, "memory_limit": given.memory_limit, "runs": [], "others": {}}
    for rows in sizes(given.max_rows):
        result["runs"] += measure(rows, given.repeats, given.memory_limit, given.tables)
        if given.output:  # what was measured is not lost where a larger size is interrupted
            given.output.write_text(json.dumps(result, indent=1) + "\n")
    print(markdown(result), flush=True)
    result["others"] = others(small=given.max_rows < 10**6)
    for name, text in result["others"].items():
        print(f"\nbenchmarks/{name}.py: {text}")
    if given.output:
        given.output.write_text(json.dumps(result, indent=1) + "\n")
        picture(result, given.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
