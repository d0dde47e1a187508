"""Specifications of well-known markets. A figure either carries its source or is said to be invented."""

from __future__ import annotations

from typing import Any

from darkmarket_estimates.simulate.spec import (
    Category,
    Country,
    Deletion,
    Hiding,
    HoldingPrices,
    LogNormalSizes,
    Margins,
    ParetoSizes,
    PriceChanges,
    Quantities,
    ReviewShares,
)

# Torrez 2021, both counters of 668 vendors (github RodgervanderHeijden/data-forensics): 45,874 feedbacks on 104,058
# transactions = 0.441; standard deviation between vendors 0.134 by moments.
TORREZ_SHARES = ReviewShares(mean=0.441, sd=0.134)

# Hansa, totals in the simulation code of Cuevas et al. 2022 (github aledcuevas/dnm-simulation): 123,132 listings ever,
# 36,081 deletions, 15,577 hidings and 12,577 returns in 700 days. With births uniform over the 700 days these hazards
# a day solve N (1 - (1 - exp(-700 d)) / (700 d)) = 36,081 for deletion, and give the numbers of hidings and returns as
# those expected of a two-state process that deletion cuts off. (The weights in that code, taken as hazards a day, are
# 0.001055, 0.000478 and 0.01197.)
HANSA_DELETION = Deletion(rate=1.0554382182983754e-3)
HANSA_HIDING = Hiding(rate=4.6633738693238456e-4, back=1.6063699962604146e-2)


def small() -> dict[str, Any]:
    """Return an invented market that runs in a moment, with every everyday nuisance."""
    return {
        "n_vendors": 250,
        "n_listings": 3_000,
        "orders": 12_000,
        "days": 30,
        "start": "2016-01-01",
        "sizes": LogNormalSizes(sd=1.5),
        "categories": {
            "cannabis": Category(share=0.4, mean_price=90, sd=1.0),
            "stimulants": Category(share=0.25, mean_price=140, sd=1.0),
            "ecstasy": Category(share=0.2, mean_price=110, sd=1.2),
            "other": Category(share=0.15, mean_price=60, sd=0.8),
        },
        "countries": {
            "US": Country(share=0.4),
            "GB": Country(share=0.2, price=0.9),
            "DE": Country(share=0.15),
            "NL": Country(share=0.1, size=1.5),
            "other": Country(share=0.15, size=0.8),
        },
        "focus": 0.5,
        "new_listings": 0.2,
        "review_shares": TORREZ_SHARES,
        "price_changes": PriceChanges(rate=0.02, sd=0.1),
        "holding_prices": HoldingPrices(rate=0.002, back=0.1),
        "deletion": HANSA_DELETION,
        "hiding": HANSA_HIDING,
    }


def hansa_like() -> dict[str, Any]:
    """Return a market with the totals of Hansa; its prices, review share and listings a vendor are not published."""
    return {
        # Totals: see HANSA_DELETION.
        "n_vendors": 3_625,
        "n_listings": 123_132,
        "margins": Margins(reviews=258_184),
        "days": 700,
        "start": "2015-08-20",  # invented: 700 days that end with the takeover of 20 July 2017
        "deletion": HANSA_DELETION,
        "hiding": HANSA_HIDING,
        "fixed_counts": True,
        # One new item an event of weight 1, and vendors that arrive all the time (same code): uniform in event time.
        "new_listings": 1.0,
        "new_vendors": True,
        # Zipf(3) popularity of vendors (same code): P(size > x) falls as x**-2.
        "sizes": ParetoSizes(shape=2.0),
        "listing_elasticity": 1.0,
        # 1 + Binomial(20, 0.02) units an order (same code).
        "quantities": Quantities(trials=20, probability=0.02),
        # Not published for Hansa: the share implied by the two bounds of RAND RR1607, 12.0 / 21.1; spread of Torrez.
        "review_shares": ReviewShares(mean=0.57, sd=0.134),
        # Withheld: invented.
        "popularity_sd": 1.5,
        "categories": {"all": Category(share=1, mean_price=100, sd=1.2)},
        "countries": {"all": Country(share=1)},
        "markets": {"Hansa-like": 1.0},
    }


