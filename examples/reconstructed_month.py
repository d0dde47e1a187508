"""A SYNTHETIC month with the published margins of Kruithof et al. 2016 goes through the whole pipeline.

No row of it was observed. The pipeline gives the published tables back, and says what the report could not: how far each
figure would be uncertain if its vendors differed in how often they are reviewed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import darkmarket_estimates as dme

SHARE = dme.ReviewRate(mean=0.5687, between_vendor_sd=0.134,
                       source="mean: implied by the report's bounds (12.0 / 21.1); spread: Torrez 2021, by moments")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("demo/reconstructed_month.png"), help="where the picture goes")
    path = parser.parse_args().out

    month = dme.published.reconstruct("kruithof2016")
    print(f"{month.frame.attrs['note']}.\n")
    print(month.margins.round(3).to_string(index=False))
    print("\nMargins that cannot hold together: " + ("; ".join(month.conflicts) or "none"))

    listings = month.listings()
    print(f"\n{listings!r}\n")
    by_country = dme.turnover(listings.totals(by="country"), review_rate=SHARE)
    print("Shares by country, with 95% prediction intervals:")
    print((100 * by_country.shares("country").set_index("country")[["value", "low", "high"]]).round(2).to_string())
    by_category = dme.turnover(listings.totals(by="category"), review_rate=SHARE)
    print("\nShares by category:")
    print((100 * by_category.shares("category").set_index("category")[["value", "low", "high"]]).round(2).to_string())
    bands = listings.totals(bands=[100, 1000]).to_frame()
    bands["% of orders"] = 100 * bands.reviews / bands.reviews.sum()
    bands["% of money"] = 100 * bands.value / bands.value.sum()
    print("\nPrice bands:")
    print(bands[["price_band", "% of orders", "% of money"]].round(1).to_string(index=False))
    print(f"\n{by_country}")
    scenario = dme.turnover(listings.totals(), review_rate=dme.Range(0.5687, 1), interval=None)
    print(f"One review share for all, from the one that the report's bounds imply to 1: {scenario}")

    path.parent.mkdir(parents=True, exist_ok=True)
    ax = by_country.plot()
    ax.set_title("SYNTHETIC month with published margins: turnover by country", loc="left", fontsize=11)
    ax.figure.savefig(path, dpi=120, bbox_inches="tight")
    print(f"\nPicture: {path}")


if __name__ == "__main__":
    main()
