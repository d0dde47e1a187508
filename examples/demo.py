"""The main job on published and on simulated inputs: `make demo`.

1. Kruithof et al. 2016 (RAND Europe): the wide scope's upper bound and the EUR 12-22 million of the Dutch minister's
   letter are predicted from the narrow scope of the press release.
2. A simulated market, whose truth is known: a floor, bounds, and an estimate with an interval.
3. A picture of both.
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

import darkmarket_estimates as dme
from darkmarket_estimates.plots import style

SEED = 2016
SHOWN = 8  # lines of the arithmetic: multiplier, review share, rate, and the predictions


def published() -> dme.published.Reproduction:
    """Predict the figures told to parliament from those of the press release."""
    result = dme.published.get("kruithof2016").reproduce()
    print("1. Kruithof et al. 2016: bounds, not an interval. From the narrow scope (USD 12.0-21.1 million, EUR 10.5-18.5")
    print("   million a month), as their rounding allows:\n")
    for line in result.arithmetic[:SHOWN]:
        print(f"   {line}")
    counts = result.to_frame().status.value_counts()
    print("\n   So the letter's EUR 12-22 million a month is the wide scope at the rate of the time of writing.")
    print("   All figures of the study: " + ", ".join(f"{n} {status}" for status, n in counts.items()) + ".")
    print("   A conflict is a contradiction between sources, or a reading that the figures refute: each note says which.\n")
    return result


def simulated() -> tuple[dme.Estimate, dme.simulate.Market]:
    """Estimate the turnover of a simulated market as if only its listings were known."""
    market = dme.simulate.Market.small(rng=SEED)
    listings = dme.Listings(market.listings, price="price", reviews="reviews", vendor="vendor", listing="listing",
                            market="market", currency=market.currency, window=market.window)
    totals = listings.clean(dme.HoldingPrice(cap=2_000)).totals(by="category")
    rate = dme.ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.13, source="assumed")
    estimate = dme.turnover(totals, review_rate=rate)
    print("2. A SIMULATED market (invented; its truth is known), as an analyst would see it:\n")
    for variant in (dme.turnover(totals), dme.turnover(totals, review_rate=dme.Range(0.35, 0.6), interval=None), estimate):
        print(f"   {variant}")
    truth = market.truth.realised_turnover
    low, high = estimate.interval
    verdict = "inside" if low <= truth <= high else "outside"
    print(f"\n   What was sold: {market.currency} {truth:,.0f}, {verdict} the interval.\n")
    for paragraph in estimate.summary().split("\n\n"):
        print(textwrap.fill(paragraph, 120, initial_indent="   ", subsequent_indent="   ") + "\n")
    return estimate, market


def picture(result: dme.published.Reproduction, estimate: dme.Estimate, market: dme.simulate.Market, path: Path) -> None:
    """Draw both, side by side."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(14, 5.2), layout="constrained")
    predicted(result, left)
    estimate.plot(ax=right)
    right.plot([market.truth.realised_turnover] * 2, [-0.35, 0.35], color="#b3261e", linewidth=2, zorder=5,
               label="what was sold in total")
    right.set_title("A simulated market whose truth is known: 95% prediction intervals", loc="left", fontsize=11)
    style.legend_below(right)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
    print(f"3. Picture: {path}")


def predicted(result: dme.published.Reproduction, ax: plt.Axes) -> None:
    """Draw what the narrow scope predicts beside what was printed."""
    rows = result.to_frame().set_index("figure").iloc[:3][::-1]
    for y, (_, row) in enumerate(rows.iterrows()):
        ax.barh(y, row.high - row.low, left=row.low, height=0.5, color="#d9d9d9", label="what the printed figure stands for")
        ax.barh(y, row.ours_high - row.ours_low, left=row.ours_low, height=0.22, color=style.VALUE,
                label="predicted from the narrow scope")
    ax.set_yticks(range(len(rows)), [f"{name}\n{row.unit}, printed {row.theirs}" for name, row in rows.iterrows()])
    ax.set_ylim(-0.6, len(rows) - 0.4)
    ax.set_xlim(left=0)
    ax.set_xlabel("million a month")
    ax.set_title("Kruithof et al. 2016, eight cryptomarkets in January 2016: bounds", loc="left", fontsize=11)
    ax.grid(axis="x", **style.GRID)
    style.tidy(ax)
    style.legend_below(ax, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("demo/turnover.png"), help="where the picture goes")
    path = parser.parse_args().out
    result = published()
    estimate, market = simulated()
    picture(result, estimate, market, path)


if __name__ == "__main__":
    main()