def rand_2016_like() -> dict[str, Any]:
    """Return eight markets with the margins of RAND RR1607 (Kruithof et al. 2016), drugs, January 2016.

    The published lower bound is read as the reviewed transactions times their listing price, which the report's
    opening pages do not say in so many words.
    """
    # Shares of transactions: cannabis 33, prescription 19, stimulants 18, ecstasy 12, psychedelics 11 % (BBC 2016-08,
    # copy at newstechnolgy.blogspot.com); "other" is the rest.
    transactions = {"cannabis": 0.33, "prescription": 0.19, "stimulants": 0.18, "ecstasy": 0.12, "psychedelics": 0.11,
                    "other": 0.07}
    # Shares of the USD 14.2 million: cannabis 31, stimulants 24, ecstasy 16 % (Kamerstuk 24 077 nr. 375); prescription
    # with alcohol and tobacco (14.2 - 12.0) / 14.2 = 15.5 % (RAND press release 2016-08-08). The remaining 13.5 % are
    # split between psychedelics and other as their transactions are: an assumption.
    value = {"cannabis": 0.31, "stimulants": 0.24, "ecstasy": 0.16, "prescription": 0.155,
             "psychedelics": 0.135 * 11 / 18, "other": 0.135 * 7 / 18}
    # Shares of revenue by origin: US 35.9, UK 16.1, AU 10.6, DE 8.4, NL 7.8 % (same BBC copy); "other" is the rest.
    origin = {"US": 0.359, "GB": 0.161, "AU": 0.106, "DE": 0.084, "NL": 0.078, "other": 0.212}
    # More than 20,000 transactions by UK vendors (deepdotweb 2016-08-17) of about 95,000; those of the other countries
    # are not published: in proportion to their revenue, an assumption.
    british = 20_000 / 95_000
    orders = {k: british if k == "GB" else (1 - british) * v / (1 - origin["GB"]) for k, v in origin.items()}
    # Vendors: US 890, UK 338, DE 225, NL 225 (beckershospitalreview.com; the Guardian's copy at bitcoinisle.com). Those
    # of Australia and the rest are not published: 270 and 550 make the revenue a vendor alike, an assumption.
    vendors = {"US": 890, "GB": 338, "AU": 270, "DE": 225, "NL": 225, "other": 550}
    n_vendors = sum(vendors.values())
    # USD 14.2 million a month, the lower bound including prescription drugs, alcohol and tobacco (beckers...); about
    # 95,000 transactions: almost 18,000 of prescription drugs are 19 % of them.
    margins = Margins(reviews=95_000, value=14.2e6, reviews_by={"category": transactions, "country": orders},
                      value_by={"category": value, "country": origin})
    return {
        "n_vendors": n_vendors,
        # More than 100,000 adverts (Kamerstuk), 57 % of listings are drugs (RR1607 page).
        "n_listings": 57_000,
        "margins": margins,
        "days": 31,
        "start": "2016-01-01",
        # Eight markets (RR1607 page). Their shares are not published: invented.
        "markets": {f"market {i + 1}": s for i, s in enumerate((0.45, 0.2, 0.12, 0.08, 0.06, 0.04, 0.03, 0.02))},
        # A log-sd of 1.4 gives a quarter of revenue from prices above USD 1,000 (RAND, slideshare CameronOrr) and most
        # transactions below USD 100 (the same; Kamerstuk: below EUR 100).
        "categories": {k: Category(share=s, mean_price=14.2e6 / 95_000 * value[k] / s, sd=1.4)
                       for k, s in transactions.items()},
        "countries": {k: Country(share=v / n_vendors, size=orders[k] / (v / n_vendors)) for k, v in vendors.items()},
        # The share implied by the two bounds, 12.0 / 21.1; spread between vendors of Torrez.
        "review_shares": ReviewShares(mean=0.57, sd=0.134),
        # Invented: sizes, focus ("half of vendors sell one drug type", Christin 2017, is about another market).
        "sizes": LogNormalSizes(sd=1.5),
        "focus": 0.5,
        # Hazards of Hansa; a listing is at a holding price in about one per cent of its time: invented.
        "deletion": HANSA_DELETION,
        "hiding": HANSA_HIDING,
        "holding_prices": HoldingPrices(rate=0.001, back=0.1),
    }
