"""Coverage of every interval over populations.

`python benchmarks/interval_coverage.py` writes docs/coverage-of-intervals.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from pathlib import Path
from types import ModuleType

import pandas as pd

import darkmarket_estimates as dme

ROOT = Path(__file__).parents[1]
SEED = 20160115
INTRO = """# Coverage of the intervals

How often a nominal 95 % interval holds the truth, on simulated and resampled vendors.
Written by `python benchmarks/interval_coverage.py`; {when}.
darkmarket_estimates {version}, seed {seed}, {runs:,} runs a cell.

- "truth below / above": share of runs with the truth under the low end / over the high end (nominal 0.025 each).
- "width": median of (high - low) / point. "MC error": of the coverage.
- Verdict: **fails** if coverage is short of 0.95 by more than 3 Monte Carlo errors ({short:.3f}). A method that fails
  somewhere is shown failing there.
- "tuned": the tail rule's prior and threshold were chosen while looking at this population; judge it on the others.

The expected estimand draws a Poisson number of vendors and asks for the population's mean total. No method without a
model of the tail can know of a vendor larger than all that were seen, so at 30 vendors and log-sd 2 all fall short.
"""
TITLES = {
    "expected": "## Expected total\n\n"
                "`default` is BCa at 300 or more effective vendors and a skewness of the total of at most 0.1, else the\n"
                "hull of BCa and the tail rule. `default by n_eff alone` leaves the skewness out. The skewness was added\n"
                "after seeing Burr XII and log-gamma at 2,000 vendors; Lomax, inverse gamma and Weibull 0.6 came after.",
    "share": "## Shares (expected estimand)\n\nA tenth of the vendors, drawn at random, is the group.",
    "realised": "## Realised total given its reviews\n\n"
                "Share and spread known; reviews binomial; prices log-normal(4, 1).\n"
                "`delta` and `lognormal` use the unbiased variance of section 3 of the method.",
}


def load() -> ModuleType:
    """Load the experiments, which live beside the tests."""
    path = ROOT / "tests" / "statistical" / "interval_coverage.py"
    spec = importlib.util.spec_from_file_location("interval_coverage", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def data_folder() -> Path | None:
    named = os.environ.get("DARKMARKET_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    return folder if folder.is_dir() else None


def table(rows: pd.DataFrame) -> str:
    lines = ["| population | tuned | method | coverage | MC error | truth below | truth above | width | verdict |",
             "|---|---|---|---|---|---|---|---|---|"]
    for row in rows.itertuples():
        verdict = "**fails**" if row.verdict == "fails" else "holds"
        lines.append(f"| {row.cell} | {'yes' if row.tuned else ''} | `{row.method}` | {row.coverage:.3f} "
                     f"| {row.mc_error:.3f} | {row[8]:.3f} | {row[9]:.3f} | {row.width:.2f} | {verdict} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", default="", help="cells whose name contains this")
    parser.add_argument("--runs-kept", type=Path, help="folder of finished cells: an interrupted run goes on from there")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "coverage-of-intervals.md")
    args = parser.parse_args()
    experiments = load()
    parts = []
    for cell in experiments.all_cells(data_folder()):
        if args.only not in cell.name:
            continue
        start = time.perf_counter()
        kept = None
        if args.runs_kept is not None:
            args.runs_kept.mkdir(parents=True, exist_ok=True)
            name = "".join(letter if letter.isalnum() else "-" for letter in cell.name)
            kept = args.runs_kept / f"{name}-{args.runs}-{args.seed}.csv"
        if kept is not None and kept.exists():
            parts.append(pd.read_csv(kept))
            continue
        parts.append(experiments.run_cell(cell, args.runs, args.seed))
        if kept is not None:
            parts[-1].to_csv(kept, index=False)
        best = parts[-1].set_index("method").coverage.round(3).to_dict()
        print(f"{cell.estimand:9s} {cell.name:55s} {time.perf_counter() - start:5.0f} s  {best}", flush=True)
    rows = pd.concat(parts)
    text = INTRO.format(when=time.strftime("%Y-%m-%d"), version=dme.__version__, seed=args.seed, runs=args.runs,
                        short=3 * (0.95 * 0.05 / args.runs) ** 0.5)
    for estimand, title in TITLES.items():
        part = rows[rows.estimand == estimand]
        if len(part):
            text += f"\n{title}\n\n{table(part)}\n"
    args.output.write_text(text)


if __name__ == "__main__":
    main()
