"""Whether a specification describes a market that can be."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, get_args

from darkmarket_estimates import _checks as check
from darkmarket_estimates.errors import AssumptionError
from darkmarket_estimates.simulate.spec import (
    MOST_ORDERS,
    Category,
    Country,
    Deletion,
    FakeReviews,
    Hiding,
    HoldingPrices,
    Margins,
    PriceChanges,
    Quantities,
    Relisting,
    ReviewShares,
    Sizes,
    kept,
    kept_integer,
    named_shares,
)

if TYPE_CHECKING:
    from darkmarket_estimates.simulate.market import MarketSpec

#: A market that needs more memory than a machine has, and more days than markets live.
MOST_LISTINGS, MOST_DAYS = 100_000_000, 36_525
MECHANISMS: dict[str, type] = {
    "review_shares": ReviewShares,
    "quantities": Quantities,
    "price_changes": PriceChanges,
    "holding_prices": HoldingPrices,
    "deletion": Deletion,
    "hiding": Hiding,
    "fake_reviews": FakeReviews,
    "relisting": Relisting,
    "margins": Margins,
}


def is_a(x: Any, name: str, kind: Any) -> None:
    """Raise `AssumptionError` unless `x` is of this kind."""
    if not isinstance(x, kind):
        raise AssumptionError(f"{name} is of the wrong kind", got=type(x).__name__,
                              expected=" or ".join(k.__name__ for k in get_args(kind) or (kind,)))


def check_spec(spec: MarketSpec) -> None:
    """Raise `AssumptionError` at the first argument that no market has; numbers are kept as plain floats and ints."""
    kept_integer(spec, "n_vendors", low=1, high=MOST_LISTINGS)
    kept_integer(spec, "n_listings", low=spec.n_vendors, high=MOST_LISTINGS)
    kept(spec, "orders", low=0, high=MOST_ORDERS)
    kept(spec, "days", low=0, high=MOST_DAYS, open_low=True)
    check.text(spec.currency, "currency")
    for name in ("random_vendors", "new_vendors", "fixed_counts"):
        check.boolean(getattr(spec, name), name)
    if spec.window is not None:
        if not isinstance(spec.window, tuple | list) or len(spec.window) != 2:
            raise AssumptionError("window is not a pair of days", expected="(first day, last day)",
                                  got=check.shown(spec.window))
        low = check.number(spec.window[0], "first day of window", low=0)
        check.number(spec.window[1], "last day of window", low=low, high=spec.days, open_low=True)
    try:
        date.fromisoformat(spec.start)
    except (TypeError, ValueError) as error:
        raise AssumptionError("start is not a date", expected="an ISO date, 2016-01-01",
                              got=check.shown(spec.start)) from error
    for name, high in (("listing_elasticity", 2), ("popularity_sd", 5), ("focus", 1), ("new_listings", 1)):
        kept(spec, name, low=0, high=high)
    named_shares(spec.markets, "markets")
    named_shares(spec.categories, "categories")
    named_shares(spec.countries, "countries")
    for key, category in spec.categories.items():
        is_a(category, f"categories[{key!r}]", Category)
    for key, country in spec.countries.items():
        is_a(country, f"countries[{key!r}]", Country)
    for name, kind in MECHANISMS.items():
        if getattr(spec, name) is not None:
            is_a(getattr(spec, name), name, kind)
    is_a(spec.sizes, "sizes", Sizes)
    if spec.selling_days <= 1e-9 * spec.days:
        raise AssumptionError("nothing can be bought in the window", expected="listings that live to see it",
                              got=f"{spec.selling_days:g} expected days on sale", fix="a lower hazard of deletion")
    for by in () if spec.margins is None else (spec.margins.reviews_by, spec.margins.value_by):
        for column, shares in by.items():
            names = spec.categories if column == "category" else spec.countries
            if set(shares) != set(names):
                raise AssumptionError(f"the margin by {column} names other groups than the market",
                                      expected=", ".join(names), got=", ".join(shares))
