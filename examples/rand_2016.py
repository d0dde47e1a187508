"""Kruithof et al. 2016 (RAND Europe) and the letter to Parliament, from published inputs to a picture.

No figure is restated: a printed figure stands for the interval that its rounding allows, and the others are computed
from those intervals, by exact arithmetic and by `turnover`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from darkmarket_estimates import published


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("demo/rand_2016.png"), help="where the picture goes")
    path = parser.parse_args().out

    study = published.get("kruithof2016")
    result = study.reproduce()
    print(f"{study.title}\n")
    for line in result.arithmetic:
        print(f"  {line}")
    print("\nWhat holds, and what does not:\n")
    for row in result.rows:
        if row.status != "reproduced":
            print(f"  {row.status}: {row.figure}" + (f". {row.note}" if row.note else ""))
    print("\n" + ", ".join(f"{n} {status}" for status, n in result.counts.items()))

    print("\nHad the press release printed 23.5 instead of 21.1:")
    for row in study.with_figure("narrow_upper_usd", "23.5").reproduce().rows[:2]:
        print(f"  {row.status}: {row.figure}, {row.ours or row.note}")

    path.parent.mkdir(parents=True, exist_ok=True)
    result.plot().figure.savefig(path, dpi=120, bbox_inches="tight")
    print(f"\nPicture: {path}")


if __name__ == "__main__":
    main()
